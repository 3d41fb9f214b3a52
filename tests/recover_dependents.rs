//! A recreation with dependents is killed, and another process recovers: all of them are replaced, or all of them are as before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recreation;

use recreation::child::Work;
use recreation::family::Family;
use recreation::{Run, Side, kill_at};
use refit_lab::Image;

fn recreation(family: &Family<'static>) -> Work {
    Work::recreate(&family.case.name).option("recreate_dependents", true)
}

fn every_kill(name: &'static str, members: &'static [&'static str], run: Run, new: fn(Image) -> Image) {
    let prepare = || {
        let family = Family::of(name, members);
        family.case.moves_to(&new(family.case.newer()));
        family
    };
    recreation::every_kill(name, run, prepare, |family| (&family.case, recreation(family)), Family::assert_all_or_none);
}

#[test]
fn killed_anywhere_all_or_none_are_replaced() {
    every_kill("dependents", &["", "-net", "-net-of-net"], Run::Replaces, |image| image);
}

#[test]
fn killed_anywhere_while_all_are_put_back() {
    every_kill("dependentsback", &["", "-ns", "-volumes"], Run::RollsBack, |image| image.cmd(["sh", "-c", "exit 3"]));
}

/// The recovery is killed too: of a run whose container has been replaced, and its dependent not yet.
#[test]
fn a_recovery_that_is_killed_anywhere_is_recovered() {
    let prepare = || {
        let family = Family::of("dependentstwice", &["", "-net"]);
        family.case.moves_to(&family.case.newer());
        assert!(kill_at(&family.case, &recreation(&family), "POST */stop", 2, Side::After));
        family
    };
    let recovery = |family: &Family<'static>| Work::recover(&family.case.name);
    recreation::every_kill(
        "dependentstwice",
        Run::Recovers,
        prepare,
        |family| (&family.case, recovery(family)),
        Family::assert_all_or_none,
    );
}
