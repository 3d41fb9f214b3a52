//! A real engine, a real registry and the faults between them, for the tests of refit.
