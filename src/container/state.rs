//! What a container does now, read from its inspect. The engine's list may tell it late (26 lists `running` after a stop has returned).

use jiff::Timestamp;
use serde_json::Value;

use super::names::Mode;

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
    container.pointer("/State/Running") == Some(&Value::Bool(true))
}

pub(crate) fn is_paused(container: &Value) -> bool {
    container.pointer("/State/Paused") == Some(&Value::Bool(true))
}

/// Whether the engine is removing it: an exited `--rm` container may still look alive.
pub(crate) fn is_going(container: &Value) -> bool {
    matches!(status(container), "removing" | "dead") || (is_auto_remove(container) && status(container) == "exited")
}

pub(crate) fn is_auto_remove(container: &Value) -> bool {
    container.pointer("/HostConfig/AutoRemove") == Some(&Value::Bool(true))
}

/// What it does, as a run remembers it.
pub(crate) fn mode(container: &Value) -> Mode {
    match (is_running(container), is_paused(container)) {
        (_, true) => Mode::Paused,
        (true, false) => Mode::Running,
        (false, false) => Mode::Stopped,
    }
}

pub(crate) fn exit_code(container: &Value) -> i64 {
    container.pointer("/State/ExitCode").and_then(Value::as_i64).unwrap_or_default()
}

/// When it was started last; `None` if never.
pub(crate) fn started_at(container: &Value) -> Option<Timestamp> {
    time(container, "/State/StartedAt")
}

/// When it ended last.
pub(crate) fn finished_at(container: &Value) -> Option<Timestamp> {
    time(container, "/State/FinishedAt")
}

/// `Name` of the restart policy; `no` where none is set.
pub(crate) fn restart_policy(container: &Value) -> &str {
    match text(container, "/HostConfig/RestartPolicy/Name") {
        "" => "no",
        name => name,
    }
}

fn time(container: &Value, path: &str) -> Option<Timestamp> {
    // The zero time `0001-01-01T00:00:00Z` stands for never.
    text(container, path).parse::<Timestamp>().ok().filter(|time| time.as_second() > 0)
}

fn text<'a>(container: &'a Value, path: &str) -> &'a str {
    container.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn modes_are_told_from_the_state() {
        let cases = [
            (json!({"Running": true, "Paused": false}), Mode::Running),
            (json!({"Running": true, "Restarting": true}), Mode::Running),
            (json!({"Running": true, "Paused": true}), Mode::Paused),
            (json!({"Running": false, "Status": "created"}), Mode::Stopped),
        ];
        for (state, expected) in cases {
            assert_eq!(mode(&json!({"State": state})), expected);
        }
    }

    #[test]
    fn the_zero_time_is_never() {
        let container = json!({"State": {"StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "2026-11-24T13:00:00.5Z"}});
        assert_eq!(started_at(&container), None);
        assert_eq!(finished_at(&container).map(Timestamp::as_millisecond), Some(1_795_525_200_500));
    }

    #[test]
    fn an_exited_auto_remove_container_is_going() {
        let container = |status: &str, auto: bool| json!({"State": {"Status": status}, "HostConfig": {"AutoRemove": auto}});
        assert!(is_going(&container("exited", true)) && is_going(&container("removing", false)) && is_going(&container("dead", false)));
        assert!(!is_going(&container("exited", false)) && !is_going(&container("created", true)));
    }
}
