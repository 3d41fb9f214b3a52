//! Whether the option `registries` can mean something, before anything is opened.

use std::collections::BTreeMap;

use super::transport::network::is_hub;
use crate::error::quoted;
use crate::{Code, RegistryOptions, Result};

/// An error names the entry, and how it is written.
pub(crate) fn check_registries(registries: &BTreeMap<String, RegistryOptions>) -> Result<()> {
    for (key, options) in registries {
        if let Some(why) = key_fault(key).or_else(|| value_fault(options)) {
            return Err(Code::InvalidArgument.error(format!("option \"registries\": {}: {why}", quoted(key))));
        }
    }
    Ok(())
}

fn key_fault(key: &str) -> Option<String> {
    if is_hub(key) {
        return None;
    }
    let host = key.split_once("://").map_or(key, |(_, rest)| rest).split('/').next().unwrap_or_default();
    if !is_host(host) {
        return Some("a key is the host of a registry, with its port: registry.example:5000".into());
    }
    (host != key).then(|| format!("a key is a host without a scheme and a path: {}", quoted(host)))
}

fn value_fault(options: &RegistryOptions) -> Option<String> {
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if given(&options.username) && !given(&options.password) && !given(&options.token) {
        return Some("\"username\" needs a \"password\", or a \"token\"".into());
    }
    if given(&options.password) && !given(&options.username) {
        return Some("\"password\" needs a \"username\"".into());
    }
    let mirror = options.mirror.as_deref()?;
    let (scheme, rest) = mirror.split_once("://").unwrap_or(("https", mirror));
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let host = rest.split('/').next().unwrap_or_default();
    (!known || !is_host(host) || rest.contains(['?', '#']))
        .then(|| format!("\"mirror\" {} is not host[:port] or http(s)://host[:port][/path]", quoted(mirror)))
}

/// `host`, `host:port` or `[v6]:port`.
fn is_host(text: &str) -> bool {
    let plain = !text.is_empty() && !text.contains(['@', '/', '?', '#', ',']) && !text.contains(char::is_whitespace);
    let Ok(authority) = text.parse::<http::uri::Authority>() else { return false };
    let Some(port) = text.strip_prefix(authority.host()) else { return false };
    let is_port = || port.strip_prefix(':').is_some_and(|number| number.parse::<u16>().is_ok());
    plain && !authority.host().is_empty() && (port.is_empty() || is_port())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refused(key: &str, options: RegistryOptions) -> Option<String> {
        let error = check_registries(&BTreeMap::from([(key.to_owned(), options)])).err()?;
        assert_eq!(error.code(), Code::InvalidArgument);
        Some(error.message().to_owned())
    }

    #[test]
    fn a_key_is_a_host() {
        for key in ["ghcr.io", "reg:5000", "[::1]:5000", "localhost", "docker.io", "index.docker.io", "https://index.docker.io/v1/"] {
            assert_eq!(refused(key, RegistryOptions::default()), None, "{key}");
        }
        for (key, says) in [
            ("https://ghcr.io/", "\"ghcr.io\""),
            ("https://ghcr.io", "\"ghcr.io\""),
            ("ghcr.io/team", "\"ghcr.io\""),
            ("", "registry.example:5000"),
            ("a b", "registry.example:5000"),
            ("me@ghcr.io", "registry.example:5000"),
            ("reg:port", "registry.example:5000"),
        ] {
            let words = refused(key, RegistryOptions::default()).unwrap();
            assert!(words.contains(says), "{key}: {words}");
        }
    }

    #[test]
    fn a_value_is_whole() {
        let with = |username: Option<&str>, password: Option<&str>, token: Option<&str>| RegistryOptions {
            username: username.map(Into::into),
            password: password.map(Into::into),
            token: token.map(Into::into),
            ..RegistryOptions::default()
        };
        for (options, says) in [
            (with(Some("u"), Some("SECRET"), None), None),
            (with(None, None, Some("SECRET")), None),
            (with(Some("u"), None, Some("SECRET")), None),
            (with(Some("u"), None, None), Some("password")),
            (with(Some("u"), Some(""), None), Some("password")),
            (with(None, Some("SECRET"), None), Some("username")),
        ] {
            let words = refused("ghcr.io", options);
            assert_eq!(words.is_some(), says.is_some(), "{words:?}");
            assert!(words.is_none_or(|words| words.contains(says.unwrap_or_default()) && !words.contains("SECRET")));
        }
        for (mirror, good) in [
            ("mirror:5000", true),
            ("https://mirror/hub", true),
            ("http://mirror:1/", true),
            ("", false),
            ("ftp://mirror", false),
            ("https://", false),
            ("https://u:p@mirror", false),
        ] {
            let options = RegistryOptions { mirror: Some(mirror.into()), ..RegistryOptions::default() };
            assert_eq!(refused("docker.io", options).is_none(), good, "{mirror}");
        }
    }
}
