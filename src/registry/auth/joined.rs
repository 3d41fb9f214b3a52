//! Which repositories of a call are asked for together: many token servers give one token for several.
//!
//! Rules: docs/check.md, section 5.2.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many repositories in a request at the most. A token names them all, and is sent with each request.
const MAX_REPOSITORIES: usize = 25;
/// The longest scopes of a request: there are servers that take no query of 2 KiB.
const MAX_LENGTH: usize = 1500;

/// The scope of a pull.
pub(in crate::registry) fn pull_scope(repository: &str) -> String {
    format!("repository:{repository}:pull")
}

/// The repositories of one call, by host.
#[derive(Debug, Default)]
pub(in crate::registry) struct Joined(Mutex<HashMap<String, Groups>>);

#[derive(Debug, Default)]
struct Groups {
    /// The scopes of each repository's group, with spaces between.
    scopes: HashMap<String, Arc<str>>,
    /// Groups to which the token server has given no token.
    refused: HashSet<Arc<str>>,
    /// The server gives tokens that allow less than was asked for.
    ended: bool,
}

impl Joined {
    /// The call will ask for these repositories.
    pub(in crate::registry) fn announce(&self, authority: &str, repositories: BTreeSet<String>) {
        let mut all = self.lock();
        let groups = all.entry(authority.to_owned()).or_default();
        let (mut members, mut scopes) = (Vec::new(), String::new());
        for repository in repositories {
            let scope = pull_scope(&repository);
            if members.len() == MAX_REPOSITORIES || scopes.len() + scope.len() >= MAX_LENGTH {
                groups.add(std::mem::take(&mut members), &std::mem::take(&mut scopes));
            }
            if !scopes.is_empty() {
                scopes.push(' ');
            }
            scopes.push_str(&scope);
            members.push(repository);
        }
        groups.add(members, &scopes);
    }

    /// The scopes that are asked for together with that of a repository; `None`: it is asked for alone.
    pub(in crate::registry) fn scopes(&self, authority: &str, repository: &str) -> Option<Arc<str>> {
        let all = self.lock();
        let groups = all.get(authority).filter(|groups| !groups.ended)?;
        groups.scopes.get(repository).filter(|scopes| !groups.refused.contains(*scopes)).cloned()
    }

    /// The common token does not allow this repository.
    pub(in crate::registry) fn leave(&self, authority: &str, repository: &str) {
        if let Some(groups) = self.lock().get_mut(authority) {
            groups.scopes.remove(repository);
        }
    }

    /// The token server gives no token for these.
    pub(in crate::registry) fn refuse(&self, authority: &str, scopes: Arc<str>) {
        if let Some(groups) = self.lock().get_mut(authority) {
            groups.refused.insert(scopes);
        }
    }

    /// A repository needed a token of its own, though a common one was given for it: each of the host is asked for alone from now on.
    pub(in crate::registry) fn end(&self, authority: &str) {
        if let Some(groups) = self.lock().get_mut(authority) {
            groups.ended = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Groups>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Groups {
    fn add(&mut self, members: Vec<String>, scopes: &str) {
        if members.len() > 1 {
            let scopes: Arc<str> = scopes.into();
            self.scopes.extend(members.into_iter().map(|repository| (repository, scopes.clone())));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn announced(repositories: impl IntoIterator<Item = String>) -> Joined {
        let joined = Joined::default();
        joined.announce("a", repositories.into_iter().collect());
        joined
    }

    #[test]
    fn a_request_for_several_repositories_has_a_bounded_length() {
        let scopes = |joined: &Joined, name: &str| joined.scopes("a", name).as_deref().map(str::to_owned);
        let two = announced(["x".into(), "y/z".into()]);
        assert_eq!(scopes(&two, "x").as_deref(), Some("repository:x:pull repository:y/z:pull"));
        assert_eq!(scopes(&two, "x"), scopes(&two, "y/z"));
        assert_eq!(scopes(&two, "w"), None, "it was not announced");
        assert_eq!(two.scopes("b", "x"), None, "nor to this host");
        assert_eq!(scopes(&announced(["x".into()]), "x"), None, "one is asked for alone");
        for name in ["r", &"long/".repeat(50)] {
            let names: Vec<String> = (0..60).map(|number| format!("{name}{number:03}")).collect();
            let joined = announced(names.clone());
            for own in &names {
                if let Some(scopes) = joined.scopes("a", own) {
                    assert!(scopes.split(' ').any(|scope| scope == pull_scope(own)));
                    assert!(scopes.split(' ').count() <= MAX_REPOSITORIES && scopes.len() < MAX_LENGTH, "{scopes}");
                }
            }
            let groups: BTreeSet<_> = names.iter().map(|own| joined.scopes("a", own)).collect();
            assert_eq!(groups.len(), if name == "r" { 3 } else { 12 });
        }
    }

    #[test]
    fn who_cannot_be_asked_for_together_is_asked_for_alone() {
        let names = || (0..50).map(|number| format!("r{number:02}"));
        let joined = announced(names());
        let alone = |joined: &Joined| names().filter(|name| joined.scopes("a", name).is_none()).count();
        joined.leave("a", "r07");
        assert_eq!(alone(&joined), 1);
        joined.refuse("a", joined.scopes("a", "r00").unwrap());
        assert_eq!(alone(&joined), 25, "the others of its group");
        joined.end("a");
        assert_eq!(alone(&joined), 50);
    }
}
