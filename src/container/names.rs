//! The names under which the two containers of a recreation stand while it runs.
//!
//! They carry all of its state, so that any process can recover from the engine alone: which container they belong to, the other one's
//! id, whether it ran, and until when the run counts as alive.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How far ahead a run sets its lease.
pub(crate) const LEASE: i64 = 30;

/// A lease further ahead than this is clock trouble, not a run.
pub(crate) const LONGEST_LEASE: i64 = 300;

/// Which of the two a temporary name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// The new container, before it has the name.
    New,
    /// The old container, after the new one has the name; the spare of an `--rm` container.
    Old,
}

/// What the old container did when the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// It ran, a crash loop included.
    Running,
    /// It did not run.
    Stopped,
    /// It was paused.
    Paused,
}

impl Mode {
    /// Whether the container is stopped, and its successor started.
    pub(crate) fn runs(self) -> bool {
        self != Self::Stopped
    }

    fn letter(self) -> char {
        match self {
            Self::Running => 'r',
            Self::Stopped => 's',
            Self::Paused => 'p',
        }
    }
}

/// A name of the form `N.refit-new-<12 hex>-<r|s|p>-<8 hex>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemporaryName {
    /// The name that the container has in its ordinary life.
    pub(crate) container: String,
    pub(crate) role: Role,
    /// The first 12 digits of the other container's id.
    pub(crate) other: String,
    pub(crate) mode: Mode,
    /// Seconds since 1970, by the engine's clock, at which the run counts as dead.
    pub(crate) lease: u32,
}

impl TemporaryName {
    /// Reads a name, with or without the engine's leading slash.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let name = name.strip_prefix('/').unwrap_or(name);
        let (rest, lease) = name.rsplit_once('-')?;
        let (rest, mode) = rest.rsplit_once('-')?;
        let (rest, other) = rest.rsplit_once('-')?;
        let (container, role) = match rest.strip_suffix(".refit-new") {
            Some(container) => (container, Role::New),
            None => (rest.strip_suffix(".refit-old")?, Role::Old),
        };
        let mode = match mode {
            "r" => Mode::Running,
            "s" => Mode::Stopped,
            "p" => Mode::Paused,
            _ => return None,
        };
        // A link's name has a second slash.
        if container.is_empty() || container.contains('/') || !is_hex(other, 12) || !is_hex(lease, 8) {
            return None;
        }
        let lease = u32::from_str_radix(lease, 16).ok()?;
        Some(Self { container: container.to_owned(), role, other: other.to_owned(), mode, lease })
    }

    /// Whether a run may still be at work under this name.
    pub(crate) fn is_live(&self, now: i64) -> bool {
        let left = i64::from(self.lease) - now;
        left > 0 && left <= LONGEST_LEASE
    }

    /// The same name with another lease.
    pub(crate) fn with_lease(&self, lease: u32) -> Self {
        Self { lease, ..self.clone() }
    }
}

impl fmt::Display for TemporaryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Role::New => "new",
            Role::Old => "old",
        };
        write!(f, "{}.refit-{role}-{}-{}-{:08x}", self.container, self.other, self.mode.letter(), self.lease)
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The first 12 digits of an id.
pub(crate) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// The container's own name in an entry of the engine's list: the one that is not a link's.
pub(crate) fn own_name(entry: &Value) -> Option<&str> {
    let names = entry.get("Names")?.as_array()?.iter().filter_map(Value::as_str);
    names.map(|name| name.strip_prefix('/').unwrap_or(name)).find(|name| !name.is_empty() && !name.contains('/'))
}

/// Whether somebody works on a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    /// Nobody does.
    Free,
    /// A recreation runs, here or in another process.
    Running,
    /// A recreation began and nobody works on it: `container_recover`.
    Interrupted,
}

/// One container, as a user knows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Folded<'a> {
    /// Its name; the short id of a container that has none.
    pub(crate) name: String,
    /// The entry of the engine's list that stands for it.
    pub(crate) entry: &'a Value,
    pub(crate) hand: Hand,
}

/// Folds the temporary names in the engine's list (`/containers/json?all=1`) into the containers that they belong to, in its order.
///
/// While nobody has the name the old container stands for it, else the new one. `now` is the engine's clock.
pub(crate) fn fold(list: &[Value], now: i64) -> Vec<Folded<'_>> {
    let names: Vec<(Option<&str>, Option<TemporaryName>)> = list
        .iter()
        .map(|entry| {
            let name = own_name(entry);
            (name, name.and_then(TemporaryName::parse))
        })
        .collect();
    let mut hands: BTreeMap<&str, Hand> = BTreeMap::new();
    // Who stands for a name: its holder, else the old container, else the new one.
    let mut standing: BTreeMap<&str, (u8, usize)> = BTreeMap::new();
    for (index, (name, temporary)) in names.iter().enumerate() {
        let Some(name) = *name else { continue };
        let (container, rank) = match temporary {
            None => (name, 0),
            Some(temporary) => {
                let hand = hands.entry(&temporary.container).or_insert(Hand::Interrupted);
                if temporary.is_live(now) {
                    *hand = Hand::Running;
                }
                (temporary.container.as_str(), if temporary.role == Role::Old { 1 } else { 2 })
            }
        };
        let best = standing.entry(container).or_insert((rank, index));
        *best = (*best).min((rank, index));
    }
    let mut folded = Vec::new();
    for (index, (entry, (name, temporary))) in list.iter().zip(&names).enumerate() {
        let name = match (temporary, *name) {
            (Some(temporary), _) => temporary.container.as_str(),
            (None, Some(name)) => name,
            (None, None) => {
                let id = entry.get("Id").and_then(Value::as_str).unwrap_or_default();
                folded.push(Folded { name: short(id).to_owned(), entry, hand: Hand::Free });
                continue;
            }
        };
        if standing.get(name).is_some_and(|(_, standing)| *standing == index) {
            folded.push(Folded { name: name.to_owned(), entry, hand: hands.get(name).copied().unwrap_or(Hand::Free) });
        }
    }
    folded
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::type_complexity)]
mod tests {
    use super::*;
    use serde_json::json;

    const O12: &str = "0123456789ab";
    const W12: &str = "ba9876543210";

    #[test]
    fn names_are_read_and_written() {
        let cases = [
            ("web", Role::New, Mode::Running, 0x6500_0000, "web.refit-new-0123456789ab-r-65000000"),
            ("a-b.c_d", Role::Old, Mode::Stopped, 0, "a-b.c_d.refit-old-0123456789ab-s-00000000"),
            ("x.refit-new-0123456789ab-r-00000001", Role::New, Mode::Paused, u32::MAX, {
                "x.refit-new-0123456789ab-r-00000001.refit-new-0123456789ab-p-ffffffff"
            }),
        ];
        for (container, role, mode, lease, text) in cases {
            let name = TemporaryName { container: container.into(), role, other: O12.into(), mode, lease };
            assert_eq!(name.to_string(), text);
            assert_eq!(TemporaryName::parse(text), Some(name.clone()), "{text}");
            assert_eq!(TemporaryName::parse(&format!("/{text}")), Some(name), "/{text}");
        }
    }

    #[test]
    fn other_names_are_nobodys() {
        let cases = [
            "web",
            ".refit-new-0123456789ab-r-65000000",
            "web.refit-new-0123456789ab-r-6500000",
            "web.refit-new-0123456789AB-r-65000000",
            "web.refit-new-0123456789ab-x-65000000",
            "web.refit-new-0123456789ab-r-65000000-",
            "web.refit-mid-0123456789ab-r-65000000",
            "web.refit-new-0123456789abc-r-65000000",
            "web.refit-new-0123456789ab-rr-65000000",
            "webrefit-new-0123456789ab-r-65000000",
            "web.refit-new-0123456789ab-r-+5000000",
            // a link that another container has to one with a temporary name
            "/other/web.refit-new-0123456789ab-r-65000000",
            "web.refit-new-0123456789ab-r-65000000/alias",
            "",
        ];
        for name in cases {
            assert_eq!(TemporaryName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_lease_ends_and_one_too_far_ahead_never_began() {
        let name = TemporaryName::parse("web.refit-new-0123456789ab-r-00001000").unwrap();
        let lease = 0x1000;
        let cases = [(lease - 301, false), (lease - 300, true), (lease - 30, true), (lease - 1, true), (lease, false), (lease + 1, false)];
        for (now, live) in cases {
            assert_eq!(name.is_live(now), live, "{}", lease - now);
        }
    }

    #[test]
    fn a_list_shows_containers_as_their_users_know_them() {
        let new = |lease: u32| format!("/web.refit-new-{O12}-r-{lease:08x}");
        let old = |lease: u32| format!("/web.refit-old-{W12}-r-{lease:08x}");
        let (live, dead) = (1030, 990);
        let cases: [(&str, Vec<(&str, String)>, Vec<(&str, &str, Hand)>); 9] = [
            ("nothing in hand", vec![("o", "/web".into())], vec![("web", "o", Hand::Free)]),
            ("before the swap", vec![("w", new(live)), ("o", "/web".into())], vec![("web", "o", Hand::Running)]),
            ("before the swap, killed", vec![("w", new(dead)), ("o", "/web".into())], vec![("web", "o", Hand::Interrupted)]),
            ("in the swap", vec![("w", new(live)), ("o", old(live))], vec![("web", "o", Hand::Running)]),
            ("in the swap, killed", vec![("o", old(dead)), ("w", new(dead))], vec![("web", "o", Hand::Interrupted)]),
            ("in the swap, one lease renewed", vec![("o", old(dead)), ("w", new(live))], vec![("web", "o", Hand::Running)]),
            ("after the swap", vec![("w", "/web".into()), ("o", old(live))], vec![("web", "w", Hand::Running)]),
            ("only the new one is left", vec![("w", new(dead))], vec![("web", "w", Hand::Interrupted)]),
            (
                "another container",
                vec![("x", "/web2".into()), ("w", new(live)), ("o", "/web".into())],
                vec![("web2", "x", Hand::Free), ("web", "o", Hand::Running)],
            ),
        ];
        for (case, list, expected) in cases {
            let list: Vec<Value> = list.iter().map(|(id, name)| json!({"Id": id, "Names": [name]})).collect();
            let folded = fold(&list, 1000);
            let told: Vec<_> = folded.iter().map(|f| (f.name.as_str(), f.entry["Id"].as_str().unwrap(), f.hand)).collect();
            assert_eq!(told, expected, "{case}");
        }
    }

    #[test]
    fn links_and_missing_names_are_no_names() {
        let list = [
            json!({"Id": "a", "Names": ["/web/db", "/db"]}),
            json!({"Id": "0123456789abcdef", "Names": null}),
            json!({"Id": "w", "Names": [format!("/front/web.refit-new-{O12}-r-00000fff"), "/web"]}),
        ];
        let folded = fold(&list, 0);
        let told: Vec<_> = folded.iter().map(|f| (f.name.as_str(), f.hand)).collect();
        assert_eq!(told, [("db", Hand::Free), (O12, Hand::Free), ("web", Hand::Free)]);
    }
}
