//! A path in a volume, as a caller gives it.
//!
//! Rules: docs/volumes.md, section 2.

use std::fmt;

use crate::error::quoted;
use crate::{Code, Error, Result};

/// The longest name of a file that Linux takes.
const LONGEST_NAME: usize = 255;
/// The longest path that Linux takes.
const LONGEST_PATH: usize = 4096;

/// The names from the root of the volume to a file; none of them is `.` or `..`. The root has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VolumePath(Vec<String>);

impl VolumePath {
    /// Reads a path: `/` and `.` are the root, a slash at the beginning means nothing, and every `..` is refused.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| Err(Code::InvalidArgument.error(format!("{} is not a path in a volume: {why}", quoted(text))));
        if text.is_empty() {
            return invalid("it is empty; the root of the volume is \"/\"");
        }
        if text.len() > LONGEST_PATH {
            return invalid(&format!("it is longer than {LONGEST_PATH} bytes"));
        }
        if text.contains('\0') {
            return invalid("it has a NUL in it");
        }
        let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
        if names.contains(&"..") {
            return invalid("a part of it is \"..\"");
        }
        if names.iter().any(|name| name.len() > LONGEST_NAME) {
            return invalid(&format!("a part of it is longer than {LONGEST_NAME} bytes"));
        }
        Ok(Self(names.into_iter().map(str::to_owned).collect()))
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for VolumePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("/") } else { f.write_str(&self.0.join("/")) }
    }
}

/// The parts of a link's text that is relative; the caller keeps `..` within the volume.
pub(crate) fn link_parts(text: &[u8]) -> std::result::Result<Vec<String>, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "it leads to a name that is not UTF-8")?;
    if text.starts_with('/') {
        return Err("it is absolute, and a volume has no place of its own");
    }
    if text.is_empty() {
        return Err("it is empty");
    }
    Ok(text.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect())
}

/// An error about a path in a volume.
pub(crate) fn about(code: Code, volume: &str, path: &dyn fmt::Display, why: &str) -> Error {
    code.error(format!("volume {volume}, {}: {why}", crate::error::shown(&path.to_string())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_relative_to_the_volume() {
        let long = "n".repeat(255);
        let cases: [(&str, &[&str]); 13] = [
            ("/", &[]),
            (".", &[]),
            ("//./", &[]),
            ("a", &["a"]),
            ("/a", &["a"]),
            ("./a", &["a"]),
            ("a/b/", &["a", "b"]),
            ("a//b/.", &["a", "b"]),
            ("-rf", &["-rf"]),
            ("a\nb", &["a\nb"]),
            ("ä ö/...", &["ä ö", "..."]),
            ("a..b/..c", &["a..b", "..c"]),
            (&long, &[&long]),
        ];
        for (text, names) in cases {
            assert_eq!(VolumePath::parse(text).unwrap().names(), names, "{text:?}");
        }
    }

    #[test]
    fn other_paths_are_refused() {
        let (long_name, long_path) = ("n".repeat(256), "n/".repeat(2049));
        for text in ["", "..", "/..", "../a", "a/..", "a/../b", "a/b/../../..", "/../etc/shadow", "a\0b", &long_name, &long_path] {
            let error = VolumePath::parse(text).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{text:.40?}");
            assert!(error.message().len() < 400, "{}", error.message());
        }
    }

    #[test]
    fn a_link_is_followed_where_it_is_relative() {
        assert_eq!(link_parts(b"../a//b/./c").unwrap(), ["..", "a", "b", "c"]);
        for text in [&b"/etc/passwd"[..], b"/", b"", b"a/\xff"] {
            assert!(link_parts(text).is_err(), "{text:?}");
        }
    }
}
