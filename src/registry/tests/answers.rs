//! Good answers, lies, and everything that takes too long.

use super::*;
use crate::registry::UnreachableReason;
use sha2::{Digest, Sha256, Sha512};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn sha256(body: &str) -> String {
    format!("sha256:{:x}", Sha256::digest(body))
}

/// What a server that always answers the same makes us believe, and how many requests that took.
async fn believed(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (Result<Option<String>, RegistryError>, u32) {
    let server = Server::start(answer).await;
    let trace = Trace::default();
    let result = server.digest(&session(), "app:1", &trace).await;
    assert_eq!(trace.requests() as usize, server.asked().len(), "every request is counted");
    (result, trace.requests())
}

#[tokio::test]
async fn one_head_is_enough() {
    let server = Server::start(|_| good(&digest('a'))).await;
    let trace = Trace::default();
    assert_eq!(server.digest(&session(), "team/app:1.0", &trace).await, Ok(Some(digest('a'))));
    let asked = &server.asked()[0];
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("HEAD", "/v2/team/app/manifests/1.0"));
    for expected in ["oci.image.index.v1", "manifest.list.v2", "oci.image.manifest.v1", "distribution.manifest.v2"] {
        assert!(asked.header("accept").unwrap().contains(expected));
    }
    assert_eq!((asked.header("accept-encoding"), trace.requests()), (Some("identity"), 1));
}

/// A registry's own error.
fn words(code: &str) -> String {
    format!(r#"{{"errors":[{{"code":"{code}","message":"in its words"}}]}}"#)
}

#[tokio::test]
async fn an_answer_is_the_registrys_word_only_when_the_registry_says_it() {
    const NOT_ITS_OWN: &str = "which is not a registry's own answer: is a proxy in front of it, and is the address right?";
    let refused = |status: u16, words: &str| Err(RegistryError::Status { status, message: words.into() });
    for (status, body, expected) in [
        (404, words("MANIFEST_UNKNOWN"), Ok(None)),
        (404, words("NAME_UNKNOWN"), Ok(None)),
        (404, words("NOT_FOUND"), Ok(None)),
        (404, r#"{"errors":[{"code":null},{"code":"MANIFEST_UNKNOWN"}]}"#.into(), Ok(None)),
        (404, words("DENIED"), Err(RegistryError::Denied)),
        (403, words("DENIED"), Err(RegistryError::Denied)),
        (403, words("NAME_UNKNOWN"), Err(RegistryError::Denied)),
        (404, words("UNSUPPORTED"), refused(404, "UNSUPPORTED in its words")),
        (500, words("UNKNOWN"), refused(500, "UNKNOWN in its words")),
        (418, String::new(), refused(418, "")),
        (404, String::new(), refused(404, NOT_ITS_OWN)),
        (404, "404 page not found".into(), refused(404, NOT_ITS_OWN)),
        (404, "<html>".into(), refused(404, NOT_ITS_OWN)),
        (404, r#"<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>"#.into(), refused(404, NOT_ITS_OWN)),
        (404, "{}".into(), refused(404, NOT_ITS_OWN)),
        (404, "null".into(), refused(404, NOT_ITS_OWN)),
        (404, r#"{"errors":[{"status":404,"message":"Not Found"}]}"#.into(), refused(404, NOT_ITS_OWN)),
        (404, r#"{"errors":null,"message":"Not Found"}"#.into(), refused(404, NOT_ITS_OWN)),
        (403, String::new(), refused(403, NOT_ITS_OWN)),
        (403, "Forbidden".into(), refused(403, NOT_ITS_OWN)),
    ] {
        let (shown, json) = (body.clone(), [("Content-Type", "application/json")]);
        assert_eq!(believed(move |_| reply(status, &json, &body)).await, (expected, 2), "{status} {shown}");
    }
    assert_eq!(believed(|_| reply(401, &[], "")).await, (Err(RegistryError::Unauthorized), 1), "a credential would be needed for more");
}

#[tokio::test]
async fn a_head_that_is_refused_says_nothing_where_a_get_is_answered() {
    let body = r#"{"schemaVersion":2}"#;
    for status in [400, 403, 404, 405, 406, 415, 500, 501] {
        let answer = move |asked: &Asked| if asked.method == "HEAD" { reply(status, &[], "") } else { reply(200, &[], body) };
        assert_eq!(believed(answer).await, (Ok(Some(sha256(body))), 2), "{status}");
    }
    let busy = move |asked: &Asked| if asked.method == "HEAD" { reply(503, &[], "") } else { reply(200, &[], body) };
    assert_eq!(believed(busy).await, (Ok(Some(sha256(body))), 4), "a HEAD is repeated twice");
    // Old Harbor reads one type a line.
    let server = Server::start(move |asked| {
        let each = asked.head.lines().any(|line| line.eq_ignore_ascii_case(&format!("accept: {INDEX}")));
        if each { reply(200, &[], body) } else { reply(404, &[], &words("MANIFEST_UNKNOWN")) }
    })
    .await;
    assert_eq!(server.digest(&session(), "app:1", &Trace::default()).await, Ok(Some(sha256(body))));
}

#[tokio::test]
async fn digests_that_are_none_are_looked_for_in_the_body() {
    let body = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}"#;
    let sha512 = format!("sha512:{:x}", Sha512::digest(body));
    let with = move |digest: &str| {
        let digest = digest.to_owned();
        move |_: &Asked| reply(200, &[("Content-Type", INDEX), ("Docker-Content-Digest", &digest)], body)
    };
    assert_eq!(believed(with("sha256:short")).await, (Ok(Some(sha256(body))), 2));
    assert_eq!(believed(with("")).await, (Ok(Some(sha256(body))), 2));
    assert_eq!(believed(with(&sha512)).await, (Ok(Some(sha512)), 1));
    let etag_only = move |_: &Asked| reply(200, &[("Content-Type", INDEX), ("ETag", &digest('e'))], body);
    assert_eq!(believed(etag_only).await, (Ok(Some(sha256(body))), 2));
    let no_head = move |asked: &Asked| if asked.method == "HEAD" { reply(405, &[], "") } else { reply(200, &[], body) };
    assert_eq!(believed(no_head).await, (Ok(Some(sha256(body))), 2));
    let untyped = move |_: &Asked| reply(200, &[("Content-Type", "text/plain"), ("Docker-Content-Digest", &digest('a'))], body);
    assert!(matches!(believed(untyped).await, (Err(RegistryError::InvalidResponse(_)), 2)), "the body contradicts the header");
}

#[tokio::test]
async fn bodies_that_are_no_manifest() {
    let deep = "[".repeat(100_000);
    let huge = format!(r#"{{"schemaVersion":2,"x":"{}"}}"#, "x".repeat(5 * 1024 * 1024));
    for (body, why) in [
        ("<html>login</html>", "not JSON"),
        ("", "not JSON"),
        (r#"{"schemaVersion":2"#, "not JSON"),
        (r#"{"schemaVersion":1}"#, "schema 1"),
        ("{}", "no manifest"),
        ("[2]", "no manifest"),
        (&deep, "not JSON"),
        (&huge, "larger than 4096 KiB"),
    ] {
        let body = body.to_owned();
        let (result, _) = believed(move |_| reply(200, &[("Content-Type", "text/html")], &body)).await;
        let Err(RegistryError::InvalidResponse(words)) = result else { panic!("{why}: {result:?}") };
        assert!(words.contains(why), "{why}: {words}");
    }
}

#[tokio::test]
async fn answers_that_are_not_whole_or_not_plain() {
    let truncated = |asked: &Asked| match asked.method.as_str() {
        "HEAD" => reply(405, &[], ""),
        _ => Reply::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}".to_vec()),
    };
    assert!(matches!(believed(truncated).await, (Err(RegistryError::InvalidResponse(_)), 2)));
    let gzip =
        |_: &Asked| reply(200, &[("Content-Encoding", "gzip"), ("Content-Type", INDEX), ("Docker-Content-Digest", &digest('a'))], "");
    assert!(matches!(believed(gzip).await, (Err(RegistryError::InvalidResponse(_)), 1)));
    let not_http = |_: &Asked| Reply::Last(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec());
    assert!(matches!(believed(not_http).await.0, Err(RegistryError::InvalidResponse(_))));
    let huge_head = |_: &Asked| reply(200, &[("X", &"x".repeat(100_000))], "");
    assert!(matches!(believed(huge_head).await.0, Err(RegistryError::InvalidResponse(_))));
    let endless = |asked: &Asked| match asked.method.as_str() {
        "HEAD" => reply(405, &[], ""),
        _ => Reply::Endless(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec(), vec![b'x'; 65536]),
    };
    assert!(matches!(believed(endless).await.0, Err(RegistryError::InvalidResponse(_))));
    let endless_head = |_: &Asked| Reply::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: y\r\n".to_vec());
    assert!(matches!(believed(endless_head).await.0, Err(RegistryError::InvalidResponse(_))));
}

#[tokio::test]
async fn what_takes_too_long() {
    let timeout = |result: (Result<_, RegistryError>, u32)| result.0.err().and_then(|error: RegistryError| error.unreachable_reason());
    assert_eq!(timeout(believed(|_| Reply::Hang).await), Some(UnreachableReason::Timeout));
    let slow_head = |_: &Asked| Reply::Trickle(b"HTTP/1.1 200 OK\r\nX: ".to_vec());
    assert_eq!(timeout(believed(slow_head).await), Some(UnreachableReason::Timeout));
    let slow_body = |asked: &Asked| match asked.method.as_str() {
        "HEAD" => reply(405, &[], ""),
        _ => Reply::Trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n{}".to_vec()),
    };
    assert_eq!(timeout(believed(slow_body).await), Some(UnreachableReason::Timeout));
}

#[tokio::test]
async fn a_registry_that_hangs_is_asked_twice() {
    let server = Server::start(|_| Reply::Hang).await;
    let (session, trace) = (session(), Trace::default());
    for _ in 0..5 {
        let result = server.digest(&session, "app:1", &trace).await;
        assert_eq!(result.unwrap_err().unreachable_reason(), Some(UnreachableReason::Timeout));
    }
    assert_eq!(trace.requests(), 2);
}

#[tokio::test]
async fn retries() {
    let once = |status: u16| {
        let count = AtomicUsize::new(0);
        move |_: &Asked| if count.fetch_add(1, Ordering::Relaxed) == 0 { reply(status, &[], "") } else { good(&digest('a')) }
    };
    for status in [408, 502, 503, 504] {
        assert_eq!(believed(once(status)).await, (Ok(Some(digest('a'))), 2), "{status}");
    }
    let (result, requests) = believed(|_| reply(500, &[], "")).await;
    assert_eq!((result, requests), (Err(RegistryError::Status { status: 500, message: String::new() }), 2), "a HEAD and a GET");
    let (result, requests) = believed(|_| reply(503, &[], "")).await;
    assert_eq!((result, requests), (Err(RegistryError::Status { status: 503, message: String::new() }), 4));
    let (result, requests) = believed(|_| Reply::Last(Vec::new())).await;
    assert_eq!((result.unwrap_err().unreachable_reason(), requests), (Some(UnreachableReason::Reset), 3));
}

#[tokio::test]
async fn too_many_requests() {
    let once = AtomicUsize::new(0);
    let (result, requests) = believed(move |_| match once.fetch_add(1, Ordering::Relaxed) {
        0 => reply(429, &[("Retry-After", "0")], ""),
        _ => good(&digest('a')),
    })
    .await;
    assert_eq!((result, requests), (Ok(Some(digest('a'))), 2));
    for (retry_after, known, asked) in [(Some("3600"), true, 1), (None, false, 2), (Some("897.308µs"), false, 2)] {
        let headers: Vec<_> = retry_after.iter().map(|seconds| ("Retry-After", *seconds)).collect();
        let headers: Vec<(String, String)> = headers.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let server = Server::start(move |_| {
            let headers: Vec<_> = headers
                .iter()
                .map(|(a, b)| (a.as_str(), b.as_str()))
                .chain([("RateLimit-Limit", "100;w=21600"), ("RateLimit-Remaining", "0;w=21600")])
                .collect();
            reply(429, &headers, "")
        })
        .await;
        let (session, trace) = (session(), Trace::default());
        for _ in 0..3 {
            let Err(RegistryError::RateLimited(retry_after)) = server.digest(&session, "app:1", &trace).await else { panic!("limited") };
            assert_eq!(retry_after.retry_at.is_some(), known);
        }
        let observations = trace.observations();
        assert_eq!((trace.requests(), observations.limit, observations.remaining), (asked, Some(100), Some(0)), "{retry_after:?}");
    }
}

#[tokio::test]
async fn redirects() {
    let other = Server::start(|_| good(&digest('b'))).await;
    let to_other = format!("http://{}/x", other.authority);
    let same = |asked: &Asked| if asked.target == "/there" { good(&digest('a')) } else { reply(307, &[("Location", "/there")], "") };
    assert_eq!(believed(same).await, (Ok(Some(digest('a'))), 2));
    assert_eq!(believed(|_| reply(302, &[("Location", "/again")], "")).await.1, 6);
    assert!(matches!(believed(|_| reply(302, &[], "")).await.0, Err(RegistryError::InvalidResponse(_))));
    assert!(matches!(believed(|_| reply(302, &[("Location", "ftp://x/")], "")).await.0, Err(RegistryError::InvalidResponse(_))));
    let options = RegistryOptions { username: Some("u".into()), password: Some("p".into()), ..RegistryOptions::default() };
    let server = Server::start(move |asked| match asked.authorization() {
        "" => reply(401, &[("WWW-Authenticate", "Basic")], ""),
        _ => reply(307, &[("Location", &to_other)], ""),
    })
    .await;
    let session = session_with(&[(&server.authority, options)]);
    assert_eq!(server.digest(&session, "app:1", &Trace::default()).await, Ok(Some(digest('b'))));
    assert_eq!(other.asked()[0].authorization(), "", "a credential stays with its host");
}

#[tokio::test]
async fn documents_are_verified() {
    let body = r#"{"schemaVersion":2}"#;
    let server =
        Server::start(
            move |asked| if asked.target.contains("missing") { reply(404, &[], &words("BLOB_UNKNOWN")) } else { reply(200, &[], body) },
        )
        .await;
    let (session, trace) = (session(), Trace::default());
    let document = session.manifest(&server.reference("app"), &sha256(body), &trace).await.unwrap();
    assert_eq!(document.sha256, sha256(body));
    let sha512 = format!("sha512:{:x}", Sha512::digest(body));
    assert_eq!(session.manifest(&server.reference("app"), &sha512, &trace).await.unwrap().sha256, sha256(body));
    assert!(matches!(session.manifest(&server.reference("app"), &digest('a'), &trace).await, Err(RegistryError::InvalidResponse(_))));
    assert!(matches!(session.config(&server.reference("app"), &digest('a'), &trace).await, Err(RegistryError::InvalidResponse(_))));
    assert!(matches!(session.manifest(&server.reference("missing"), &digest('a'), &trace).await, Err(RegistryError::InvalidResponse(_))));
    assert!(session.config(&server.reference("app"), &sha256(body), &trace).await.is_ok());
}

#[tokio::test]
async fn nobody_there() {
    let reference = Reference::parse("127.0.0.1:1/app").unwrap();
    let trace = Trace::default();
    let refused = session().digest(&reference, "latest", &trace).await.unwrap_err();
    assert_eq!((refused.unreachable_reason(), trace.requests()), (Some(UnreachableReason::Refused), 0));
    let reference = Reference::parse("registry.invalid/app").unwrap();
    let dns = session().digest(&reference, "latest", &trace).await.unwrap_err();
    assert!(matches!(dns.unreachable_reason(), Some(UnreachableReason::Dns | UnreachableReason::Timeout)), "{dns:?}");
    let proxied = Environment::from([("HTTPS_PROXY", "http://127.0.0.1:1")]);
    let session = Registries::new(&settings(&[], proxied)).session(None);
    let proxy = session.digest(&reference, "latest", &trace).await.unwrap_err();
    assert_eq!(proxy.unreachable_reason(), Some(UnreachableReason::Proxy));
}

#[tokio::test]
async fn mirrors_are_asked_first_and_never_believed_to_know_all() {
    let hub_reference = Reference::parse("alpine:3").unwrap();
    let mirror = Server::start(|asked| if asked.target.contains("alpine") { good(&digest('a')) } else { reply(404, &[], "") }).await;
    let engine = EngineRegistries { mirrors: vec![format!("http://{}/", mirror.authority)], ..EngineRegistries::default() };
    let session = Registries::new(&settings(&[], Environment::default())).session(Some(engine));
    assert_eq!(session.digest(&hub_reference, "3", &Trace::default()).await, Ok(Some(digest('a'))));
    assert_eq!(mirror.asked()[0].target, "/v2/library/alpine/manifests/3");
    let registry = Server::start(|_| good(&digest('b'))).await;
    let options = RegistryOptions { mirror: Some(mirror.authority.clone()), ..RegistryOptions::default() };
    let session = session_with(&[(&registry.authority, options)]);
    assert_eq!(registry.digest(&session, "other:1", &Trace::default()).await, Ok(Some(digest('b'))), "a mirror's 404 is unknown");
}

#[tokio::test]
async fn a_mirror_that_fails_is_noted_and_its_words_are_not_the_registrys() {
    let mirror = Server::start(|_| reply(401, &[("WWW-Authenticate", "Basic"), ("RateLimit-Limit", "5")], "")).await;
    let registry = Server::start(|_| good(&digest('b'))).await;
    let options = RegistryOptions { mirror: Some(mirror.authority.clone()), ..RegistryOptions::default() };
    let login = RegistryOptions { username: Some("u".into()), password: Some("p".into()), ..RegistryOptions::default() };
    let session = session_with(&[(&registry.authority, options), (&mirror.authority, login)]);
    let trace = Trace::default();
    assert_eq!(registry.digest(&session, "app:1", &trace).await, Ok(Some(digest('b'))));
    let seen = trace.observations();
    assert_eq!((seen.notes.len(), seen.notes[0].code.as_str(), seen.limit), (1, "mirror_failed", None));
    assert!(seen.notes[0].message.contains(&mirror.authority) && seen.notes[0].message.contains("401"), "{:?}", seen.notes);
    assert_eq!(seen.credential, Some(crate::registry::CredentialUse::None), "the mirror's refusal is not the registry's");
    assert_eq!(trace.requests() as usize, mirror.asked().len() + registry.asked().len(), "every request is counted");
    let without = Trace::default();
    let reference = registry.reference("app:1");
    let before = mirror.asked().len();
    assert_eq!(session.digest_at_registry(&reference, "1", &without).await, Ok(Some(digest('b'))));
    assert_eq!(mirror.asked().len(), before, "the name was sent to the registry alone");
}

#[tokio::test]
async fn a_mirror_keeps_its_path() {
    let mirror = Server::start(|_| good(&digest('a'))).await;
    for (path, expected) in [("", "/v2/"), ("/", "/v2/"), ("/hub", "/hub/v2/"), ("/hub/", "/hub/v2/"), ("/a/b", "/a/b/v2/")] {
        let engine = EngineRegistries { mirrors: vec![format!("http://{}{path}", mirror.authority)], ..EngineRegistries::default() };
        let session = Registries::new(&settings(&[], Environment::default())).session(Some(engine));
        let reference = Reference::parse("alpine:3").unwrap();
        assert_eq!(session.digest(&reference, "3", &Trace::default()).await, Ok(Some(digest('a'))));
        assert_eq!(mirror.asked().last().unwrap().target, format!("{expected}library/alpine/manifests/3"), "{path}");
    }
}

#[tokio::test]
async fn a_registry_that_refuses_now_and_then_is_slowed_down_and_answers() {
    let count = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::Relaxed) % 20 {
        19 => reply(429, &[], ""),
        _ => good(&digest('a')),
    })
    .await;
    let (session, trace) = (session(), Trace::default());
    let names: Vec<String> = (0..40).map(|number| format!("app{number}:1")).collect();
    let results = futures_util::future::join_all(names.iter().map(|name| server.digest(&session, name, &trace))).await;
    assert!(results.iter().filter(|result| result.is_ok()).count() >= 39, "{results:?}");
    assert_eq!(trace.requests(), 42, "one more for each refusal");
}

#[tokio::test]
async fn a_dropped_question_waits_for_nothing() {
    let server = Server::start(|_| Reply::Hang).await;
    let session = session();
    let trace = Trace::default();
    let request = server.digest(&session, "app:1", &trace);
    let begin = std::time::Instant::now();
    assert!(tokio::time::timeout(Duration::from_millis(50), request).await.is_err());
    // The server would be waited for longer.
    assert!(begin.elapsed() < Duration::from_secs(3));
}
