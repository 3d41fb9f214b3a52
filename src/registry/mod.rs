//! Registries: which digest a tag names there, with few requests, every digest verified.
//!
//! `lookup` is what checks call. Below it: `api_request` (one request of the registry API), `auth/` (tokens, credentials) and, below that,
//! `transport/` (mirrors and schemes, retries and redirects, one request with its limits, connections, proxies).

mod api_request;
mod auth;
mod bounded_json;
mod challenge;
mod error;
mod lookup;
mod options_check;
mod trace;
mod transport;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use auth::credentials::{Credentials, Sources};
use auth::joined::Joined;
use auth::login::Login;
use auth::tokens::Tokens;
use transport::limits::{CircuitBreaker, Hosts};
use transport::network::{Network, host_of};

pub(crate) use auth::credential::Credential;
pub(crate) use error::{RegistryError, RetryAfter, UnreachableReason};
pub(crate) use lookup::Document;
pub(crate) use options_check::check_registries;
pub(crate) use trace::Trace;
pub use trace::{CredentialUse, Note};
pub(crate) use transport::limits::Permit;
pub(crate) use transport::network::{EngineRegistries, Settings, is_loopback, is_private};
pub(crate) use transport::window::Way;

use crate::Reference;

#[cfg(test)]
mod tests;

/// The registries of one handle: all its calls share connections, tokens and request limits.
#[derive(Debug)]
pub(crate) struct Registries {
    shared: Arc<Shared>,
    sources: Sources,
}

#[derive(Debug)]
struct Shared {
    network: Arc<Network>,
    http: transport::http::Http,
    hosts: Hosts,
    tokens: Tokens,
}

/// One call that uses registries: it reads credentials once, and gives up on a registry after two timeouts.
pub(crate) struct Session {
    shared: Arc<Shared>,
    credentials: Credentials,
    circuit: CircuitBreaker,
    login: Login,
    joined: Joined,
}

impl Registries {
    /// Opens no connection and reads no file.
    pub(crate) fn new(settings: &Settings) -> Self {
        let network = Arc::new(Network::new(settings));
        let http = transport::http::Http::new(network.clone());
        let shared = Arc::new(Shared { network, http, hosts: Hosts::new(), tokens: Tokens::default() });
        Self { shared, sources: Sources::new(settings) }
    }

    /// A new call. `engine`: the engine's mirrors and insecure registries; `None` leaves those of the last call.
    pub(crate) fn session(&self, engine: Option<EngineRegistries>) -> Session {
        if let Some(engine) = engine {
            self.shared.network.set_engine(engine);
        }
        Session {
            shared: self.shared.clone(),
            credentials: Credentials::new(self.sources.clone()),
            circuit: CircuitBreaker::default(),
            login: Login::default(),
            joined: Joined::default(),
        }
    }
}

impl Session {
    /// Which repositories of a registry the call will ask about: tokens for them are asked for together.
    pub(crate) fn announce(&self, registry: &str, repositories: BTreeSet<String>) {
        self.joined.announce(host_of(registry), repositories);
    }

    /// Waits until one more check of this registry may run; it counts as running until the permit is dropped. Its token is asked for before, so
    /// that nobody waits for a turn behind a token server that is slow. `by_us`: the registry is asked by this process.
    pub(crate) async fn permit(&self, reference: &Reference, by_us: bool, trace: &Trace) -> Option<Permit> {
        let host = self.shared.hosts.get(host_of(reference.registry()));
        if let Some(first) = host.checks.first().await {
            return self.shared.hosts.permit(first).await;
        }
        // A mirror is asked before the registry.
        if let ([registry], true) = (self.endpoints(reference.registry()).as_slice(), by_us) {
            let asked = self.token_ahead(registry, reference.repository(), trace);
            if tokio::time::timeout(self.check_limit(), asked).await.is_err() {
                let error = RegistryError::unreachable(UnreachableReason::Timeout, "the token server gave no token in time");
                trace.set_failed_token(error);
            }
        }
        self.shared.hosts.permit(host.checks.later().await).await
    }

    /// The registry was asked in another way than by a request of ours: other checks need not wait for the first one.
    pub(crate) fn open(&self, registry: &str, way: Way) {
        self.shared.hosts.get(host_of(registry)).checks.open(way);
    }

    /// How long the check of one image may take once it runs.
    pub(crate) fn check_limit(&self) -> Duration {
        self.shared.network.limits.check
    }

    /// The value of `X-Registry-Auth` for a pull of the image; `None`: anonymous.
    pub(crate) async fn registry_auth(&self, reference: &Reference, trace: &Trace) -> Option<String> {
        let credential = self.credentials.find(reference.registry(), reference.repository(), trace).await?;
        Some(credential.registry_auth(reference.registry()))
    }
}
