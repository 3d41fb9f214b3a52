//! TLS to an engine: docker's `ca.pem`, `cert.pem` and `key.pem`.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::host::TlsFiles;
use crate::{Code, Error, Result};

/// The client's side of TLS: `ca.pem` (else the system's roots), and a client certificate where there is one.
pub(super) fn client_config(files: &TlsFiles) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Code::Panic.error("TLS has no protocol version").caused_by(&error))?;
    let builder = if files.skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
    } else {
        builder.with_root_certificates(roots(&files.folder.join("ca.pem"))?)
    };
    let (cert, key) = (files.folder.join("cert.pem"), files.folder.join("key.pem"));
    if !cert.exists() {
        return Ok(builder.with_no_client_auth());
    }
    let chain = certificates(&cert)?;
    let key_der = PrivateKeyDer::from_pem_file(&key).map_err(|error| bad_file(&key, &error))?;
    builder.with_client_auth_cert(chain, key_der).map_err(|error| bad_file(&cert, &error))
}

fn roots(ca: &Path) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    if ca.exists() {
        for certificate in certificates(ca)? {
            store.add(certificate).map_err(|error| bad_file(ca, &error))?;
        }
    } else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    Ok(store)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
    read.map_err(|error| bad_file(path, &error))
}

fn bad_file(path: &Path, error: &(dyn std::error::Error + 'static)) -> Error {
    Code::InvalidArgument.error(format!("the engine's TLS file {} cannot be used", path.display())).caused_by(error)
}

/// For a context with `SkipTLSVerify`: the user said that the certificate is not to be looked at.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
