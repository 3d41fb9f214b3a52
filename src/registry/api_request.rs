//! A request of the registry API: to one endpoint, with the credentials that it asks for.

use http::{HeaderValue, Method};

use super::Session;
use super::error::RegistryError;
use super::trace::Trace;
use super::transport::endpoint::Endpoint;
use super::transport::http::{Request, Response};

/// A request below `/v2/REPOSITORY/`.
#[derive(Debug, Clone)]
pub(super) struct ApiRequest<'a> {
    pub(super) method: Method,
    pub(super) repository: &'a str,
    /// `manifests/latest`
    pub(super) path: &'a str,
    pub(super) accept: &'static [HeaderValue],
    pub(super) body_limit: usize,
    pub(super) repeated: bool,
}

impl Session {
    /// Sends a request to one endpoint.
    pub(super) async fn request(&self, endpoint: &Endpoint, request: &ApiRequest<'_>, trace: &Trace) -> Result<Response, RegistryError> {
        let result = self.send_request(endpoint, request, trace).await;
        endpoint.learn(&result);
        result
    }

    async fn send_request(&self, endpoint: &Endpoint, request: &ApiRequest<'_>, trace: &Trace) -> Result<Response, RegistryError> {
        let scheme = self.scheme_of(endpoint).await?;
        let url = endpoint.url(&scheme, &format!("{}/{}", request.repository, request.path))?;
        let (method, accept, repeated) = (request.method.clone(), request.accept, request.repeated);
        let http_request = Request { method, accept, repeated, ..Request::get(url, request.body_limit) };
        self.send_authorized(endpoint, request.repository, &http_request, trace).await
    }
}
