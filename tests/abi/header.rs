//! `include/refit.h` is what cbindgen makes of `src/ffi`. `make header` writes it.

use std::path::Path;

#[test]
fn the_header_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let bindings = cbindgen::Builder::new().with_crate(root).with_config(config).generate().expect("src/ffi parses");
    let mut made = Vec::new();
    bindings.write(&mut made);
    let header = with_headings(&String::from_utf8(made).expect("cbindgen writes UTF-8"));
    current("refit.h", header.as_bytes(), "make header");
}

/// The header's chapters, each with the function that begins it.
const CHAPTERS: [(&str, &str); 5] = [
    ("The handle, tokens, strings, errors, the engine", " refit_open("),
    ("Images", " img_exists("),
    ("Containers", " container_list("),
    ("Volumes", " volume_list("),
    ("Services", " service_list("),
];

/// cbindgen writes the functions in the order of the source, but no headings.
fn with_headings(header: &str) -> String {
    let mut paragraphs: Vec<String> = header.split("\n\n").map(str::to_owned).collect();
    for (number, (title, first)) in CHAPTERS.iter().enumerate() {
        let begins = paragraphs.iter().position(|paragraph| paragraph.lines().any(|line| !line.starts_with("//") && line.contains(first)));
        let begins = begins.unwrap_or_else(|| panic!("the header has no {first}"));
        paragraphs.insert(begins, format!("/* {}. {title} */", number + 3));
    }
    paragraphs.join("\n\n")
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
