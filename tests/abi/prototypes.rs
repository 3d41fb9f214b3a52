//! `tests/c/prototypes.h` read: what every function is called with.

use std::path::{Path, PathBuf};

pub(crate) struct Function {
    pub(crate) result: String,
    pub(crate) name: String,
    pub(crate) parameters: Vec<Parameter>,
}

pub(crate) struct Parameter {
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl Function {
    /// A call on a handle, as the convention has it.
    pub(crate) fn is_call(&self) -> bool {
        self.parameters.first().is_some_and(|first| first.kind == "const refit *")
    }
}

/// A file of `tests/c`.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(name)
}

pub(crate) fn functions() -> Vec<Function> {
    let text = std::fs::read_to_string(source("prototypes.h")).unwrap();
    let expand = |macro_name: &str| {
        let definition = text.lines().find_map(|line| line.strip_prefix(&format!("#define {macro_name} "))).unwrap();
        definition.to_owned()
    };
    let begin = text.find("/* handle */").unwrap();
    let declarations = text[begin..text.find("#undef").unwrap()].replace("RF_TAIL", &expand("RF_TAIL"));
    without_comments(&declarations.replace("RF_PROGRESS", &expand("RF_PROGRESS"))).split_terminator(';').filter_map(function).collect()
}

fn without_comments(text: &str) -> String {
    let pieces = text.split("/*").enumerate();
    pieces.map(|(number, piece)| if number == 0 { piece } else { piece.split_once("*/").unwrap().1 }).collect()
}

fn function(declaration: &str) -> Option<Function> {
    let (head, parameters) = declaration.trim().strip_suffix(')')?.split_once('(')?;
    let head = kind_and_name(head);
    let parameters = parameters.split(',').map(kind_and_name).filter(|parameter| !parameter.kind.is_empty());
    Some(Function { result: head.kind, name: head.name, parameters: parameters.collect() })
}

/// `const char *image` is `const char *` and `image`; `void` has no kind.
fn kind_and_name(text: &str) -> Parameter {
    let text = text.trim();
    let at = text.rfind([' ', '*']).map_or(0, |at| at + 1);
    Parameter { kind: text[..at].trim().to_owned(), name: text[at..].to_owned() }
}

#[test]
fn the_prototypes_are_read() {
    let functions = functions();
    let pull = functions.iter().find(|function| function.name == "img_pull").unwrap();
    let names: Vec<_> = pull.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(names, ["r", "image", "options_json", "on_progress", "user_data", "cancel", "out_json", "err"]);
    assert_eq!((pull.result.as_str(), pull.parameters[0].kind.as_str()), ("refit_code", "const refit *"));
    assert!(functions.iter().any(|function| function.name == "refit_version" && function.parameters.is_empty()));
}
