//! Addresses at registries: paths, where a redirect leads, queries.

use http::Uri;
use http::uri::Scheme;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::registry::error::RegistryError;

const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/').remove(b':').remove(b',');

/// An address below `/v2/`; `prefix`: the path of a mirror's own, without a slash at its end.
pub(in crate::registry) fn api(scheme: &Scheme, authority: &str, prefix: &str, path: &str) -> Result<Uri, RegistryError> {
    let built = Uri::builder().scheme(scheme.clone()).authority(authority).path_and_query(format!("{prefix}/v2/{path}")).build();
    built.map_err(|error| RegistryError::invalid_response(format!("no address can be made for {authority}: {error}")))
}

/// The address with parameters added to its query.
pub(in crate::registry) fn with_query(address: &str, parameters: &[(&str, &str)]) -> Result<Uri, RegistryError> {
    let mut text = address.split('#').next().unwrap_or_default().to_owned();
    text.push(if text.contains('?') { '&' } else { '?' });
    text.push_str(&form(parameters));
    absolute(&text).ok_or_else(|| RegistryError::invalid_response("the token server's address is not a URL"))
}

/// `name=value&…`
pub(in crate::registry) fn form(parameters: &[(&str, &str)]) -> String {
    let encoded: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUERY))).collect();
    encoded.join("&")
}

/// An address with http or https and a host.
pub(in crate::registry) fn absolute(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    (known && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

/// The address that a `Location` header means (RFC 3986), without a user and a fragment.
pub(in crate::registry) fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    if location.trim().is_empty() {
        return None;
    }
    let mut resolved = url::Url::parse(&base.to_string()).ok()?.join(location).ok()?;
    resolved.set_fragment(None);
    if !resolved.username().is_empty() || resolved.password().is_some() {
        resolved.set_username("").ok()?;
        resolved.set_password(None).ok()?;
    }
    absolute(resolved.as_str())
}

/// The repository in the address of a manifest or blob.
pub(in crate::registry) fn repository_of(uri: &Uri) -> Option<&str> {
    let (_, rest) = uri.path().split_once("/v2/")?;
    ["/manifests/", "/blobs/"].iter().find_map(|between| Some(rest.rsplit_once(between)?.0))
}

/// Whether both are at the same host and port.
pub(in crate::registry) fn same_host(one: &Uri, other: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
    one.host().zip(other.host()).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other)) && port(one) == port(other)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_resolved_against_its_request() {
        let base: Uri = "https://reg:5/v2/a/manifests/1?x=y".parse().unwrap();
        let table = [
            ("https://cdn/b?c=d#e", Some("https://cdn/b?c=d")),
            ("http://cdn/b", Some("http://cdn/b")),
            ("//cdn/b", Some("https://cdn/b")),
            ("/b", Some("https://reg:5/b")),
            ("2", Some("https://reg:5/v2/a/manifests/2")),
            ("?a=b", Some("https://reg:5/v2/a/manifests/1?a=b")),
            ("../blobs/2", Some("https://reg:5/v2/a/blobs/2")),
            ("../../../../b", Some("https://reg:5/b")),
            ("./2?c", Some("https://reg:5/v2/a/manifests/2?c")),
            ("https://me:secret@cdn/b", Some("https://cdn/b")),
            ("", None),
            ("ftp://cdn/b", None),
            ("https://", None),
            ("http://a b/", None),
        ];
        for (location, expected) in table {
            assert_eq!(resolve(&base, location).map(|uri| uri.to_string()).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn hosts_are_compared_with_their_ports() {
        let same = |one: &str, other: &str| same_host(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(same("https://a/x", "https://A:443/y"));
        assert!(!same("https://a/x", "http://a/x"));
        assert!(!same("https://a/x", "https://b/x"));
        assert!(!same("https://a:1/x", "https://a:2/x"));
    }

    #[test]
    fn queries_are_added() {
        let uri = with_query("https://a/t?k=v", &[("service", "s p&"), ("scope", "repository:a/b:pull,push")]).unwrap();
        assert_eq!(uri.to_string(), "https://a/t?k=v&service=s%20p%26&scope=repository:a/b:pull,push");
        assert!(with_query("nonsense", &[]).is_err());
    }
}
