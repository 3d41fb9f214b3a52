//! What keeps a recovery from touching anything, in words that name the containers and say what to do.
//!
//! Rules: docs/recreate.md, section 7.

use serde_json::Value;

use super::table::{Named, ObservedState};
use crate::container::replacement::names::{Role, short};
use crate::container::state;

/// Another container has the name.
pub(super) fn foreign(observed: &ObservedState) -> String {
    let holder = observed.holder.as_ref().map_or("", state::id);
    format!(
        "another container ({}) has taken the name, and what an interrupted recreation has left stands in the way: {}. Rename the other container \
         and recover again, or remove what is not needed: {}",
        short(holder),
        left(observed),
        removal(observed)
    )
}

/// Somebody has given the old or the new container another name: both would run on the same volumes.
pub(super) fn renamed(observed: &ObservedState, renamed: &Value) -> String {
    let (name, now) = (own_name(observed), state::name(renamed));
    format!(
        "container {now} ({}) had the name {name} in this recreation and was renamed, so nothing was started. Rename it back (docker rename {now} \
         {name}) and recover again, or, if it is to stay as {now}, remove what the recreation has left, {}: {}",
        short(state::id(renamed)),
        left(observed),
        removal(observed)
    )
}

/// Containers of several runs.
pub(super) fn several_runs(observed: &ObservedState) -> String {
    format!("several recreations have left containers, {}: remove all but those of one, each with {}", left(observed), removal(observed))
}

fn all(observed: &ObservedState) -> impl Iterator<Item = &Named> {
    observed.new.iter().chain(&observed.old)
}

fn own_name(observed: &ObservedState) -> &str {
    all(observed).next().map_or("", |named| &named.name.container)
}

/// The names that were left, with what each container is.
fn left(observed: &ObservedState) -> String {
    let words = all(observed).map(|named| {
        let role = if named.name.role == Role::New { "new" } else { "old" };
        format!("{} (the {role} container, {})", name_of(named), state::status(&named.container))
    });
    words.collect::<Vec<_>>().join(" and ")
}

/// The commands that remove them: only the new container has volumes that nobody else uses.
fn removal(observed: &ObservedState) -> String {
    let commands = all(observed).map(|named| {
        let volumes = if named.name.role == Role::New { " -v" } else { "" };
        format!("docker rm{volumes} {}", name_of(named))
    });
    commands.collect::<Vec<_>>().join("; ")
}

fn name_of(named: &Named) -> String {
    named.name.to_string()
}
