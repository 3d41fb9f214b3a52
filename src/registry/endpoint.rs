//! Where a registry is asked: its mirrors, itself; TLS or, where that may be, plain.

use std::sync::Arc;

use http::uri::Scheme;
use http::{HeaderValue, Method};

use super::http::{Answer, Request};
use super::limits::Host;
use super::network::{HUB_REGISTRY, is_hub};
use super::trace::Trace;
use super::trouble::{Obstacle, Trouble};
use super::{Session, url};

/// One place to ask.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) host: Arc<Host>,
    /// The name under which credentials are found.
    pub(super) registry: String,
    /// As a mirror's address says; `None`: TLS, and plain where that may be and TLS is not spoken.
    fixed: Option<Scheme>,
    insecure: bool,
}

impl Endpoint {
    /// The scheme, as far as it is known.
    pub(super) fn scheme(&self) -> Option<Scheme> {
        self.fixed.clone().or_else(|| if self.insecure { self.host.scheme() } else { Some(Scheme::HTTPS) })
    }
}

/// What is asked below `/v2/REPOSITORY/`.
#[derive(Debug, Clone)]
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) repository: &'a str,
    /// `manifests/latest`
    pub(super) path: &'a str,
    pub(super) accept: Option<HeaderValue>,
    pub(super) cap: usize,
}

impl Session {
    /// The mirrors, then the registry itself.
    pub(super) fn endpoints(&self, registry: &str) -> Vec<Endpoint> {
        let network = &self.shared.network;
        let mut endpoints: Vec<Endpoint> = network.mirrors(registry).iter().map(|mirror| self.mirror(mirror)).collect();
        let authority = if is_hub(registry) { HUB_REGISTRY } else { registry };
        endpoints.push(self.endpoint(authority, registry, None));
        endpoints
    }

    fn mirror(&self, address: &str) -> Endpoint {
        let (scheme, authority) = match address.split_once("://") {
            Some(("http", rest)) => (Some(Scheme::HTTP), rest),
            Some((_, rest)) => (Some(Scheme::HTTPS), rest),
            None => (None, address),
        };
        let authority = authority.split('/').next().unwrap_or_default();
        self.endpoint(authority, authority, scheme)
    }

    fn endpoint(&self, authority: &str, registry: &str, fixed: Option<Scheme>) -> Endpoint {
        let insecure = self.shared.network.insecure(authority);
        Endpoint { host: self.shared.hosts.get(authority), registry: registry.to_owned(), fixed, insecure }
    }

    /// Asks one place.
    pub(super) async fn ask(&self, endpoint: &Endpoint, question: &Question<'_>, trace: &Trace) -> Result<Answer, Trouble> {
        let result = self.ask_by(endpoint, question, trace).await;
        match &result {
            Ok(answer) => endpoint.host.open(answer.http2),
            Err(trouble) => {
                let obstacle = trouble.obstacle();
                if obstacle != Some(Obstacle::Timeout) {
                    endpoint.host.open(false);
                }
                if endpoint.insecure && obstacle.is_some() {
                    endpoint.host.set_scheme(None);
                }
            }
        }
        result
    }

    async fn ask_by(&self, endpoint: &Endpoint, question: &Question<'_>, trace: &Trace) -> Result<Answer, Trouble> {
        let scheme = match endpoint.scheme() {
            Some(scheme) => scheme,
            None => self.find_scheme(&endpoint.host).await?,
        };
        let url = url::api(&scheme, &endpoint.host.authority, &format!("{}/{}", question.repository, question.path))?;
        let request = Request { method: question.method.clone(), accept: question.accept.clone(), ..Request::get(url, question.cap) };
        self.authorised(endpoint, question.repository, &request, trace).await
    }

    /// For a registry that may be plain: TLS if it is spoken there.
    async fn find_scheme(&self, host: &Host) -> Result<Scheme, Trouble> {
        self.circuit.check(&host.authority)?;
        let url = url::api(&Scheme::HTTPS, &host.authority, "")?;
        let other_way = url.port().is_none() || self.shared.network.ways_differ(&host.authority);
        let scheme = match self.shared.http.connector.speaks_tls(&url).await.map_err(Trouble::from) {
            Ok(true) => Scheme::HTTPS,
            Ok(false) => Scheme::HTTP,
            // The plain port is another one, or the proxy.
            Err(_) if other_way => Scheme::HTTP,
            Err(trouble) => {
                let failed = Err(trouble);
                self.circuit.count(&host.authority, &failed);
                return failed;
            }
        };
        host.set_scheme(Some(scheme.clone()));
        Ok(scheme)
    }
}
