//! Platforms: `linux/arm64/v8`.

use std::fmt;

use serde_json::Value;

use crate::{Code, Result};

/// An operating system and a processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) architecture: String,
    /// Always set where leaving it out has a meaning: arm64 is v8, arm is v7.
    pub(crate) variant: Option<String>,
}

impl Platform {
    pub(crate) fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let variant = variant.filter(|variant| !variant.is_empty()).or(match architecture {
            "arm64" => Some("v8"),
            "arm" => Some("v7"),
            _ => None,
        });
        Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) }
    }

    /// `os/arch[/variant]`, as an option gives it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        match *text.split('/').collect::<Vec<_>>() {
            [os, architecture] if !os.is_empty() && !architecture.is_empty() => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] if !os.is_empty() && !architecture.is_empty() => Ok(Self::new(os, architecture, Some(variant))),
            _ => Err(Code::InvalidArgument.error(format!("platform {text:?} is not os/arch or os/arch/variant, like linux/arm64"))),
        }
    }

    /// From an object with `os`, `architecture` and `variant`, in lower case as manifests write them.
    pub(crate) fn of(object: &Value) -> Option<Self> {
        let text = |key: &str| object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        Some(Self::new(text("os")?, text("architecture")?, text("variant")))
    }

    /// How well an image for `self` runs on a machine for `wanted`; `None`: not at all. 0 is best.
    pub(crate) fn distance(&self, wanted: &Self) -> Option<u32> {
        if (&self.os, &self.architecture) != (&wanted.os, &wanted.architecture) {
            return None;
        }
        match (number(self), number(wanted)) {
            (Some(own), Some(wanted)) => wanted.checked_sub(own),
            _ => (self.variant == wanted.variant).then_some(0),
        }
    }
}

/// The number of a variant: an arm v7 runs what was built for v6 as well. A processor that names none has the first.
fn number(platform: &Platform) -> Option<u32> {
    match &platform.variant {
        None => Some(1),
        Some(variant) => variant.strip_prefix('v')?.parse().ok(),
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        // The variant that goes without saying.
        match &self.variant {
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
    fn which_images_run_where() {
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
    fn how_platforms_are_written() {
        for (written, shown) in [
            ("linux/arm64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/amd64", "linux/amd64"),
        ] {
            assert_eq!(Platform::parse(written).unwrap().to_string(), shown);
        }
        for bad in ["", "linux", "linux/", "/amd64", "a/b/c/d"] {
            assert_eq!(Platform::parse(bad).unwrap_err().code(), Code::InvalidArgument, "{bad}");
        }
    }
}
