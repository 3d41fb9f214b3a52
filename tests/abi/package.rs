//! What `make install` puts in place, used as a program of somebody else's uses it.
//!
//! `REFIT_BUILT` is the folder of the libraries that are packaged: .ci/run gives the release; otherwise it is the debug build, as LTO takes
//! minutes.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use refit_lab::{Image, Lab};

use crate::program::{Done, ROOT, built, finish, folder, run};

/// `make install` into a folder, once.
fn installed() -> &'static Path {
    static PREFIX: OnceLock<std::path::PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = folder("prefix");
        let libraries = std::env::var("REFIT_BUILT").map_or_else(|_| built(), |folder| Path::new(ROOT).join(folder));
        let words = [format!("PREFIX={}", prefix.display()), format!("REFIT_BUILT={}", libraries.display())];
        let mut make = Command::new("make");
        make.args(["-s", "install"]).args(words).current_dir(ROOT).env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
        let done = finish(&mut make);
        assert!(done.code == Some(0), "{}{}", done.stdout, done.stderr);
        prefix
    })
}

fn pkg_config(words: &[&str]) -> Vec<String> {
    let path = installed().join("lib/pkgconfig");
    let done = finish(Command::new("pkg-config").args(words).arg("refit").env("PKG_CONFIG_PATH", path));
    assert!(done.code == Some(0), "{}", done.stderr);
    done.stdout.split_whitespace().map(str::to_owned).collect()
}

/// Compiles tests/c/threads.c with the flags that pkg-config gave, and runs it.
fn builds_and_runs(name: &str, flags: &[String], loader_path: &str) {
    let lab = Lab::get();
    let scope = lab.scope(name);
    let image = scope.pull(&Image::new().build(), "1").reference;
    let program = folder(name).join("program");
    let source = crate::prototypes::source("threads.c");
    let mut words = vec![source.to_str().unwrap(), "-o", program.to_str().unwrap(), "-lpthread"];
    words.extend(flags.iter().map(String::as_str));
    let done = run("cc", &words);
    assert!(done.code == Some(0), "{}", done.stderr);
    let done: Done = finish(
        Command::new("timeout").args(["120", program.to_str().unwrap(), &lab.engine.host(), &image]).env("LD_LIBRARY_PATH", loader_path),
    );
    assert!(done.code == Some(0), "{:?}: {}", done.code, done.stderr);
    let needed = run("readelf", &["-d", program.to_str().unwrap()]).stdout;
    assert_eq!(needed.contains("librefit.so.0"), !loader_path.is_empty(), "{needed}");
}

#[test]
fn a_program_links_the_shared_library_through_pkg_config() {
    let flags = pkg_config(&["--cflags", "--libs"]);
    builds_and_runs("shared", &flags, installed().join("lib").to_str().unwrap());
}

#[test]
fn a_program_links_the_static_library_through_pkg_config() {
    let mut flags = pkg_config(&["--static", "--cflags", "--libs"]);
    flags.push("-static".into());
    builds_and_runs("static", &flags, "");
}

/// Where the shared library was not installed, `--static` makes a program that is linked to the system's libraries alone.
#[test]
fn a_dynamic_program_links_the_static_library() {
    let mut flags = pkg_config(&["--static", "--cflags", "--libs"]);
    for flag in flags.iter_mut().filter(|flag| *flag == "-lrefit") {
        *flag = "-l:librefit.a".into();
    }
    builds_and_runs("archive", &flags, "");
}

#[test]
fn only_the_symbols_of_the_list_are_global_in_the_archive() {
    let archive = installed().join("lib/librefit.a");
    let text = run("nm", &["-g", "--defined-only", archive.to_str().unwrap()]).stdout;
    let mut global: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    global.sort_unstable();
    let list = std::fs::read_to_string(crate::prototypes::source("symbols.txt")).unwrap();
    assert_eq!(global, list.lines().collect::<Vec<_>>());
}

/// Two archives with a Rust runtime each in one program, both used.
#[test]
fn a_program_links_the_archive_beside_a_second_rust_archive() {
    let folder = folder("beside");
    let path = |name: &str| folder.join(name).display().to_string();
    let other = "#[unsafe(no_mangle)]\npub extern \"C\" fn other(n: i32) -> i32 {\n    std::panic::set_hook(Box::new(|_| ()));\n    \
                 std::panic::catch_unwind(|| assert!(n < 0)).is_err().into()\n}\n";
    std::fs::write(path("other.rs"), other).unwrap();
    let done = run("rustc", &["--edition=2024", "--crate-type=staticlib", "-o", &path("libother.a"), &path("other.rs")]);
    assert!(done.code == Some(0), "{}", done.stderr);
    let main = "#include <refit.h>\nint other(int);\nint main(void) {\n  refit *r = 0;\n  int bad = refit_open(\"{\\\"connect\\\":\\\"lazy\\\",\\\"host\\\":\\\"unix:///x\\\"}\", &r, 0);\n  \
                bad += refit_engine_info(r, 0, 0, 0, 0) != REFIT_E_UNREACHABLE;\n  refit_close(r);\n  return bad + (other(1) != 1);\n}\n";
    std::fs::write(path("main.c"), main).unwrap();
    let prefix = installed().display();
    let (include, archive) = (format!("-I{prefix}/include"), format!("{prefix}/lib/librefit.a"));
    let (source, program, other) = (path("main.c"), path("main"), path("libother.a"));
    let words = [&source, "-o", &program, &include, &archive, &other, "-lpthread", "-lm", "-ldl"];
    let done = run("cc", &words);
    assert!(done.code == Some(0), "{}", done.stderr);
    let done = run(&program, &[]);
    assert!(done.code == Some(0), "{:?}: {}", done.code, done.stderr);
}
