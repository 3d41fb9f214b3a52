//! Platforms of images: `linux/arm64/v8`.

use std::fmt;

use serde_json::Value;

use crate::error::quoted;
use crate::json::text;
use crate::{Code, Result};

/// An operating system and a processor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) architecture: String,
    /// As it is written, which may leave out the one that is implied.
    variant: Option<String>,
}

impl Platform {
    pub(crate) fn new(os: &str, architecture: &str, variant: &str) -> Self {
        let variant = Some(variant).filter(|variant| !variant.is_empty()).map(str::to_owned);
        Self { os: os.to_owned(), architecture: architecture.to_owned(), variant }
    }

    /// Reads `os/architecture[/variant]`, as an option gives it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let is_name = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let parts: Vec<&str> = text.split('/').collect();
        match *parts {
            [os, architecture] if parts.iter().all(is_name) => Ok(Self::new(os, architecture, "")),
            [os, architecture, variant] if parts.iter().all(is_name) => Ok(Self::new(os, architecture, variant)),
            _ => Err(Code::InvalidArgument
                .error(format!("platform {} is not os/architecture or os/architecture/variant: linux/arm64", quoted(text)))),
        }
    }

    /// From an object with `os`, `architecture` and `variant`, as manifests and image configurations write them.
    pub(crate) fn of(object: &Value) -> Option<Self> {
        Self::known(text(object, "/os"), text(object, "/architecture"), text(object, "/variant"))
    }

    /// From the inspect of an image; `None` where the engine leaves it empty.
    pub(crate) fn of_image(inspect: &Value) -> Option<Self> {
        Self::known(text(inspect, "/Os"), text(inspect, "/Architecture"), text(inspect, "/Variant"))
    }

    /// `None` where the engine leaves one of them empty.
    pub(crate) fn known(os: &str, architecture: &str, variant: &str) -> Option<Self> {
        (!os.is_empty() && !architecture.is_empty()).then(|| Self::new(os, architecture, variant))
    }

    /// The variant; where it is left out, the one that is implied: arm64 is v8, arm is v7.
    pub(crate) fn variant(&self) -> Option<&str> {
        self.variant.as_deref().or(match self.architecture.as_str() {
            "arm64" => Some("v8"),
            "arm" => Some("v7"),
            _ => None,
        })
    }

    /// Whether a variant was written.
    pub(crate) fn names_variant(&self) -> bool {
        self.variant.is_some()
    }

    /// Whether a variant was written that is not the one that is implied.
    pub(crate) fn has_own_variant(&self) -> bool {
        let implied = Self { variant: None, ..self.clone() };
        self.variant.is_some() && number(self) != number(&implied)
    }

    /// As it was written, for the engine's parameter `platform`.
    pub(crate) fn as_written(&self) -> String {
        let parts = [Some(self.os.as_str()), Some(self.architecture.as_str()), self.variant.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join("/")
    }

    /// How well an image for `self` runs on a machine for `wanted`; `None`: not at all. 0 is best.
    pub(crate) fn distance(&self, wanted: &Self) -> Option<u32> {
        if (&self.os, &self.architecture) != (&wanted.os, &wanted.architecture) {
            return None;
        }
        match (number(self), number(wanted)) {
            (Some(own), Some(wanted)) => wanted.checked_sub(own),
            _ => (self.variant() == wanted.variant()).then_some(0),
        }
    }
}

/// The number of a variant: an arm v7 runs what was built for v6 as well. A platform without a variant counts as the first.
fn number(platform: &Platform) -> Option<u32> {
    match platform.variant() {
        None => Some(1),
        Some(variant) => variant.strip_prefix('v')?.parse().ok(),
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        // arm64 is written without its only variant, as docker does.
        match self.variant() {
            Some(variant) if !(self.architecture == "arm64" && variant == "v8") => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_image_runs_on_its_own_and_on_later_variants() {
        let table = [
            ("linux/arm64", "linux/arm64/v8", Some(0)),
            ("linux/arm64/v8", "linux/arm64", Some(0)),
            ("linux/arm/v7", "linux/arm", Some(0)),
            ("linux/arm/v6", "linux/arm/v7", Some(1)),
            ("linux/arm/v5", "linux/arm/v7", Some(2)),
            ("linux/arm/v7", "linux/arm/v6", None),
            ("linux/amd64", "linux/amd64", Some(0)),
            ("linux/amd64", "linux/amd64/v2", Some(1)),
            ("linux/amd64/v3", "linux/amd64", None),
            ("linux/amd64", "linux/arm64", None),
            ("windows/amd64", "linux/amd64", None),
        ];
        for (own, wanted, expected) in table {
            assert_eq!(Platform::parse(own).unwrap().distance(&Platform::parse(wanted).unwrap()), expected, "{own} on {wanted}");
        }
    }

    #[test]
    fn platforms_are_shown_with_their_implied_variant() {
        for (written, shown) in [
            ("linux/arm64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/amd64", "linux/amd64"),
        ] {
            assert_eq!(Platform::parse(written).unwrap().to_string(), shown);
        }
        assert_eq!(Platform::parse("linux/arm64/v8").unwrap().as_written(), "linux/arm64/v8");
        assert_eq!(Platform::parse("linux/arm").unwrap().as_written(), "linux/arm");
        for bad in ["", "linux", "linux/", "/amd64", "a/b/c/d", "l x/y", "linux/arm/"] {
            assert_eq!(Platform::parse(bad).unwrap_err().code(), Code::InvalidArgument, "{bad}");
        }
    }
}
