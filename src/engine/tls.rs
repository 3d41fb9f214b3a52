//! TLS to an engine: docker's `ca.pem`, `cert.pem` and `key.pem`.

use std::path::Path;

use rustls::{ClientConfig, RootCertStore};

use super::endpoint::TlsFiles;
use crate::environment::Environment;
use crate::net::pem::{Certificates, certificates, private_key};
use crate::net::tls::{self, Trust};
use crate::{Code, Error, Result};

/// The client's side of TLS: `ca.pem` (else the system's roots), and a client certificate where there is one.
pub(super) fn client_config(files: &TlsFiles, environment: &Environment) -> Result<ClientConfig> {
    let file = |name: &str| files.folder.as_ref().map(|folder| folder.join(name));
    let existing = |name: &str| file(name).filter(|path| path.exists());
    let trust = if files.skip_verify {
        Trust::Anything
    } else {
        Trust::Roots(existing("ca.pem").map_or_else(|| Ok(tls::system_roots(environment)), |ca| roots(&ca))?)
    };
    let identity = match (existing("cert.pem"), file("key.pem")) {
        (Some(cert), Some(key)) => {
            let chain = certificates(&cert).map_err(|error| unusable(&cert, &error))?;
            Some((chain, private_key(&key).map_err(|error| unusable(&key, &error))?))
        }
        _ => None,
    };
    tls::client_config(trust, identity).map_err(|error| unusable(&file("cert.pem").unwrap_or_default(), &error))
}

fn roots(ca: &Path) -> Result<Certificates> {
    let roots = certificates(ca).map_err(|error| unusable(ca, &error))?;
    // The engine's own authority has to be usable; of the system's some never are.
    for root in &roots {
        RootCertStore::empty().add(root.clone()).map_err(|error| unusable(ca, &error))?;
    }
    Ok(roots)
}

fn unusable(path: &Path, error: &(dyn std::error::Error + 'static)) -> Error {
    Code::InvalidArgument.error(format!("the engine's TLS file {} cannot be used", path.display())).caused_by(error)
}
