//! Registries behind a proxy: their names exist for it alone.

use super::*;
use crate::registry::{CredentialUse, UnreachableReason};
use refit_lab::{Answer, Authority, ForwardProxy, LyingRegistry, TlsFront};
use std::path::PathBuf;

/// A registry over TLS that goes by a name which nobody can resolve, and the file of its authority.
struct Far {
    registry: LyingRegistry,
    front: TlsFront,
    authority: Authority,
    folder: PathBuf,
}

const NAME: &str = "registry.example:5000";

impl Far {
    fn new(what: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("refit-proxies-{}-{what}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let registry =
            LyingRegistry::start(|_| Answer::status(200).header("Content-Type", MANIFEST).header("Docker-Content-Digest", &digest('a')));
        let authority = Authority::new("far");
        authority.write(&folder.join("ca.pem"));
        let front = registry.over_tls(&authority.identity(&["registry.example", "127.0.0.1"]));
        Self { registry, front, authority, folder }
    }

    fn options(&self) -> RegistryOptions {
        RegistryOptions { ca_file: Some(self.folder.join("ca.pem")), ..RegistryOptions::default() }
    }

    /// What is answered with these variables set.
    async fn ask(&self, options: &[(&str, RegistryOptions)], variables: Environment) -> (Result<Option<String>, RegistryError>, Trace) {
        let mut settings = settings(options, variables);
        settings.limits = crate::registry::transport::network::TimeLimits::default();
        let reference = Reference::parse(&format!("{NAME}/app:1")).unwrap();
        let trace = Trace::default();
        let session = Registries::new(&settings).session(None);
        (session.digest(&reference, "1", &trace).await, trace)
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test]
async fn a_tunnel_through_every_kind_of_proxy() {
    let far = Far::new("tunnel");
    for (scheme, seen) in [("http", "CONNECT"), ("https", "CONNECT"), ("socks5", "SOCKS"), ("socks5h", "SOCKS")] {
        for login in [false, true] {
            let proxy = if login { ForwardProxy::with_login(&far.front.host) } else { ForwardProxy::start(&far.front.host) };
            let over_tls = TlsFront::start(&far.authority.identity(&["127.0.0.1"]), None, &refit_lab::Address::Tcp(proxy.host.clone()));
            let host = if scheme == "https" { &over_tls.host } else { &proxy.host };
            let user = if login { "refit:proxy-secret@" } else { "" };
            let address = format!("{scheme}://{user}{host}");
            let options = [(NAME, far.options()), (host.as_str(), far.options())];
            let (answer, trace) = far.ask(&options, Environment::from([("HTTPS_PROXY", address.as_str())])).await;
            assert_eq!((answer, trace.requests()), (Ok(Some(digest('a'))), 1), "{address}");
            assert_eq!(proxy.seen(), [format!("{seen} {NAME}")], "{address}");
        }
    }
    assert_eq!(far.registry.requests().len(), 8);
    assert!(far.registry.requests().iter().all(|asked| asked.header("proxy-authorization").is_empty()), "the proxy's alone");
}

#[tokio::test]
async fn plain_requests_are_handed_over_whole() {
    let far = Far::new("plain");
    let insecure = RegistryOptions { insecure: true, username: Some("u".into()), password: Some("p".into()), ..RegistryOptions::default() };
    for scheme in ["http", "socks5"] {
        let proxy = ForwardProxy::with_login(&far.registry.host);
        let address = format!("{scheme}://refit:proxy-secret@{}", proxy.host);
        // Without a proxy for TLS the name leads nowhere, which says nothing about the plain way.
        let (answer, trace) = far.ask(&[(NAME, insecure.clone())], Environment::from([("http_proxy", address.as_str())])).await;
        assert_eq!((answer, trace.requests()), (Ok(Some(digest('a'))), 1), "{address}");
        let seen = if scheme == "http" { format!("HEAD http://{NAME}/v2/app/manifests/1") } else { format!("SOCKS {NAME}") };
        assert_eq!(proxy.seen(), [seen]);
        assert_eq!(trace.observations().credential, Some(CredentialUse::None));
        // One proxy for all: TLS is tried first, in a tunnel.
        let (answer, _) = far.ask(&[(NAME, insecure.clone())], Environment::from([("ALL_PROXY", address.as_str())])).await;
        assert_eq!(answer, Ok(Some(digest('a'))), "{address}");
        assert_eq!(proxy.seen().len(), 3, "{:?}", proxy.seen());
    }
}

#[tokio::test]
async fn proxies_that_do_not_help() {
    let far = Far::new("bad");
    let proxy = ForwardProxy::with_login(&far.front.host);
    let over_tls = TlsFront::start(&Authority::new("other").identity(&["127.0.0.1"]), None, &refit_lab::Address::Tcp(proxy.host.clone()));
    let table = [
        ("no login", format!("http://{}", proxy.host)),
        ("wrong login", format!("http://refit:wrong-secret@{}", proxy.host)),
        ("no login", format!("socks5://{}", proxy.host)),
        ("wrong login", format!("socks5://refit:wrong-secret@{}", proxy.host)),
        ("a certificate of nobody", format!("https://refit:proxy-secret@{}", over_tls.host)),
        ("not understood", format!("socks4://{}", proxy.host)),
        ("nobody there", "http://127.0.0.1:1".to_owned()),
        ("nobody there", "socks5://127.0.0.1:1".to_owned()),
        ("nobody there", "https://127.0.0.1:1".to_owned()),
    ];
    for (case, address) in table {
        let (answer, trace) = far.ask(&[(NAME, far.options())], Environment::from([("https_proxy", address.as_str())])).await;
        let error = answer.unwrap_err();
        assert_eq!((error.unreachable_reason(), trace.requests()), (Some(UnreachableReason::Proxy), 0), "{case} {address}: {error:?}");
        assert!(!format!("{error:?} {trace:?}").contains("secret"), "{error:?}");
    }
    assert_eq!((far.registry.requests().len(), proxy.seen().len()), (0, 0));
}

#[tokio::test]
async fn those_of_no_proxy_are_asked_directly() {
    let far = Far::new("no");
    let proxy = ForwardProxy::start(&far.front.host);
    let address = format!("http://{}", proxy.host);
    for (no_proxy, direct) in [("registry.example", true), (".example", true), ("*", true), ("other.example", false), ("", false)] {
        let (answer, _) =
            far.ask(&[(NAME, far.options())], Environment::from([("HTTPS_PROXY", address.as_str()), ("NO_PROXY", no_proxy)])).await;
        let reason = answer.err().and_then(|error| error.unreachable_reason());
        if direct {
            assert!(matches!(reason, Some(UnreachableReason::Dns | UnreachableReason::Timeout)), "{no_proxy}: {reason:?}");
        } else {
            assert_eq!(reason, None, "{no_proxy}");
        }
    }
    assert_eq!(proxy.seen().len(), 2);
    // This machine's own registries never.
    let options = RegistryOptions { ca_file: Some(far.folder.join("ca.pem")), ..RegistryOptions::default() };
    let environment = Environment::from([("HTTPS_PROXY", "http://127.0.0.1:1"), ("HTTP_PROXY", "http://127.0.0.1:1")]);
    let session = Registries::new(&settings(&[(&far.front.host, options)], environment)).session(None);
    let reference = Reference::parse(&format!("{}/app:1", far.front.host)).unwrap();
    assert_eq!(session.digest(&reference, "1", &Trace::default()).await, Ok(Some(digest('a'))));
}
