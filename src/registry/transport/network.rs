//! How registries are reached: the caller's options, the engine's settings, the environment.
//!
//! Rules: docs/check.md, section 5.4.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use ipnet::IpNet;
use rustls::ClientConfig;

use super::no_proxy::NoProxy;
use super::tls::{TlsConfigs, TrustSettings};
use crate::RegistryOptions;
use crate::environment::Environment;
use crate::reference::DOCKER_HUB;

/// The names of Docker Hub: in references, in docker's `config.json`, and of the machine that answers.
const HUB_NAMES: &[&str] = &[DOCKER_HUB, "index.docker.io", "https://index.docker.io/v1/", HUB_REGISTRY];
/// Where Docker Hub's registry answers.
pub(in crate::registry) const HUB_REGISTRY: &str = "registry-1.docker.io";

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

/// Time limits of a handle.
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
    /// Hosts and networks whose registries may be plain or unverified: `reg.example`, `reg.example:5000`, `reg.example:*` for all ports,
    /// `10.0.0.0/8`.
    pub(crate) insecure: Vec<String>,
}

/// Docker's own default, until an engine has reported its settings.
impl Default for EngineRegistries {
    fn default() -> Self {
        Self { mirrors: Vec::new(), insecure: vec!["127.0.0.0/8".into(), "::1/128".into()] }
    }
}

/// How the registries of one handle are reached.
#[derive(Debug)]
pub(in crate::registry) struct Network {
    pub(in crate::registry) limits: TimeLimits,
    options: BTreeMap<String, RegistryOptions>,
    certificates: PathBuf,
    proxies: Matcher,
    direct: NoProxy,
    engine: RwLock<EngineRegistries>,
    tls: TlsConfigs,
}

impl Network {
    pub(in crate::registry) fn new(settings: &Settings) -> Self {
        Self {
            limits: settings.limits,
            options: settings.options.clone(),
            certificates: settings.certificates.clone(),
            proxies: proxies(&settings.environment),
            direct: NoProxy::parse(variable(&settings.environment, "no_proxy")),
            engine: RwLock::default(),
            tls: TlsConfigs::new(settings.environment.clone()),
        }
    }

    pub(in crate::registry) fn set_engine(&self, registries: EngineRegistries) {
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = registries;
    }

    /// The mirrors that are asked before the registry.
    pub(in crate::registry) fn mirrors(&self, registry: &str) -> Vec<String> {
        let mut mirrors: Vec<String> = options_of(&self.options, registry).and_then(|options| options.mirror.clone()).into_iter().collect();
        if is_hub(registry) {
            mirrors.extend(self.engine.read().unwrap_or_else(PoisonError::into_inner).mirrors.iter().cloned());
        }
        mirrors
    }

    /// Whether plain HTTP and any certificate are accepted from the registry.
    pub(in crate::registry) fn insecure(&self, authority: &str) -> bool {
        if options_of(&self.options, authority).is_some_and(|options| options.insecure) {
            return true;
        }
        let address = address(authority);
        self.engine.read().unwrap_or_else(PoisonError::into_inner).insecure.iter().any(|entry| match entry.parse::<IpNet>() {
            Ok(network) => address.is_some_and(|address| network.contains(&address)),
            // An entry with a port, or without one, is of that very registry, as docker has it. `HOST:*` is of all its ports.
            Err(_) => match entry.strip_suffix(":*") {
                Some(host) => authority.strip_prefix(host).is_some_and(|port| port.is_empty() || port.starts_with(':')),
                None => entry == authority,
            },
        })
    }

    /// The proxy for an address; as in Go's programs there is none for this machine itself.
    pub(in crate::registry) fn proxy(&self, uri: &Uri) -> Option<Intercept> {
        let local = uri.authority().is_some_and(|authority| is_loopback(authority.as_str()));
        if local || self.direct.has(uri) { None } else { self.proxies.intercept(uri) }
    }

    /// Whether plain HTTP goes through another proxy than TLS.
    pub(in crate::registry) fn plain_and_tls_routes_differ(&self, authority: &str) -> bool {
        let proxy = |scheme: &str| {
            format!("{scheme}://{authority}/").parse().ok().and_then(|uri| self.proxy(&uri)).map(|proxy| proxy.uri().clone())
        };
        proxy("http") != proxy("https")
    }

    /// For a proxy that speaks TLS itself: the engine's insecure networks are about registries, and CONNECT is HTTP/1.1.
    pub(in crate::registry) async fn tls_of_proxy(&self, authority: &str) -> Result<Arc<ClientConfig>, String> {
        let ca_file = options_of(&self.options, authority).and_then(|options| options.ca_file.clone());
        let settings = TrustSettings { insecure: false, ca_file, folder: self.certificates.join(authority) };
        let mut config = ClientConfig::clone(&*self.tls.get(&format!("proxy {authority}"), settings).await?);
        config.alpn_protocols.clear();
        Ok(Arc::new(config))
    }

    pub(in crate::registry) async fn tls(&self, authority: &str) -> Result<Arc<ClientConfig>, String> {
        let settings = TrustSettings {
            insecure: self.insecure(authority),
            ca_file: options_of(&self.options, authority).and_then(|options| options.ca_file.clone()),
            folder: self.certificates.join(authority),
        };
        self.tls.get(authority, settings).await
    }
}

/// The proxies of the environment.
fn proxies(environment: &Environment) -> Matcher {
    Matcher::builder()
        .all(variable(environment, "all_proxy"))
        .http(variable(environment, "http_proxy"))
        .https(variable(environment, "https_proxy"))
        .build()
}

/// A variable in lower case, else in upper case.
fn variable<'a>(environment: &'a Environment, name: &str) -> &'a str {
    environment.get(name).or_else(|| environment.get(&name.to_ascii_uppercase())).unwrap_or_default()
}

/// The caller's options for a registry; Docker Hub goes by several names.
pub(in crate::registry) fn options_of<'a>(options: &'a BTreeMap<String, RegistryOptions>, registry: &str) -> Option<&'a RegistryOptions> {
    options.get(registry).or_else(|| if is_hub(registry) { HUB_NAMES.iter().find_map(|name| options.get(*name)) } else { None })
}

/// The host that answers for a registry, under which it is remembered and limited.
pub(in crate::registry) fn host_of(registry: &str) -> &str {
    if is_hub(registry) { HUB_REGISTRY } else { registry }
}

/// Whether the name means Docker Hub.
pub(in crate::registry) fn is_hub(name: &str) -> bool {
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

/// Whether the name can only be that of a machine in a private network.
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
    fn insecure_registries_come_from_options_and_engine() {
        let before = network(&[]);
        let after = network(&["10.1.0.0/16", "reg.example:5000", "bare.example", "any.example:*"]);
        let table = [
            ("127.0.0.1:5000", true, false),
            ("localhost:5000", true, false),
            ("localhost", true, false),
            ("[::1]:5000", true, false),
            ("10.1.2.3:5000", false, true),
            ("10.2.2.3:5000", false, false),
            ("reg.example:5000", false, true),
            ("reg.example:5001", false, false),
            ("bare.example", false, true),
            ("bare.example:7", false, false),
            ("reg.example", false, false),
            ("any.example", false, true),
            ("any.example:7", false, true),
            ("any.example.org", false, false),
            ("mine:5000", true, true),
            ("docker.io", false, false),
        ];
        for (authority, by_default, by_engine) in table {
            assert_eq!((before.insecure(authority), after.insecure(authority)), (by_default, by_engine), "{authority}");
        }
    }

    #[test]
    fn a_proxy_is_used_except_for_no_proxy_and_this_machine() {
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
    fn a_name_without_a_public_suffix_is_private() {
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
