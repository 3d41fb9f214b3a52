//! No credential that a handle was opened with comes out of any call, nor of an opening that is refused.

use serde_json::json;

use crate::arguments::unsupported;
use crate::caller::{Argument, Caller};
use crate::prototypes;

const SECRET: &str = "REFIT-SECRET-5f0c1e";
/// Of `refit:` and the secret.
const IN_BASE64: &str = "cmVmaXQ6UkVGSVQtU0VDUkVULTVmMGMxZQ==";

#[track_caller]
fn is_silent(what: &str, text: &str) {
    assert!(!text.contains(SECRET) && !text.contains(&IN_BASE64[8..30]), "{what}: {text}");
}

#[test]
fn no_call_reports_a_secret_of_the_handle() {
    let login = json!({"username": "refit", "password": SECRET, "token": SECRET});
    let options = json!({"connect": "lazy", "host": "unix:///nonexistent/refit.sock", "registries": {"127.0.0.1:1": login}});
    let mut caller = Caller::open(&options);
    let functions = prototypes::functions();
    for function in functions.iter().filter(|function| function.is_call() && !unsupported().contains(&function.name)) {
        let names = ["image", "images_json", "container", "name", "spec_json", "argv_json", "volume", "path", "service"];
        let mut arguments: Vec<(&str, Argument)> = Vec::new();
        for name in names.into_iter().filter(|name| function.parameters.iter().any(|parameter| parameter.name == *name)) {
            arguments.push((name, if name.ends_with("_json") { r#"["127.0.0.1:1/x:1"]"# } else { "127.0.0.1:1/x:1" }.into()));
        }
        let answer = caller.call(&function.name, &arguments);
        is_silent(&function.name, &format!("{} {}", answer.document, answer.error));
    }
    let auth = json!({"registry_auth": {"username": "refit", "password": SECRET}, "timeout_s": 0.0001}).to_string();
    for auth in [auth.clone(), auth.replace("password", "pasword"), auth.replace("0.0001", "-1"), auth.replace("registry_auth", "auth")] {
        let answer = caller.call("img_pull", &[("image", "127.0.0.1:1/x:1".into()), ("options_json", auth.as_str().into())]);
        is_silent("img_pull", &format!("{} {}", answer.document, answer.error));
    }
    caller.end();
}

#[test]
fn an_opening_that_is_refused_names_the_key_and_not_the_value() {
    let mut caller = Caller::start();
    for registries in [
        json!({"a:1": {"password": [SECRET]}}),
        json!({"a:1": {"password": {"x": SECRET}}}),
        json!({"a:1": {"token": SECRET, "x": SECRET}}),
        json!({"a:1": SECRET}),
        json!([SECRET]),
        json!({"a:1": {"password": SECRET, "insecure": SECRET}}),
    ] {
        let options = json!({"connect": "lazy", "registries": registries}).to_string();
        for text in [options.clone(), format!("{options}}}"), options[..options.len() - 2].to_owned()] {
            let answer = caller.call("refit_open", &[("options_json", text.as_str().into())]);
            assert_eq!(answer.code, "INVALID_ARGUMENT", "{text}");
            is_silent("refit_open", &answer.error.to_string());
        }
    }
    caller.end();
}
