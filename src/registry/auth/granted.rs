//! Which repositories a token allows to pull, where the token server tells.
//!
//! Rules: docs/check.md, section 5.2.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::json::{list, text, text_elements};
use crate::registry::bounded_json;

/// What a token server says of its token; `None`: nothing.
pub(super) type Granted = Option<Arc<[String]>>;

/// From the token itself if it is a JSON Web Token of a registry, else from the `scope` of the answer (OAuth 2).
pub(super) fn granted(answer: &Value, token: &str) -> Granted {
    of_token(token).or_else(|| of_scope(text(answer, "/scope"))).map(Into::into)
}

/// The claim `access`: `[{"type":"repository","name":"team/app","actions":["pull"]}]`.
fn of_token(token: &str) -> Option<Vec<String>> {
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = bounded_json::parse(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()?;
    if !claims.get("access")?.is_array() {
        return None;
    }
    let may_pull = |access: &&Value| text_elements(access, "/actions").any(|action| matches!(action, "pull" | "*"));
    let allowed = list(&claims, "/access").iter().filter(|access| text(access, "/type") == "repository").filter(may_pull);
    Some(allowed.map(|access| text(access, "/name").to_owned()).collect())
}

/// `repository:team/app:pull,push repository:…`
fn of_scope(scope: &str) -> Option<Vec<String>> {
    let repositories: Vec<String> = scope.split_whitespace().filter_map(repository).collect();
    scope.contains("repository:").then_some(repositories)
}

fn repository(scope: &str) -> Option<String> {
    let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
    actions.split(',').any(|action| matches!(action, "pull" | "*")).then(|| name.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_token_allows_is_read_where_it_is_told() {
        let signed = |claims: &Value| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let entry = |kind: &str, name: &str, action: &str| json!({"type": kind, "name": name, "actions": [action]});
        let access = json!({"access": [
            entry("repository", "a/b", "pull"), entry("repository", "c", "*"), entry("repository", "d", "push"), entry("registry", "catalog", "*"),
        ]});
        let table = [
            (json!({}), signed(&access), Some(vec!["a/b", "c"])),
            (json!({"scope": "repository:x:pull"}), signed(&access), Some(vec!["a/b", "c"])),
            (json!({}), signed(&json!({"access": []})), Some(vec![])),
            (json!({}), signed(&json!({"access": null})), None),
            (json!({}), signed(&json!({"sub": "me"})), None),
            (json!({"scope": "repository:x:5000/y:pull,push repository:z:push"}), "opaque".into(), Some(vec!["x:5000/y"])),
            (json!({"scope": "offline"}), "opaque".into(), None),
            (json!({"scope": null}), "a.b.c".into(), None),
            (json!({}), "djE6.b".into(), None),
        ];
        for (answer, token, expected) in table {
            let found = granted(&answer, &token);
            assert_eq!(found.as_deref().map(|names| names.iter().map(String::as_str).collect()), expected, "{answer} {token}");
        }
    }
}
