//! Requests that change nothing, by which a run learns before its stop whether a proxy before the engine lets through what it needs later:
//! they are about a container, a network or an exec that does not exist.

use http::Method;
use serde_json::{Value, json};

use crate::Result;
use crate::engine::{Engine, escape};

/// An id that nothing has.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    Start,
    Pause,
    Remove,
    /// Joins a network, and leaves it.
    Connect,
    /// Runs a command: creates and starts an exec.
    Exec,
}

/// Fails when something before the engine forbids requests of this kind.
pub(crate) async fn probe(engine: &Engine, probe: Probe) -> Result<()> {
    let of_container = |action: &str| (Method::POST, format!("/containers/{NOBODY}/{action}"), None);
    let network = |action: &str| (Method::POST, format!("/networks/{NOBODY}/{action}"), Some(json!({"Container": NOBODY})));
    let requests: Vec<(Method, String, Option<Value>)> = match probe {
        Probe::Start => vec![of_container("start")],
        Probe::Pause => vec![of_container("pause")],
        Probe::Remove => vec![(Method::DELETE, format!("/containers/{NOBODY}?force=true&v=true"), None)],
        Probe::Connect => vec![network("disconnect"), network("connect")],
        Probe::Exec => vec![
            (Method::POST, format!("/containers/{NOBODY}/exec"), Some(json!({"Cmd": ["true"]}))),
            (Method::POST, format!("/exec/{NOBODY}/start"), Some(json!({"Detach": false, "Tty": false}))),
        ],
    };
    for (method, path, body) in requests {
        ask(engine, method, &path, body.as_ref()).await?;
    }
    Ok(())
}

/// Fails when something before the engine forbids to rename a container: to the name that it has, which the engine refuses.
pub(crate) async fn probe_rename(engine: &Engine, name: &str) -> Result<()> {
    ask(engine, Method::POST, &format!("/containers/{0}/rename?name={0}", escape(name)), None).await
}

async fn ask(engine: &Engine, method: Method, path: &str, body: Option<&Value>) -> Result<()> {
    let what = "asking whether the engine takes this request";
    match engine.answer(what, method.clone(), path, body, engine.timeout()).await {
        Ok(answer) => answer.forbids(what, &method, path).map_or(Ok(()), Err),
        // 400 has been read already, since it may be about the version: so a rename to the own name is answered.
        Err(error) if error.context().http_status == Some(400) => Ok(()),
        Err(error) => Err(error),
    }
}
