//! The update check.

mod cases;
mod faults;
