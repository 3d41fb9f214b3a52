//! `container_create`, `_start`, `_stop`, `_restart`, `_remove`, `_wait`: one request each, on containers without a recreation in progress.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::find::named;
use super::list::{ContainerSummary, Listing, no_container};
use super::replacement::{AFTER_GRACE, grace};
use crate::engine::api::containers::{self, Removal};
use crate::engine::names::check_container;
use crate::engine::phrases;
use crate::error::shown;
use crate::json::{optional_text, text};
use crate::{Code, Error, Refit, Result};

/// The longest that a call may last.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// A container that was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "container_create")]
#[non_exhaustive]
pub struct CreatedContainer {
    /// The engine's id.
    pub id: String,
    /// The engine's warnings about what it left out.
    pub warnings: Vec<String>,
}

/// What a step did to a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "container_changed")]
#[non_exhaustive]
pub struct ContainerChanged {
    /// As asked.
    pub container: String,
    /// False: it was so already.
    pub changed: bool,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "container_wait")]
#[non_exhaustive]
pub struct ContainerExit {
    /// Of its process.
    pub exit_code: i64,
    /// The engine's error when it could not wait.
    pub error: Option<String>,
}

/// How a container is removed.
#[derive(Debug, Clone, Default)]
pub struct RemoveOptions {
    /// Also while it runs. Default: no.
    pub force: bool,
    /// Its anonymous volumes too. Default: no.
    pub remove_volumes: bool,
}

impl Refit {
    /// Creates a container from the engine's own create body, not started. A missing image is
    /// [`ImageMissing`](Code::ImageMissing): nothing is pulled.
    #[tracing::instrument(level = "error", name = "container_create", skip_all, fields(container = %shown(name)), err(level = "warn"))]
    pub async fn create_container(&self, name: &str, spec: &Value, platform: Option<&str>) -> Result<CreatedContainer> {
        if !spec.is_object() {
            return Err(Code::InvalidArgument.error("spec_json is not a JSON object: it is the engine's own create body"));
        }
        let engine = &self.shared.engine;
        if let Some(entry) = Listing::find_on(engine, name).await? {
            free(&entry)?;
        }
        let image = text(spec, "/Image");
        let created = containers::create(engine, name, platform, spec, engine.long_timeout()).await;
        let (id, warnings) = created.map_err(|error| create_refused(error, name, image))?;
        Ok(CreatedContainer { id, warnings })
    }

    /// Starts a container. When an image of `require` is not local the answer is [`ImageMissing`](Code::ImageMissing), and nothing
    /// was started.
    #[tracing::instrument(level = "error", name = "container_start", skip_all, fields(container = %shown(container)), err(level = "warn"))]
    pub async fn start_container(&self, container: &str, require: &[String]) -> Result<ContainerChanged> {
        check_container(container)?;
        let missing = self.missing_images(require).await?.missing;
        if !missing.is_empty() {
            let message =
                format!("container {} was not started: {} not local: pull with img_pull first", shown(container), shown(&are(&missing)));
            return Err(Code::ImageMissing.error(message).with_container(container).with_missing(missing));
        }
        let entry = self.free_container(container).await?;
        let started = containers::start(&self.shared.engine, &entry.id).await;
        let changed = started.map_err(|error| named(error, &entry.id, container))?;
        Ok(ContainerChanged { container: container.to_owned(), changed })
    }

    /// Stops a container with its own grace, or that of `stop_timeout`. A stop that the engine has accepted continues when the future
    /// is dropped.
    #[tracing::instrument(level = "error", name = "container_stop", skip_all, fields(container = %shown(container)), err(level = "warn"))]
    pub async fn stop_container(&self, container: &str, stop_timeout: Option<Duration>) -> Result<ContainerChanged> {
        let (id, patience) = self.stopping(container, stop_timeout).await?;
        let stopped = containers::stop(&self.shared.engine, &id, stop_timeout, patience).await;
        let changed = stopped.map_err(|error| named(error, &id, container))?;
        Ok(ContainerChanged { container: container.to_owned(), changed })
    }

    /// Stops and starts a container.
    #[tracing::instrument(level = "error", name = "container_restart", skip_all, fields(container = %shown(container)), err(level = "warn"))]
    pub async fn restart_container(&self, container: &str, stop_timeout: Option<Duration>) -> Result<ContainerChanged> {
        let (id, patience) = self.stopping(container, stop_timeout).await?;
        let patience = patience.saturating_add(self.shared.engine.long_timeout());
        let restarted = containers::restart(&self.shared.engine, &id, stop_timeout, patience).await;
        restarted.map_err(|error| named(error, &id, container))?;
        Ok(ContainerChanged { container: container.to_owned(), changed: true })
    }

    /// Removes a container. Its volumes stay unless asked for.
    #[tracing::instrument(level = "error", name = "container_remove", skip_all, fields(container = %shown(container)), err(level = "warn"))]
    pub async fn remove_container(&self, container: &str, options: &RemoveOptions) -> Result<ContainerChanged> {
        let entry = self.free_container(container).await?;
        let removal = Removal { force: options.force, volumes: options.remove_volumes };
        let removed = containers::remove(&self.shared.engine, &entry.id, removal).await;
        removed.map_err(|error| named(error, &entry.id, container))?;
        Ok(ContainerChanged { container: container.to_owned(), changed: true })
    }

    /// Waits until a container does not run, a day at most; at once when it does not.
    #[tracing::instrument(level = "error", name = "container_wait", skip_all, fields(container = %shown(container)), err(level = "warn"))]
    pub async fn wait_container(&self, container: &str) -> Result<ContainerExit> {
        let entry = Listing::find_on(&self.shared.engine, container).await?.ok_or_else(|| no_container(container))?;
        let exit = containers::wait(&self.shared.engine, &entry.id, LONGEST_WAIT).await;
        let exit = exit.map_err(|error| named(error, &entry.id, container))?;
        let exit_code = exit.get("StatusCode").and_then(Value::as_i64);
        let exit_code = exit_code
            .ok_or_else(|| Code::Engine.error(format!("waiting for container {}: the engine reported no exit code", shown(container))))?;
        Ok(ContainerExit { exit_code, error: optional_text(&exit, "/Error/Message") })
    }

    /// A container without a recreation in progress.
    async fn free_container(&self, container: &str) -> Result<ContainerSummary> {
        let entry = Listing::find_on(&self.shared.engine, container).await?.ok_or_else(|| no_container(container))?;
        free(&entry)?;
        Ok(entry)
    }

    /// The id of a container that may be stopped, and how long the engine may take for it.
    async fn stopping(&self, container: &str, stop_timeout: Option<Duration>) -> Result<(String, Duration)> {
        let entry = self.free_container(container).await?;
        let grace = if let Some(grace) = stop_timeout {
            grace
        } else {
            let inspect = containers::inspect(&self.shared.engine, &entry.id).await?.ok_or_else(|| no_container(container))?;
            grace(&inspect, None).min(LONGEST_WAIT)
        };
        Ok((entry.id, grace.saturating_add(AFTER_GRACE).max(self.shared.engine.timeout())))
    }
}

/// Refuses a container whose recreation is in progress or was interrupted.
fn free(entry: &ContainerSummary) -> Result<()> {
    let name = &entry.name;
    if entry.operation.is_some() {
        let message = format!("container {name} is being recreated: try again later");
        return Err(Code::Busy.error(message).with_container(name));
    }
    if entry.interrupted {
        let message = format!("a recreation of container {name} was interrupted: container_recover finishes it or rolls it back");
        return Err(Code::Conflict.error(message).with_container(name));
    }
    Ok(())
}

/// The engine answers 404 when the image is missing and 400 when the body is wrong.
fn create_refused(error: Error, name: &str, image: &str) -> Error {
    let error = error.with_container(name);
    match error.context().http_status {
        _ if phrases::is_image_missing(&error) => {
            let message = format!("creating container {}: image {} is not local: pull it with img_pull first", shown(name), shown(image));
            error.into_cause_of(Code::ImageMissing, message).with_image(image).with_missing(vec![image.to_owned()])
        }
        Some(400) => {
            let message = error.message().to_owned();
            error.into_cause_of(Code::InvalidArgument, message)
        }
        _ => error,
    }
}

fn are(missing: &[String]) -> String {
    match missing {
        [one] => format!("image {one} is"),
        many => format!("images {} are", many.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_create_that_is_refused_says_what_to_do() {
        let refused = |code: Code, status, words: &str| create_refused(code.error(words).with_http_status(status), "web", "app:1");
        let missing = refused(Code::NotFound, 404, "No such image: app:1");
        assert_eq!((missing.code(), missing.context().missing.as_slice()), (Code::ImageMissing, ["app:1".to_owned()].as_slice()));
        assert_eq!(refused(Code::Engine, 400, "invalid reference format").code(), Code::InvalidArgument);
        assert_eq!(refused(Code::Engine, 500, "driver failed").code(), Code::Engine);
    }
}
