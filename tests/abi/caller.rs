//! A C program that makes any call by its name, and checks at each the rules that hold for all: outputs are set, an error is there exactly
//! when the code says so.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::program::{compile, folder};
use crate::prototypes::{self, Function, Parameter};

/// What a parameter is given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Argument {
    Null,
    /// What a program gives that means nothing special: a handle, outputs, no callback, no token.
    Usual,
    /// A token that was fired.
    Fired,
    Text(Vec<u8>),
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// What a call answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: String,
    pub(crate) document: Value,
    pub(crate) error: Value,
}

impl Answer {
    pub(crate) fn message(&self) -> &str {
        self.error["message"].as_str().unwrap_or_default()
    }
}

/// The program, running.
pub(crate) struct Caller {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    functions: Vec<Function>,
}

impl Caller {
    pub(crate) fn start() -> Self {
        Self::under(&[])
    }

    /// The same under another program.
    pub(crate) fn under(wrapper: &[&str]) -> Self {
        Self::of(program(), wrapper)
    }

    /// A copy of the program under another one.
    pub(crate) fn of(program: &Path, wrapper: &[&str]) -> Self {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", "300"]).args(wrapper).arg(program);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output, functions: prototypes::functions() }
    }

    /// A program whose handle is open.
    pub(crate) fn open(options: &Value) -> Self {
        let mut caller = Self::start();
        let answer = caller.call("refit_open", &[("options_json", options.to_string().as_str().into())]);
        assert_eq!(answer.code, "OK", "{}", answer.message());
        caller
    }

    /// Makes a call; parameters that are not named are given the usual.
    pub(crate) fn call(&mut self, name: &str, arguments: &[(&str, Argument)]) -> Answer {
        let function = self.functions.iter().find(|function| function.name == name).unwrap();
        let mut line = name.to_owned();
        for parameter in &function.parameters {
            let argument = arguments.iter().find(|(name, _)| *name == parameter.name).map_or(&Argument::Usual, |(_, argument)| argument);
            line.push(' ');
            match argument {
                Argument::Null => line.push('N'),
                Argument::Usual => line.push('.'),
                Argument::Fired => line.push('F'),
                Argument::Text(bytes) => {
                    line.push('x');
                    for byte in bytes {
                        write!(line, "{byte:02x}").unwrap();
                    }
                }
            }
        }
        let shown: String = format!("{name} {arguments:?}").chars().take(300).collect();
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap_or_else(|error| panic!("{shown}: {error}: {}", self.ended()));
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        let mut parts = answer.trim_end_matches('\n').split('\t');
        let (Some(code), Some(document), Some(error), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            panic!("{shown}: {answer}{}", self.ended());
        };
        let json = |text: &str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{shown}: {error}: {text}"));
        Answer { code: code.to_owned(), document: json(document), error: json(error) }
    }

    /// Ends the program in peace; it and the library must have printed nothing.
    pub(crate) fn end(mut self) {
        let ended = self.ended();
        assert_eq!(ended, "exit status: 0: ");
    }

    fn ended(&mut self) -> String {
        drop(self.input.take());
        let mut errors = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            std::io::Read::read_to_string(&mut stderr, &mut errors).unwrap();
        }
        format!("{}: {errors}", self.child.wait().unwrap())
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = folder("caller").join("call.c");
        let functions = prototypes::functions();
        let calls: String = functions.iter().filter(|function| function.is_call() || function.name == "refit_open").map(branch).collect();
        let frame = std::fs::read_to_string(prototypes::source("caller.c.in")).unwrap();
        std::fs::write(&source, frame.replace("@CALLS@", &calls)).unwrap();
        compile(&source, &[])
    })
}

/// `if (!strcmp(name, "img_info")) code = img_info(given(0) ? r : NULL, text(1), …);`
fn branch(function: &Function) -> String {
    let arguments: Vec<String> = function.parameters.iter().enumerate().map(|(number, parameter)| argument(number, parameter)).collect();
    format!("    if (!strcmp(name, \"{0}\"))\n      code = {0}({1});\n", function.name, arguments.join(", "))
}

fn argument(number: usize, parameter: &Parameter) -> String {
    match (parameter.kind.as_str(), parameter.name.as_str()) {
        ("const refit *", _) => format!("given({number}) ? r : NULL"),
        ("const char *", _) => format!("text({number})"),
        ("const uint8_t *", _) => format!("(const uint8_t *)text({number})"),
        ("size_t", _) => format!("text({0}) ? strlen(text({0})) : 0", number - 1),
        ("const refit_cancel *", _) => format!("token({number})"),
        ("refit **" | "char **" | "int32_t *" | "uint8_t **" | "size_t *" | "refit_error **", name) => {
            format!("given({number}) ? &{name} : NULL")
        }
        ("refit_log_fn" | "refit_write_fn" | "refit_read_fn" | "refit_progress_fn", name) => format!("given({number}) ? {name} : NULL"),
        ("void *", _) => "NULL".to_owned(),
        (kind, name) => panic!("tests/abi/caller.rs does not know what to give for {kind} {name}"),
    }
}

/// The folder of the program, readable to every user: for a program that runs as another one.
pub(crate) fn readable_to_all() -> PathBuf {
    let copy = std::env::temp_dir().join(format!("refit-abi-{}", std::process::id()));
    std::fs::create_dir_all(&copy).unwrap();
    for (from, name) in [(program().clone(), "call"), (crate::program::library(), "librefit.so.0")] {
        std::fs::copy(from, copy.join(name)).unwrap();
    }
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    copy
}
