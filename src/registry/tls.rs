//! Whose certificates are believed: the system's roots, docker's `certs.d`, the caller's `ca_file`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

type Certificates = Vec<CertificateDer<'static>>;

/// What decides how a registry's certificate is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trust {
    /// Any certificate will do.
    pub(super) insecure: bool,
    /// The caller's own authority.
    pub(super) ca_file: Option<PathBuf>,
    /// `/etc/docker/certs.d/HOST:PORT`.
    pub(super) folder: PathBuf,
}

/// The configurations made so far, by registry.
#[derive(Debug, Default)]
pub(super) struct TlsConfigs {
    made: Mutex<HashMap<String, (Trust, Arc<ClientConfig>)>>,
    /// Read once: a hundred and more files, and most of the time nobody needs them.
    system: Arc<Mutex<Option<Certificates>>>,
}

impl TlsConfigs {
    /// The configuration for a registry. An error says which file is no good.
    pub(super) async fn get(&self, authority: &str, trust: Trust) -> Result<Arc<ClientConfig>, String> {
        if let Some((_, config)) = self.made().get(authority).filter(|(made_for, _)| *made_for == trust) {
            return Ok(config.clone());
        }
        let (system, wanted) = (self.system.clone(), trust.clone());
        let config = tokio::task::spawn_blocking(move || make(&wanted, &system)).await.map_err(|error| error.to_string())??;
        self.made().insert(authority.to_owned(), (trust, config.clone()));
        Ok(config)
    }

    fn made(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Trust, Arc<ClientConfig>)>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make(trust: &Trust, system: &Mutex<Option<Certificates>>) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut certificates = Certificates::new();
    if !trust.insecure {
        let mut system = system.lock().unwrap_or_else(PoisonError::into_inner);
        certificates.clone_from(system.get_or_insert_with(|| rustls_native_certs::load_native_certs().certs));
        if let Some(file) = &trust.ca_file {
            certificates.extend(certificates_of(file)?);
        }
        for file in files_in(&trust.folder, "crt") {
            certificates.extend(certificates_of(&file)?);
        }
    }
    let verifier = Verifier::new(trust.insecure, certificates, &provider);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match client_certificate(&trust.folder)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| format!("{}: {error}", trust.folder.display()))?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates_of(file: &Path) -> Result<Certificates, String> {
    let failed = |error: rustls_pki_types::pem::Error| format!("{}: {error}", file.display());
    let found = CertificateDer::pem_file_iter(file).map_err(failed)?.collect::<Result<Certificates, _>>().map_err(failed)?;
    if found.is_empty() { Err(format!("{}: there is no certificate in it", file.display())) } else { Ok(found) }
}

/// `NAME.cert` beside `NAME.key`, as docker lays them down.
fn client_certificate(folder: &Path) -> Result<Option<(Certificates, PrivateKeyDer<'static>)>, String> {
    let Some(file) = files_in(folder, "cert").into_iter().next() else { return Ok(None) };
    let key = file.with_extension("key");
    let key = PrivateKeyDer::from_pem_file(&key).map_err(|error| format!("{}: {error}", key.display()))?;
    Ok(Some((certificates_of(&file)?, key)))
}

fn files_in(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

/// rustls's own judgement, with two exceptions: what is insecure by wish, and a root that the server shows as its own certificate.
#[derive(Debug)]
struct Verifier {
    insecure: bool,
    /// `None` when there is not one root to believe.
    by_roots: Option<Arc<WebPkiServerVerifier>>,
    roots: Certificates,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(insecure: bool, roots: Certificates, provider: &Arc<CryptoProvider>) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let by_roots = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone()).build().ok();
        Self { insecure, by_roots, roots, provider: provider.clone() }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.insecure {
            return Ok(ServerCertVerified::assertion());
        }
        let Some(by_roots) = &self.by_roots else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        match by_roots.verify_server_cert(leaf, intermediates, name, ocsp, now) {
            // The usual self-signed certificate says of itself that it is an authority. The dates were good when webpki got so far; the
            // name is judged after the chain, so it is judged here.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(why)))
                if format!("{:?}", why.0) == "CaUsedAsEndEntity" && self.roots.iter().any(|root| root == leaf) =>
            {
                verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
