//! Reading the engine's raw JSON, and its paths and ids.

use serde_json::Value;

pub(super) use crate::json::{entries, is_empty, list, owned_entries, same, text, text_elements};

/// A path as the engine cleans it: `/w1/` is `/w1`.
pub(super) fn clean_path(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => String::new(),
        (false, false) => parts.join("/"),
    }
}

/// A container's or network's id, or the beginning of it as the engine accepts one.
pub(super) fn is_id_of(id: &str, candidate: &str) -> bool {
    !candidate.is_empty() && id.starts_with(candidate)
}

/// The first 12 digits of an id, as the engine makes hostnames and aliases of them.
pub(super) fn short_id(inspect: &Value) -> &str {
    let id = text(inspect, "Id");
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, clean) in
            [("/w1/", "/w1"), ("/", "/"), ("", ""), ("/a//b/./c/../d", "/a/b/d"), ("/../x", "/x"), ("a/../..", ".."), ("./a/", "a")]
        {
            assert_eq!(clean_path(path), clean, "{path}");
        }
    }
}
