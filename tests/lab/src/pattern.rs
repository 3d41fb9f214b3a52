//! `METHOD PATH` with `*` for anything: how tests name requests.

/// Whether a pattern is for a request. The engine's `/v1.41` is left out; a query counts only when the pattern has one.
pub(crate) fn matches(pattern: &str, method: &str, path: &str) -> bool {
    let path = if pattern.contains('?') { path } else { path.split('?').next().unwrap_or_default() };
    glob(pattern.as_bytes(), format!("{method} {}", unversioned(path)).as_bytes())
}

/// The path without `/v1.41`; `/v2/…` of a registry stays.
fn unversioned(path: &str) -> &str {
    let Some((version, _)) = path.strip_prefix("/v").and_then(|rest| rest.split_once('/')) else { return path };
    let is_version = version.contains('.') && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_version { &path[2 + version.len()..] } else { path }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skipped| glob(rest, &text[skipped..])),
        Some((byte, rest)) => text.first() == Some(byte) && glob(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_text() {
        let cases = [
            ("POST /containers/*/start", "POST", "/v1.41/containers/abc/start?x=y", true),
            ("POST /containers/*/start", "GET", "/v1.41/containers/abc/start", false),
            ("* /v2/*/manifests/*", "HEAD", "/v2/a/b/manifests/1", true),
            ("POST /images/create?fromImage=*", "POST", "/images/create?fromImage=a", true),
            ("POST /images/create?fromImage=*", "POST", "/images/create?other=a", false),
            ("*", "GET", "/", true),
        ];
        for (pattern, method, path, expected) in cases {
            assert_eq!(matches(pattern, method, path), expected, "{pattern} {method} {path}");
        }
    }
}
