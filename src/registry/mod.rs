//! Registries: which digest a tag names there, cheaply, and without believing more than was verified.
//!
//! `lookup` asks the questions of a check; below it stand `endpoint` (mirrors, TLS or plain), `auth` (challenges, tokens, credentials),
//! `exchange` (redirects, retries, waiting), `http` (one request with a limit on everything), `connect` (names, TLS) and `proxy`.

mod auth;
mod auth_file;
mod challenge;
mod connect;
mod credential;
mod credential_helper;
mod credentials;
mod endpoint;
mod exchange;
mod http;
mod limits;
mod lookup;
mod network;
mod proxy;
mod tls;
mod tokens;
mod trace;
mod trouble;
mod url;

use std::sync::Arc;
use std::time::Duration;

use credentials::{Credentials, Sources};
use limits::{Circuit, Hosts};
use network::Network;
use tokens::Tokens;

pub(crate) use credential::Credential;
pub(crate) use limits::Permit;
pub(crate) use lookup::Document;
pub(crate) use network::{EngineRegistries, Settings, is_loopback, is_private};
pub(crate) use trace::Trace;
pub use trace::{CredentialUse, Note};
pub(crate) use trouble::{LeftAlone, Obstacle, Trouble};

use crate::Reference;

#[cfg(test)]
mod tests;

/// The registries of one handle: connections, tokens and manners are shared by all its calls.
#[derive(Debug)]
pub(crate) struct Registries {
    shared: Arc<Shared>,
    sources: Sources,
}

#[derive(Debug)]
struct Shared {
    network: Arc<Network>,
    http: http::Http,
    hosts: Hosts,
    tokens: Tokens,
}

/// One call at the registries: credentials are read once, and a registry that hangs is asked twice at most.
pub(crate) struct Session {
    shared: Arc<Shared>,
    credentials: Credentials,
    circuit: Circuit,
}

impl Registries {
    /// Connects nothing and reads no file.
    pub(crate) fn new(settings: &Settings) -> Self {
        let network = Arc::new(Network::new(settings));
        let http = http::Http::new(network.clone());
        let shared = Arc::new(Shared { network, http, hosts: Hosts::new(), tokens: Tokens::default() });
        Self { shared, sources: Sources::new(settings) }
    }

    /// A new call. `engine`: what the engine says of its mirrors and insecure registries, as far as it has said.
    pub(crate) fn session(&self, engine: Option<EngineRegistries>) -> Session {
        if let Some(engine) = engine {
            self.shared.network.set_engine(engine);
        }
        Session { shared: self.shared.clone(), credentials: Credentials::new(self.sources.clone()), circuit: Circuit::default() }
    }
}

impl Session {
    /// Waits for a turn at a registry; the turn ends with the permit.
    pub(crate) async fn admit(&self, registry: &str) -> Option<Permit> {
        self.shared.hosts.admit(registry).await
    }

    /// How long one image may take, its turn given.
    pub(crate) fn check_limit(&self) -> Duration {
        self.shared.network.limits.check
    }

    /// The value of `X-Registry-Auth` for a pull of the image; `None`: anonymous.
    pub(crate) async fn registry_auth(&self, reference: &Reference, trace: &Trace) -> Option<String> {
        let credential = self.credentials.find(reference.registry(), reference.repository(), trace).await?;
        Some(credential.registry_auth(reference.registry()))
    }
}
