//! `include/refit.h` is what cbindgen makes of `src/ffi`. `REFIT_WRITE=1` writes it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

#[test]
fn the_header_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let bindings = cbindgen::Builder::new().with_crate(root).with_config(config).generate().expect("src/ffi parses");
    let mut made = Vec::new();
    bindings.write(&mut made);
    let path = root.join("include/refit.h");
    if std::env::var_os("REFIT_WRITE").is_some() {
        std::fs::write(&path, &made).expect("include/refit.h can be written");
    }
    let kept = std::fs::read(&path).expect("include/refit.h");
    assert!(kept == made, "include/refit.h is not what cbindgen makes of src/ffi: run `make header`");
}
