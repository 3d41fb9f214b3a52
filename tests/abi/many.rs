//! Many handles in one process: they share the threads, and nothing else.

use refit_lab::{Fault, Lab, Proxy, When};

use crate::program::passes;

#[test]
fn a_hundred_handles_have_the_threads_of_one() {
    passes("many.c", &["threads", &Lab::get().engine.host()]);
}

#[test]
fn a_closed_handle_leaves_no_connection_behind() {
    passes("many.c", &["files", &Lab::get().engine.host()]);
}

#[test]
fn an_engine_that_hangs_delays_no_other_handle() {
    let lab = Lab::get();
    let hung = Proxy::engine(lab);
    hung.on(When::each("*"), Fault::Hang);
    passes("many.c", &["beside", &lab.engine.host(), &hung.host]);
}
