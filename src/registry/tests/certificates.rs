//! C38: whose certificates are believed where the network is not insecure.

use super::*;
use crate::registry::UnreachableReason;
use refit_lab::{Answer, Authority, Identity, LyingRegistry, TlsFront};
use std::path::{Path, PathBuf};

/// A session for which the loopback is a network like any other.
fn strict(options: &[(&str, RegistryOptions)], certificates: &Path) -> Session {
    let mut settings = Settings { certificates: certificates.to_owned(), ..settings(options, Environment::default()) };
    // The system's roots are read first, which takes its time in a debug build on a busy machine.
    settings.limits = crate::registry::transport::network::TimeLimits::default();
    Registries::new(&settings).session(Some(EngineRegistries { mirrors: Vec::new(), insecure: Vec::new() }))
}

fn folder(what: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("refit-certificates-{}-{what}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test]
async fn c38_certificates() {
    let folder = folder("c38");
    let registry =
        LyingRegistry::start(|_| Answer::status(200).header("Content-Type", MANIFEST).header("Docker-Content-Digest", &digest('a')));
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let names = ["127.0.0.1"];
    let authority = ours.write(&folder.join("ca.pem"));
    let self_signed = Identity::self_signed(&names);
    let self_signed_leaf = Identity::self_signed_leaf(&names);
    let misnamed = Identity::self_signed(&["registry.example"]);
    let write = |identity: &Identity, name: &str| {
        let file = folder.join(name);
        identity.write(&file, &folder.join("key"));
        file
    };
    let (own, own_leaf, own_misnamed) = (write(&self_signed, "own"), write(&self_signed_leaf, "leaf"), write(&misnamed, "misnamed"));
    let table = [
        ("given CA", ours.identity(&names), Some(&authority), true),
        ("no CA given", ours.identity(&names), None, false),
        ("another CA", other.identity(&names), Some(&authority), false),
        ("expired", ours.expired(&names), Some(&authority), false),
        ("wrong name", ours.identity(&["registry.example"]), Some(&authority), false),
        ("self-signed CA as leaf", self_signed, Some(&own), true),
        ("another self-signed", Identity::self_signed(&names), Some(&own), false),
        ("self-signed leaf", self_signed_leaf, Some(&own_leaf), true),
        ("self-signed with another name", misnamed, Some(&own_misnamed), false),
    ];
    for (case, identity, ca_file, good) in table {
        let front = registry.over_tls(&identity);
        let options = RegistryOptions { ca_file: ca_file.cloned(), ..RegistryOptions::default() };
        let (session, trace) = (strict(&[(&front.host, options)], &folder), Trace::default());
        let reference = Reference::parse(&format!("{}/app:1", front.host)).unwrap();
        let answer = session.digest(&reference, "1", &trace).await;
        if good {
            assert_eq!(answer, Ok(Some(digest('a'))), "{case}");
        } else {
            assert_eq!((answer.unwrap_err().unreachable_reason(), trace.requests()), (Some(UnreachableReason::Tls), 0), "{case}");
        }
    }
    // Plain on what should be a TLS port.
    let reference = Reference::parse(&format!("{}/app:1", registry.host)).unwrap();
    let plain = strict(&[], &folder).digest(&reference, "1", &Trace::default()).await;
    assert_eq!(plain.unwrap_err().unreachable_reason(), Some(UnreachableReason::Tls));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn dockers_own_folders_of_certificates() {
    let folder = folder("certs.d");
    let registry =
        LyingRegistry::start(|_| Answer::status(200).header("Content-Type", MANIFEST).header("Docker-Content-Digest", &digest('a')));
    let ours = Authority::new("ours");
    let front = registry.over_tls(&ours.identity(&["127.0.0.1"]));
    let own = folder.join(&front.host);
    std::fs::create_dir_all(&own).unwrap();
    ours.write(&own.join("ca.crt"));
    let reference = Reference::parse(&format!("{}/app:1", front.host)).unwrap();
    assert_eq!(strict(&[], &folder).digest(&reference, "1", &Trace::default()).await, Ok(Some(digest('a'))));
    std::fs::write(own.join("broken.crt"), "nonsense").unwrap();
    let broken = strict(&[], &folder).digest(&reference, "1", &Trace::default()).await.unwrap_err();
    assert_eq!(broken.unreachable_reason(), Some(UnreachableReason::Tls));
    std::fs::remove_dir_all(folder).unwrap();
}

/// `client.cert` and `client.key` beside the authority, as docker lays them down.
#[tokio::test]
async fn a_registry_that_wants_to_know_its_clients() {
    let folder = folder("client");
    let registry =
        LyingRegistry::start(|_| Answer::status(200).header("Content-Type", MANIFEST).header("Docker-Content-Digest", &digest('a')));
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let target = refit_lab::Address::Tcp(registry.host.clone());
    let front = TlsFront::start(&ours.identity(&["127.0.0.1"]), Some(&ours), &target);
    let own = folder.join(&front.host);
    std::fs::create_dir_all(&own).unwrap();
    ours.write(&own.join("ca.crt"));
    let reference = Reference::parse(&format!("{}/app:1", front.host)).unwrap();
    for (case, client, good) in [
        ("none", None, false),
        ("another authority's", Some(other.identity(&["me"])), false),
        ("its own", Some(ours.identity(&["me"])), true),
    ] {
        if let Some(client) = client {
            client.write(&own.join("client.cert"), &own.join("client.key"));
        }
        let (session, trace) = (strict(&[], &folder), Trace::default());
        let answer = session.digest(&reference, "1", &trace).await;
        if good {
            assert_eq!((answer, trace.requests()), (Ok(Some(digest('a'))), 1), "{case}");
        } else {
            assert_eq!(answer.unwrap_err().unreachable_reason(), Some(UnreachableReason::Tls), "{case}");
        }
    }
    assert_eq!(registry.requests().len(), 1);
    std::fs::remove_file(own.join("client.key")).unwrap();
    let keyless = strict(&[], &folder).digest(&reference, "1", &Trace::default()).await.unwrap_err();
    assert!(
        matches!(&keyless, RegistryError::Unreachable(why) if why.reason == UnreachableReason::Tls && why.message.contains("client.key")),
        "{keyless:?}"
    );
    std::fs::remove_dir_all(folder).unwrap();
}
