//! JSON of a registry with a limit on the number of its values: each takes many times the memory of its text.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// An index of a hundred platforms has about a thousand values.
const MAX_VALUES: usize = 20_000;

/// A whole document.
pub(super) fn parse(text: &[u8]) -> serde_json::Result<Value> {
    let left = Cell::new(MAX_VALUES);
    let mut source = serde_json::Deserializer::from_slice(text);
    let value = Bounded(&left).deserialize(&mut source)?;
    source.end()?;
    Ok(value)
}

/// One value, and how many more there may be.
#[derive(Clone, Copy)]
struct Bounded<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        let left = self.0.get().checked_sub(1).ok_or_else(|| D::Error::custom(format!("it has more than {MAX_VALUES} values")))?;
        self.0.set(left);
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = source.next_element_seed(self)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let mut entries = Map::new();
        while let Some(key) = source.next_key::<String>()? {
            entries.insert(key, source.next_value_seed(self)?);
        }
        Ok(Value::Object(entries))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_as_by_serde_json() {
        for text in [r#"{"a":[1,-2,3.5,"x",null,true,{}],"b":{"c":[]}}"#, "[]", "null", r#""text""#] {
            assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap(), "{text}");
        }
        for text in ["", "{", "{} {}", "[1,]", &"[".repeat(1000)] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_million_empty_entries_are_refused() {
        let entries = |number: usize| format!(r#"{{"layers":[{}]}}"#, vec!["{}"; number].join(","));
        assert!(parse(entries(1000).as_bytes()).is_ok());
        let error = parse(entries(1_000_000).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("more than 20000 values"), "{error}");
    }
}
