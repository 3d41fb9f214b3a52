//! What a registry's 401 asks for: `WWW-Authenticate: Bearer realm="…",service="…",scope="…"`.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// How a registry wants to be convinced.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The best of those that a 401 offers; `None` when there is none that we understand.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let offered: Vec<Self> = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).flat_map(parse).collect();
        let bearer = offered.iter().find(|challenge| matches!(challenge, Self::Bearer { .. }));
        bearer.or(offered.first()).cloned()
    }

    /// Without what belongs to one repository.
    pub(super) fn for_any_repository(&self) -> Self {
        match self {
            Self::Basic => Self::Basic,
            Self::Bearer { realm, service, .. } => Self::Bearer { realm: realm.clone(), service: service.clone(), scope: None },
        }
    }
}

/// All challenges of one header: schemes, each followed by parameters with commas between them.
fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    let mut open: Option<(String, Vec<(String, String)>)> = None;
    for part in split(header) {
        let (first, rest) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
        let begins = !first.contains('=') && !rest.trim_start().starts_with('=');
        if begins {
            challenges.extend(open.take().and_then(finish));
            open = Some((first.to_ascii_lowercase(), Vec::new()));
        }
        let parameter = if begins { rest } else { part };
        if let (Some((name, value)), Some((_, parameters))) = (parameter.split_once('='), open.as_mut()) {
            parameters.push((name.trim().to_ascii_lowercase(), unquoted(value.trim())));
        }
    }
    challenges.extend(open.and_then(finish));
    challenges
}

fn finish((scheme, parameters): (String, Vec<(String, String)>)) -> Option<Challenge> {
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
    fn challenges() {
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
