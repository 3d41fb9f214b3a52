//! Which certificates are trusted at a registry: the system's roots, docker's `certs.d`, the caller's `ca_file`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustls::ClientConfig;

use crate::environment::Environment;
use crate::net::pem::{Certificates, certificates, private_key};
use crate::net::tls::{Identity, Trust, client_config, system_roots};

/// The hosts without files of their own, those that are verified and those that are not. No host has such a name.
const COMMON: &str = "";
const COMMON_INSECURE: &str = "/insecure";

/// What decides which certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::registry) struct TrustSettings {
    /// Every certificate is accepted.
    pub(in crate::registry) insecure: bool,
    /// The caller's own authority.
    pub(in crate::registry) ca_file: Option<PathBuf>,
    /// `/etc/docker/certs.d/HOST:PORT`.
    pub(in crate::registry) folder: PathBuf,
}

/// The configurations made so far, by registry; those that have no files of their own share one, and with it the system's roots.
#[derive(Debug)]
pub(in crate::registry) struct TlsConfigs {
    made: Mutex<HashMap<String, Made>>,
    /// One at a time, so that those who want the same one wait for it.
    making: tokio::sync::Mutex<()>,
    /// Read once, and only when a registry is verified.
    system: Arc<Mutex<Option<Certificates>>>,
    /// As it was when the handle was opened.
    environment: Environment,
}

#[derive(Debug)]
struct Made {
    settings: TrustSettings,
    files: Vec<FileStamp>,
    config: Arc<ClientConfig>,
}

/// A file that has another stamp has changed: its name, when it was written, and its length.
type FileStamp = (PathBuf, Option<SystemTime>, u64);

impl TlsConfigs {
    pub(in crate::registry) fn new(environment: Environment) -> Self {
        Self { made: Mutex::default(), making: tokio::sync::Mutex::default(), system: Arc::default(), environment }
    }

    /// The configuration for a registry, made anew when one of its files has changed. An error names the file that is not usable.
    pub(in crate::registry) async fn get(&self, authority: &str, settings: TrustSettings) -> Result<Arc<ClientConfig>, String> {
        let files = stamps(&settings);
        let (key, settings) = match (files.is_empty(), settings.insecure) {
            (false, _) => (authority, settings),
            (true, false) => (COMMON, TrustSettings { folder: PathBuf::new(), ..settings }),
            (true, true) => (COMMON_INSECURE, TrustSettings { folder: PathBuf::new(), ..settings }),
        };
        let known = || self.made().get(key).filter(|made| made.settings == settings && made.files == files).map(|made| made.config.clone());
        if let Some(config) = known() {
            return Ok(config);
        }
        let _one = self.making.lock().await;
        if let Some(config) = known() {
            return Ok(config);
        }
        let (system, environment, wanted) = (self.system.clone(), self.environment.clone(), settings.clone());
        let config =
            tokio::task::spawn_blocking(move || make(&wanted, &system, &environment)).await.map_err(|error| error.to_string())??;
        self.made().insert(key.to_owned(), Made { settings, files, config: config.clone() });
        Ok(config)
    }

    fn made(&self) -> MutexGuard<'_, HashMap<String, Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamps(settings: &TrustSettings) -> Vec<FileStamp> {
    let of_folder = ["crt", "cert", "key"].into_iter().flat_map(|extension| files_in(&settings.folder, extension));
    let stamp = |file: PathBuf| {
        let found = std::fs::metadata(&file).ok();
        let (written, length) = (found.as_ref().and_then(|found| found.modified().ok()), found.map_or(0, |found| found.len()));
        (file, written, length)
    };
    settings.ca_file.clone().into_iter().chain(of_folder).map(stamp).collect()
}

fn make(settings: &TrustSettings, system: &Mutex<Option<Certificates>>, environment: &Environment) -> Result<Arc<ClientConfig>, String> {
    let trust = if settings.insecure { Trust::Anything } else { Trust::Roots(roots(settings, system, environment)?) };
    let identity = client_certificate(&settings.folder)?;
    let mut config = client_config(trust, identity).map_err(|error| format!("{}: {error}", settings.folder.display()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn roots(settings: &TrustSettings, system: &Mutex<Option<Certificates>>, environment: &Environment) -> Result<Certificates, String> {
    let read = || system_roots(environment);
    let mut roots = system.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(read).clone();
    for file in settings.ca_file.iter().chain(&files_in(&settings.folder, "crt")) {
        roots.extend(certificates(file).map_err(|error| error.to_string())?);
    }
    Ok(roots)
}

/// `NAME.cert` beside `NAME.key`, as docker expects them.
fn client_certificate(folder: &Path) -> Result<Option<Identity>, String> {
    let Some(file) = files_in(folder, "cert").into_iter().next() else { return Ok(None) };
    let key = private_key(&file.with_extension("key")).map_err(|error| error.to_string())?;
    Ok(Some((certificates(&file).map_err(|error| error.to_string())?, key)))
}

fn files_in(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hosts_without_files_of_their_own_share_the_roots() {
        let folder = std::env::temp_dir().join(format!("refit-roots-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("own")).unwrap();
        let ca = refit_lab::Authority::new("roots").write(&folder.join("own/ca.crt"));
        let environment = Environment::from([("SSL_CERT_FILE", ca.to_str().unwrap())]);
        let configs = TlsConfigs::new(environment);
        let of = |host: &'static str, insecure: bool| {
            let settings = TrustSettings { insecure, ca_file: None, folder: folder.join(host) };
            configs.get(host, settings)
        };
        let (one, other) = tokio::join!(of("one", false), of("other", false));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert!(Arc::ptr_eq(&one, &other));
        let (insecure, own) = (of("one", true).await.unwrap(), of("own", false).await.unwrap());
        assert!(!Arc::ptr_eq(&one, &insecure) && !Arc::ptr_eq(&one, &own));
        // Whose files come later is asked anew.
        std::fs::create_dir_all(folder.join("one")).unwrap();
        std::fs::copy(&ca, folder.join("one/ca.crt")).unwrap();
        assert!(!Arc::ptr_eq(&of("one", false).await.unwrap(), &one));
        assert!(Arc::ptr_eq(&of("other", false).await.unwrap(), &other));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
