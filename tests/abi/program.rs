//! C programs, compiled against the debug library and run with a time limit.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// How a program ended; `code` is None after a signal, 124 when it was still running after two minutes.
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// An empty folder of one test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The shared library that cargo built along with this test.
pub(crate) fn library() -> PathBuf {
    built().join("librefit.so")
}

/// Where cargo puts what it builds for a test: beside it. (The copies a level up are `cargo build`'s, and may be old.)
pub(crate) fn built() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().to_owned()
}

/// A folder where the linker and the loader find the library under its names.
fn linked() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = folder("lib");
        for name in ["librefit.so", "librefit.so.0"] {
            std::os::unix::fs::symlink(library(), folder.join(name)).unwrap();
        }
        folder
    })
}

pub(crate) fn run(program: &str, words: &[&str]) -> Done {
    finish(Command::new("timeout").args(["-k", "5", "120", program]).args(words))
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Done {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Compiles a C file, with every warning an error.
pub(crate) fn compile(source: &Path, flags: &[&str]) -> PathBuf {
    let lib = linked().display();
    let name = source.file_stem().unwrap().to_str().unwrap();
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi").join(name);
    let (include, search, rpath) = (format!("-I{ROOT}/include"), format!("-L{lib}"), format!("-Wl,-rpath,{lib}"));
    let fixed = ["-std=gnu11", "-g", "-Wall", "-Wextra", "-Werror", &include, "-o", program.to_str().unwrap(), source.to_str().unwrap()];
    let done = run("cc", &[&fixed[..], flags, &[&search, &rpath, "-lrefit", "-lpthread"]].concat());
    assert!(done.code == Some(0), "{}: {}", source.display(), done.stderr);
    program
}

/// Compiles and runs a program of `tests/c`, which answers 0 when all was well and says on stderr what was not.
pub(crate) fn passes(name: &str, words: &[&str]) {
    let program = compile(&crate::prototypes::source(name), &[]);
    let done = run(program.to_str().unwrap(), words);
    assert!(done.code == Some(0), "{name} {words:?} answered {:?}\n{}{}", done.code, done.stdout, done.stderr);
}
