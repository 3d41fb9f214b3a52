//! The request that updates a service: its whole spec, with another image.
//!
//! Rules: docs/services.md, section 3.

use super::find;
use super::spec::Service;
use super::target::Target;
use crate::engine::api::services::{self, Change};
use crate::operation::call::Call;
use crate::{Code, Error, Refit, Result};

/// How often an update is sent again because somebody else has changed the service since it was read.
const TRIES: usize = 10;

/// What the engine has taken.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) target: Target,
    /// The engine's own words.
    pub(super) warnings: Vec<String>,
}

/// Sends the update of a service. What somebody else has changed since it was read is kept: the change is made on what is there then. Only where the
/// image is another one by then, nothing is sent.
pub(super) async fn send(refit: &Refit, call: &Call, mut service: Service, image: &str, force: bool, auth: Option<&str>) -> Result<Sent> {
    let engine = &refit.shared.engine;
    let from = service.image().unwrap_or_default().to_owned();
    for _ in 0..TRIES {
        call.check()?;
        let target = Target { image: image.to_owned(), force: service.force() + u64::from(force) };
        let spec = service.spec_with(image, force);
        let update = services::update(engine, service.id(), service.version(), Change::Spec { spec: &spec, auth });
        // What the engine has read it carries out, whatever becomes of its answer.
        let error = match call.run_to_answer(engine.timeout(), update).await {
            Ok(warnings) => return Ok(Sent { target, warnings }),
            Err(error) => error,
        };
        if !services::is_changed_meanwhile(&error) {
            return if is_unanswered(&error) && has_arrived(refit, &service, &target).await {
                Ok(Sent { target, warnings: Vec::new() })
            } else {
                Err(error)
            };
        }
        service = call.run(find::service(refit, service.id())).await?;
        if service.image() != Some(&*from) {
            return Err(changed(&service, &from));
        }
    }
    let message = format!("service {} is changed all the time by somebody else: nothing was changed, try again later", service.name());
    Err(Code::Conflict.error(message))
}

/// Whether it is not known if the engine has taken a request.
fn is_unanswered(error: &Error) -> bool {
    matches!(error.code(), Code::Unreachable | Code::Cancelled | Code::Stopped | Code::Timeout)
}

/// Whether an update without an answer has arrived.
async fn has_arrived(refit: &Refit, service: &Service, target: &Target) -> bool {
    find::service(refit, service.id()).await.is_ok_and(|now| target.is_spec_of(&now) && now.version() != service.version())
}

fn changed(service: &Service, from: &str) -> Error {
    let message = format!(
        "service {}: somebody else has changed its image since it was checked, from {from} to {}; nothing was changed: check again",
        service.name(),
        service.image().unwrap_or_default()
    );
    Code::Conflict.error(message)
}
