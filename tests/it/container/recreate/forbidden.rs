//! A proxy before the engine's socket that forbids some requests.

use crate::recreation::{Case, failed, in_parallel, quick, recreate_through};
use refit::Code;
use refit::container::{RecreateOptions, RecreationResult};
use refit_lab::{Canned, Fault, Image, Proxy, When};
use serde_json::json;

/// As haproxy answers, which most of these proxies are.
const PAGE: &str = "<html><body><h1>403 Forbidden</h1>Request forbidden by administrative rules.</body></html>";

/// Recreates behind a proxy that forbids these requests: the container was never stopped, and nothing is left.
fn assert_found_before_the_stop(pattern: &str, answer: Canned, options: RecreateOptions) {
    let case = Case::new("forbidden");
    let body = json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"RestartPolicy": {"Name": "always"}}});
    case.lab.engine.run(&case.name, &body);
    let before = case.inspect(&case.name);
    case.moves_to(&Image::new().version("2"));
    let proxy = Proxy::engine(case.lab);
    proxy.on(When::each(pattern), Fault::Answer(answer.clone()));
    let (error, report) = failed(recreate_through(&proxy, &case, options, || ()));
    let when = format!("{pattern} {answer:?}: {error}");
    assert_eq!((error.code(), report.result), (Code::Engine, RecreationResult::Failed), "{when}");
    let (method, path) = pattern.split_once(' ').unwrap();
    for word in [method, path.rsplit('*').next().unwrap(), "nothing was changed"] {
        assert!(error.message().contains(word), "{word}: {when}");
    }
    assert!(!error.message().contains('<') && !error.context().causes.iter().any(|cause| cause.contains('<')), "{when}");
    let after = case.inspect(&case.name);
    assert_eq!((&after["Id"], &after["State"]["StartedAt"]), (&before["Id"], &before["State"]["StartedAt"]), "{when}");
    assert_eq!(after["HostConfig"], before["HostConfig"], "{when}");
    case.assert_alone();
}

#[test]
fn what_a_proxy_forbids_after_the_stop_is_found_before_it() {
    let patterns = ["POST /containers/*/rename", "POST /containers/*/update", "POST /containers/*/start", "DELETE /containers/*"];
    let page = |status: u16| Canned::text(status, "text/html", PAGE);
    let answers = [page(403), page(404), Canned::message(403, "authorization denied by plugin gate")];
    let points = patterns.iter().flat_map(|pattern| answers.iter().map(move |answer| (*pattern, answer.clone()))).collect();
    in_parallel(points, |(pattern, answer)| assert_found_before_the_stop(pattern, answer, quick()));
}

#[test]
fn what_the_hooks_of_the_new_container_need_is_found_before_the_stop() {
    let mut options = quick();
    options.hooks.after = vec![vec!["true".into()]];
    for pattern in ["POST /containers/*/exec", "POST /exec/*/start"] {
        assert_found_before_the_stop(pattern, Canned::text(403, "text/html", PAGE), options.clone());
    }
}

#[test]
fn an_answer_that_is_not_the_engines_is_named_as_such() {
    let case = Case::new("foreign");
    case.lab.engine.run(&case.name, &json!({"Image": case.image()}));
    let before = case.inspect(&case.name);
    let proxy = Proxy::engine(case.lab);
    // 404 on a page is not the engine's word that there is no such container.
    proxy.on(When::each("GET /containers/*/json"), Fault::Answer(Canned::text(404, "text/html", PAGE)));
    let error = recreate_through(&proxy, &case, quick(), || ()).unwrap_err().error;
    assert_eq!(error.code(), Code::Engine, "{error}");
    assert!(error.message().contains("GET /containers/") && error.message().contains("not by the engine"), "{error}");
    assert!(!error.message().contains('<'), "{error}");
    assert_eq!(case.inspect(&case.name), before);
}
