//! The client against tiny servers that say anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod certificates;
mod credentials;
mod http2;
mod joined;
mod proxies;
mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use super::{EngineRegistries, Registries, RegistryError, Session, Settings, Trace};
use crate::environment::Environment;
use crate::{Reference, RegistryOptions};
use server::{Asked, Reply, Server, reply};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Limits that a test can wait for.
fn settings(options: &[(&str, RegistryOptions)], environment: Environment) -> Settings {
    let options: BTreeMap<_, _> = options.iter().map(|(host, options)| ((*host).to_owned(), options.clone())).collect();
    let mut settings = Settings::new(options, None, environment);
    settings.limits.headers = Duration::from_millis(1500);
    settings.limits.request = Duration::from_millis(2500);
    settings
}

fn session() -> Session {
    session_with(&[])
}

fn session_with(options: &[(&str, RegistryOptions)]) -> Session {
    Registries::new(&settings(options, Environment::default())).session(None)
}

fn digest(fill: char) -> String {
    format!("sha256:{}", fill.to_string().repeat(64))
}

fn good(digest: &str) -> Reply {
    reply(200, &[("Content-Type", MANIFEST), ("Docker-Content-Digest", digest)], "")
}

impl Server {
    fn reference(&self, repository: &str) -> Reference {
        Reference::parse(&format!("{}/{repository}", self.authority)).unwrap()
    }

    /// Asks for a tag of this server.
    async fn digest(&self, session: &Session, repository: &str, trace: &Trace) -> Result<Option<String>, RegistryError> {
        let reference = self.reference(repository);
        session.digest(&reference, reference.tag().unwrap(), trace).await
    }
}
