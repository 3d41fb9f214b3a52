//! `container_create`, `_start`, `_stop`, `_restart`, `_remove`, `_wait`: one step each, on containers that nobody rebuilds.

use std::time::Duration;

use http::Method;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::inspect;
use super::list::{ContainerSummary, Listing, no_container};
use crate::engine::{Answer, escape};
use crate::image::inspect::{text, texts};
use crate::{Code, Error, Refit, Result};

/// What the engine needs to end a stop beyond the container's own grace.
const STOP_MARGIN: Duration = Duration::from_secs(15);

/// The longest that a call may last.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// The grace of a container that names none.
const DEFAULT_GRACE: i64 = 10;

/// A container that was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "container_create")]
#[non_exhaustive]
pub struct CreatedContainer {
    /// The engine's id.
    pub id: String,
    /// The engine's words on what it left out.
    pub warnings: Vec<String>,
}

/// What a step did to a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "container_changed")]
#[non_exhaustive]
pub struct ContainerChanged {
    /// As asked.
    pub container: String,
    /// False: it was so already.
    pub changed: bool,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "container_wait")]
#[non_exhaustive]
pub struct ContainerExit {
    /// Of its process.
    pub exit_code: i64,
    /// The engine's words when it could not wait.
    pub error: Option<String>,
}

/// How a container is removed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RemoveOptions {
    /// Also while it runs. Default: no.
    pub force: bool,
    /// Its anonymous volumes too. Default: no.
    pub remove_volumes: bool,
}

impl Refit {
    /// Creates a container from the engine's own create body, not started. A missing image is
    /// [`ImageMissing`](Code::ImageMissing): nothing is pulled.
    pub async fn create_container(&self, name: &str, spec: &Value, platform: Option<&str>) -> Result<CreatedContainer> {
        if !spec.is_object() {
            return Err(Code::InvalidArgument.error("spec_json is not a JSON object: it is the engine's own create body"));
        }
        let engine = &self.shared.engine;
        if let Some(entry) = Listing::read(engine).await?.find(name)? {
            free(&entry)?;
        }
        let mut path = format!("/containers/create?name={}", escape(name));
        if let Some(platform) = platform {
            path.push_str(&format!("&platform={}", escape(platform)));
        }
        let image = text(spec, "/Image").unwrap_or_default();
        let created = engine.post(&format!("creating container {name}"), &path, Some(spec)).await;
        let created = created.map_err(|error| create_refused(error, name, &image))?;
        Ok(CreatedContainer { id: text(&created, "/Id").unwrap_or_default(), warnings: texts(&created, "/Warnings") })
    }

    /// Starts a container. When an image of `require` is not local the answer is [`ImageMissing`](Code::ImageMissing), and nothing
    /// was started.
    pub async fn start_container(&self, container: &str, require: &[String]) -> Result<ContainerChanged> {
        let missing = self.missing_images(require).await?.missing;
        if !missing.is_empty() {
            let message = format!("container {container} was not started: {} not local: pull with img_pull first", are(&missing));
            return Err(Code::ImageMissing.error(message).with_container(container).with_missing(missing));
        }
        let entry = self.free_container(container).await?;
        let answer = self.step(container, Method::POST, &format!("/containers/{}/start", entry.id), "starting", None).await?;
        Ok(changed(container, &answer))
    }

    /// Stops a container with its own grace, or that of `stop_timeout`. A stop that the engine has accepted goes on when the future
    /// is dropped.
    pub async fn stop_container(&self, container: &str, stop_timeout: Option<Duration>) -> Result<ContainerChanged> {
        let (path, patience) = self.stopping(container, "stop", stop_timeout).await?;
        let answer = self.step(container, Method::POST, &path, "stopping", Some(patience)).await?;
        Ok(changed(container, &answer))
    }

    /// Stops and starts a container.
    pub async fn restart_container(&self, container: &str, stop_timeout: Option<Duration>) -> Result<ContainerChanged> {
        let (path, patience) = self.stopping(container, "restart", stop_timeout).await?;
        self.step(container, Method::POST, &path, "restarting", Some(patience)).await?;
        Ok(ContainerChanged { container: container.to_owned(), changed: true })
    }

    /// Removes a container. Its volumes stay unless asked for.
    pub async fn remove_container(&self, container: &str, options: &RemoveOptions) -> Result<ContainerChanged> {
        let entry = self.free_container(container).await?;
        let path = format!("/containers/{}?force={}&v={}", entry.id, options.force, options.remove_volumes);
        self.step(container, Method::DELETE, &path, "removing", None).await?;
        Ok(ContainerChanged { container: container.to_owned(), changed: true })
    }

    /// Waits until a container does not run, a day at most; at once when it does not.
    pub async fn wait_container(&self, container: &str) -> Result<ContainerExit> {
        let entry = Listing::read(&self.shared.engine).await?.find(container)?.ok_or_else(|| no_container(container))?;
        let path = format!("/containers/{}/wait", entry.id);
        let answer = self.step(container, Method::POST, &path, "waiting for", Some(LONGEST_WAIT)).await?;
        let exit = answer.json("waiting for a container")?;
        let exit_code = exit.get("StatusCode").and_then(Value::as_i64);
        let exit_code =
            exit_code.ok_or_else(|| Code::Engine.error(format!("waiting for container {container}: the engine told no exit code")))?;
        Ok(ContainerExit { exit_code, error: text(&exit, "/Error/Message") })
    }

    /// A container that nobody rebuilds.
    async fn free_container(&self, container: &str) -> Result<ContainerSummary> {
        let entry = Listing::read(&self.shared.engine).await?.find(container)?.ok_or_else(|| no_container(container))?;
        free(&entry)?;
        Ok(entry)
    }

    async fn stopping(&self, container: &str, verb: &str, stop_timeout: Option<Duration>) -> Result<(String, Duration)> {
        let entry = self.free_container(container).await?;
        let path = format!("/containers/{}/{verb}", entry.id);
        if let Some(grace) = stop_timeout {
            // The engine counts whole seconds; a fraction is rounded up, so that nothing is killed early.
            let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
            return Ok((format!("{path}?t={seconds}"), Duration::from_secs(seconds) + STOP_MARGIN));
        }
        let inspect = inspect::find(&self.shared.engine, &entry.id).await?.ok_or_else(|| no_container(container))?;
        let grace = inspect.pointer("/Config/StopTimeout").and_then(Value::as_i64).unwrap_or(DEFAULT_GRACE);
        // A negative grace waits for ever.
        let grace = u64::try_from(grace).map_or(LONGEST_WAIT, Duration::from_secs);
        Ok((path, grace + STOP_MARGIN))
    }

    async fn step(&self, container: &str, method: Method, path: &str, doing: &str, patience: Option<Duration>) -> Result<Answer> {
        let engine = &self.shared.engine;
        let patience = patience.map_or(engine.timeout(), |patience| patience.max(engine.timeout()));
        let answer = engine.call(&format!("{doing} container {container}"), method, path, None, patience).await;
        answer.map_err(|error| error.with_container(container))
    }
}

/// 304: it was so already.
fn changed(container: &str, answer: &Answer) -> ContainerChanged {
    ContainerChanged { container: container.to_owned(), changed: answer.status != http::StatusCode::NOT_MODIFIED }
}

/// Refuses a container that a recreation has in hand.
fn free(entry: &ContainerSummary) -> Result<()> {
    let name = &entry.name;
    if entry.operation.is_some() {
        let message = format!("container {name} is being recreated: try again later");
        return Err(Code::Busy.error(message).with_container(name));
    }
    if entry.interrupted {
        let message = format!("a recreation of container {name} was interrupted: container_recover finishes or undoes it");
        return Err(Code::Conflict.error(message).with_container(name));
    }
    Ok(())
}

/// The engine answers 404 when the image is missing and 400 when the body is wrong.
fn create_refused(error: Error, name: &str, image: &str) -> Error {
    let error = error.with_container(name);
    match error.context().http_status {
        Some(404) if error.message().to_lowercase().contains("image") => {
            let message = format!("creating container {name}: image {image} is not local: pull it with img_pull first");
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
        let refused = |status, words: &str| create_refused(Code::Engine.error(words).with_http_status(status), "web", "app:1");
        let missing = refused(404, "No such image: app:1");
        assert_eq!((missing.code(), missing.context().missing.as_slice()), (Code::ImageMissing, ["app:1".to_owned()].as_slice()));
        assert_eq!(refused(400, "invalid reference format").code(), Code::InvalidArgument);
        assert_eq!(refused(500, "driver failed").code(), Code::Engine);
    }
}
