//! What the old container did already before it was replaced: a new one that does the same is no worse, and its caller learns that.
//!
//! Rules: docs/recreate.md, section 4.1.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::container::create_body::Warning;
use crate::container::state;

/// Troubles that the old container had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OldTroubles {
    /// Its healthcheck said `unhealthy`.
    pub(crate) unhealthy: bool,
    /// How often its restart policy had started it again: it crashed, or it is a job that ends and is to begin anew.
    pub(crate) restarts: u64,
}

impl OldTroubles {
    /// From its inspect before anything was changed.
    pub(crate) fn of(old: &Value) -> Self {
        let restarts = old.get("RestartCount").and_then(Value::as_u64).unwrap_or_default();
        let is_restarting = state::status(old) == "restarting";
        Self {
            unhealthy: state::is_running(old) && old.pointer("/State/Health/Status").is_some_and(|health| health == "unhealthy"),
            restarts: restarts.max(u64::from(is_restarting)),
        }
    }

    /// What is to be known before the container is replaced, where it runs.
    pub(crate) fn warnings(self, name: &str) -> Vec<Warning> {
        let warning = |code: &str, message: String| Warning { code: code.into(), container: Some(name.into()), message };
        let mut warnings = Vec::new();
        if self.unhealthy {
            let message = "it is unhealthy already: a new container that is unhealthy too is rolled back, unless health_timeout_s is 0";
            warnings.push(warning("was_unhealthy", message.into()));
        }
        if self.restarts > 0 {
            let message = format!(
                "its restart policy has restarted it already ({}): a new container that ends while it is watched is rolled back, unless \
                 settle_s is 0",
                times(self.restarts)
            );
            warnings.push(warning("was_restarted", message));
        }
        warnings
    }

    /// What the error of a new container that ended adds.
    pub(crate) fn also_ended(self) -> String {
        match self.restarts {
            0 => String::new(),
            restarts => format!(
                "; the old container did so too, its policy had restarted it {}: settle_s: 0 replaces it without waiting whether the new one \
                 keeps running",
                times(restarts)
            ),
        }
    }

    /// What the error of a new container that is not healthy adds.
    pub(crate) fn also_unhealthy(self) -> &'static str {
        if self.unhealthy {
            "; the old container was unhealthy too: health_timeout_s: 0 replaces it without waiting for the new one's health"
        } else {
            ""
        }
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".into() } else { format!("{count} times") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_container_is_unhealthy_or_was_restarted_before() {
        let container = |status: &str, health: &str, restarts: u64| {
            let running = matches!(status, "running" | "restarting");
            json!({"State": {"Status": status, "Running": running, "Health": {"Status": health}}, "RestartCount": restarts})
        };
        let cases = [
            (container("running", "healthy", 0), false, 0),
            (container("running", "unhealthy", 0), true, 0),
            (container("exited", "unhealthy", 0), false, 0),
            (container("running", "none", 7), false, 7),
            (container("restarting", "none", 0), false, 1),
        ];
        for (container, unhealthy, restarts) in cases {
            let troubles = OldTroubles::of(&container);
            assert_eq!(troubles, OldTroubles { unhealthy, restarts }, "{container}");
            let codes: Vec<String> = troubles.warnings("web").into_iter().map(|warning| warning.code).collect();
            let expected = [("was_unhealthy", unhealthy), ("was_restarted", restarts > 0)];
            assert_eq!(codes, expected.iter().filter(|(_, is)| *is).map(|(code, _)| *code).collect::<Vec<_>>(), "{container}");
            assert_eq!(troubles.also_ended().contains("settle_s: 0"), restarts > 0);
            assert_eq!(troubles.also_unhealthy().contains("health_timeout_s: 0"), unhealthy);
        }
    }
}
