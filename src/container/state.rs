//! What a container does now, read from its inspect. The engine's list may be late (26 lists `running` after a stop has returned).

use jiff::Timestamp;
use serde_json::Value;

use crate::json::{integer, is_true, text, timestamp};

/// The full id.
pub(crate) fn id(container: &Value) -> &str {
    text(container, "/Id")
}

/// The name, without the engine's slash.
pub(crate) fn name(container: &Value) -> &str {
    text(container, "/Name").trim_start_matches('/')
}

/// `running`, `exited` and so on.
pub(crate) fn status(container: &Value) -> &str {
    text(container, "/State/Status")
}

/// Whether it runs; a paused one and one between two attempts of its restart policy do.
pub(crate) fn is_running(container: &Value) -> bool {
    is_true(container, "/State/Running")
}

pub(crate) fn is_paused(container: &Value) -> bool {
    is_true(container, "/State/Paused")
}

/// Whether the engine is removing it: an exited `--rm` container may still look alive.
pub(crate) fn is_being_removed(container: &Value) -> bool {
    matches!(status(container), "removing" | "dead") || (is_auto_remove(container) && status(container) == "exited")
}

pub(crate) fn is_auto_remove(container: &Value) -> bool {
    is_true(container, "/HostConfig/AutoRemove")
}

pub(crate) fn exit_code(container: &Value) -> i64 {
    integer(container, "/State/ExitCode").unwrap_or_default()
}

/// When it was started last; `None` if never.
pub(crate) fn started_at(container: &Value) -> Option<Timestamp> {
    timestamp(container, "/State/StartedAt")
}

/// When it ended last.
pub(crate) fn finished_at(container: &Value) -> Option<Timestamp> {
    timestamp(container, "/State/FinishedAt")
}

/// `Name` of the restart policy; `no` where none is set.
pub(crate) fn restart_policy(container: &Value) -> &str {
    match text(container, "/HostConfig/RestartPolicy/Name") {
        "" => "no",
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_zero_time_means_never() {
        let container = json!({"State": {"StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "2026-11-24T13:00:00.5Z"}});
        assert_eq!(started_at(&container), None);
        assert_eq!(finished_at(&container).map(Timestamp::as_millisecond), Some(1_795_525_200_500));
    }

    #[test]
    fn an_exited_auto_remove_container_is_being_removed() {
        let container = |status: &str, auto: bool| json!({"State": {"Status": status}, "HostConfig": {"AutoRemove": auto}});
        assert!(
            is_being_removed(&container("exited", true))
                && is_being_removed(&container("removing", false))
                && is_being_removed(&container("dead", false))
        );
        assert!(!is_being_removed(&container("exited", false)) && !is_being_removed(&container("created", true)));
    }
}
