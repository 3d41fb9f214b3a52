//! The lying registry answers as a test demands.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refit_lab::http::{self, Request, Response};
use refit_lab::{Address, Answer, Asked, Authority, Format, HonestRegistry, Identity, Image, Index, Lab, LyingRegistry, TlsFront};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

fn send(host: &str, method: &str, path: &str, timeout: Duration) -> std::io::Result<Response> {
    http::send(&Address::parse(host), &Request { method, path, headers: &[("X-Test", "1")], body: b"", timeout })
}

fn get(registry: &LyingRegistry, path: &str) -> std::io::Result<Response> {
    send(&registry.host, "GET", path, Duration::from_secs(5))
}

#[test]
fn an_engine_pulls_from_an_honest_registry() {
    let lab = Lab::get();
    let scope = lab.scope("honest");
    let image = Image::new().build();
    let index = Index::new(Format::Oci).image(&image).build();
    let honest = HonestRegistry::new();
    honest.put(&scope.name, "1", &image).put(&scope.name, "2", &index);
    let answers = honest.clone();
    let registry = LyingRegistry::for_engine(lab, move |asked| answers.answer(asked));
    for (tag, artifact) in [("1", &image), ("2", &index)] {
        let reference = format!("{}/{}:{tag}", registry.host, scope.name);
        lab.engine.pull(&reference).unwrap();
        assert!(lab.engine.image(&reference).unwrap()["RepoDigests"].to_string().contains(&artifact.digest));
    }
    assert!(registry.count(&format!("* /v2/{}/manifests/1", scope.name)) >= 1);
    let head = send(&registry.host, "HEAD", &format!("/v2/{}/manifests/1", scope.name), Duration::from_secs(5)).unwrap();
    assert_eq!((head.status, head.headers.get("docker-content-digest")), (200, Some(image.digest.as_str())));
    assert_eq!(head.headers.get("content-length"), Some(image.bytes.len().to_string().as_str()));
    honest.take(&scope.name, "1");
    assert_eq!(get(&registry, &format!("/v2/{}/manifests/1", scope.name)).unwrap().status, 404);
}

#[test]
fn requests_are_read_whole_and_kept() {
    let registry = LyingRegistry::start(|_| Answer::status(200));
    let body = b"grant_type=refresh_token";
    let request = Request { method: "POST", path: "/token?service=a&scope=b", headers: &[], body, timeout: Duration::from_secs(5) };
    http::send(&Address::parse(&registry.host), &request).unwrap();
    get(&registry, "/v2/team/app/manifests/1.0").unwrap();
    let all = registry.requests();
    assert_eq!((all[0].path.as_str(), all[0].parameter("scope"), &all[0].body[..]), ("/token", Some("b"), &body[..]));
    assert_eq!((all[1].repository(), all[1].reference(), all[1].header("x-test")), ("team/app", "1.0", "1"));
    assert_eq!((all[1].number, all[1].connection, registry.connections()), (2, 2, 2));
}

#[test]
fn a_registry_sends_wrong_bodies() {
    let registry = LyingRegistry::start(|asked: &Asked| match asked.path.as_str() {
        "/cut" => Answer::json(200, &json!({ "long": "enough" })).cut(3),
        "/close" => Answer::close(),
        "/gzip" => Answer::html(200).gzip(),
        "/chunked" => Answer::typed(200, "text/plain", b"abc").times(3).chunked(),
        "/huge" => Answer::typed(200, "text/plain", &vec![b'x'; 65536]).times(1000),
        "/header" => Answer::status(200).header("X-Huge", &"h".repeat(1_000_000)),
        "/length" => Answer::typed(200, "text/plain", b"abc").header("Content-Length", "7"),
        "/garbage" => Answer::raw(b"SSH-2.0-OpenSSH\r\n"),
        _ => Answer::error(404, "NAME_UNKNOWN"),
    });
    assert!(get(&registry, "/cut").is_err());
    assert!(get(&registry, "/close").is_err());
    assert!(get(&registry, "/garbage").is_err());
    let gzip = get(&registry, "/gzip").unwrap();
    assert_eq!((gzip.headers.get("content-encoding"), &gzip.body[..2]), (Some("gzip"), &[0x1f, 0x8b][..]));
    assert_eq!(get(&registry, "/chunked").unwrap().text(), "abcabcabc");
    assert_eq!(get(&registry, "/huge").unwrap().body.len(), 65_536_000);
    assert_eq!(get(&registry, "/header").unwrap().headers.get("x-huge").unwrap().len(), 1_000_000);
    assert_eq!(get(&registry, "/none").unwrap().json()["errors"][0]["code"], "NAME_UNKNOWN");
}

#[test]
fn a_registry_answers_slowly() {
    let step = Duration::from_millis(20);
    let registry = LyingRegistry::start(move |asked: &Asked| match asked.path.as_str() {
        "/hang" => Answer::hang(),
        "/delay" => Answer::status(200).delay(Duration::from_millis(200)),
        "/head" => Answer::status(200).drip_head(step),
        _ => Answer::typed(200, "text/plain", b"0123456789").drip_body(1, step),
    });
    let timed = |path: &str| {
        let begun = Instant::now();
        (get(&registry, path).map(|answer| answer.status).ok(), begun.elapsed())
    };
    for (path, least) in [("/delay", 200), ("/head", 500), ("/body", 180)] {
        let (status, time) = timed(path);
        assert!(status == Some(200) && time >= Duration::from_millis(least), "{path}: {status:?} after {time:?}");
    }
    let begun = Instant::now();
    assert!(send(&registry.host, "GET", "/hang", Duration::from_millis(300)).is_err());
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn the_peak_of_requests_side_by_side_is_known() {
    let registry = LyingRegistry::start(|_| Answer::status(200).delay(Duration::from_millis(100)));
    std::thread::scope(|threads| {
        for _ in 0..5 {
            threads.spawn(|| get(&registry, "/").unwrap());
        }
    });
    assert_eq!(registry.peak(), 5);
}

#[test]
fn good_and_bad_certificates_are_served() {
    let registry = LyingRegistry::start(|_| Answer::typed(200, "text/plain", b"secret"));
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let names = ["127.0.0.1", "localhost"];
    let cases = [
        ("good", ours.identity(&names), None),
        ("unknown", other.identity(&names), Some("UnknownIssuer")),
        ("expired", ours.expired(&names), Some("expired")),
        ("name", ours.identity(&["registry.example"]), Some("not valid for name")),
        ("self-signed", Identity::self_signed(&names), Some("CaUsedAsEndEntity")),
        ("self-signed leaf", Identity::self_signed_leaf(&names), Some("UnknownIssuer")),
    ];
    for (case, identity, error) in cases {
        let front = registry.over_tls(&identity);
        let got = tls_get(&front.host, &ours, None);
        match error {
            None => assert!(got.as_ref().is_ok_and(|text| text.ends_with("secret")), "{case}: {got:?}"),
            Some(words) => assert!(got.as_ref().is_err_and(|error| error.contains(words)), "{case}: {got:?}"),
        }
    }
    let front = registry.over_tls(&ours.identity(&names));
    let plain = send(&front.host, "GET", "/", Duration::from_secs(5)).unwrap();
    assert_eq!((plain.status, plain.text().contains("HTTPS server")), (400, true));
    assert!(tls_get(&registry.host, &ours, None).unwrap_err().contains("InvalidContentType"));
}

#[test]
fn an_engine_behind_tls_wants_a_client_certificate() {
    let lab = Lab::get();
    let authority = Authority::new("engine");
    let server = authority.identity(&["127.0.0.1"]);
    let front = TlsFront::start(&server, Some(&authority), &lab.engine.address);
    assert!(tls_get(&front.host, &authority, Some(&authority.identity(&[]))).unwrap().contains("Api-Version"));
    assert!(tls_get(&front.host, &authority, None).is_err());
    assert!(tls_get(&front.host, &authority, Some(&Authority::new("stranger").identity(&[]))).is_err());
}

/// GET /_ping over TLS, trusting one authority.
fn tls_get(host: &str, trusted: &Authority, client: Option<&Identity>) -> Result<String, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
            let key = PemObject::from_pem_slice(identity.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(session, TcpStream::connect(host).unwrap());
    let mut text = String::new();
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").map_err(|error| error.to_string())?;
    stream.read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}
