//! Reading the engine's raw JSON: what is missing or of another type reads as empty, never as a panic.

use serde_json::{Map, Value};

/// The text at a key, `""` when there is none.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The elements at a key.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// The texts among the elements at a key.
pub(super) fn texts<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    list(value, key).iter().filter_map(Value::as_str)
}

/// The entries at a key.
pub(super) fn entries<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value[key].as_object().into_iter().flatten()
}

/// The engine writes the absence of a value in all these forms.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Equal, or absent in two of the forms of absence.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    a == b || is_empty(a) && is_empty(b)
}

/// The entries at a key, to be changed and put back.
pub(super) fn owned_entries(parent: &Map<String, Value>, key: &str) -> Map<String, Value> {
    parent.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
}

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
