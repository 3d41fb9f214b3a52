//! The library in another process, which can be killed: a C program, as an application has it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use refit::Code;
use serde_json::{Value, json};

/// One call of a child.
#[derive(Debug, Clone)]
pub struct Work {
    call: &'static str,
    /// Or a volume.
    container: String,
    open: Value,
    options: Value,
    file: Option<PathBuf>,
}

impl Work {
    /// A recreation with a short time to settle.
    pub fn recreate(container: &str) -> Self {
        Self {
            call: "recreate",
            container: container.into(),
            open: patient(),
            options: json!({"settle_s": 0.3, "allow_lossy": true}),
            file: None,
        }
    }

    /// A recovery that does not wait for a lease.
    pub fn recover(container: &str) -> Self {
        Self { call: "recover", container: container.into(), open: patient(), options: json!({"force": true}), file: None }
    }

    pub fn backup(volume: &str, file: &Path) -> Self {
        Self { call: "backup", container: volume.into(), open: patient(), options: json!({}), file: Some(file.into()) }
    }

    /// A restore that replaces what is there.
    pub fn restore(volume: &str, file: &Path) -> Self {
        let options = json!({"overwrite": true});
        Self { call: "restore", container: volume.into(), open: patient(), options, file: Some(file.into()) }
    }

    /// The content of a local file is written to the file `f` of the volume.
    pub fn write(volume: &str, content: &Path) -> Self {
        let options = json!({});
        Self { call: "write", container: volume.into(), open: patient(), options, file: Some(content.into()) }
    }

    /// A local archive is unpacked into the volume.
    pub fn import(volume: &str, archive: &Path) -> Self {
        let options = json!({});
        Self { call: "import", container: volume.into(), open: patient(), options, file: Some(archive.into()) }
    }

    pub fn option(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.options[name] = value.into();
        self
    }

    pub fn state_dir(mut self, folder: &Path) -> Self {
        self.open["state_dir"] = folder.to_str().unwrap().into();
        self
    }

    pub fn helper_image(mut self, image: &str) -> Self {
        self.open["helper_image"] = image.into();
        self
    }

    /// Starts the child, with an engine.
    pub fn start(&self, host: &str) -> Child {
        let mut open = self.open.clone();
        open["host"] = host.into();
        let mut command = Command::new(program());
        command.args([self.call, &open.to_string(), &self.container, &self.options.to_string()]).args(&self.file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

/// With many tests at once Docker 20.10 has not answered for more than 30 s.
fn patient() -> Value {
    json!({"timeout_s": 120})
}

/// `tests/c/child.c`, compiled against the shared library that cargo built along with this test.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("child");
        std::fs::create_dir_all(&folder).unwrap();
        // Another process of these tests may be using the files: each is replaced as a whole.
        let replace = |name: &str, make: &dyn Fn(&Path)| {
            let (temporary, path) = (folder.join(format!("{name}-{}", std::process::id())), folder.join(name));
            make(&temporary);
            std::fs::rename(temporary, &path).unwrap();
            path
        };
        let library = replace("librefit.so.0", &|path| std::os::unix::fs::symlink(test.with_file_name("librefit.so"), path).unwrap());
        replace("child", &|path| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let mut compiler = Command::new("cc");
            compiler.arg("-I").arg(root.join("include")).arg("-o").arg(path).arg(root.join("tests/c/child.c")).arg(&library);
            let done = compiler.arg(format!("-Wl,-rpath,{}", folder.display())).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        })
    })
}

/// The code with which a child ended.
pub fn ended(mut child: Child) -> Option<Code> {
    let status = child.wait().unwrap().code().expect("a child that was not killed");
    Code::ALL.iter().copied().find(|code| *code as i32 == status)
}
