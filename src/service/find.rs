//! A service of the swarm that this engine manages.

use super::spec::Service;
use crate::engine::api::services;
use crate::error::shown;
use crate::{Code, Error, Refit, Result};

/// A service by its name, its id or the beginning of one.
pub(super) async fn service(refit: &Refit, name: &str) -> Result<Service> {
    match services::inspect(&refit.shared.engine, name).await {
        Ok(Some(inspect)) => Ok(Service::new(inspect)),
        Ok(None) => {
            let message = format!("there is no service {} (service_list shows those that there are)", shown(name));
            Err(Code::NotFound.error(message))
        }
        Err(error) => Err(of_engine(refit, error).await),
    }
}

/// Podman's compatible API has no services: its answer reads as that of a proxy.
pub(super) async fn of_engine(refit: &Refit, error: Error) -> Error {
    let is_unknown_path = error.code() == Code::Engine && error.context().http_status == Some(404);
    if is_unknown_path && refit.shared.engine.facts().await.is_ok_and(|facts| facts.podman()) {
        return error
            .into_cause_of(Code::Unsupported, "Podman has no services: they are a swarm's, which Docker manages (docker swarm init)");
    }
    error
}
