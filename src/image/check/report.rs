//! From a verdict, or what prevented it, to the document and its error.

use super::judge::Found;
use super::{Check, LocalImage, Via};
use crate::image::verdict::{Certainty, Failed, State, Verdict};
use crate::reference::Reference;
use crate::registry::{Note, Trace, Trouble};
use crate::{Code, Error};

/// The name of the call in errors inside documents.
const OP: &str = "img_check_update";

/// The check of a name that is none.
pub(super) fn invalid(image: &str, error: Error) -> Check {
    let mut check = Check::new(image, State::InvalidReference);
    check.error = Some(error.with_image(image).in_op(OP));
    check
}

/// The check of an image whose turn the call did not live to see.
pub(super) fn ended(image: &str, error: &Error) -> Check {
    let mut check = Check::new(image, State::Cancelled);
    check.error = Some(error.clone().with_image(image).in_op(OP));
    check
}

/// The check of an image that the engine failed.
pub(super) fn engine_failed(image: &str, error: &Error) -> Check {
    let mut check = Check::new(image, State::EngineError);
    fail_engine(&mut check, error.clone());
    check
}

pub(super) fn check(image: &str, reference: &Reference, found: Found, trace: &Trace, outdated: Vec<String>) -> Check {
    let mut check = Check::new(image, State::EngineError);
    let remarks = trace.remarks();
    check.local = found.known.map(|known| LocalImage {
        id: known.facts.id.clone(),
        digests: known.facts.repo_digests.clone(),
        created: known.facts.created.clone(),
        version: known.facts.version.clone(),
    });
    check.via = found.via;
    check.requests = trace.requests();
    (check.limit, check.remaining, check.credential, check.notes) = (remarks.limit, remarks.remaining, remarks.credential, remarks.notes);
    match found.verdict {
        Ok(verdict) => judged(&mut check, verdict, outdated),
        Err(Failed::Engine(error)) => fail_engine(&mut check, error),
        Err(Failed::Registry(trouble)) => troubled(&mut check, reference, trouble),
    }
    check
}

fn judged(check: &mut Check, mut verdict: Verdict, outdated: Vec<String>) {
    if verdict.state == State::UpToDate && !outdated.is_empty() {
        verdict.state = State::RecreateNeeded;
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
    if verdict.state == State::Pinned && verdict.tag_moved == Some(true) && verdict.remote.is_none() {
        note(check, "tag_gone", "the tag beside the digest is not in the registry any more");
    }
    if verdict.state == State::NotLocal && verdict.remote.is_none() {
        let message = format!("{} is neither local nor in its registry: is the name right?", check.image);
        set_error(check, Code::NotFound.error(message));
    }
    check.remote = verdict.remote;
}

fn note(check: &mut Check, code: &'static str, message: &str) {
    check.notes.push(Note { code, message: message.to_owned() });
}

fn set_error(check: &mut Check, error: Error) {
    check.error = Some(error.with_image(&check.image).in_op(OP));
}

fn fail_engine(check: &mut Check, error: Error) {
    check.state = State::EngineError;
    let code = if error.code() == Code::Unreachable { Code::Unreachable } else { Code::Engine };
    let error = if error.code() == code { error } else { error.clone().into_cause_of(code, error.message()) };
    set_error(check, error);
}

fn troubled(check: &mut Check, reference: &Reference, trouble: Trouble) {
    let (image, registry) = (check.image.clone(), reference.registry());
    let error = match trouble {
        Trouble::Unauthorized => {
            check.state = State::Unauthorized;
            check.maybe_missing = Some(true);
            Code::Unauthorized.error(format!(
                "checking {image}: {registry} wants a credential that allows it (docker login, or registries), or the repository does not exist"
            ))
        }
        Trouble::Denied => {
            check.state = State::Denied;
            Code::Unauthorized.error(format!("checking {image}: {registry} forbids it; another account may be allowed to"))
        }
        Trouble::RateLimited(left_alone) => {
            check.state = State::RateLimited;
            check.retry_at = left_alone.retry_at.map(|time| time.to_string());
            let when = check.retry_at.as_ref().map_or_else(|| "later".to_owned(), |time| format!("after {time}"));
            Code::RateLimited
                .error(format!("checking {image}: too many requests for {registry}; ask again {when}"))
                .with_retry_after(left_alone.wait())
        }
        Trouble::Unreachable(unreachable) => {
            check.state = State::Unreachable;
            check.reason = Some(unreachable.why.name().to_owned());
            Code::Unreachable.error(format!(
                "checking {image}: {registry} cannot be reached ({}): {}",
                unreachable.why.name(),
                unreachable.words
            ))
        }
        Trouble::Refused { status, words } => {
            check.state = State::RegistryError;
            check.reason = Some(format!("status {status}"));
            Code::Registry.error(format!("checking {image}: {registry} answered {status} {words}")).with_http_status(status)
        }
        Trouble::BadAnswer(why) => {
            check.state = State::BadResponse;
            let error = Code::Registry.error(format!("checking {image}: the answer of {registry} cannot be right: {why}"));
            check.reason = Some(why);
            error
        }
    };
    set_error(check, error);
}
