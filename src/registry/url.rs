//! Addresses at registries: paths, where a redirect leads, queries.

use http::Uri;
use http::uri::Scheme;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::trouble::Trouble;

const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/').remove(b':').remove(b',');

/// An address below `/v2/`.
pub(super) fn api(scheme: &Scheme, authority: &str, path: &str) -> Result<Uri, Trouble> {
    let built = Uri::builder().scheme(scheme.clone()).authority(authority).path_and_query(format!("/v2/{path}")).build();
    built.map_err(|error| Trouble::bad_answer(format!("no address can be made for {authority}: {error}")))
}

/// The address with parameters added to its query.
pub(super) fn with_query(address: &str, parameters: &[(&str, &str)]) -> Result<Uri, Trouble> {
    let mut text = address.split('#').next().unwrap_or_default().to_owned();
    text.push(if text.contains('?') { '&' } else { '?' });
    text.push_str(&form(parameters));
    absolute(&text).ok_or_else(|| Trouble::bad_answer("the token server's address is not one"))
}

/// `name=value&…`
pub(super) fn form(parameters: &[(&str, &str)]) -> String {
    let encoded: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUERY))).collect();
    encoded.join("&")
}

/// An address with a scheme that we speak and a host.
pub(super) fn absolute(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    (known && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

/// Where a `Location` leads.
pub(super) fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    if location.contains("://") {
        return absolute(location);
    }
    let scheme = base.scheme_str()?;
    if let Some(rest) = location.strip_prefix("//") {
        return absolute(&format!("{scheme}://{rest}"));
    }
    let authority = base.authority()?;
    let folder = if location.starts_with('/') { "" } else { &base.path()[..=base.path().rfind('/')?] };
    absolute(&format!("{scheme}://{authority}{folder}{location}"))
}

/// Whether both are at the same host and port.
pub(super) fn same_host(one: &Uri, other: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
    one.host().zip(other.host()).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other)) && port(one) == port(other)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn where_redirects_lead() {
        let base: Uri = "https://reg:5/v2/a/manifests/1?x=y".parse().unwrap();
        let table = [
            ("https://cdn/b?c=d#e", Some("https://cdn/b?c=d")),
            ("http://cdn/b", Some("http://cdn/b")),
            ("//cdn/b", Some("https://cdn/b")),
            ("/b", Some("https://reg:5/b")),
            ("2", Some("https://reg:5/v2/a/manifests/2")),
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
