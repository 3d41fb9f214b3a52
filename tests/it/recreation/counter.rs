//! The position of a request among the calls of a run, whatever other tests do with the engine meanwhile.

use std::collections::HashSet;

use refit_lab::Exchange;

use super::Case;

/// A call of a run: how many changes there were up to it, and how many reads since the last of them. (How often a container is inspected
/// while it settles depends on time.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub changes: usize,
    pub reads: usize,
}

/// What a request changes, without the names and ids in it: `POST /containers/*/rename` to a temporary name or to the container's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    request: String,
    /// Of a rename: the new name's role.
    role: &'static str,
    /// Whether only the lease in the name is another.
    is_renewal: bool,
}

impl Change {
    /// `None` for a request that only reads, or only asks whether a proxy lets it through.
    pub fn of(request: &Exchange) -> Option<Self> {
        if request.method == "GET" || refit_lab::is_probe(&request.path) {
            return None;
        }
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let mut parts: Vec<&str> = path.split('/').collect();
        let noun = parts.iter().position(|part| matches!(*part, "containers" | "networks" | "images")).map(|at| at + 1);
        let named = noun.filter(|at| *at < parts.len() && parts[*at] != "create");
        let name = named.map(|at| std::mem::replace(&mut parts[at], "*")).unwrap_or_default();
        let role = match query {
            _ if !path.ends_with("/rename") => "",
            to if to.contains(".refit-new-") => "new",
            to if to.contains(".refit-old-") => "old",
            _ => "own",
        };
        let is_renewal = !role.is_empty() && role != "own" && name.contains(&format!(".refit-{role}-"));
        Some(Self { request: format!("{} {}", request.method, parts.join("/")), role, is_renewal })
    }
}

/// Counts the calls of a run, without its inspects of other tests' containers.
pub struct Counter<'a> {
    case: &'a Case<'static>,
    ours: HashSet<String>,
    /// The number of changes when `ours` was listed: only a change creates another container.
    listed: Option<usize>,
    at: Call,
    /// Whether anything but the lease was changed.
    has_changed: bool,
}

impl<'a> Counter<'a> {
    pub fn new(case: &'a Case<'static>) -> Self {
        Self { case, ours: HashSet::new(), listed: None, at: Call { changes: 0, reads: 0 }, has_changed: false }
    }

    /// The position of a request; `None` for the reads of other tests, and for renewals of a lease, whose number depends on time. A recovery
    /// begins by renewing it, which has a position.
    pub fn count(&mut self, request: &Exchange) -> Option<Call> {
        if refit_lab::is_probe(&request.path) {
            return None;
        }
        if let Some(change) = Change::of(request) {
            self.has_changed |= !change.is_renewal;
            if change.is_renewal && self.has_changed {
                return None;
            }
            self.at = Call { changes: self.at.changes + 1, reads: 0 };
        } else if self.is_ours(&request.path) {
            self.at.reads += 1;
        } else {
            return None;
        }
        Some(self.at)
    }

    fn is_ours(&mut self, path: &str) -> bool {
        let inspected = path.split_once("/containers/").and_then(|(_, rest)| rest.strip_suffix("/json"));
        let Some(id) = inspected.filter(|id| id.len() == 64) else { return true };
        if self.listed != Some(self.at.changes) {
            self.ours.extend(self.case.ids());
            self.listed = Some(self.at.changes);
        }
        self.ours.contains(id)
    }
}
