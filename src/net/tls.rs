//! The client's side of TLS, and the one verifier of servers' certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::pem::Certificates;
use crate::environment::Environment;

/// Which certificates of a server are accepted.
#[derive(Debug)]
pub(crate) enum Trust {
    /// Every one: the user has said that it is not to be verified.
    Anything,
    /// Those that lead to one of these roots.
    Roots(Certificates),
}

/// A client certificate with its key.
pub(crate) type Identity = (Certificates, PrivateKeyDer<'static>);

/// Where systems keep their authorities in one file; the first that exists counts, as in Go's programs.
const ROOT_FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The certificates of the system's authorities, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`. Reading them takes a hundred files and more.
pub(crate) fn system_roots(environment: &Environment) -> Certificates {
    let file = environment.path("SSL_CERT_FILE");
    let folders: Vec<PathBuf> = environment.get("SSL_CERT_DIR").map(|list| std::env::split_paths(list).collect()).unwrap_or_default();
    if file.is_some() || !folders.is_empty() {
        let mut roots = rustls_native_certs::load_certs_from_paths(file.as_deref(), None).certs;
        roots.extend(folders.iter().flat_map(|folder| rustls_native_certs::load_certs_from_paths(None, Some(folder)).certs));
        return roots;
    }
    match ROOT_FILES.iter().map(Path::new).find(|file| file.exists()) {
        Some(file) => rustls_native_certs::load_certs_from_paths(Some(file), None).certs,
        None => rustls_native_certs::load_native_certs().certs,
    }
}

/// A configuration for connections to a server.
pub(crate) fn client_config(trust: Trust, identity: Option<Identity>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(trust, &provider);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// webpki's verification, with two exceptions: a server whose certificate is not to be verified, and a root that the server shows as its own
/// certificate, which Go's programs (docker among them) accept.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    /// `None` when there is not one root.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(trust: Trust, provider: &Arc<CryptoProvider>) -> Self {
        let webpki = match &trust {
            Trust::Anything => None,
            Trust::Roots(roots) => {
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(roots.iter().cloned());
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone()).build().ok()
            }
        };
        Self { trust, webpki, provider: provider.clone() }
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
        let Trust::Roots(roots) = &self.trust else { return Ok(ServerCertVerified::assertion()) };
        let Some(webpki) = &self.webpki else { return Err(CertificateError::UnknownIssuer.into()) };
        match webpki.verify_server_cert(leaf, intermediates, name, ocsp, now) {
            // The usual self-signed certificate says of itself that it is an authority. webpki has verified its dates when it gives this
            // error, and has not compared the name yet.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(why)))
                if format!("{:?}", why.0) == "CaUsedAsEndEntity" && roots.iter().any(|root| root == leaf) =>
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
