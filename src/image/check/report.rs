//! From a verdict, or what prevented it, to the document and its error.

use super::local::KnownImage;
use super::{Check, LocalImage, Via};
use crate::image::check::verdict::{Certainty, CheckFailure, CheckState, Verdict};
use crate::reference::Reference;
use crate::registry::{Note, RegistryError, Trace};
use crate::{Code, Error};

/// The name of the call in errors inside documents.
const OP: &str = "img_check_update";

/// What a check of one image has found out when it ends.
pub(super) struct Findings {
    pub(super) known: Option<KnownImage>,
    pub(super) via: Option<Via>,
    pub(super) verdict: Result<Verdict, CheckFailure>,
}

/// The check of a name that is no image reference.
pub(super) fn invalid(image: &str, error: Error) -> Check {
    let mut check = Check::new(image, CheckState::InvalidReference);
    check.error = Some(error.with_image(image).in_op(OP));
    check
}

/// The check of an image that had not started when the call ended.
pub(super) fn cancelled(image: &str, error: &Error) -> Check {
    let mut check = Check::new(image, CheckState::Cancelled);
    check.error = Some(error.clone().with_image(image).in_op(OP));
    check
}

/// The check of an image that the engine failed.
pub(super) fn engine_failed(image: &str, error: &Error) -> Check {
    let mut check = Check::new(image, CheckState::EngineError);
    fail_engine(&mut check, error.clone());
    check
}

pub(super) fn check(image: &str, reference: &Reference, findings: Findings, trace: &Trace, outdated: Vec<String>) -> Check {
    let mut check = Check::new(image, CheckState::EngineError);
    let observations = trace.observations();
    check.local = findings.known.map(|known| LocalImage {
        id: known.facts.id.clone(),
        digests: known.facts.repo_digests.clone(),
        created: known.facts.created,
        version: known.facts.version.clone(),
    });
    check.via = findings.via;
    check.requests = trace.requests();
    (check.limit, check.remaining, check.credential, check.notes) =
        (observations.limit, observations.remaining, observations.credential, observations.notes);
    match findings.verdict {
        Ok(verdict) => apply_verdict(&mut check, verdict, outdated),
        Err(CheckFailure::Engine(error)) => fail_engine(&mut check, error),
        Err(CheckFailure::Registry(error)) => fail_registry(&mut check, reference, error),
    }
    check
}

fn apply_verdict(check: &mut Check, mut verdict: Verdict, outdated: Vec<String>) {
    if verdict.state == CheckState::UpToDate && !outdated.is_empty() {
        verdict.state = CheckState::RecreateNeeded;
    }
    check.has_update = verdict.has_update();
    check.certainty = check.via.map(|via| if via == Via::Engine { Certainty::IndexOnly } else { verdict.certainty });
    check.state = verdict.state;
    check.outdated_containers = outdated;
    check.tag_moved = verdict.tag_moved;
    check.maybe_local = verdict.maybe_local.then_some(true);
    if verdict.older {
        note(check, "older", "the image that the tag names now was built before the local one");
    }
    if verdict.state == CheckState::Pinned && verdict.tag_moved == Some(true) && verdict.remote.is_none() {
        note(check, "tag_gone", "the tag beside the digest is not in the registry any more");
    }
    if verdict.state == CheckState::NotLocal && verdict.remote.is_none() {
        let message = format!("{} is neither local nor in its registry: is the name right?", check.image);
        set_error(check, Code::NotFound.error(message));
    }
    check.remote = verdict.remote;
}

fn note(check: &mut Check, code: &'static str, message: &str) {
    check.notes.push(Note { code: code.into(), message: message.to_owned() });
}

fn set_error(check: &mut Check, error: Error) {
    check.error = Some(error.with_image(&check.image).in_op(OP));
}

fn fail_engine(check: &mut Check, error: Error) {
    check.state = CheckState::EngineError;
    let code = if error.code() == Code::Unreachable { Code::Unreachable } else { Code::Engine };
    let error = if error.code() == code { error } else { error.clone().into_cause_of(code, error.message()) };
    set_error(check, error);
}

fn fail_registry(check: &mut Check, reference: &Reference, error: RegistryError) {
    let (image, registry) = (check.image.clone(), reference.registry());
    let error = match error {
        RegistryError::Unauthorized => {
            check.state = CheckState::Unauthorized;
            check.maybe_missing = Some(true);
            Code::Unauthorized.error(format!(
                "checking {image}: {registry} wants a credential that allows it (docker login, or registries), or the repository does not exist"
            ))
        }
        RegistryError::Denied => {
            check.state = CheckState::Denied;
            check.maybe_missing = Some(true);
            Code::Unauthorized.error(format!("checking {image}: {registry} forbids it; another account may be allowed to"))
        }
        RegistryError::RateLimited(retry_after) => {
            check.state = CheckState::RateLimited;
            check.retry_at = retry_after.retry_at;
            let when = check.retry_at.as_ref().map_or_else(|| "later".to_owned(), |time| format!("after {time}"));
            Code::RateLimited
                .error(format!("checking {image}: too many requests for {registry}; ask again {when}"))
                .with_retry_after(retry_after.wait())
        }
        RegistryError::Unreachable(unreachable) => {
            check.state = CheckState::Unreachable;
            check.reason = Some(unreachable.reason.name().to_owned());
            Code::Unreachable.error(format!(
                "checking {image}: {registry} cannot be reached ({}): {}",
                unreachable.reason.name(),
                unreachable.message
            ))
        }
        RegistryError::Status { status, message } => {
            check.state = CheckState::RegistryError;
            check.reason = Some(format!("status {status}"));
            Code::Registry.error(format!("checking {image}: {registry} answered {status} {message}")).with_http_status(status)
        }
        RegistryError::InvalidResponse(why) => {
            check.state = CheckState::BadResponse;
            let error = Code::Registry.error(format!("checking {image}: the answer of {registry} cannot be right: {why}"));
            check.reason = Some(why);
            error
        }
    };
    set_error(check, error);
}
