//! Registries and their token servers at the other end of the line: TLS, HTTP/2 or HTTP/1.1, a token for all repositories that are asked for.
//! A process of its own, in the network of the servers.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use refit_lab::Authority;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::slow_line::FAR;

/// Good for every repository: for a side that gets its tokens ready made.
pub(crate) const READY: &str = "ready";
const HUB: &str = "registry-1.docker.io";

/// The registry of a number, and over which protocol.
pub(crate) fn name(number: usize, http2: bool) -> String {
    format!("registry{number}.{}.example", if http2 { "h2" } else { "h1" })
}

/// Its token server.
fn token_server(registry: &str) -> String {
    if registry == HUB { "auth.docker.io".into() } else { registry.replacen("registry", "auth", 1) }
}

fn registries() -> Vec<String> {
    let numbered = (0..10).flat_map(|number| [name(number, true), name(number, false)]);
    numbered.chain([HUB.to_owned()]).collect()
}

/// Where all are found. The first address speaks HTTP/2 too, the second HTTP/1.1 alone.
pub(crate) fn hosts() -> String {
    let names = registries().into_iter().flat_map(|registry| [token_server(&registry), registry]);
    let line = |name: String| format!("{} {name}\n", FAR[usize::from(name.ends_with(".h1.example"))]);
    format!("127.0.0.1 localhost\n{}", names.map(line).collect::<String>())
}

/// Certificates and keys in a folder; the file of their authority is `ca.pem`.
pub(crate) fn write_certificates(folder: &Path) {
    let authority = Authority::new("far");
    authority.write(&folder.join("ca.pem"));
    let names: Vec<String> = registries().into_iter().flat_map(|registry| [token_server(&registry), registry]).collect();
    let identity = authority.identity(&names.iter().map(String::as_str).collect::<Vec<_>>());
    std::fs::write(folder.join("certificate.pem"), identity.certificate).unwrap();
    std::fs::write(folder.join("key.pem"), identity.key).unwrap();
}

/// How many requests came since it was asked last.
pub(crate) fn take_count(folder: &Path) -> Option<usize> {
    let mut text = String::new();
    UnixStream::connect(folder.join("count")).ok()?.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

struct Far {
    /// Which repositories a token is for.
    tokens: Mutex<HashMap<String, HashSet<String>>>,
    requests: AtomicUsize,
    digest: String,
    media_type: String,
}

/// Serves until it is killed.
pub(crate) fn serve(folder: &Path, digest: &str, media_type: &str) {
    let far = Arc::new(Far {
        tokens: Mutex::default(),
        requests: AtomicUsize::new(0),
        digest: digest.to_owned(),
        media_type: media_type.to_owned(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        for (address, protocols) in FAR.into_iter().zip([&["h2", "http/1.1"][..], &["http/1.1"][..]]) {
            let acceptor = acceptor(folder, protocols);
            let listener = tokio::net::TcpListener::bind((address, 443)).await.unwrap();
            let far = far.clone();
            tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::spawn(converse(stream, acceptor.clone(), far.clone()));
                }
            });
        }
        // It is ready when this is there.
        let counts = UnixListener::bind(folder.join("count")).unwrap();
        tokio::task::spawn_blocking(move || {
            while let Ok((mut stream, _)) = counts.accept() {
                let _ = write!(stream, "{}", far.requests.swap(0, Ordering::SeqCst));
            }
        })
        .await
        .unwrap();
    });
}

fn acceptor(folder: &Path, protocols: &[&str]) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_file(folder.join("certificate.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

async fn converse(stream: tokio::net::TcpStream, acceptor: TlsAcceptor, far: Arc<Far>) {
    stream.set_nodelay(true).unwrap();
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = hyper::service::service_fn(move |asked: Request<Incoming>| {
        let answer = far.answer(&asked);
        async move { Ok::<_, Infallible>(answer) }
    });
    let stream = TokioIo::new(stream);
    // An error is a client that went away.
    if http2 {
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await;
    } else {
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
    }
}

impl Far {
    fn answer(&self, asked: &Request<Incoming>) -> Response<Full<Bytes>> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let of_header = asked.headers().get("host").and_then(|host| host.to_str().ok());
        let host = asked.uri().host().or(of_header).unwrap_or_default().to_owned();
        if asked.uri().path() == "/token" {
            return self.token(asked.uri().query().unwrap_or_default());
        }
        let path = asked.uri().path().trim_start_matches("/v2/");
        let repository = path.split_once("/manifests/").map_or("", |(repository, _)| repository);
        let sent = asked.headers().get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if sent.is_some_and(|token| self.allows(token, repository)) {
            let answer = Response::builder().header("Content-Type", &self.media_type).header("Docker-Content-Digest", &self.digest);
            return answer.body(Full::default()).unwrap();
        }
        let scope = if repository.is_empty() { String::new() } else { format!(",scope=\"repository:{repository}:pull\"") };
        let challenge = format!("Bearer realm=\"https://{}/token\",service=\"far\"{scope}", token_server(&host));
        Response::builder().status(StatusCode::UNAUTHORIZED).header("WWW-Authenticate", challenge).body(Full::default()).unwrap()
    }

    fn token(&self, query: &str) -> Response<Full<Bytes>> {
        let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope=repository:")?.strip_suffix(":pull"));
        let repositories: HashSet<String> = scopes.map(str::to_owned).collect();
        let mut tokens = self.tokens.lock().unwrap();
        let token = format!("token-{:020}", tokens.len());
        tokens.insert(token.clone(), repositories);
        let answer = serde_json::json!({"token": token, "expires_in": 300}).to_string();
        Response::builder().header("Content-Type", "application/json").body(Full::from(answer)).unwrap()
    }

    fn allows(&self, token: &str, repository: &str) -> bool {
        token == READY || self.tokens.lock().unwrap().get(token).is_some_and(|allowed| allowed.contains(repository))
    }
}
