//! A service as the engine shows it. Its spec stays raw JSON: what is not changed goes back as it came.

use serde_json::{Value, json};

use crate::json::{optional_text, text, unsigned};
use crate::reference::Reference;

/// The image in a spec, or in the spec of a task.
const IMAGE: &str = "/TaskTemplate/ContainerSpec/Image";

/// A service, as one answer of the engine shows it.
#[derive(Debug, Clone)]
pub(super) struct Service(Value);

/// How many tasks a service is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Replicated(u64),
    /// One on every node that fits.
    Global,
    /// Tasks that end. The engine runs them again when the spec changes, without a rolling update and without a rollback.
    Job,
}

/// What the engine does by itself when a task of an update fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureAction {
    /// It stops the update where it is. Docker's default.
    Pause,
    Continue,
    Rollback,
}

impl Service {
    pub(super) fn new(inspect: Value) -> Self {
        Self(inspect)
    }

    pub(super) fn id(&self) -> &str {
        text(&self.0, "/ID")
    }

    pub(super) fn name(&self) -> &str {
        text(&self.0, "/Spec/Name")
    }

    /// Which of its versions this is; an update names it, so that it changes nothing that it has not read.
    pub(super) fn version(&self) -> u64 {
        unsigned(&self.0, "/Version/Index").unwrap_or_default()
    }

    pub(super) fn spec(&self) -> &Value {
        &self.0["Spec"]
    }

    /// The reference of its image, mostly `NAME:TAG@DIGEST`; `None` where it runs no containers (a plugin, an attachment to a network).
    pub(super) fn image(&self) -> Option<&str> {
        image_of(self.spec())
    }

    /// That of the spec before the last update, which the engine has kept for a rollback.
    pub(super) fn previous_image(&self) -> Option<&str> {
        image_of(&self.0["PreviousSpec"])
    }

    /// How often its tasks were replaced by force.
    pub(super) fn force(&self) -> u64 {
        force_of(self.spec())
    }

    pub(super) fn previous_force(&self) -> u64 {
        force_of(&self.0["PreviousSpec"])
    }

    pub(super) fn mode(&self) -> Mode {
        let mode = &self.0["Spec"]["Mode"];
        if let Some(replicated) = mode.get("Replicated").filter(|mode| !mode.is_null()) {
            // The engine's own default.
            return Mode::Replicated(unsigned(replicated, "Replicas").unwrap_or(1));
        }
        let is_job = ["ReplicatedJob", "GlobalJob"].iter().any(|job| mode.get(job).is_some_and(|mode| !mode.is_null()));
        if is_job { Mode::Job } else { Mode::Global }
    }

    /// `updating`, `paused`, `completed`, `rollback_started`, `rollback_paused`, `rollback_completed`; `None` where it was never updated, and
    /// in the moment before an update begins.
    pub(super) fn update_state(&self) -> Option<String> {
        optional_text(&self.0, "/UpdateStatus/State")
    }

    pub(super) fn update_message(&self) -> &str {
        text(&self.0, "/UpdateStatus/Message")
    }

    pub(super) fn failure_action(&self) -> FailureAction {
        match text(&self.0, "/Spec/UpdateConfig/FailureAction") {
            "continue" => FailureAction::Continue,
            "rollback" => FailureAction::Rollback,
            _ => FailureAction::Pause,
        }
    }

    /// How many of its tasks run and are to run, as `docker service ls` counts them; `None` below API 1.41.
    pub(super) fn counts(&self) -> Option<(u64, u64)> {
        let status = self.0.get("ServiceStatus").filter(|status| status.is_object())?;
        Some((unsigned(status, "RunningTasks").unwrap_or_default(), unsigned(status, "DesiredTasks").unwrap_or_default()))
    }

    /// What a list shows: the image, or the plugin.
    pub(super) fn shown_image(&self) -> String {
        self.image().unwrap_or_else(|| text(&self.0, "/Spec/TaskTemplate/PluginSpec/Remote")).to_owned()
    }

    /// The spec with another image, and everything else as it is. By force its tasks are replaced also where nothing has changed.
    pub(super) fn spec_with(&self, image: &str, force: bool) -> Value {
        let mut spec = self.spec().clone();
        if let Some(own) = spec.pointer_mut(IMAGE) {
            *own = json!(image);
        }
        if force && let Some(template) = spec.get_mut("TaskTemplate").and_then(Value::as_object_mut) {
            template.insert("ForceUpdate".into(), json!(self.force() + 1));
        }
        spec
    }
}

fn image_of(spec: &Value) -> Option<&str> {
    spec.pointer(IMAGE).and_then(Value::as_str).filter(|image| !image.is_empty())
}

fn force_of(spec: &Value) -> u64 {
    unsigned(spec, "/TaskTemplate/ForceUpdate").unwrap_or_default()
}

/// `NAME:TAG` as the spec writes it, without the digest; `None` where it is pinned and has no tag.
pub(super) fn tag_of(image: &str) -> Option<String> {
    let (written, digest) = image.split_once('@').map_or((image, None), |(written, digest)| (written, Some(digest)));
    let has_tag = written.rsplit('/').next().is_some_and(|last| last.contains(':'));
    match (has_tag, digest) {
        (true, _) => Some(written.to_owned()),
        (false, None) => Some(format!("{written}:latest")),
        (false, Some(_)) => None,
    }
}

/// The digest in an image of a spec.
pub(super) fn digest_in(image: &str) -> Option<String> {
    Reference::parse(image).ok()?.digest().map(str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_image_of_a_spec_changes_and_fields_that_are_not_known_stay() {
        let text = r#"{"Name":"web","Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"app:1@sha256:aa","Init":false,"New":[1,{"x":null}]},"Resources":{},"ForceUpdate":3,"Runtime":"container"},"Mode":{"Replicated":{"Replicas":2}},"UpdateConfig":{"MaxFailureRatio":0.3},"Later":"y"}"#;
        let service = Service::new(json!({ "Spec": serde_json::from_str::<Value>(text).unwrap() }));
        assert_eq!(service.spec_with("app:1@sha256:bb", false).to_string(), text.replace("sha256:aa", "sha256:bb"));
        assert_eq!(service.spec_with("app:1@sha256:aa", true).to_string(), text.replace("\"ForceUpdate\":3", "\"ForceUpdate\":4"));
        let never = Service::new(json!({"Spec": {"TaskTemplate": {"ContainerSpec": {"Image": "app"}}}}));
        assert_eq!(never.spec_with("app:latest@sha256:bb", true)["TaskTemplate"]["ForceUpdate"], 1);
    }

    #[test]
    fn modes_are_read() {
        for (mode, expected) in [
            (json!({"Replicated": {"Replicas": 3}}), Mode::Replicated(3)),
            (json!({"Replicated": {"Replicas": 0}}), Mode::Replicated(0)),
            (json!({"Replicated": {}}), Mode::Replicated(1)),
            (json!({"Global": {}}), Mode::Global),
            (json!({"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}}), Mode::Job),
            (json!({"GlobalJob": {}}), Mode::Job),
        ] {
            assert_eq!(Service::new(json!({"Spec": {"Mode": mode}})).mode(), expected, "{mode}");
        }
    }

    #[test]
    fn the_tag_of_an_image_is_as_the_spec_writes_it() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (image, tag) in [
            ("app", Some("app:latest")),
            ("app:1", Some("app:1")),
            ("host:5000/app", Some("host:5000/app:latest")),
            (&format!("docker.io/library/app:1@{digest}"), Some("docker.io/library/app:1")),
            (&format!("host:5000/app@{digest}"), None),
        ] {
            assert_eq!(tag_of(image).as_deref(), tag, "{image}");
        }
        assert_eq!(digest_in(&format!("app:1@{digest}")), Some(digest));
        assert_eq!(digest_in("app:1"), None);
    }
}
