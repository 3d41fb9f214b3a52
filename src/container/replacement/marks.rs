//! What a temporary name tells beside the ids, the mode and the lease: what a recovery must know that has no snapshot of the run.
//!
//! Rules: docs/recreate.md, section 5.

use std::fmt;

use super::names::is_hex;

/// Written after the letter of the mode, in this order and each only where it is set: `r`, `rt600`, `rt600av`, `rk65000000`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// `t` and a number: the grace that the caller chose for the stop, in seconds.
    pub(crate) stop_timeout: Option<u32>,
    /// `a`: commands are to run in the new container once it has settled.
    pub(crate) after_hooks: bool,
    /// `v`: a rollback restores the volumes from their backups, once the new container may have changed them.
    pub(crate) restores_volumes: bool,
    /// `k` and 8 hex digits: the run has requested its stop by then, if at all, in seconds since 1970 by the engine's clock. A recovery sets it,
    /// because its own lease takes the place of the run's.
    pub(crate) stop_before: Option<u32>,
}

impl Marks {
    /// Reads what is written after the mode; `None` where it is something else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut marks = Self::default();
        let mut rest = text;
        if let Some(after) = rest.strip_prefix('t') {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            marks.stop_timeout = Some(after[..digits].parse().ok()?);
            rest = &after[digits..];
        }
        if let Some(after) = rest.strip_prefix('a') {
            marks.after_hooks = true;
            rest = after;
        }
        if let Some(after) = rest.strip_prefix('v') {
            marks.restores_volumes = true;
            rest = after;
        }
        if let Some(after) = rest.strip_prefix('k') {
            let (time, after) = after.split_at_checked(8).filter(|(time, _)| is_hex(time, 8))?;
            marks.stop_before = u32::from_str_radix(time, 16).ok();
            rest = after;
        }
        rest.is_empty().then_some(marks)
    }
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(seconds) = self.stop_timeout {
            write!(f, "t{seconds}")?;
        }
        if self.after_hooks {
            write!(f, "a")?;
        }
        if self.restores_volumes {
            write!(f, "v")?;
        }
        match self.stop_before {
            Some(time) => write!(f, "k{time:08x}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::container::replacement::names::TemporaryName;

    #[test]
    fn marks_are_read_as_they_are_written() {
        let cases = [
            ("", Marks::default()),
            ("t600", Marks { stop_timeout: Some(600), ..Marks::default() }),
            ("t0a", Marks { stop_timeout: Some(0), after_hooks: true, ..Marks::default() }),
            ("v", Marks { restores_volumes: true, ..Marks::default() }),
            ("k0000001f", Marks { stop_before: Some(31), ..Marks::default() }),
            (
                "t86400avk65000000",
                Marks { stop_timeout: Some(86_400), after_hooks: true, restores_volumes: true, stop_before: Some(0x6500_0000) },
            ),
        ];
        for (text, marks) in cases {
            assert_eq!(marks.to_string(), text);
            assert_eq!(Marks::parse(text), Some(marks), "{text}");
            let name = format!("web.refit-new-0123456789ab-p{text}-65000000");
            let parsed = TemporaryName::parse(&name).unwrap();
            assert_eq!((parsed.marks, parsed.to_string()), (marks, name));
        }
    }

    #[test]
    fn other_words_are_no_marks() {
        for text in ["t", "tx", "va", "at1", "k1", "k0000001g", "ka", "aa", "x", "t99999999999", "k000000011"] {
            assert_eq!(Marks::parse(text), None, "{text}");
        }
    }
}
