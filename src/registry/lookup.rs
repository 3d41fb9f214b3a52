//! The questions of a check: which digest a tag names, a manifest, a configuration.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::Session;
use super::endpoint::{Endpoint, Question};
use super::http::Answer;
use super::trace::Trace;
use super::trouble::Trouble;
use crate::Reference;
use crate::reference::is_digest;

const MANIFEST_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// Without all four, docker-registry answers 404 for an OCI image.
const ACCEPT: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json",
);
const MANIFEST_CAP: usize = 4 * 1024 * 1024;
const CONFIG_CAP: usize = 8 * 1024 * 1024;

/// A manifest or index whose digest was verified.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Its sha256, whatever digest it was asked by.
    pub(crate) sha256: String,
    pub(crate) json: Value,
}

impl Session {
    /// The digest that a tag names, or the digest itself when the registry has it. One HEAD, which no registry counts as a pull.
    pub(crate) async fn digest(&self, reference: &Reference, name: &str, trace: &Trace) -> Result<Option<String>, Trouble> {
        let endpoints = self.endpoints(reference.registry());
        for mirror in &endpoints[..endpoints.len() - 1] {
            // A mirror's 404, like its every failure, says nothing about the registry.
            if let Ok(Some(digest)) = self.digest_at(mirror, reference, name, trace).await {
                self.open(reference.registry());
                return Ok(Some(digest));
            }
        }
        self.digest_at(&endpoints[endpoints.len() - 1], reference, name, trace).await
    }

    /// A manifest by its digest. GETs are counted against pull limits.
    pub(crate) async fn manifest(&self, reference: &Reference, digest: &str, trace: &Trace) -> Result<Document, Trouble> {
        let body = self.by_digest(reference, &format!("manifests/{digest}"), digest, Some(ACCEPT), MANIFEST_CAP, trace).await?;
        Ok(Document { sha256: hash::<Sha256>("sha256", &body), json: schema_2(&body)? })
    }

    /// An image's configuration.
    pub(crate) async fn config(&self, reference: &Reference, digest: &str, trace: &Trace) -> Result<Value, Trouble> {
        let body = self.by_digest(reference, &format!("blobs/{digest}"), digest, None, CONFIG_CAP, trace).await?;
        serde_json::from_slice(&body).map_err(|error| Trouble::bad_answer(format!("the image's configuration is not JSON: {error}")))
    }

    async fn digest_at(&self, endpoint: &Endpoint, reference: &Reference, name: &str, trace: &Trace) -> Result<Option<String>, Trouble> {
        let path = format!("manifests/{name}");
        let head =
            Question { method: Method::HEAD, repository: reference.repository(), path: &path, accept: Some(ACCEPT), cap: MANIFEST_CAP };
        let answer = self.ask(endpoint, &head, trace).await?;
        match answer.status {
            StatusCode::OK => {
                if let Some(digest) = digest_header(&answer).filter(|_| MANIFEST_TYPES.contains(&answer.content_type().as_str())) {
                    return contradiction(name, digest).map_or(Ok(Some(digest.to_owned())), Err);
                }
            }
            // Some registries know no HEAD.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {}
            _ => return missing(&answer).map(|()| None),
        }
        let answer = self.ask(endpoint, &Question { method: Method::GET, ..head }, trace).await?;
        if answer.status != StatusCode::OK {
            return missing(&answer).map(|()| None);
        }
        schema_2(&answer.body)?;
        let own = hash::<Sha256>("sha256", &answer.body);
        match digest_header(&answer) {
            Some(digest) if !verifies(digest, &answer.body) => Err(Trouble::bad_answer("the digest in its header is not the manifest's")),
            Some(digest) => contradiction(name, digest).map_or(Ok(Some(digest.to_owned())), Err),
            None => contradiction(name, &own).map_or(Ok(Some(own)), Err),
        }
    }

    async fn by_digest(
        &self,
        reference: &Reference,
        path: &str,
        digest: &str,
        accept: Option<HeaderValue>,
        cap: usize,
        trace: &Trace,
    ) -> Result<Bytes, Trouble> {
        let question = Question { method: Method::GET, repository: reference.repository(), path, accept, cap };
        let mut last = Trouble::bad_answer("nobody was asked");
        for endpoint in self.endpoints(reference.registry()) {
            last = match self.ask(&endpoint, &question, trace).await {
                Ok(answer) if answer.status == StatusCode::OK && verifies(digest, &answer.body) => return Ok(answer.body),
                Ok(answer) if answer.status == StatusCode::OK => {
                    Trouble::bad_answer(format!("what it gives for {digest} has another digest"))
                }
                Ok(answer) => match missing(&answer) {
                    Ok(()) => Trouble::bad_answer(format!("it names {digest} and does not have it")),
                    Err(trouble) => trouble,
                },
                Err(trouble) => trouble,
            };
        }
        Err(last)
    }

    /// Something has answered in the place of the registry: the rest need not wait for it.
    fn open(&self, registry: &str) {
        self.shared.hosts.get(registry).open(false);
    }
}

/// `Ok`: there is no such thing. Everything else that is not a success is an error.
fn missing(answer: &Answer) -> Result<(), Trouble> {
    match answer.status.as_u16() {
        403 => Err(Trouble::Denied),
        404 if answer.content_type() != "text/html" => Ok(()),
        404 => Err(Trouble::Refused { status: 404, words: "a web page, which is not a registry's answer".into() }),
        status => Err(Trouble::Refused { status, words: words(&answer.body) }),
    }
}

/// A registry's own words: `{"errors":[{"code":"…","message":"…"}]}`.
fn words(body: &[u8]) -> String {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| document.pointer(&format!("/errors/0/{key}")).and_then(Value::as_str).unwrap_or_default();
    let words = [text("code"), text("message")].join(" ");
    words.trim().chars().take(200).collect()
}

/// The digest that the registry says; one that is none counts as absent.
fn digest_header(answer: &Answer) -> Option<&str> {
    answer.header("docker-content-digest").filter(|digest| is_digest(digest))
}

/// A registry that was asked for a digest and answers another one.
fn contradiction(asked: &str, answered: &str) -> Option<Trouble> {
    let same_kind = is_digest(asked) && asked.split(':').next() == answered.split(':').next();
    (same_kind && asked != answered).then(|| Trouble::bad_answer("it answers another digest than it was asked for"))
}

fn schema_2(body: &[u8]) -> Result<Value, Trouble> {
    let document: Value =
        serde_json::from_slice(body).map_err(|error| Trouble::bad_answer(format!("the manifest is not JSON: {error}")))?;
    match document.get("schemaVersion").and_then(Value::as_u64) {
        Some(2) => Ok(document),
        Some(1) => Err(Trouble::bad_answer("a manifest of schema 1, which Docker no longer pulls")),
        _ => Err(Trouble::bad_answer("JSON that is no manifest")),
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
