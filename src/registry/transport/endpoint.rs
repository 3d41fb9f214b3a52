//! Where requests for a registry go: its mirrors, then itself; over TLS or, where that is allowed, plain HTTP.
//!
//! Rules: docs/check.md, section 5.4.

use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;

use super::http::Response;
use super::limits::Host;
use super::network::host_of;
use super::url;
use super::window::Way;
use crate::registry::Session;
use crate::registry::error::{RegistryError, UnreachableReason};

/// One server that is asked.
#[derive(Debug, Clone)]
pub(in crate::registry) struct Endpoint {
    pub(in crate::registry) host: Arc<Host>,
    /// The name under which credentials are found.
    pub(in crate::registry) registry: String,
    /// The scheme of a mirror's address; `None`: TLS, or plain HTTP where that is allowed and the server speaks no TLS.
    fixed: Option<Scheme>,
    insecure: bool,
    /// The path of a mirror's address, below which its `/v2/` is; without a slash at its end.
    prefix: String,
}

impl Endpoint {
    /// Learns from the result of a request: how many may run at once, and whether the scheme has to be found again.
    pub(in crate::registry) fn learn(&self, result: &Result<Response, RegistryError>) {
        match result {
            Ok(response) => self.host.checks.open(Way::of(response.http2)),
            Err(error) => {
                let reason = error.unreachable_reason();
                if reason != Some(UnreachableReason::Timeout) {
                    self.host.checks.open(Way::Http1);
                }
                if self.insecure && reason.is_some() {
                    self.host.set_scheme(None);
                }
            }
        }
    }

    /// An address below its `/v2/`.
    pub(in crate::registry) fn url(&self, scheme: &Scheme, path: &str) -> Result<Uri, RegistryError> {
        url::api(scheme, &self.host.authority, &self.prefix, path)
    }

    /// The scheme, as far as it is known.
    pub(in crate::registry) fn scheme(&self) -> Option<Scheme> {
        self.fixed.clone().or_else(|| if self.insecure { self.host.scheme() } else { Some(Scheme::HTTPS) })
    }
}

impl Session {
    /// The mirrors, then the registry itself.
    pub(in crate::registry) fn endpoints(&self, registry: &str) -> Vec<Endpoint> {
        let network = &self.shared.network;
        let mut endpoints: Vec<Endpoint> = network.mirrors(registry).iter().map(|mirror| self.mirror(mirror)).collect();
        endpoints.push(self.registry_itself(registry));
        endpoints
    }

    /// The registry without its mirrors.
    pub(in crate::registry) fn registry_itself(&self, registry: &str) -> Endpoint {
        self.endpoint(host_of(registry), registry, None, "")
    }

    fn mirror(&self, address: &str) -> Endpoint {
        let (scheme, rest) = match address.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(Scheme::HTTP), rest),
            Some((_, rest)) => (Some(Scheme::HTTPS), rest),
            None => (None, address),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        self.endpoint(authority, authority, scheme, path.trim_end_matches('/'))
    }

    fn endpoint(&self, authority: &str, registry: &str, fixed: Option<Scheme>, prefix: &str) -> Endpoint {
        let insecure = self.shared.network.insecure(authority);
        Endpoint { host: self.shared.hosts.get(authority), registry: registry.to_owned(), fixed, insecure, prefix: prefix.to_owned() }
    }

    /// The scheme of an endpoint, asked for where it is not known.
    pub(in crate::registry) async fn scheme_of(&self, endpoint: &Endpoint) -> Result<Scheme, RegistryError> {
        match endpoint.scheme() {
            Some(scheme) => Ok(scheme),
            None => self.find_scheme(&endpoint.host).await,
        }
    }

    /// For a registry that is allowed plain HTTP: TLS if the server speaks it.
    async fn find_scheme(&self, host: &Host) -> Result<Scheme, RegistryError> {
        self.circuit.check(&host.authority)?;
        let url = url::api(&Scheme::HTTPS, &host.authority, "", "")?;
        let differs = url.port().is_none() || self.shared.network.plain_and_tls_routes_differ(&host.authority);
        let scheme = match self.shared.http.connector.speaks_tls(&url).await.map_err(RegistryError::from) {
            Ok(true) => Scheme::HTTPS,
            Ok(false) => Scheme::HTTP,
            // Plain HTTP goes to another port, or through another proxy.
            Err(_) if differs => Scheme::HTTP,
            Err(error) => {
                let failed = Err(error);
                self.circuit.count(&host.authority, &failed);
                return failed;
            }
        };
        host.set_scheme(Some(scheme.clone()));
        Ok(scheme)
    }
}
