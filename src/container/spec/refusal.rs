//! What is not replaced, or only when an option says so. Each refusal names the option that would allow it.

use serde_json::Value;

use super::host_config::providers;
use super::value::{is_id_of, list, text};
use super::volumes_from::named;
use super::{Allowed, EngineFacts, Subject, dependents, managed, name};
use crate::{Code, Error, Result};

/// The first reason not to replace the container.
pub(super) fn refuse(subject: &Subject, allowed: Allowed) -> Result<()> {
    let reasons = [gone, managed_by_another, pinned, lossy, other_platform, paused, auto_remove, without_provider, with_dependents];
    match reasons.iter().find_map(|reason| reason(subject, allowed)) {
        Some(error) => Err(error.with_container(name(subject.container))),
        None => Ok(()),
    }
}

/// The same for what needs no image: a pod's own container has none.
pub(crate) fn refuse_managed(container: &Value, facts: &EngineFacts) -> Result<()> {
    let Some(manager) = managed::manager(container, facts) else { return Ok(()) };
    let name = name(container);
    Err(Code::Unsupported.error(format!("cannot recreate container {name}: it is managed by {manager}")).with_container(name))
}

fn says(subject: &Subject, code: Code, why: &str) -> Error {
    code.error(format!("cannot recreate container {}: {why}", name(subject.container)))
}

/// An exited `--rm` container is on its way out, whatever its state still says.
fn gone(subject: &Subject, _: Allowed) -> Option<Error> {
    let state = &subject.container["State"];
    let status = text(state, "Status");
    if subject.container["HostConfig"]["AutoRemove"] == true && matches!(status, "exited" | "removing" | "dead") {
        return Some(says(subject, Code::NotFound, "it has exited, and its --rm option is removing it"));
    }
    let removed = matches!(status, "removing" | "dead") || state["Dead"] == true;
    removed.then(|| says(subject, Code::Conflict, "it is being removed"))
}

fn managed_by_another(subject: &Subject, _: Allowed) -> Option<Error> {
    refuse_managed(subject.container, subject.facts).err()
}

fn pinned(subject: &Subject, allowed: Allowed) -> Option<Error> {
    let reference = text(&subject.container["Config"], "Image");
    let why = format!("it was created from the image id {reference}, which never moves (allow_pinned: recreate it from the same image)");
    (!allowed.pinned && is_pinned(subject)).then(|| says(subject, Code::Unsupported, &why))
}

/// Whether the container was made from an image id. A short one is told from a name by what the engine made of it.
fn is_pinned(subject: &Subject) -> bool {
    let reference = text(&subject.container["Config"], "Image");
    let hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_name = || {
        let tag = format!("{reference}:latest");
        let images = [Some(subject.old_image), subject.new_image];
        images.into_iter().flatten().any(|image| list(image, "RepoTags").iter().any(|name| name == &tag))
    };
    let id = text(subject.container, "Image");
    reference.strip_prefix("sha256:").is_some_and(|digest| hex(digest, 64))
        || hex(reference, 64)
        || is_id_of(id.strip_prefix("sha256:").unwrap_or(id), reference) && !is_name()
}

fn lossy(subject: &Subject, allowed: Allowed) -> Option<Error> {
    let losses = if subject.facts.podman && !allowed.lossy {
        super::podman_losses::losses(subject.container, subject.old_image).join("; ")
    } else {
        return None;
    };
    let why = format!("Podman does not tell all that it was created with, so it may lose {losses} (allow_lossy: accept that)");
    Some(says(subject, Code::Unsupported, &why))
}

fn other_platform(subject: &Subject, _: Allowed) -> Option<Error> {
    let new_image = subject.new_image?;
    let differs = |key: &str| {
        let (old, new) = (text(subject.old_image, key), text(new_image, key));
        !old.is_empty() && !new.is_empty() && old != new
    };
    let platform = |image: &Value| format!("{}/{}", text(image, "Os"), text(image, "Architecture"));
    let why = format!("its image is for {}, and the new one for {}", platform(subject.old_image), platform(new_image));
    (differs("Os") || differs("Architecture")).then(|| says(subject, Code::Unsupported, &why))
}

fn paused(subject: &Subject, allowed: Allowed) -> Option<Error> {
    let paused = subject.container["State"]["Paused"] == true || text(&subject.container["State"], "Status") == "paused";
    // 5.8: "is running or paused, refusing to clean up".
    if paused && subject.facts.podman {
        return Some(says(subject, Code::Conflict, "it is paused, and Podman cannot stop a paused container: unpause it first"));
    }
    let why = "it is paused, and its frozen memory would be lost (allow_paused: accept that; it is paused again)";
    (paused && !allowed.paused).then(|| says(subject, Code::Conflict, why))
}

fn auto_remove(subject: &Subject, allowed: Allowed) -> Option<Error> {
    let removed = subject.container["HostConfig"]["AutoRemove"] == true;
    let why = "it was started with --rm, so it is gone once it stops, and an engine that restarts just then loses it (allow_auto_remove: \
               accept that)";
    (removed && !allowed.auto_remove).then(|| says(subject, Code::Conflict, why))
}

/// A create with a provider that is gone succeeds, and the start fails.
fn without_provider(subject: &Subject, _: Allowed) -> Option<Error> {
    providers(subject.container).find_map(|(field, id)| {
        let why = match named(&subject.around.containers, id) {
            None => format!("its {field} is that of container {id}, which is gone"),
            Some(provider) if provider["State"]["Running"] != true => {
                format!("its {field} is that of container {}, which does not run: start that first", name(provider))
            }
            Some(_) => return None,
        };
        Some(says(subject, Code::Conflict, &why))
    })
}

fn with_dependents(subject: &Subject, allowed: Allowed) -> Option<Error> {
    let dependents = dependents(subject.container, &subject.around.containers);
    let linked: Vec<&str> = dependents.iter().filter(|dependent| dependent.is_linked()).map(|dependent| dependent.name.as_str()).collect();
    if !linked.is_empty() {
        let others: Vec<String> =
            dependents.iter().filter(|dependent| !dependent.is_linked()).map(|dependent| format!("; {dependent}")).collect();
        let (linked, others) = (linked.join(", "), others.concat());
        let why = format!("{linked} links to it (--link) and would break for good: put them on a common network first{others}");
        return Some(says(subject, Code::Conflict, &why));
    }
    let told: Vec<String> = dependents.iter().map(ToString::to_string).collect();
    let why = format!("{} (recreate_dependents: recreate them too)", told.join(", "));
    (!told.is_empty() && !allowed.dependents).then(|| says(subject, Code::Conflict, &why))
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
