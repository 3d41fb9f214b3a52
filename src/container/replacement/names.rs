//! The temporary names of the two containers of a recreation.
//!
//! They carry all of its state, so that any process can recover from the engine alone: which container they belong to, the other one's
//! id, whether it ran, and until when the run counts as alive.
//!
//! Rules: docs/recreate.md, section 5.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::marks::Marks;
use crate::container::state;
use crate::volume::storage::name::StorageName;

/// How long a lease lasts, in seconds.
pub(crate) const LEASE: i64 = 30;

/// A lease that ends later than this was written by another clock: it does not count.
pub(crate) const LONGEST_LEASE: i64 = 300;

/// Which of the two a temporary name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// The new container, before it has the name.
    New,
    /// The old container, after the new one has the name; the standby of an `--rm` container.
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
    /// Of a container that is to be replaced.
    pub(crate) fn of(container: &Value) -> Self {
        match (state::is_running(container), state::is_paused(container)) {
            (_, true) => Self::Paused,
            (true, false) => Self::Running,
            (false, false) => Self::Stopped,
        }
    }

    /// Whether the old container is stopped and the new one started.
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

/// A name of the form `N.refit-new-<12 hex>-<r|s|p>[marks]-<8 hex>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemporaryName {
    /// The container's own name.
    pub(crate) container: String,
    pub(crate) role: Role,
    /// The first 12 digits of the other container's id.
    pub(crate) other: String,
    pub(crate) mode: Mode,
    pub(crate) marks: Marks,
    /// When the lease ends, in seconds since 1970 by the engine's clock.
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
        let (mode, marks) = mode.split_at_checked(1)?;
        let mode = match mode {
            "r" => Mode::Running,
            "s" => Mode::Stopped,
            "p" => Mode::Paused,
            _ => return None,
        };
        let marks = Marks::parse(marks)?;
        // A link's name has a second slash.
        if container.is_empty() || container.contains('/') || !is_hex(other, 12) || !is_hex(lease, 8) {
            return None;
        }
        let lease = u32::from_str_radix(lease, 16).ok()?;
        Some(Self { container: container.to_owned(), role, other: other.to_owned(), mode, marks, lease })
    }

    /// Whether the run that set the lease may still be in progress.
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
        write!(f, "{}.refit-{role}-{}-{}{}-{:08x}", self.container, self.other, self.mode.letter(), self.marks, self.lease)
    }
}

pub(super) fn is_hex(text: &str, length: usize) -> bool {
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

/// Whether an entry of the engine's list is this container, or one of its recreations.
pub(crate) fn is_of(entry: &Value, container: &str) -> bool {
    let Some(name) = own_name(entry) else { return false };
    name == container || TemporaryName::parse(name).is_some_and(|temporary| temporary.container == container)
}

/// Whether a recreation of a container is in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationState {
    /// No recreation is in progress.
    Idle,
    /// A recreation is in progress, in this process or another.
    InProgress,
    /// A recreation was interrupted: `container_recover`.
    Interrupted,
}

/// One container under its own name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListedContainer<'a> {
    /// Its name; the short id of a container that has none.
    pub(crate) name: String,
    /// Its entry in the engine's list.
    pub(crate) entry: &'a Value,
    pub(crate) state: OperationState,
}

/// The containers in the engine's list (`/containers/json?all=1`), in its order: each once, under its own name.
///
/// While no container has the name, the old container is listed under it, else the new one. The containers by which volumes are read and written are
/// not listed. `now` is the engine's clock.
pub(crate) fn containers_in_list(list: &[Value], now: i64) -> Vec<ListedContainer<'_>> {
    let names: Vec<(Option<&str>, Option<TemporaryName>)> = list
        .iter()
        .map(|entry| {
            let name = own_name(entry);
            (name, name.and_then(TemporaryName::parse))
        })
        .collect();
    let mut states: BTreeMap<&str, OperationState> = BTreeMap::new();
    // The container that is listed under a name: the one that has it, else the old container, else the new one.
    let mut representatives: BTreeMap<&str, (u8, usize)> = BTreeMap::new();
    for (index, (name, temporary)) in names.iter().enumerate() {
        let Some(name) = *name else { continue };
        if StorageName::parse(name).is_some() {
            continue;
        }
        let (container, rank) = match temporary {
            None => (name, 0),
            Some(temporary) => {
                let state = states.entry(&temporary.container).or_insert(OperationState::Interrupted);
                if temporary.is_live(now) {
                    *state = OperationState::InProgress;
                }
                (temporary.container.as_str(), if temporary.role == Role::Old { 1 } else { 2 })
            }
        };
        let best = representatives.entry(container).or_insert((rank, index));
        *best = (*best).min((rank, index));
    }
    let mut listed = Vec::new();
    for (index, (entry, (name, temporary))) in list.iter().zip(&names).enumerate() {
        let name = match (temporary, *name) {
            (Some(temporary), _) => temporary.container.as_str(),
            (None, Some(name)) => name,
            (None, None) => {
                let id = entry.get("Id").and_then(Value::as_str).unwrap_or_default();
                listed.push(ListedContainer { name: short(id).to_owned(), entry, state: OperationState::Idle });
                continue;
            }
        };
        if representatives.get(name).is_some_and(|(_, best)| *best == index) {
            listed.push(ListedContainer { name: name.to_owned(), entry, state: states.get(name).copied().unwrap_or(OperationState::Idle) });
        }
    }
    listed
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::type_complexity)]
mod tests {
    use super::*;
    use serde_json::json;

    const O12: &str = "0123456789ab";
    const W12: &str = "ba9876543210";

    #[test]
    fn a_temporary_name_is_read_as_it_is_written() {
        let cases = [
            ("web", Role::New, Mode::Running, 0x6500_0000, "web.refit-new-0123456789ab-r-65000000"),
            ("a-b.c_d", Role::Old, Mode::Stopped, 0, "a-b.c_d.refit-old-0123456789ab-s-00000000"),
            ("x.refit-new-0123456789ab-r-00000001", Role::New, Mode::Paused, u32::MAX, {
                "x.refit-new-0123456789ab-r-00000001.refit-new-0123456789ab-p-ffffffff"
            }),
        ];
        for (container, role, mode, lease, text) in cases {
            let name = TemporaryName { container: container.into(), role, other: O12.into(), mode, marks: Marks::default(), lease };
            assert_eq!(name.to_string(), text);
            assert_eq!(TemporaryName::parse(text), Some(name.clone()), "{text}");
            assert_eq!(TemporaryName::parse(&format!("/{text}")), Some(name), "/{text}");
        }
    }

    #[test]
    fn an_entry_is_of_the_container_whose_name_or_temporary_name_it_has() {
        let of = |names: Value| is_of(&json!({"Names": names}), "web");
        assert!(of(json!(["/web"])) && of(json!(["/db/alias", "/web"])) && of(json!(["/web.refit-new-0123456789ab-r-65000000"])));
        assert!(!of(json!(["/web2"])) && !of(json!(["/web/alias", "/db"])) && !of(json!(["/my.web.refit-new-0123456789ab-r-65000000"])));
        assert!(!of(Value::Null));
    }

    #[test]
    fn other_names_are_not_temporary() {
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
    fn the_mode_follows_from_the_state() {
        let cases = [
            (json!({"Running": true, "Paused": false}), Mode::Running),
            (json!({"Running": true, "Restarting": true}), Mode::Running),
            (json!({"Running": true, "Paused": true}), Mode::Paused),
            (json!({"Running": false, "Status": "created"}), Mode::Stopped),
        ];
        for (state, expected) in cases {
            assert_eq!(Mode::of(&json!({"State": state})), expected);
        }
    }

    #[test]
    fn a_lease_ends_and_one_too_far_ahead_does_not_count() {
        let name = TemporaryName::parse("web.refit-new-0123456789ab-r-00001000").unwrap();
        let lease = 0x1000;
        let cases = [(lease - 301, false), (lease - 300, true), (lease - 30, true), (lease - 1, true), (lease, false), (lease + 1, false)];
        for (now, live) in cases {
            assert_eq!(name.is_live(now), live, "{}", lease - now);
        }
    }

    #[test]
    fn a_list_shows_each_container_once_under_its_own_name() {
        let new = |lease: u32| format!("/web.refit-new-{O12}-r-{lease:08x}");
        let old = |lease: u32| format!("/web.refit-old-{W12}-r-{lease:08x}");
        let (live, dead) = (1030, 990);
        let cases: [(&str, Vec<(&str, String)>, Vec<(&str, &str, OperationState)>); 10] = [
            ("no recreation", vec![("o", "/web".into())], vec![("web", "o", OperationState::Idle)]),
            ("before the renames", vec![("w", new(live)), ("o", "/web".into())], vec![("web", "o", OperationState::InProgress)]),
            ("before the renames, killed", vec![("w", new(dead)), ("o", "/web".into())], vec![("web", "o", OperationState::Interrupted)]),
            ("between the renames", vec![("w", new(live)), ("o", old(live))], vec![("web", "o", OperationState::InProgress)]),
            ("between the renames, killed", vec![("o", old(dead)), ("w", new(dead))], vec![("web", "o", OperationState::Interrupted)]),
            (
                "between the renames, one lease renewed",
                vec![("o", old(dead)), ("w", new(live))],
                vec![("web", "o", OperationState::InProgress)],
            ),
            ("after the renames", vec![("w", "/web".into()), ("o", old(live))], vec![("web", "w", OperationState::InProgress)]),
            ("only the new one is left", vec![("w", new(dead))], vec![("web", "w", OperationState::Interrupted)]),
            (
                "a storage container",
                vec![("s", "/refit-volume-01234567-65000000".into()), ("o", "/web".into())],
                vec![("web", "o", OperationState::Idle)],
            ),
            (
                "another container",
                vec![("x", "/web2".into()), ("w", new(live)), ("o", "/web".into())],
                vec![("web2", "x", OperationState::Idle), ("web", "o", OperationState::InProgress)],
            ),
        ];
        for (case, list, expected) in cases {
            let list: Vec<Value> = list.iter().map(|(id, name)| json!({"Id": id, "Names": [name]})).collect();
            let listed = containers_in_list(&list, 1000);
            let actual: Vec<_> = listed.iter().map(|f| (f.name.as_str(), f.entry["Id"].as_str().unwrap(), f.state)).collect();
            assert_eq!(actual, expected, "{case}");
        }
    }

    #[test]
    fn a_link_is_not_a_name_and_a_container_without_a_name_has_its_id() {
        let list = [
            json!({"Id": "a", "Names": ["/web/db", "/db"]}),
            json!({"Id": "0123456789abcdef", "Names": null}),
            json!({"Id": "w", "Names": [format!("/front/web.refit-new-{O12}-r-00000fff"), "/web"]}),
        ];
        let listed = containers_in_list(&list, 0);
        let actual: Vec<_> = listed.iter().map(|f| (f.name.as_str(), f.state)).collect();
        assert_eq!(actual, [("db", OperationState::Idle), (O12, OperationState::Idle), ("web", OperationState::Idle)]);
    }
}
