//! `refit_set_logger`: what the callback gets, and that it is never called once it was removed.

use refit_lab::Lab;

use crate::program::passes;

fn with_logger(what: &str) {
    passes("logger.c", &[what, &Lab::get().engine.host()]);
}

#[test]
fn a_level_decides_what_the_callback_gets() {
    with_logger("levels");
}

#[test]
fn a_removal_waits_for_the_callback() {
    with_logger("removal-waits");
}

#[test]
fn a_callback_removes_itself_while_another_thread_removes_it() {
    with_logger("both-remove");
}

#[test]
fn a_callback_removes_itself() {
    with_logger("remove-inside");
}

#[test]
fn a_call_in_the_callback_is_refused() {
    with_logger("call-inside");
}

#[test]
fn a_callback_that_was_replaced_or_removed_is_never_called_again() {
    with_logger("many");
}
