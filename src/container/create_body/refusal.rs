//! What is not replaced, or only when an option says so. Each refusal names the option that would allow it.
//!
//! Rules: docs/recreate.md, section 2.

use serde_json::Value;

use super::bystander::{may_depend_on, not_inspected};
use super::dependents::Dependent;
use super::host_config::providers;
use super::value::{is_id_of, list, text};
use super::volumes_from::named;
use super::{Allowed, CreateInput, EngineFacts, dependents, managed, name, network_id, networks, own_connection};
use crate::platform::Platform;
use crate::{Code, Error, Result};

/// The first reason not to replace the container.
pub(super) fn refuse(input: &CreateInput, allowed: Allowed) -> Result<()> {
    let reasons = [
        gone,
        managed_by_another,
        own_connection,
        pinned,
        lossy,
        other_platform,
        paused,
        auto_remove,
        ambiguous_network,
        without_provider,
        with_dependents,
    ];
    match reasons.iter().find_map(|reason| reason(input, allowed)) {
        Some(error) => Err(error.with_container(name(input.container))),
        None => Ok(()),
    }
}

/// The same for what needs no image: a pod's own container has none.
pub(crate) fn refuse_managed(container: &Value, facts: &EngineFacts) -> Result<()> {
    let Some(manager) = managed::manager(container, facts) else { return Ok(()) };
    let name = name(container);
    Err(Code::Unsupported.error(format!("cannot recreate container {name}: it is managed by {manager}")).with_container(name))
}

fn says(input: &CreateInput, code: Code, why: &str) -> Error {
    code.error(format!("cannot recreate container {}: {why}", name(input.container)))
}

/// An exited `--rm` container is on its way out, whatever its state still says.
fn gone(input: &CreateInput, _: Allowed) -> Option<Error> {
    let state = &input.container["State"];
    let status = text(state, "Status");
    if input.container["HostConfig"]["AutoRemove"] == true && matches!(status, "exited" | "removing" | "dead") {
        return Some(says(input, Code::NotFound, "it has exited, and its --rm option is removing it"));
    }
    let removed = matches!(status, "removing" | "dead") || state["Dead"] == true;
    removed.then(|| says(input, Code::Conflict, "it is being removed"))
}

fn managed_by_another(input: &CreateInput, _: Allowed) -> Option<Error> {
    refuse_managed(input.container, input.facts).err()
}

fn own_connection(input: &CreateInput, allowed: Allowed) -> Option<Error> {
    if allowed.own_connection {
        return None;
    }
    let why = format!(
        "this handle reaches the engine through it ({}), so that its stop would cut the connection before the new one is started: use another \
         connection to the engine (allow_own_connection: go on, where somebody has one with which container_recover can be called)",
        own_connection::through(input)?
    );
    Some(says(input, Code::Unsupported, &why))
}

fn pinned(input: &CreateInput, allowed: Allowed) -> Option<Error> {
    let reference = text(&input.container["Config"], "Image");
    let why = format!("it was created from the image id {reference}, which never moves (allow_pinned: recreate it from the same image)");
    (!allowed.pinned && is_pinned(input)).then(|| says(input, Code::Unsupported, &why))
}

/// Whether the container was created from an image id. A short id is distinguished from a name by the image that the engine found.
fn is_pinned(input: &CreateInput) -> bool {
    let reference = text(&input.container["Config"], "Image");
    let hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_name = || {
        let tag = format!("{reference}:latest");
        let images = [Some(input.old_image), input.new_image];
        images.into_iter().flatten().any(|image| list(image, "RepoTags").iter().any(|name| name == &tag))
    };
    let id = text(input.container, "Image");
    reference.strip_prefix("sha256:").is_some_and(|digest| hex(digest, 64))
        || hex(reference, 64)
        || is_id_of(id.strip_prefix("sha256:").unwrap_or(id), reference) && !is_name()
}

fn lossy(input: &CreateInput, allowed: Allowed) -> Option<Error> {
    let losses = if input.facts.podman && !allowed.lossy {
        super::podman_losses::losses(input.container, input.old_image).join("; ")
    } else {
        return None;
    };
    let why = format!("Podman does not report everything that it was created with, so it may lose {losses} (allow_lossy: accept that)");
    Some(says(input, Code::Unsupported, &why))
}

fn other_platform(input: &CreateInput, _: Allowed) -> Option<Error> {
    let new_image = input.new_image?;
    let differs = |key: &str| {
        let (old, new) = (text(input.old_image, key), text(new_image, key));
        !old.is_empty() && !new.is_empty() && old != new
    };
    let shown = |image: &Value| Platform::of_image(image).map_or_else(String::new, |platform| platform.as_written());
    let why = format!("its image is for {}, and the new one for {}", shown(input.old_image), shown(new_image));
    if differs("Os") || differs("Architecture") {
        return Some(says(input, Code::Unsupported, &why));
    }
    // For another processor than its own the engine is asked for the variant too, and finds no image of another one.
    let wanted = input.wanted_platform()?;
    let has = |platform: &Platform| {
        (&platform.os, &platform.architecture, platform.variant()) == (&wanted.os, &wanted.architecture, wanted.variant())
    };
    let manifests: Vec<Platform> =
        list(new_image, "Manifests").iter().filter_map(|one| Platform::of(&one["Descriptor"]["platform"])).collect();
    let found = if manifests.is_empty() { Platform::of_image(new_image).as_ref().is_none_or(has) } else { manifests.iter().any(has) };
    let why = format!("it is for {}, and the new image is for {}", wanted.as_written(), shown(new_image));
    (!found).then(|| says(input, Code::Unsupported, &why))
}

fn paused(input: &CreateInput, allowed: Allowed) -> Option<Error> {
    let paused = input.container["State"]["Paused"] == true || text(&input.container["State"], "Status") == "paused";
    // 5.8: "is running or paused, refusing to clean up".
    if paused && input.facts.podman {
        return Some(says(input, Code::Conflict, "it is paused, and Podman cannot stop a paused container: unpause it first"));
    }
    let why = "it is paused, and its frozen memory would be lost (allow_paused: accept that; it is paused again)";
    (paused && !allowed.paused).then(|| says(input, Code::Conflict, why))
}

fn auto_remove(input: &CreateInput, allowed: Allowed) -> Option<Error> {
    let removed = input.container["HostConfig"]["AutoRemove"] == true;
    let why = "it was started with --rm, so it is gone once it stops, and an engine that restarts just then loses it (allow_auto_remove: \
               accept that)";
    (removed && !allowed.auto_remove).then(|| says(input, Code::Conflict, why))
}

/// Of several networks with one name the new container joins one only by its id.
fn ambiguous_network(input: &CreateInput, _: Allowed) -> Option<Error> {
    let endpoints = networks::endpoints(input.container);
    let why = endpoints.iter().find_map(|endpoint| network_id::ambiguous(endpoint, input.facts, input.inventory))?;
    Some(says(input, Code::Conflict, &why))
}

/// A create with a provider that is gone succeeds, and the start fails.
fn without_provider(input: &CreateInput, _: Allowed) -> Option<Error> {
    providers(input.container).find_map(|(field, id)| {
        let why = match named(&input.inventory.containers, id) {
            None => format!("its {field} is that of container {id}, which is gone"),
            Some(provider) if provider["State"]["Running"] != true => {
                format!("its {field} is that of container {}, which does not run: start that first", name(provider))
            }
            Some(_) => return None,
        };
        Some(says(input, Code::Conflict, &why))
    })
}

fn with_dependents(input: &CreateInput, allowed: Allowed) -> Option<Error> {
    let dependents = dependents(input.container, &input.inventory.containers);
    if let Some(error) = with_unknown_dependents(input, &dependents) {
        return Some(error);
    }
    let names: Vec<String> = dependents.iter().map(ToString::to_string).collect();
    let why = format!("{} (recreate_dependents: recreate them too)", names.join(", "));
    (!names.is_empty() && !allowed.dependents).then(|| says(input, Code::Conflict, &why))
}

/// A dependent, or what may be one, that the engine cannot inspect cannot be recreated either.
fn with_unknown_dependents(input: &CreateInput, dependents: &[Dependent]) -> Option<Error> {
    input.inventory.containers.iter().filter(|other| text(other, "Id") != text(input.container, "Id")).find_map(|other| {
        let why = not_inspected(other)?;
        let known = dependents.iter().find(|dependent| dependent.id == text(other, "Id")).map(ToString::to_string);
        let known = known.or_else(|| Some(format!("{} {}", name(other), may_depend_on(other, input.container)?)))?;
        let why = format!("{known}, and the engine cannot inspect that container: repair or remove it first: {why}");
        Some(says(input, Code::Conflict, &why))
    })
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
