//! Versions of the engine's API.

use std::fmt;
use std::str::FromStr;

/// `1.41`: compared number by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ApiVersion(pub(crate) u32, pub(crate) u32);

impl ApiVersion {
    /// The oldest that refit speaks: Docker 19.03.
    pub(crate) const OLDEST: Self = Self(1, 40);
    /// The newest that the tests cover: Docker 29.
    pub(crate) const NEWEST: Self = Self(1, 54);
    /// The newest whose inspect shows the MAC address that a container was created with; 1.52 shows none of one that does not run, and does not
    /// tell a configured one from a generated one. It is also the newest whose inspect of an image asks nobody else: 1.53 has signatures
    /// verified, for which the engine may ask other servers.
    pub(crate) const INSPECT: Self = Self(1, 51);
    /// Since this version the inspect of an image tells where it is from (`Identity`).
    pub(crate) const ORIGIN: Self = Self(1, 53);
}

/// What a request asks for, and the newest API version in which it may be asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versioned<'a> {
    /// Below the version, with its query.
    pub(super) path: &'a str,
    /// `None`: the one that was agreed.
    pub(super) newest: Option<ApiVersion>,
}

impl<'a> Versioned<'a> {
    /// As [`ApiVersion::INSPECT`] says.
    pub(super) fn inspect(path: &'a str) -> Self {
        Self { path, newest: Some(ApiVersion::INSPECT) }
    }
}

impl<'a> From<&'a str> for Versioned<'a> {
    fn from(path: &'a str) -> Self {
        Self { path, newest: None }
    }
}

impl<'a> From<&'a String> for Versioned<'a> {
    fn from(path: &'a String) -> Self {
        path.as_str().into()
    }
}

/// What both sides speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    /// The newest.
    pub(super) newest: ApiVersion,
    /// The oldest, as far as it matters: that of the engine where it speaks newer ones than [`ApiVersion::INSPECT`].
    pub(super) oldest: ApiVersion,
}

impl Agreed {
    /// The version in which a request is asked.
    pub(super) fn version(self, newest: Option<ApiVersion>) -> ApiVersion {
        newest.map_or(self.newest, |newest| newest.max(self.oldest).min(self.newest))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_asked_in_an_older_version_where_both_speak_it() {
        let version = |oldest, newest, most| Agreed { newest, oldest }.version(most);
        let old = Some(ApiVersion(1, 51));
        assert_eq!(version(ApiVersion(1, 44), ApiVersion(1, 54), old), ApiVersion(1, 51));
        assert_eq!(version(ApiVersion(1, 44), ApiVersion(1, 54), None), ApiVersion(1, 54));
        assert_eq!(version(ApiVersion(1, 40), ApiVersion(1, 41), old), ApiVersion(1, 41));
        assert_eq!(version(ApiVersion(1, 53), ApiVersion(1, 54), old), ApiVersion(1, 53));
    }
}
