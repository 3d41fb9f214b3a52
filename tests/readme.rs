//! The programs of README.md are those of `examples/`, and they run.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

use refit_lab::{Image, Lab};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The first block of a language.
fn block(language: &str) -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = readme.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// An example as the README shows it: without the lints of this project.
fn example(name: &str) -> String {
    let text = std::fs::read_to_string(root().join("examples").join(name)).unwrap();
    text.lines().filter(|line| !line.starts_with("#![allow")).map(|line| format!("{line}\n")).collect()
}

/// Where `cargo test` leaves what it builds; only `cargo build` copies a library one folder up.
fn deps() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().to_owned()
}

#[test]
fn the_c_program_is_the_example_and_runs() {
    assert_eq!(block("c"), example("check.c"));
    let lab = Lab::get();
    let scope = lab.scope("readme-c");
    let image = scope.pull(&Image::new().build(), "t").reference;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["librefit.so", "librefit.so.0"] {
        std::fs::copy(deps().join("librefit.so"), folder.join(name)).unwrap();
    }
    let program = folder.join("check");
    let (include, folder) = (root().join("include"), folder.display().to_string());
    let built = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "examples/check.c", "-lrefit", "-o"])
        .arg(&program)
        .arg(format!("-I{}", include.display()))
        .args([format!("-L{folder}"), format!("-Wl,-rpath,{folder}")])
        .current_dir(root())
        .status()
        .unwrap();
    assert!(built.success());
    let done = Command::new(program).arg(&image).env("DOCKER_HOST", lab.engine.host()).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((document["state"].as_str(), done.status.code()), (Some("up_to_date"), Some(0)));
}

#[test]
fn the_rust_program_is_the_example_and_runs() {
    assert_eq!(block("rust"), example("check_and_pull.rs"));
    let lab = Lab::get();
    let scope = lab.scope("readme-rust");
    let image = scope.publish(&Image::new().build(), "t").reference;
    let built = Command::new(env!("CARGO")).args(["build", "-q", "--example", "check_and_pull"]).current_dir(root()).status().unwrap();
    assert!(built.success());
    let program = deps().with_file_name("examples").join("check_and_pull");
    let done = Command::new(program).arg(&image).env("DOCKER_HOST", lab.engine.host()).output().unwrap();
    let told = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && told.contains("NotLocal") && told.contains("pulled sha256:"), "{told}");
}
