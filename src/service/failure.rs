//! Why a task of an update has failed: the engine's words, and the last lines that it wrote.

use std::time::Duration;

use serde_json::Value;

use super::tasks::named;
use crate::engine::api::{nodes, tasks};
use crate::engine::{Engine, join_frames};
use crate::json::{is_true, text};
use crate::{Error, Refit};

/// How long a log is waited for, which may be on a node that is down.
const PATIENCE: Duration = Duration::from_secs(5);

/// The last lines of a log that are read.
const LINES: u32 = 20;

/// A task that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// Which one, where, and the engine's words.
    pub(super) words: String,
    pub(super) log: Option<String>,
}

impl Failure {
    /// Reads what there is to be known of a task that failed. Never fails: it is read when something else has.
    pub(super) async fn of(refit: &Refit, task: &Value) -> Self {
        let engine = &refit.shared.engine;
        let (node, log) = futures_util::join!(node_name(engine, text(task, "/NodeID")), log_tail(engine, task));
        Self { words: words(task, &node), log }
    }

    /// What the list of the tasks tells.
    pub(super) fn without_log(task: &Value) -> Self {
        Self { words: words(task, text(task, "/NodeID")), log: None }
    }

    /// The error with this as its causes: the words of the engine, then the lines of the log.
    pub(super) fn cause(&self, mut error: Error) -> Error {
        let causes = &mut error.context_mut().causes;
        causes.push(self.words.clone());
        let lines = self.log.iter().flat_map(|log| log.lines()).map(str::trim_end).filter(|line| !line.is_empty());
        causes.extend(lines.map(|line| format!("its log: {}", line.replace(char::is_control, " "))));
        error
    }
}

/// `task 2 on node worker-1: failed: task: non-zero exit (3)`.
fn words(task: &Value, node: &str) -> String {
    let said = Some(text(task, "/Status/Err")).filter(|words| !words.is_empty()).unwrap_or_else(|| text(task, "/Status/Message"));
    format!("{} on node {node}: {}: {said}", named(task), text(task, "/Status/State"))
}

/// The name of a node's machine; its id where the engine does not say.
async fn node_name(engine: &Engine, id: &str) -> String {
    let nodes = tokio::time::timeout(PATIENCE, nodes::list(engine)).await.ok().and_then(Result::ok).unwrap_or_default();
    let own = nodes.iter().find(|node| text(node, "/ID") == id).map(|node| text(node, "/Description/Hostname"));
    own.filter(|name| !name.is_empty()).unwrap_or(id).to_owned()
}

async fn log_tail(engine: &Engine, task: &Value) -> Option<String> {
    let read = tasks::logs(engine, text(task, "/ID"), LINES, PATIENCE);
    let log = tokio::time::timeout(PATIENCE, read).await.ok()?.ok()?;
    let bytes = if is_true(task, "/Spec/ContainerSpec/TTY") { log.to_vec() } else { join_frames(&log) };
    let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;
    use serde_json::json;

    #[test]
    fn a_failure_is_in_the_causes_with_the_lines_of_its_log() {
        let task = json!({"Slot": 2, "NodeID": "n1", "Status": {"State": "failed", "Err": "task: non-zero exit (3)"}});
        let failure = Failure { words: words(&task, "worker-1"), log: Some("starting\n\nthe level file\tis corrupt\n".into()) };
        let error = failure.cause(Code::RolledBack.error("x"));
        assert_eq!(
            error.context().causes,
            ["task 2 on node worker-1: failed: task: non-zero exit (3)", "its log: starting", "its log: the level file is corrupt"]
        );
        let rejected = json!({"NodeID": "n1", "Status": {"State": "rejected", "Err": "No such image: app:1", "Message": "preparing"}});
        assert_eq!(words(&rejected, "n1"), "the task on node n1: rejected: No such image: app:1");
    }
}
