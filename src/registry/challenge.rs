//! What a registry's 401 asks for: `WWW-Authenticate: Bearer realm="…",service="…",scope="…"`.
//!
//! Rules: docs/check.md, section 5.2.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// The authentication that a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::registry) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The preferred of the challenges of a 401; `None` when none is supported.
    pub(in crate::registry) fn of(headers: &HeaderMap) -> Option<Self> {
        let offered: Vec<Self> = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).flat_map(parse).collect();
        let bearer = offered.iter().find(|challenge| matches!(challenge, Self::Bearer { .. }));
        bearer.or(offered.first()).cloned()
    }

    /// Whether the token that was sent is good, and allows too little: `error="insufficient_scope"` (RFC 6750).
    pub(in crate::registry) fn is_scope_insufficient(headers: &HeaderMap) -> bool {
        let lines = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        lines
            .flat_map(schemes)
            .any(|(_, parameters)| parameters.iter().any(|(name, value)| name == "error" && value == "insufficient_scope"))
    }

    /// Without what belongs to one repository.
    pub(in crate::registry) fn for_any_repository(&self) -> Self {
        match self {
            Self::Basic => Self::Basic,
            Self::Bearer { realm, service, .. } => Self::Bearer { realm: realm.clone(), service: service.clone(), scope: None },
        }
    }
}

/// A scheme in lower case, and its parameters.
type Scheme = (String, Vec<(String, String)>);

/// The supported challenges of one header.
fn parse(header: &str) -> Vec<Challenge> {
    schemes(header).into_iter().filter_map(finish).collect()
}

/// All challenges of one header: schemes, each followed by parameters with commas between them.
fn schemes(header: &str) -> Vec<Scheme> {
    let mut challenges = Vec::new();
    let mut open: Option<Scheme> = None;
    for part in split(header) {
        let (first, rest) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
        let begins = !first.contains('=') && !rest.trim_start().starts_with('=');
        if begins {
            challenges.extend(open.take());
            open = Some((first.to_ascii_lowercase(), Vec::new()));
        }
        let parameter = if begins { rest } else { part };
        if let (Some((name, value)), Some((_, parameters))) = (parameter.split_once('='), open.as_mut()) {
            parameters.push((name.trim().to_ascii_lowercase(), unquoted(value.trim())));
        }
    }
    challenges.extend(open);
    challenges
}

fn finish((scheme, parameters): Scheme) -> Option<Challenge> {
    let get =
        |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone()).filter(|value| !value.is_empty());
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer { realm: get("realm")?, service: get("service"), scope: get("scope") }),
        _ => None,
    }
}

/// At the commas that are not inside quotes.
fn split(header: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let at_comma = move |c: char| {
        let was_escaped = escaped;
        escaped = quoted && c == '\\' && !was_escaped;
        if c == '"' && !was_escaped {
            quoted = !quoted;
        }
        c == ',' && !quoted
    };
    header.split(at_comma).map(str::trim).filter(|part| !part.is_empty())
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        text.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, line.parse().unwrap());
        }
        Challenge::of(&headers)
    }

    #[allow(clippy::unnecessary_wraps, reason = "what a parse gives")]
    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer { realm: realm.into(), service: service.map(Into::into), scope: scope.map(Into::into) })
    }

    #[test]
    fn a_token_that_allows_too_little_is_told_from_one_that_is_refused() {
        for (line, expected) in [
            (r#"Bearer realm="https://a/t",scope="repository:a:pull",error="insufficient_scope""#, true),
            (r#"Basic realm="x", Bearer realm="https://a/t", error=insufficient_scope"#, true),
            (r#"Bearer realm="https://a/t",error="invalid_token""#, false),
            (r#"Bearer realm="insufficient_scope""#, false),
        ] {
            let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, line.parse().unwrap())]);
            assert_eq!(Challenge::is_scope_insufficient(&headers), expected, "{line}");
        }
    }

    #[test]
    fn every_form_of_a_challenge_is_parsed() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#;
        let table: &[(&[&str], Option<Challenge>)] = &[
            (&[hub], bearer("https://auth.docker.io/token", Some("registry.docker.io"), Some("repository:library/alpine:pull"))),
            (&[r#"bearer   REALM="https://a/t""#], bearer("https://a/t", None, None)),
            (&[r#"Bearer realm="https://a/t?x=1,2",scope="a:b:pull,push""#], bearer("https://a/t?x=1,2", None, Some("a:b:pull,push"))),
            (&[r"Bearer realm=https://a/t, service=s"], bearer("https://a/t", Some("s"), None)),
            (&[r#"Bearer realm = "https://a/t""#], bearer("https://a/t", None, None)),
            (&[r#"Bearer realm="a\"b\\c""#], bearer(r#"a"b\c"#, None, None)),
            (&[r#"Basic realm="x""#], Some(Challenge::Basic)),
            (&["Basic"], Some(Challenge::Basic)),
            (&[r#"Basic realm="x", Bearer realm="https://a/t",service="s""#], bearer("https://a/t", Some("s"), None)),
            (&[r#"Basic realm="x""#, r#"Bearer realm="https://a/t""#], bearer("https://a/t", None, None)),
            (&["Negotiate", r#"Basic realm="x""#], Some(Challenge::Basic)),
            (&["Negotiate"], None),
            (&["Bearer service=x"], None),
            (&[r#"Bearer realm="unclosed"#], bearer("unclosed", None, None)),
            (&[""], None),
            (&[], None),
        ];
        for (lines, expected) in table {
            assert_eq!(of(lines), *expected, "{lines:?}");
        }
    }
}
