//! A real registry's HTTP API: what is published here no `docker push` could make.

mod requests;
mod serve;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

pub use requests::{Mark, Seen};
pub(crate) use serve::{Options, join, serve};

use crate::address::Address;
use crate::digest;
use crate::http::{self, Request, Response};
use crate::image::Artifact;

/// The types of every manifest that there is.
pub const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// A registry under the name that engine and library both use.
#[derive(Debug, Clone)]
pub struct Registry {
    /// `127.0.0.1:PORT`.
    pub host: String,
    /// Its data and logs.
    pub folder: PathBuf,
    /// User and password, when it asks for them.
    pub login: Option<(String, String)>,
}

/// Where an artifact went.
#[derive(Debug, Clone)]
pub struct Published {
    /// `127.0.0.1:PORT/REPOSITORY:TAG`.
    pub reference: String,
    /// `127.0.0.1:PORT/REPOSITORY`.
    pub name: String,
    /// `REPOSITORY`.
    pub repository: String,
    /// The manifest's or index's digest.
    pub digest: String,
    /// The configuration's digest: the image id on a classic store. Empty for an index.
    pub config_digest: String,
    /// What was published.
    pub artifact: Artifact,
}

impl Published {
    /// `127.0.0.1:PORT/REPOSITORY@sha256:…`.
    pub fn by_digest(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }
}

impl Registry {
    /// True when it answers now.
    pub fn answers(&self) -> bool {
        let get = Request { method: "GET", path: "/v2/", headers: &[], body: b"", timeout: Duration::from_secs(5) };
        http::send(&Address::Tcp(self.host.clone()), &get).is_ok_and(|answer| matches!(answer.status, 200 | 401))
    }

    /// One request, whatever the status.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let secret = self.login.as_ref().map(|(user, password)| digest::basic(user, password));
        let mut headers = headers.to_vec();
        headers.push(("User-Agent", "refit-lab"));
        if let Some(secret) = &secret {
            headers.push(("Authorization", secret));
        }
        let request = Request { method, path, headers: &headers, body, timeout: Duration::from_secs(60) };
        let sent: io::Result<Response> = http::send(&Address::Tcp(self.host.clone()), &request);
        sent.unwrap_or_else(|error| panic!("{method} {path} at {}: {error}", self.host))
    }

    /// Publishes an artifact with everything it refers to, under a tag (or a digest of its own).
    pub fn publish(&self, artifact: &Artifact, repository: &str, tag: &str) -> Published {
        self.put_parts(artifact, repository);
        let digest = self.put_manifest(repository, tag, &artifact.media_type, &artifact.bytes);
        assert_eq!(digest, artifact.digest, "the registry made another digest of {repository}:{tag}");
        let name = format!("{}/{repository}", self.host);
        Published {
            reference: format!("{name}:{tag}"),
            name,
            repository: repository.to_owned(),
            digest,
            config_digest: artifact.config_digest.clone(),
            artifact: artifact.clone(),
        }
    }

    fn put_parts(&self, artifact: &Artifact, repository: &str) {
        for blob in &artifact.blobs {
            self.put_blob(repository, &blob.digest, &blob.bytes);
        }
        for part in &artifact.parts {
            self.put_parts(part, repository);
            self.put_manifest(repository, &part.digest, &part.media_type, &part.bytes);
        }
    }

    /// Uploads a blob unless it is there.
    pub fn put_blob(&self, repository: &str, digest: &str, bytes: &[u8]) {
        if self.ask("HEAD", &format!("/v2/{repository}/blobs/{digest}"), &[], b"").status == 200 {
            return;
        }
        let begun = self.ask("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
        let location = begun.headers.get("location").unwrap_or_else(|| panic!("{repository}: {} {}", begun.status, begun.text()));
        let path = location.find("/v2/").map_or(location, |at| &location[at..]);
        let joint = if path.contains('?') { '&' } else { '?' };
        let types = [("Content-Type", "application/octet-stream")];
        let put = self.ask("PUT", &format!("{path}{joint}digest={digest}"), &types, bytes);
        assert_eq!(put.status, 201, "blob {digest} of {repository}: {}", put.text());
    }

    /// Puts any bytes as a manifest and answers the digest that the registry tells.
    pub fn put_manifest(&self, repository: &str, reference: &str, media_type: &str, bytes: &[u8]) -> String {
        let put = self.ask("PUT", &format!("/v2/{repository}/manifests/{reference}"), &[("Content-Type", media_type)], bytes);
        assert_eq!(put.status, 201, "{repository}:{reference}: {}", put.text());
        put.headers.get("docker-content-digest").unwrap_or_default().to_owned()
    }

    /// The digest of a tag; None when there is none.
    pub fn digest_of(&self, repository: &str, reference: &str) -> Option<String> {
        let head = self.ask("HEAD", &format!("/v2/{repository}/manifests/{reference}"), &[("Accept", MANIFEST_TYPES)], b"");
        (head.status == 200).then(|| head.headers.get("docker-content-digest").unwrap_or_default().to_owned())
    }

    /// A manifest's document.
    pub fn manifest(&self, repository: &str, reference: &str) -> Value {
        self.ask("GET", &format!("/v2/{repository}/manifests/{reference}"), &[("Accept", MANIFEST_TYPES)], b"").json()
    }

    /// Deletes a manifest, and with it every tag that points to it.
    pub fn delete_manifest(&self, repository: &str, digest: &str) {
        let answer = self.ask("DELETE", &format!("/v2/{repository}/manifests/{digest}"), &[], b"");
        assert_eq!(answer.status, 202, "{repository}@{digest}: {}", answer.text());
    }

    /// Takes a tag away and leaves its manifest. The API of registry 2.8 cannot; its folder can.
    pub fn delete_tag(&self, repository: &str, tag: &str) {
        let tags = format!("data/docker/registry/v2/repositories/{repository}/_manifests/tags/{tag}");
        std::fs::remove_dir_all(self.folder.join(tags)).unwrap();
    }
}
