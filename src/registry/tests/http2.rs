//! HTTP/2: one connection, up to sixty-four side by side.

use super::*;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use refit_lab::{Authority, Identity};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a server has seen.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    now: AtomicUsize,
    peak: AtomicUsize,
}

/// A registry that speaks HTTP/2 alone. After the first request it answers only when so many wait for an answer, or it has waited long for more.
async fn start(
    identity: &Identity,
    at_least: usize,
    answer: impl Fn(&str) -> http::Response<Empty<bytes::Bytes>> + Copy + Send + 'static,
) -> (String, Arc<Seen>) {
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (host, seen) = (listener.local_addr().unwrap().to_string(), Arc::new(Seen::default()));
    let shared = seen.clone();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (acceptor, seen) = (acceptor.clone(), shared.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(tcp).await else { return };
                seen.connections.fetch_add(1, Ordering::SeqCst);
                let service = hyper::service::service_fn(move |asked: http::Request<Incoming>| {
                    let seen = seen.clone();
                    async move {
                        seen.requests.fetch_add(1, Ordering::SeqCst);
                        let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
                        seen.peak.fetch_max(now, Ordering::SeqCst);
                        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
                        while number(&seen.requests) > 1 && number(&seen.peak) < at_least && tokio::time::Instant::now() < deadline {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                        seen.now.fetch_sub(1, Ordering::SeqCst);
                        Ok::<_, Infallible>(answer(asked.uri().path()))
                    }
                });
                let _ =
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (host, seen)
}

fn good_answer(_: &str) -> http::Response<Empty<bytes::Bytes>> {
    let answer = http::Response::builder().header("Content-Type", MANIFEST).header("Docker-Content-Digest", digest('a'));
    answer.body(Empty::new()).unwrap()
}

fn number(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}

/// All at once, each at its turn.
async fn ask_all(session: &Session, host: &str, count: usize) -> Vec<Result<Option<String>, RegistryError>> {
    let ask = async |number: usize| {
        let reference = Reference::parse(&format!("{host}/app{number}:1")).unwrap();
        let trace = Trace::default();
        let _permit = session.permit(&reference, true, &trace).await;
        session.digest(&reference, "1", &trace).await
    };
    futures_util::future::join_all((0..count).map(ask)).await
}

#[tokio::test]
async fn thirty_two_and_more_side_by_side_on_one_connection() {
    let (host, seen) = start(&Authority::new("h2").identity(&["127.0.0.1"]), 32, good_answer).await;
    let mut settings = settings(&[], Environment::default());
    settings.limits = crate::registry::transport::network::TimeLimits::default();
    let session = Registries::new(&settings).session(None);
    let answers = ask_all(&session, &host, 100).await;
    assert!(answers.iter().all(|answer| *answer == Ok(Some(digest('a')))), "{answers:?}");
    assert_eq!(number(&seen.requests), 100);
    let peak = number(&seen.peak);
    assert!((32..=64).contains(&peak), "{peak} at a time");
    // One connection more was made to find out whether TLS is spoken.
    assert!(number(&seen.connections) <= 2, "{} connections", number(&seen.connections));
}

#[tokio::test]
async fn its_answers_are_judged_as_others_are() {
    let answer = |path: &str| {
        let answer = http::Response::builder();
        let answer = match path.split('/').nth(2).unwrap() {
            "page" => answer.status(404).header("Content-Type", "text/html"),
            "huge" => answer.header("X", "x".repeat(1_000_000)),
            _ => answer.status(429).header("Retry-After", "100"),
        };
        answer.body(Empty::new()).unwrap()
    };
    let (host, _) = start(&Authority::new("h2").identity(&["127.0.0.1"]), 1, answer).await;
    let mut settings = settings(&[], Environment::default());
    settings.limits = crate::registry::transport::network::TimeLimits::default();
    let session = Registries::new(&settings).session(None);
    let mut answers = Vec::new();
    for name in ["page", "huge", "limited"] {
        let reference = Reference::parse(&format!("{host}/{name}:1")).unwrap();
        answers.push(session.digest(&reference, "1", &Trace::default()).await);
    }
    assert!(matches!(answers[0], Err(RegistryError::Status { status: 404, .. })), "{answers:?}");
    // The stream of a head that is too large is reset.
    assert_eq!(answers[1].as_ref().unwrap_err().unreachable_reason(), Some(crate::registry::UnreachableReason::Reset), "{answers:?}");
    assert!(matches!(answers[2], Err(RegistryError::RateLimited(_))), "{answers:?}");
}
