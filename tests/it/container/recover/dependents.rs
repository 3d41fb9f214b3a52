//! A recreation with dependents is killed, and another process recovers: all of them are replaced, or all of them are as before.

use crate::recreation;
use crate::recreation::child::Work;
use crate::recreation::family::Family;
use crate::recreation::{Run, Sample, Side, kill_at};
use refit_lab::Image;

fn recreation(family: &Family<'static>) -> Work {
    Work::recreate(&family.case.name).option("recreate_dependents", true)
}

fn every_kill(name: &'static str, members: &'static [&'static str], (run, sample): (Run, Sample), new: fn(Image) -> Image) {
    let prepare = || {
        let family = Family::of(name, members);
        family.case.moves_to(&new(family.case.newer()));
        family
    };
    recreation::every_kill(name, run, sample, prepare, |family| (&family.case, recreation(family)), Family::assert_all_or_none);
}

#[test]
fn all_or_none_of_the_dependents_are_replaced_after_a_kill() {
    every_kill("dependents", &["", "-net", "-net-of-net"], (Run::Replaces, Sample::EveryChange), |image| image);
}

#[test]
fn all_dependents_survive_kills_during_the_rollback() {
    every_kill("dependentsback", &["", "-ns", "-volumes"], (Run::RollsBack, Sample::FromStart), |image| image.cmd(["sh", "-c", "exit 3"]));
}

/// The recovery is killed too: of a run whose container has been replaced, and its dependent not yet.
#[test]
fn all_dependents_survive_kills_during_the_recovery() {
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
        Sample::EveryChange,
        prepare,
        |family| (&family.case, recovery(family)),
        Family::assert_all_or_none,
    );
}
