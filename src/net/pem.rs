//! Certificates and private keys from PEM files.

use std::path::{Path, PathBuf};

use rustls_pki_types::pem::{Error, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Certificates in the order of their file.
pub(crate) type Certificates = Vec<CertificateDer<'static>>;

/// Why a PEM file is not usable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PemError {
    #[error("{}: {cause}", path.display())]
    Read { path: PathBuf, cause: Error },
    #[error("{}: there is no certificate in it", .0.display())]
    NoCertificate(PathBuf),
}

/// The certificates of a file, of which there must be one.
pub(crate) fn certificates(file: &Path) -> Result<Certificates, PemError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Certificates, _>>);
    let certificates = read.map_err(|cause| PemError::Read { path: file.to_owned(), cause })?;
    if certificates.is_empty() { Err(PemError::NoCertificate(file.to_owned())) } else { Ok(certificates) }
}

/// The private key of a file.
pub(crate) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_file(file).map_err(|cause| PemError::Read { path: file.to_owned(), cause })
}
