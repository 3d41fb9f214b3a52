//! `include/refit.h` is what cbindgen makes of `src/ffi`. `make header` writes it.

use std::path::Path;

#[test]
fn the_header_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let bindings = cbindgen::Builder::new().with_crate(root).with_config(config).generate().expect("src/ffi parses");
    let mut made = Vec::new();
    bindings.write(&mut made);
    current("refit.h", &made, "make header");
}

/// Compares a file of `include` with what is generated, or writes it.
pub(crate) fn current(name: &str, made: &[u8], write_with: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include").join(name);
    if std::env::var_os("REFIT_WRITE").is_some() {
        std::fs::write(&path, made).expect("include can be written");
    }
    let kept = std::fs::read(&path).unwrap_or_default();
    assert!(kept == made, "include/{name} is not what the source says: run `{write_with}`");
}
