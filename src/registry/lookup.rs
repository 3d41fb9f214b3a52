//! What a check asks a registry for: the digest of a tag, a manifest, an image configuration.
//!
//! Rules: docs/check.md, section 5.1.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::Session;
use super::api_request::ApiRequest;
use super::bounded_json;
use super::error::RegistryError;
use super::trace::Trace;
use super::transport::endpoint::Endpoint;
use super::transport::http::Response;
use super::transport::window::Way;
use crate::Reference;
use crate::json::{list, text, unsigned};
use crate::reference::is_digest;

const MANIFEST_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// Without all four, docker-registry answers 404 for an OCI image.
static ACCEPT: [HeaderValue; 1] = [ALL_TYPES];
const ALL_TYPES: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json",
);
/// The same with a line for each type besides: some registries (old Harbor) read none of several in a line.
static ACCEPT_EACH: [HeaderValue; 5] = [
    ALL_TYPES,
    HeaderValue::from_static(MANIFEST_TYPES[0]),
    HeaderValue::from_static(MANIFEST_TYPES[1]),
    HeaderValue::from_static(MANIFEST_TYPES[2]),
    HeaderValue::from_static(MANIFEST_TYPES[3]),
];
const MANIFEST_LIMIT: usize = 4 * 1024 * 1024;
const CONFIG_LIMIT: usize = 8 * 1024 * 1024;

/// A manifest or index whose digest was verified.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Its sha256, also when it was requested by another digest.
    pub(crate) sha256: String,
    pub(crate) json: Value,
}

impl Session {
    /// The digest that a tag names, or the digest itself when the registry has it. One HEAD, which no registry counts as a pull; `None` is
    /// said after one GET whose body is a registry's error.
    pub(crate) async fn digest(&self, reference: &Reference, name: &str, trace: &Trace) -> Result<Option<String>, RegistryError> {
        let endpoints = self.endpoints(reference.registry());
        for mirror in &endpoints[..endpoints.len() - 1] {
            let aside = trace.aside();
            match self.digest_at(mirror, reference, name, &aside).await {
                Ok(Some(digest)) => {
                    self.open(reference.registry(), Way::Http1);
                    return Ok(Some(digest));
                }
                // A mirror's 404 says nothing about the registry.
                Ok(None) => {}
                Err(error) => trace.note("mirror_failed", format!("the mirror {} was asked first: {error}", mirror.registry)),
            }
        }
        self.digest_at_registry(reference, name, trace).await
    }

    /// The same without the mirrors.
    pub(crate) async fn digest_at_registry(
        &self,
        reference: &Reference,
        name: &str,
        trace: &Trace,
    ) -> Result<Option<String>, RegistryError> {
        self.digest_at(&self.registry_itself(reference.registry()), reference, name, trace).await
    }

    /// A manifest by its digest. GETs are counted against pull limits.
    pub(crate) async fn manifest(&self, reference: &Reference, digest: &str, trace: &Trace) -> Result<Document, RegistryError> {
        let body = self.get_by_digest(reference, &format!("manifests/{digest}"), digest, &ACCEPT, MANIFEST_LIMIT, trace).await?;
        Ok(Document { sha256: hash::<Sha256>("sha256", &body), json: schema_2(&body)? })
    }

    /// An image's configuration.
    pub(crate) async fn config(&self, reference: &Reference, digest: &str, trace: &Trace) -> Result<Value, RegistryError> {
        let body = self.get_by_digest(reference, &format!("blobs/{digest}"), digest, &[], CONFIG_LIMIT, trace).await?;
        bounded_json::parse(&body)
            .map_err(|error| RegistryError::invalid_response(format!("the image's configuration is not JSON: {error}")))
    }

    async fn digest_at(
        &self,
        endpoint: &Endpoint,
        reference: &Reference,
        name: &str,
        trace: &Trace,
    ) -> Result<Option<String>, RegistryError> {
        let path = format!("manifests/{name}");
        let head = ApiRequest {
            method: Method::HEAD,
            repository: reference.repository(),
            path: &path,
            accept: &ACCEPT,
            body_limit: MANIFEST_LIMIT,
            repeated: true,
        };
        let response = self.request(endpoint, &head, trace).await?;
        let mut get = ApiRequest { method: Method::GET, ..head };
        if response.status == StatusCode::OK {
            if let Some(digest) = digest_header(&response).filter(|_| MANIFEST_TYPES.contains(&response.content_type().as_str())) {
                return digest_mismatch(name, digest).map_or(Ok(Some(digest.to_owned())), Err);
            }
        } else {
            // A HEAD has no body to tell whose word it is, and some registries refuse every HEAD. It was repeated already where that may help.
            get = ApiRequest { accept: &ACCEPT_EACH, repeated: false, ..get };
        }
        let response = self.request(endpoint, &get, trace).await?;
        if response.status != StatusCode::OK {
            return not_found(&response).map(|()| None);
        }
        schema_2(&response.body)?;
        let own = hash::<Sha256>("sha256", &response.body);
        match digest_header(&response) {
            Some(digest) if !verifies(digest, &response.body) => {
                Err(RegistryError::invalid_response("the digest in its header is not the manifest's"))
            }
            Some(digest) => digest_mismatch(name, digest).map_or(Ok(Some(digest.to_owned())), Err),
            None => digest_mismatch(name, &own).map_or(Ok(Some(own)), Err),
        }
    }

    async fn get_by_digest(
        &self,
        reference: &Reference,
        path: &str,
        digest: &str,
        accept: &'static [HeaderValue],
        body_limit: usize,
        trace: &Trace,
    ) -> Result<Bytes, RegistryError> {
        let request = ApiRequest { method: Method::GET, repository: reference.repository(), path, accept, body_limit, repeated: true };
        let endpoints = self.endpoints(reference.registry());
        let (aside, mut last) = (trace.aside(), RegistryError::invalid_response("no endpoint was asked"));
        for (number, endpoint) in endpoints.iter().enumerate() {
            let trace = if number + 1 < endpoints.len() { &aside } else { trace };
            last = match self.request(endpoint, &request, trace).await {
                Ok(response) if response.status == StatusCode::OK && verifies(digest, &response.body) => return Ok(response.body),
                Ok(response) if response.status == StatusCode::OK => {
                    RegistryError::invalid_response(format!("the content that it gives for {digest} has another digest"))
                }
                Ok(response) => match not_found(&response) {
                    Ok(()) => RegistryError::invalid_response(format!("it names {digest} and does not have it")),
                    Err(error) => error,
                },
                Err(error) => error,
            };
        }
        Err(last)
    }
}

/// `Ok`: the registry itself says that it has no such manifest or blob. Every other answer that is not a success is an error.
fn not_found(response: &Response) -> Result<(), RegistryError> {
    let document: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let codes = || list(&document, "/errors").iter().map(|error| text(error, "/code"));
    let message = match (response.status.as_u16(), codes().any(is_unknown), codes().any(is_denial)) {
        (404, true, _) => return Ok(()),
        (403, true, _) | (403 | 404, _, true) => return Err(RegistryError::Denied),
        (403 | 404, ..) if codes().all(str::is_empty) => NOT_A_REGISTRY.to_owned(),
        _ => error_message(&document),
    };
    Err(RegistryError::Status { status: response.status.as_u16(), message })
}

/// What a proxy, or another product under the same address, answers.
const NOT_A_REGISTRY: &str = "which is not a registry's own answer: is a proxy in front of it, and is the address right?";

/// `MANIFEST_UNKNOWN`, `NAME_UNKNOWN`, `BLOB_UNKNOWN`; Harbor's `NOT_FOUND`.
fn is_unknown(code: &str) -> bool {
    code.ends_with("_UNKNOWN") || code == "NOT_FOUND"
}

/// `FORBIDDEN` is Harbor's.
fn is_denial(code: &str) -> bool {
    matches!(code, "DENIED" | "UNAUTHORIZED" | "FORBIDDEN")
}

/// A registry's own error message: `{"errors":[{"code":"…","message":"…"}]}`.
fn error_message(document: &Value) -> String {
    let message = [text(document, "/errors/0/code"), text(document, "/errors/0/message")].join(" ");
    message.trim().chars().take(200).collect()
}

/// The digest in the header; one that is malformed counts as absent.
fn digest_header(response: &Response) -> Option<&str> {
    response.header("docker-content-digest").filter(|digest| is_digest(digest))
}

/// A registry that was asked for a digest and answers with another one.
fn digest_mismatch(asked: &str, answered: &str) -> Option<RegistryError> {
    let same_kind = is_digest(asked) && asked.split(':').next() == answered.split(':').next();
    (same_kind && asked != answered).then(|| RegistryError::invalid_response("it answers another digest than it was asked for"))
}

fn schema_2(body: &[u8]) -> Result<Value, RegistryError> {
    let document =
        bounded_json::parse(body).map_err(|error| RegistryError::invalid_response(format!("the manifest is not JSON: {error}")))?;
    match unsigned(&document, "/schemaVersion") {
        Some(2) => Ok(document),
        Some(1) => Err(RegistryError::invalid_response("a manifest of schema 1, which Docker no longer pulls")),
        _ => Err(RegistryError::invalid_response("JSON that is no manifest")),
    }
}

fn verifies(digest: &str, body: &[u8]) -> bool {
    match digest.split_once(':') {
        Some(("sha256", _)) => digest == hash::<Sha256>("sha256", body),
        Some(("sha384", _)) => digest == hash::<Sha384>("sha384", body),
        Some(("sha512", _)) => digest == hash::<Sha512>("sha512", body),
        _ => false,
    }
}

fn hash<D: Digest>(algorithm: &str, body: &[u8]) -> String {
    let mut text = format!("{algorithm}:");
    for byte in D::digest(body) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
