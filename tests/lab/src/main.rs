//! `lab`: the engine and the registry of the tests, from a shell.

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    std::process::exit(refit_lab::command(&words));
}
