//! Which engine: the host of the options, the environment, docker's contexts, or the platform's default socket.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::ssh::Target;
use crate::environment::Environment;
use crate::error::quoted;
use crate::{Code, Error, Result};

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Where the engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Unix(PathBuf),
    Tcp { host: String, port: u16, tls: Option<TlsFiles> },
    Ssh(Target),
}

/// The files that `docker` expects in a folder of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// `ca.pem`, `cert.pem` and `key.pem` lie here. `None`: there are none, and the system's roots are trusted.
    pub(crate) folder: Option<PathBuf>,
    /// The server's certificate is taken unseen, as the context or `DOCKER_TLS_VERIFY` says.
    pub(crate) skip_verify: bool,
}

/// What the caller said about the engine.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostOptions {
    pub(crate) host: Option<String>,
    pub(crate) tls_dir: Option<PathBuf>,
    /// The folder of docker's `config.json`.
    pub(crate) docker_config: Option<PathBuf>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, .. } => write!(f, "tcp://{}:{port}", bracketed(host)),
            Self::Ssh(target) => target.fmt(f),
        }
    }
}

impl Endpoint {
    /// `host`, else `DOCKER_HOST`, else `DOCKER_CONTEXT`, else the current context of `config.json`, else the default socket.
    pub(crate) fn resolve(options: &HostOptions, environment: &Environment) -> Result<Self> {
        if let Some(folder) = options.tls_dir.as_ref().filter(|folder| !folder.is_dir()) {
            let message = format!(
                "option \"tls_dir\": {} is no folder; it holds ca.pem, cert.pem and key.pem",
                quoted(&folder.display().to_string())
            );
            return Err(Code::InvalidArgument.error(message));
        }
        if let Some(host) = &options.host {
            return Self::parse(host, tls_of_environment(options, environment));
        }
        if let Some(host) = environment.get("DOCKER_HOST") {
            return Self::parse(host, tls_of_environment(options, environment)).map_err(|error| from_source(error, "DOCKER_HOST"));
        }
        let config = options.docker_config.as_deref();
        let context = match environment.get("DOCKER_CONTEXT") {
            Some(name) => Some(name.to_owned()),
            None => config.and_then(current_context),
        };
        match context.filter(|name| name != "default") {
            Some(name) => of_context(&name, config, options),
            None => Ok(Self::Unix(DEFAULT_SOCKET.into())),
        }
    }

    /// A host as `docker -H` takes it.
    fn parse(host: &str, tls: Option<TlsFiles>) -> Result<Self> {
        let (scheme, rest) = host.split_once("://").unwrap_or(("tcp", host));
        match scheme {
            "unix" if !rest.is_empty() => Ok(Self::Unix(rest.into())),
            "tcp" | "http" | "https" => {
                let (name, port) = host_and_port(rest).ok_or_else(|| bad_host(host))?;
                let secure = scheme == "https" || tls.is_some();
                let tls = if secure { Some(tls.unwrap_or(TlsFiles { folder: None, skip_verify: false })) } else { None };
                Ok(Self::Tcp { host: name, port: port.unwrap_or(if secure { 2376 } else { 2375 }), tls })
            }
            "ssh" => Target::parse(rest).map(Self::Ssh).map_err(|why| {
                // Not the address itself, which may hold a password.
                Code::InvalidArgument.error(format!("an engine host that begins with ssh:// is not understood: {why}"))
            }),
            _ => Err(bad_host(host)),
        }
    }
}

fn bad_host(host: &str) -> Error {
    Code::InvalidArgument.error(format!(
        "engine host {} is not understood: unix:///path, tcp://host:port, https://host:port or ssh://user@host",
        quoted(host)
    ))
}

fn from_source(error: Error, source: &str) -> Error {
    let message = format!("{source}: {}", error.message());
    error.with_message(message)
}

pub(super) fn host_and_port(rest: &str) -> Option<(String, Option<u16>)> {
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() || rest.contains(['/', '@', ' ']) {
        return None;
    }
    if let Some(v6) = rest.strip_prefix('[') {
        let (name, port) = v6.split_once(']')?;
        let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?.parse().ok()?) };
        return Some((name.to_owned(), port));
    }
    match rest.split_once(':') {
        Some(("", _)) => None,
        Some((name, port)) => Some((name.to_owned(), Some(port.parse().ok()?))),
        None => Some((rest.to_owned(), None)),
    }
}

pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// `tls_dir`; else `DOCKER_CERT_PATH` when `DOCKER_TLS_VERIFY` or `DOCKER_TLS` is set, as docker reads them.
fn tls_of_environment(options: &HostOptions, environment: &Environment) -> Option<TlsFiles> {
    if let Some(folder) = &options.tls_dir {
        return Some(TlsFiles { folder: Some(folder.clone()), skip_verify: false });
    }
    let verify = environment.get("DOCKER_TLS_VERIFY").is_some();
    if !verify && environment.get("DOCKER_TLS").is_none() {
        return None;
    }
    let folder = environment.path("DOCKER_CERT_PATH").or_else(|| options.docker_config.clone())?;
    Some(TlsFiles { folder: Some(folder), skip_verify: !verify })
}

fn current_context(config: &Path) -> Option<String> {
    let text = std::fs::read_to_string(config.join("config.json")).ok()?;
    let document: Value = serde_json::from_str(&text).ok()?;
    document.get("currentContext")?.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// A context's files lie under the digest of its name.
fn of_context(name: &str, config: Option<&Path>, options: &HostOptions) -> Result<Endpoint> {
    let missing = |why: String| {
        Code::InvalidArgument.error(format!("docker context {}: {why}; `docker context ls` shows the contexts", quoted(name)))
    };
    let config = config.ok_or_else(|| missing("there is no docker config folder (HOME is not set)".into()))?;
    let id: String = Sha256::digest(name.as_bytes()).iter().fold(String::new(), |id, byte| id + &format!("{byte:02x}"));
    let path = config.join("contexts/meta").join(&id).join("meta.json");
    let text = std::fs::read_to_string(&path).map_err(|error| missing(format!("cannot read {}: {error}", path.display())))?;
    let meta: Value = serde_json::from_str(&text).map_err(|error| missing(format!("{} is not JSON: {error}", path.display())))?;
    let docker = meta.pointer("/Endpoints/docker").ok_or_else(|| missing("it has no docker endpoint".into()))?;
    let host = docker.get("Host").and_then(Value::as_str).ok_or_else(|| missing("its docker endpoint has no Host".into()))?;
    let skip_verify = docker.get("SkipTLSVerify").and_then(Value::as_bool).unwrap_or(false);
    let folder = config.join("contexts/tls").join(&id).join("docker");
    // SkipTLSVerify alone says that the engine speaks TLS.
    let own_folder = folder.is_dir().then_some(folder);
    let own = (own_folder.is_some() || skip_verify).then_some(TlsFiles { folder: own_folder, skip_verify });
    let tls = options.tls_dir.clone().map(|folder| TlsFiles { folder: Some(folder), skip_verify: false }).or(own);
    Endpoint::parse(host, tls).map_err(|error| from_source(error, &format!("docker context {}", quoted(name))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn resolve(host: Option<&str>, environment: &Environment) -> std::result::Result<String, &'static str> {
        let options = HostOptions { host: host.map(str::to_owned), ..HostOptions::default() };
        Endpoint::resolve(&options, environment).map(|endpoint| endpoint.to_string()).map_err(|error| error.code().name())
    }

    #[test]
    fn hosts_as_docker_takes_them() {
        let none = Environment::default();
        let cases = [
            (None, Ok("unix:///var/run/docker.sock")),
            (Some("unix:///run/x.sock"), Ok("unix:///run/x.sock")),
            (Some("tcp://10.0.0.1:2000"), Ok("tcp://10.0.0.1:2000")),
            (Some("tcp://engine"), Ok("tcp://engine:2375")),
            (Some("https://engine"), Ok("tcp://engine:2376")),
            (Some("tcp://[::1]:2375"), Ok("tcp://[::1]:2375")),
            (Some("127.0.0.1:2375"), Ok("tcp://127.0.0.1:2375")),
            (Some("ssh://me@engine"), Ok("ssh://me@engine")),
            (Some("ssh://me@engine:22/run/x.sock"), Ok("ssh://me@engine:22/run/x.sock")),
            (Some("ssh://me:secret@engine"), Err("INVALID_ARGUMENT")),
            (Some("ssh://-oProxyCommand=id"), Err("INVALID_ARGUMENT")),
            (Some("unix://"), Err("INVALID_ARGUMENT")),
            (Some("tcp://"), Err("INVALID_ARGUMENT")),
            (Some("tcp://a:b"), Err("INVALID_ARGUMENT")),
            (Some("ftp://a"), Err("INVALID_ARGUMENT")),
        ];
        for (host, expected) in cases {
            assert_eq!(resolve(host, &none), expected.map(str::to_owned), "{host:?}");
        }
    }

    #[test]
    fn the_environment_comes_after_the_option() {
        let environment = Environment::from([("DOCKER_HOST", "tcp://env:1"), ("DOCKER_CONTEXT", "nowhere")]);
        assert_eq!(resolve(Some("tcp://option:2"), &environment), Ok("tcp://option:2".into()));
        assert_eq!(resolve(None, &environment), Ok("tcp://env:1".into()));
        assert_eq!(resolve(None, &Environment::from([("DOCKER_HOST", "ssh://far")])), Ok("ssh://far".into()));
        assert_eq!(resolve(None, &Environment::from([("DOCKER_CONTEXT", "nowhere")])), Err("INVALID_ARGUMENT"));
    }

    #[test]
    fn docker_cert_path_needs_a_tls_switch() {
        let options = HostOptions { host: Some("tcp://engine".into()), ..HostOptions::default() };
        let plain = Environment::from([("DOCKER_CERT_PATH", "/certs")]);
        assert_eq!(Endpoint::resolve(&options, &plain).unwrap().to_string(), "tcp://engine:2375");
        let verified = Environment::from([("DOCKER_CERT_PATH", "/certs"), ("DOCKER_TLS_VERIFY", "1")]);
        let tls = TlsFiles { folder: Some("/certs".into()), skip_verify: false };
        assert_eq!(Endpoint::resolve(&options, &verified).unwrap(), Endpoint::Tcp { host: "engine".into(), port: 2376, tls: Some(tls) });
    }

    #[test]
    fn the_working_directory_is_no_folder_of_certificates() {
        let options = |tls_dir: Option<&str>| HostOptions {
            host: Some("https://engine".into()),
            tls_dir: tls_dir.map(Into::into),
            ..HostOptions::default()
        };
        let tls = Some(TlsFiles { folder: None, skip_verify: false });
        let found = Endpoint::resolve(&options(None), &Environment::default()).unwrap();
        assert_eq!(found, Endpoint::Tcp { host: "engine".into(), port: 2376, tls });
        for nowhere in ["/nonexistent/certs", ""] {
            let error = Endpoint::resolve(&options(Some(nowhere)), &Environment::default()).unwrap_err();
            assert!(error.code() == Code::InvalidArgument && error.message().contains("tls_dir"), "{error}");
        }
    }

    #[test]
    fn a_context_is_found_under_the_digest_of_its_name() {
        let folder = std::env::temp_dir().join(format!("refit-context-{}", std::process::id()));
        let id = Sha256::digest(b"far").iter().fold(String::new(), |id, byte| id + &format!("{byte:02x}"));
        let meta = folder.join("contexts/meta").join(&id);
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(folder.join("config.json"), r#"{"currentContext":"far"}"#).unwrap();
        std::fs::write(meta.join("meta.json"), r#"{"Name":"far","Endpoints":{"docker":{"Host":"tcp://far:7","SkipTLSVerify":false}}}"#)
            .unwrap();
        let options = HostOptions { docker_config: Some(folder.clone()), ..HostOptions::default() };
        assert_eq!(Endpoint::resolve(&options, &Environment::default()).unwrap().to_string(), "tcp://far:7");
        std::fs::write(meta.join("meta.json"), r#"{"Name":"far","Endpoints":{"docker":{"Host":"tcp://far:7","SkipTLSVerify":true}}}"#)
            .unwrap();
        let tls = Some(TlsFiles { folder: None, skip_verify: true });
        assert_eq!(
            Endpoint::resolve(&options, &Environment::default()).unwrap(),
            Endpoint::Tcp { host: "far".into(), port: 7, tls },
            "without files it speaks TLS, too"
        );
        assert_eq!(
            Endpoint::resolve(&options, &Environment::from([("DOCKER_CONTEXT", "default")])).unwrap().to_string(),
            "unix:///var/run/docker.sock"
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}
