//! `options_json`: one object. Each key has its type and range, and an unknown key is refused.
//!
//! Rules: docs/abi.md, section 1.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::quoted;
use crate::{Code, Error, Result};

/// The object. The call takes each key that it knows; a key that is left over is an error.
#[derive(Debug, Default)]
pub(super) struct Options {
    map: Map<String, Value>,
    /// The path of a nested object, for messages: `hooks.`
    path: String,
}

impl Options {
    pub(super) fn parse(text: Option<&str>) -> Result<Self> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(Self::default()) };
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(Self { map, path: String::new() }),
            Ok(_) => Err(Code::InvalidArgument.error("options_json is not a JSON object")),
            Err(error) => Err(Code::InvalidArgument.error(format!("options_json is not JSON: {error}"))),
        }
    }

    pub(super) fn string(&mut self, key: &str) -> Result<Option<String>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "a string")),
        }
    }

    pub(super) fn boolean(&mut self, key: &str, default: bool) -> Result<bool> {
        match self.take(key) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(value),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    /// A switch whose default the call knows.
    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    /// A time in RFC 3339, with any offset.
    pub(super) fn time(&mut self, key: &str) -> Result<Option<Timestamp>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let time = value.as_str().and_then(|text| text.parse().ok());
        time.map(Some).ok_or_else(|| self.wrong(key, "a time in RFC 3339, such as \"2026-11-29T01:30:10Z\""))
    }

    /// A number, or the word that is the default.
    pub(super) fn integer_or(&mut self, key: &str, range: RangeInclusive<u64>, word: &str) -> Result<Option<u64>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        if value.as_str() == Some(word) {
            return Ok(None);
        }
        let number = value.as_u64().filter(|number| range.contains(number));
        let expected = format!("a whole number from {} to {}, or {word:?}", range.start(), range.end());
        number.map(Some).ok_or_else(|| self.wrong(key, &expected))
    }

    /// Seconds, which may be a fraction.
    pub(super) fn seconds(&mut self, key: &str, range: RangeInclusive<f64>) -> Result<Option<Duration>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| range.contains(seconds));
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        duration.map(Some).ok_or_else(|| self.wrong(key, &format!("a number of seconds from {} to {}", range.start(), range.end())))
    }

    /// `timeout_s` of every call: above 0 up to a day.
    pub(super) fn timeout(&mut self) -> Result<Option<Duration>> {
        let timeout = self.seconds("timeout_s", 0.0..=86_400.0)?;
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(self.wrong("timeout_s", "a number of seconds above 0, up to 86400"));
        }
        Ok(timeout)
    }

    pub(super) fn integer(&mut self, key: &str, range: RangeInclusive<u64>) -> Result<Option<u64>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = value.as_u64().filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| self.wrong(key, &format!("a whole number from {} to {}", range.start(), range.end())))
    }

    pub(super) fn strings(&mut self, key: &str) -> Result<Option<Vec<String>>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|_| self.wrong(key, "a list of strings"))
    }

    /// Commands, each a list of its arguments. A single command may be given as that list.
    pub(super) fn commands(&mut self, key: &str) -> Result<Vec<Vec<String>>> {
        let Some(value) = self.take(key) else { return Ok(Vec::new()) };
        let commands = match serde_json::from_value::<Vec<String>>(value.clone()) {
            Ok(none) if none.is_empty() => Vec::new(),
            Ok(command) => vec![command],
            Err(_) => serde_json::from_value(value).map_err(|_| self.wrong(key, "a list of commands, each a list of its arguments"))?,
        };
        if commands.iter().any(|command: &Vec<String>| command.first().is_none_or(String::is_empty)) {
            return Err(self.wrong(key, "a list of commands, each with a program to run"));
        }
        Ok(commands)
    }

    pub(super) fn string_map(&mut self, key: &str) -> Result<Option<BTreeMap<String, String>>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|_| self.wrong(key, "an object of strings"))
    }

    /// One of a closed set of words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let chosen = value.as_str().and_then(|text| choices.iter().find(|(name, _)| *name == text));
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
        chosen.map(|(_, value)| Some(*value)).ok_or_else(|| self.wrong(key, &names.join(" or ")))
    }

    /// A nested object, to be read and finished like this one.
    pub(super) fn object(&mut self, key: &str) -> Result<Option<Self>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self { map, path: format!("{}{key}.", self.path) })),
            Some(_) => Err(self.wrong(key, "an object")),
        }
    }

    /// The keys of an object whose keys are names.
    pub(super) fn names(&self) -> Vec<String> {
        self.map.keys().cloned().collect()
    }

    /// Refuses a key that no one has taken.
    pub(super) fn finish(self) -> Result<()> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(key) => Err(Code::InvalidArgument.error(format!("unknown option {}", quoted(&format!("{}{key}", self.path))))),
        }
    }

    /// `null` is the default.
    fn take(&mut self, key: &str) -> Option<Value> {
        self.map.shift_remove(key).filter(|value| !value.is_null())
    }

    fn wrong(&self, key: &str, expected: &str) -> Error {
        Code::InvalidArgument.error(format!("option {} must be {expected}", quoted(&format!("{}{key}", self.path))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message<T: std::fmt::Debug>(json: &str, read: impl FnOnce(&mut Options) -> Result<T>) -> String {
        let mut options = Options::parse(Some(json)).unwrap();
        read(&mut options).unwrap_err().message().to_owned()
    }

    #[test]
    fn null_and_empty_options_are_the_defaults() {
        for text in [None, Some(""), Some(" \n"), Some("{}"), Some(r#"{"force":null}"#)] {
            let mut options = Options::parse(text).unwrap();
            assert!(!options.boolean("force", false).unwrap(), "{text:?}");
            options.finish().unwrap();
        }
    }

    #[test]
    fn a_message_names_the_key() {
        assert_eq!(message(r#"{"force":1}"#, |o| o.boolean("force", false)), r#"option "force" must be true or false"#);
        assert_eq!(message(r#"{"s":-1}"#, |o| o.seconds("s", 0.0..=600.0)), r#"option "s" must be a number of seconds from 0 to 600"#);
        assert_eq!(
            message(r#"{"timeout_s":0}"#, Options::timeout),
            r#"option "timeout_s" must be a number of seconds above 0, up to 86400"#
        );
        assert_eq!(message(r#"{"n":65}"#, |o| o.integer("n", 1..=64)), r#"option "n" must be a whole number from 1 to 64"#);
        assert_eq!(
            message(r#"{"n":-1}"#, |o| o.integer_or("n", 0..=9, "all")),
            r#"option "n" must be a whole number from 0 to 9, or "all""#
        );
        assert!(message(r#"{"t":"yesterday"}"#, |o| o.time("t")).starts_with(r#"option "t" must be a time in RFC 3339"#));
        assert_eq!(message(r#"{"f":"no"}"#, |o| o.flag("f")), r#"option "f" must be true or false"#);
        assert_eq!(message(r#"{"c":"x"}"#, |o| o.choice("c", &[("now", 1), ("lazy", 2)])), r#"option "c" must be "now" or "lazy""#);
        assert_eq!(message(r#"{"a":["x",1]}"#, |o| o.strings("a")), r#"option "a" must be a list of strings"#);
        let nested = |o: &mut Options| o.object("hooks").and_then(|hooks| hooks.unwrap().commands("before"));
        assert!(message(r#"{"hooks":{"before":1}}"#, nested).starts_with(r#"option "hooks.before" must be a list of commands"#));
        assert!(message(r#"{"hooks":{"before":[["a"],[]]}}"#, nested).starts_with(r#"option "hooks.before" must be a list of commands"#));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let options = Options::parse(Some(r#"{"forse":true}"#)).unwrap();
        assert_eq!(options.finish().unwrap_err().message(), r#"unknown option "forse""#);
        let long = Options::parse(Some(&format!(r#"{{"{}":1}}"#, "k".repeat(1_000_000)))).unwrap();
        assert!(long.finish().unwrap_err().message().len() < 300);
    }

    #[test]
    fn options_that_are_not_an_object_are_refused() {
        for text in ["[]", "1", "{", "nonsense", "{\"a\":1}x"] {
            assert_eq!(Options::parse(Some(text)).unwrap_err().code(), Code::InvalidArgument, "{text}");
        }
    }
}
