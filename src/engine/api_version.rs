//! Versions of the engine's API.

use std::fmt;
use std::str::FromStr;

/// `1.41`: compared number by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ApiVersion(pub(crate) u32, pub(crate) u32);

impl ApiVersion {
    /// The oldest that refit speaks: Docker 19.03.
    pub(crate) const OLDEST: Self = Self(1, 40);
    /// The newest that the tests cover: Docker 28.
    pub(crate) const NEWEST: Self = Self(1, 51);
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for ApiVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (major, minor) = text.trim().split_once('.').ok_or(())?;
        Ok(Self(major.parse().map_err(|_| ())?, minor.parse().map_err(|_| ())?))
    }
}
