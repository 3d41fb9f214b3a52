//! Reading the JSON of engines and registries by a key (`Image`) or a JSON pointer (`/Config/Image`). What is missing or of another type reads
//! as absent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

/// The value at a key, or at a JSON pointer, which begins with a slash.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.starts_with('/') { value.pointer(path) } else { value.get(path) }
}

/// A text; `""` when there is none.
pub(crate) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// A text; engines write `""` for what they do not know, which is `None` here.
pub(crate) fn optional_text(value: &Value, path: &str) -> Option<String> {
    Some(text(value, path)).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The word by which the documents have a variant of an enum.
pub(crate) fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The elements of a list.
pub(crate) fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).map_or(&[], elements)
}

/// The elements of a list that is the whole answer.
pub(crate) fn elements(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The texts among the elements of a list.
pub(crate) fn text_elements<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a str> {
    list(value, path).iter().filter_map(Value::as_str)
}

/// The same as owned texts; `null` is empty.
pub(crate) fn texts(value: &Value, path: &str) -> Vec<String> {
    text_elements(value, path).map(str::to_owned).collect()
}

/// The texts of a list; `None` where the engine has none, which is not the same as an empty one.
pub(crate) fn optional_texts(value: &Value, path: &str) -> Option<Vec<String>> {
    at(value, path).filter(|list| list.is_array()).map(|_| texts(value, path))
}

/// The entries of an object.
pub(crate) fn entries<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    at(value, path).and_then(Value::as_object).into_iter().flatten()
}

/// The keys of an object, as the engine writes its sets.
pub(crate) fn keys(value: &Value, path: &str) -> Vec<String> {
    entries(value, path).map(|(key, _)| key.clone()).collect()
}

/// An object of texts, as the engine writes labels.
pub(crate) fn text_map(value: &Value, path: &str) -> BTreeMap<String, String> {
    entries(value, path).filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// Whether a flag is there and set.
pub(crate) fn is_true(value: &Value, path: &str) -> bool {
    at(value, path) == Some(&Value::Bool(true))
}

/// A whole number.
pub(crate) fn integer(value: &Value, path: &str) -> Option<i64> {
    at(value, path).and_then(Value::as_i64)
}

/// A whole number that is not negative.
pub(crate) fn unsigned(value: &Value, path: &str) -> Option<u64> {
    at(value, path).and_then(Value::as_u64)
}

/// A time as the engine writes it (RFC 3339); its zero time, `0001-01-01T00:00:00Z`, stands for never.
pub(crate) fn time(value: &Value, path: &str) -> Option<Timestamp> {
    let time = Some(text(value, path)).filter(|time| !time.starts_with("0001-"));
    time?.parse().ok()
}

/// The same as an instant.
pub(crate) fn timestamp(value: &Value, path: &str) -> Option<Timestamp> {
    text(value, path).parse::<Timestamp>().ok().filter(|time| time.as_second() > 0)
}

/// Seconds since 1970, as the engine's lists write a time, in RFC 3339.
pub(crate) fn unix_time(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok().filter(|_| seconds > 0)
}

/// Whether a value is absent in one of the forms in which engines write absence: `null`, `""`, `[]`, `{}`.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether two values are equal, or both absent.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    a == b || is_empty(a) && is_empty(b)
}

/// A copy of the entries at a key, to be changed and inserted again.
pub(crate) fn owned_entries(parent: &Map<String, Value>, key: &str) -> Map<String, Value> {
    parent.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn absent_values_read_as_absent() {
        for document in [json!({}), json!(null), json!({"a": null}), json!({"a": {"b": null}}), json!({"a": 5}), json!([])] {
            assert_eq!(text(&document, "/a/b"), "", "{document}");
            assert_eq!(optional_text(&document, "/a/b"), None, "{document}");
            assert_eq!(texts(&document, "/a/b"), [""; 0], "{document}");
            assert_eq!(optional_texts(&document, "/a/b"), None, "{document}");
            assert_eq!(keys(&document, "/a/b"), [""; 0], "{document}");
            assert!(!is_true(&document, "/a/b") && time(&document, "/a/b").is_none(), "{document}");
            assert_eq!((integer(&document, "/a/b"), unsigned(&document, "/a/b")), (None, None), "{document}");
        }
    }

    #[test]
    fn an_empty_text_is_absent_and_an_empty_list_is_not() {
        let document = json!({"text": "", "list": [], "mixed": ["a", 1, "b"], "set": {"b": {}, "a": {}}});
        assert_eq!((text(&document, "/text"), optional_text(&document, "/text")), ("", None));
        assert_eq!(optional_texts(&document, "/list"), Some(Vec::new()));
        assert_eq!(texts(&document, "/mixed"), ["a", "b"]);
        assert_eq!(keys(&document, "/set"), ["b", "a"]);
    }

    #[test]
    fn a_key_reads_as_its_pointer() {
        let document = json!({"Config": {"Image": "web"}, "Binds": ["a", 1, "b"], "80/tcp": {"x": 1}});
        assert_eq!((text(&document["Config"], "Image"), text(&document, "/Config/Image")), ("web", "web"));
        assert_eq!(text_elements(&document, "Binds").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(keys(&document, "80/tcp"), ["x"]);
        assert_eq!(text(&json!([]), "Image"), "");
    }

    #[test]
    fn the_zero_time_is_never() {
        let document = json!({"zero": "0001-01-01T00:00:00Z", "time": "2026-11-24T13:00:00.5Z"});
        assert_eq!((time(&document, "/zero"), timestamp(&document, "/zero")), (None, None));
        assert_eq!(time(&document, "/time").unwrap().to_string(), "2026-11-24T13:00:00.5Z");
        assert_eq!(timestamp(&document, "/time").map(Timestamp::as_millisecond), Some(1_795_525_200_500));
    }

    #[test]
    fn seconds_before_1970_are_no_time() {
        assert_eq!(unix_time(0), None);
        assert_eq!(unix_time(1_700_000_000).unwrap().to_string(), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn the_forms_of_absence_are_the_same() {
        for (a, b, expected) in [
            (json!(null), json!([]), true),
            (json!(""), json!({}), true),
            (json!(false), json!(null), false),
            (json!(["a"]), json!(["a"]), true),
            (json!(["a"]), json!(["b"]), false),
        ] {
            assert_eq!(same(&a, &b), expected, "{a} {b}");
        }
    }
}
