//! What is known about the way to registries: the caller's options, the engine's settings, the environment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use ipnet::IpNet;
use rustls::ClientConfig;

use super::connect;
use super::tls::{TlsConfigs, Trust};
use crate::RegistryOptions;
use crate::environment::Environment;
use crate::reference::DOCKER_HUB;

/// The names of Docker Hub: in references, in docker's `config.json`, and of the machine that answers.
const HUB_NAMES: &[&str] = &[DOCKER_HUB, "index.docker.io", "https://index.docker.io/v1/", HUB_REGISTRY];
/// Where Docker Hub's registry answers.
pub(super) const HUB_REGISTRY: &str = "registry-1.docker.io";

/// What a handle knows about registries when it is opened.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The caller's options by host.
    pub(crate) options: BTreeMap<String, RegistryOptions>,
    /// The folder of docker's `config.json`.
    pub(crate) docker_config: Option<PathBuf>,
    pub(crate) environment: Environment,
    /// Docker's certificates, by host. Default: `/etc/docker/certs.d`.
    pub(crate) certificates: PathBuf,
    pub(crate) limits: TimeLimits,
}

impl Settings {
    pub(crate) fn new(options: BTreeMap<String, RegistryOptions>, docker_config: Option<PathBuf>, environment: Environment) -> Self {
        Self { options, docker_config, environment, certificates: "/etc/docker/certs.d".into(), limits: TimeLimits::default() }
    }
}

/// How long anything may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimits {
    pub(crate) connect: Duration,
    pub(crate) tls: Duration,
    /// From the beginning of a request until its answer's head.
    pub(crate) headers: Duration,
    /// The same until the end of the answer's body.
    pub(crate) request: Duration,
    /// One image with all its requests.
    pub(crate) check: Duration,
    pub(crate) helper: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            tls: Duration::from_secs(5),
            headers: Duration::from_secs(10),
            request: Duration::from_secs(20),
            check: Duration::from_secs(30),
            helper: Duration::from_secs(10),
        }
    }
}

/// What the engine says about registries in its `/info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EngineRegistries {
    /// Mirrors of docker.io.
    pub(crate) mirrors: Vec<String>,
    /// Hosts and networks whose registries may be plain or unverified.
    pub(crate) insecure: Vec<String>,
}

/// Docker's own default, for as long as no engine has said otherwise.
impl Default for EngineRegistries {
    fn default() -> Self {
        Self { mirrors: Vec::new(), insecure: vec!["127.0.0.0/8".into(), "::1/128".into()] }
    }
}

/// The ways to the registries of one handle.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) limits: TimeLimits,
    options: BTreeMap<String, RegistryOptions>,
    certificates: PathBuf,
    proxies: Matcher,
    engine: RwLock<EngineRegistries>,
    tls: TlsConfigs,
}

impl Network {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            limits: settings.limits,
            options: settings.options.clone(),
            certificates: settings.certificates.clone(),
            proxies: connect::proxies(&settings.environment),
            engine: RwLock::default(),
            tls: TlsConfigs::default(),
        }
    }

    pub(super) fn set_engine(&self, registries: EngineRegistries) {
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = registries;
    }

    /// Where a registry's images are asked for first.
    pub(super) fn mirrors(&self, registry: &str) -> Vec<String> {
        let mut mirrors: Vec<String> = options_of(&self.options, registry).and_then(|options| options.mirror.clone()).into_iter().collect();
        if is_hub(registry) {
            mirrors.extend(self.engine.read().unwrap_or_else(PoisonError::into_inner).mirrors.iter().cloned());
        }
        mirrors
    }

    /// Whether the registry may be plain, or show any certificate.
    pub(super) fn insecure(&self, authority: &str) -> bool {
        if options_of(&self.options, authority).is_some_and(|options| options.insecure) {
            return true;
        }
        let address = address(authority);
        self.engine.read().unwrap_or_else(PoisonError::into_inner).insecure.iter().any(|entry| match entry.parse::<IpNet>() {
            Ok(network) => address.is_some_and(|address| network.contains(&address)),
            Err(_) => entry == authority || entry == host(authority),
        })
    }

    /// The proxy for an address; as with Go's programs none for this machine itself.
    pub(super) fn proxy(&self, uri: &Uri) -> Option<Intercept> {
        let local = uri.authority().is_some_and(|authority| is_loopback(authority.as_str()));
        if local { None } else { self.proxies.intercept(uri) }
    }

    /// Whether plain requests take another way than those over TLS.
    pub(super) fn ways_differ(&self, authority: &str) -> bool {
        let proxy = |scheme: &str| {
            format!("{scheme}://{authority}/").parse().ok().and_then(|uri| self.proxy(&uri)).map(|proxy| proxy.uri().clone())
        };
        proxy("http") != proxy("https")
    }

    /// For a proxy that speaks TLS itself: the engine's insecure networks are about registries, and CONNECT is HTTP/1.1.
    pub(super) async fn tls_of_proxy(&self, authority: &str) -> Result<Arc<ClientConfig>, String> {
        let ca_file = options_of(&self.options, authority).and_then(|options| options.ca_file.clone());
        let trust = Trust { insecure: false, ca_file, folder: self.certificates.join(authority) };
        let mut config = ClientConfig::clone(&*self.tls.get(&format!("proxy {authority}"), trust).await?);
        config.alpn_protocols.clear();
        Ok(Arc::new(config))
    }

    pub(super) async fn tls(&self, authority: &str) -> Result<Arc<ClientConfig>, String> {
        let trust = Trust {
            insecure: self.insecure(authority),
            ca_file: options_of(&self.options, authority).and_then(|options| options.ca_file.clone()),
            folder: self.certificates.join(authority),
        };
        self.tls.get(authority, trust).await
    }
}

/// The caller's options for a registry; Docker Hub goes by several names.
pub(super) fn options_of<'a>(options: &'a BTreeMap<String, RegistryOptions>, registry: &str) -> Option<&'a RegistryOptions> {
    options.get(registry).or_else(|| if is_hub(registry) { HUB_NAMES.iter().find_map(|name| options.get(*name)) } else { None })
}

/// Whether the name means Docker Hub.
pub(super) fn is_hub(name: &str) -> bool {
    HUB_NAMES.contains(&name)
}

/// A registry's host without its port.
pub(crate) fn host(authority: &str) -> &str {
    if let Some(end) = authority.find(']') {
        return authority.get(1..end).unwrap_or(authority);
    }
    authority.split_once(':').map_or(authority, |(host, _)| host)
}

fn address(authority: &str) -> Option<IpAddr> {
    match host(authority) {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        host => host.parse().ok(),
    }
}

/// Whether the name means the machine itself.
pub(crate) fn is_loopback(authority: &str) -> bool {
    address(authority).is_some_and(|address| address.is_loopback())
}

/// Whether the name can only mean a machine in the same network.
pub(crate) fn is_private(authority: &str) -> bool {
    match address(authority) {
        Some(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        Some(IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
        // A name without a dot, or with one of the endings for networks of one's own.
        None => {
            let name = host(authority);
            !name.contains('.') || [".local", ".lan", ".internal", ".localdomain", ".home.arpa"].iter().any(|end| name.ends_with(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(insecure: &[&str]) -> Network {
        let mut options = BTreeMap::new();
        options.insert("mine:5000".to_owned(), RegistryOptions { insecure: true, ..RegistryOptions::default() });
        let environment = Environment::from([("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", "direct.example,10.0.0.0/8")]);
        let network = Network::new(&Settings::new(options, None, environment));
        if !insecure.is_empty() {
            network.set_engine(EngineRegistries {
                mirrors: vec!["http://m:1/".into()],
                insecure: insecure.iter().map(ToString::to_string).collect(),
            });
        }
        network
    }

    #[test]
    fn who_may_be_insecure() {
        let before = network(&[]);
        let after = network(&["10.1.0.0/16", "reg.example:5000", "bare.example"]);
        let table = [
            ("127.0.0.1:5000", true, false),
            ("localhost:5000", true, false),
            ("localhost", true, false),
            ("[::1]:5000", true, false),
            ("10.1.2.3:5000", false, true),
            ("10.2.2.3:5000", false, false),
            ("reg.example:5000", false, true),
            ("reg.example:5001", false, false),
            ("bare.example:7", false, true),
            ("mine:5000", true, true),
            ("docker.io", false, false),
        ];
        for (authority, by_default, by_engine) in table {
            assert_eq!((before.insecure(authority), after.insecure(authority)), (by_default, by_engine), "{authority}");
        }
    }

    #[test]
    fn who_is_asked_through_a_proxy() {
        let network = network(&[]);
        let table = [
            ("https://ghcr.io/v2/", true),
            ("http://ghcr.io/v2/", false),
            ("https://direct.example/", false),
            ("https://sub.direct.example/", false),
            ("https://10.1.1.1/", false),
            ("https://localhost:5000/", false),
            ("https://127.0.0.1:5000/", false),
        ];
        for (url, proxied) in table {
            assert_eq!(url.parse().is_ok_and(|uri| network.proxy(&uri).is_some()), proxied, "{url}");
        }
    }

    #[test]
    fn who_is_near() {
        for (authority, near) in [
            ("localhost", true),
            ("10.0.0.1:5000", true),
            ("registry:5000", true),
            ("reg.lan", true),
            ("[fd00::1]:5", true),
            ("ghcr.io", false),
            ("8.8.8.8", false),
        ] {
            assert_eq!(is_private(authority), near, "{authority}");
        }
    }
}
