//! Which call of a run a request is, whatever other tests do to the engine meanwhile.

use std::collections::HashSet;

use refit_lab::Exchange;

use super::Case;

/// A call of a run: how many changes there were up to it, and how many reads since the last of them. (How often a container is looked at
/// while it settles is a matter of time.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub changes: usize,
    pub reads: usize,
}

/// Counts the calls of a run. Inspects of containers of other tests, which are read too, are left out.
pub struct Counter<'a> {
    case: &'a Case<'static>,
    ours: HashSet<String>,
    /// How many changes there were when they were listed: only a change makes another one.
    listed: Option<usize>,
    at: Call,
}

impl<'a> Counter<'a> {
    pub fn new(case: &'a Case<'static>) -> Self {
        Self { case, ours: HashSet::new(), listed: None, at: Call { changes: 0, reads: 0 } }
    }

    pub fn count(&mut self, request: &Exchange) -> Option<Call> {
        if request.method != "GET" {
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
