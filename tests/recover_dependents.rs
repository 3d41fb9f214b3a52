//! A recreation with dependents is killed, and another process recovers: all of them are replaced, or all of them are as before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recreation;

use recreation::child::Work;
use recreation::family::Family;
use refit_lab::Image;

fn every_kill(name: &'static str, members: &'static [&'static str], new: fn() -> Image) {
    let prepare = || {
        let family = Family::of(name, members);
        family.case.moves_to(&new());
        family
    };
    let work = |family: &Family<'static>| Work::recreate(&family.case.name).option("recreate_dependents", true);
    recreation::every_kill(name, prepare, |family| (&family.case, work(family)), Family::assert_all_or_none);
}

#[test]
fn killed_anywhere_all_or_none_are_replaced() {
    every_kill("dependents", &["", "-net", "-net-of-net"], || Image::new().version("2"));
}

#[test]
fn killed_anywhere_while_all_are_put_back() {
    every_kill("dependentsback", &["", "-ns", "-volumes"], || Image::new().cmd(["sh", "-c", "exit 3"]));
}
