//! What opens a registry, what is refused, and that no secret leaks.

use super::*;
use crate::registry::CredentialUse;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const BASIC_U_P: &str = "Basic dTpw";

fn password(username: &str, password: &str) -> RegistryOptions {
    RegistryOptions { username: Some(username.into()), password: Some(password.into()), ..RegistryOptions::default() }
}

fn identity(token: &str) -> RegistryOptions {
    RegistryOptions { token: Some(token.into()), ..RegistryOptions::default() }
}

/// A registry with its own token server behind the same address: `/token` answers as the test says, the rest wants `Bearer good`.
async fn with_tokens(token: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
    with_tokens_of("good", token).await
}

async fn with_tokens_of(wanted: &'static str, token: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |asked| {
        if asked.target.starts_with("/token") {
            return token(asked);
        }
        if asked.authorization() == format!("Bearer {wanted}") {
            return good(&digest('a'));
        }
        let realm = format!("http://{}/token?k=v", asked.header("host").unwrap());
        let challenge = format!(r#"Bearer realm="{realm}",service="reg",scope="repository:app:pull""#);
        reply(401, &[("WWW-Authenticate", &challenge)], "")
    })
    .await
}

#[tokio::test]
async fn basic() {
    let server = Server::start(|asked| match asked.authorization() {
        BASIC_U_P => good(&digest('a')),
        _ => reply(401, &[("WWW-Authenticate", r#"Basic realm="x""#)], ""),
    })
    .await;
    let trace = Trace::default();
    let session = session_with(&[(&server.authority, password("u", "p"))]);
    assert_eq!(server.digest(&session, "app:1", &trace).await, Ok(Some(digest('a'))));
    assert_eq!(server.digest(&session, "other:1", &trace).await, Ok(Some(digest('a'))));
    assert_eq!((trace.requests(), trace.observations().credential), (3, Some(CredentialUse::Used)), "the challenge is remembered");

    let trace = Trace::default();
    let session = session_with(&[(&server.authority, password("u", "wrong"))]);
    assert_eq!(server.digest(&session, "app:1", &trace).await, Err(RegistryError::Unauthorized));
    assert_eq!(
        (trace.requests(), trace.observations().credential),
        (3, Some(CredentialUse::Rejected)),
        "without one, with it, and /v2/ with it"
    );
    assert_eq!(trace.observations().notes[0].code, "credential_rejected");

    let trace = Trace::default();
    assert_eq!(server.digest(&super::session(), "app:1", &trace).await, Err(RegistryError::Unauthorized));
    assert_eq!((trace.requests(), trace.observations().credential), (1, Some(CredentialUse::None)));
}

#[tokio::test]
async fn anonymous_token() {
    let server = with_tokens(|_| reply(200, &[], r#"{"token":"good"}"#)).await;
    let (session, trace) = (session(), Trace::default());
    for _ in 0..3 {
        assert_eq!(server.digest(&session, "app:1", &trace).await, Ok(Some(digest('a'))));
    }
    let asked = server.asked();
    assert_eq!(asked[1].target, "/token?k=v&service=reg&scope=repository:app:pull");
    assert_eq!((asked.len(), trace.observations().credential), (5, Some(CredentialUse::None)), "challenge, token, three HEADs");
    assert_eq!(server.digest(&session, "other:1", &trace).await, Ok(Some(digest('a'))));
    assert_eq!(
        server.asked()[5].target,
        "/token?k=v&service=reg&scope=repository:other:pull",
        "tokens come first once the challenge is known"
    );
}

#[tokio::test]
async fn password_for_a_token() {
    let server = with_tokens(|asked| match asked.authorization() {
        BASIC_U_P => reply(200, &[], r#"{"access_token":"good"}"#),
        "" => reply(200, &[], r#"{"token":"anonymous"}"#),
        _ => reply(401, &[], ""),
    })
    .await;
    let trace = Trace::default();
    let session = session_with(&[(&server.authority, password("u", "p"))]);
    assert_eq!(server.digest(&session, "app:1", &trace).await, Ok(Some(digest('a'))));
    assert!(server.asked()[1].target.contains("account=u"));

    let trace = Trace::default();
    let session = session_with(&[(&server.authority, password("u", "wrong"))]);
    assert_eq!(server.digest(&session, "app:1", &trace).await, Err(RegistryError::Unauthorized));
    assert_eq!(trace.observations().credential, Some(CredentialUse::Rejected));
}

#[tokio::test]
async fn a_rejected_credential_is_tried_without_once() {
    let server = with_tokens(|asked| match asked.authorization() {
        "" => reply(200, &[], r#"{"token":"good"}"#),
        _ => reply(401, &[], ""),
    })
    .await;
    let trace = Trace::default();
    let session = session_with(&[(&server.authority, password("u", "wrong"))]);
    for repository in ["app:1", "other:1", "third:1"] {
        assert_eq!(server.digest(&session, repository, &trace).await, Ok(Some(digest('a'))));
    }
    assert_eq!(server.asked().iter().filter(|asked| asked.authorization().starts_with("Basic")).count(), 1);
    assert_eq!(trace.observations().credential, Some(CredentialUse::Rejected));
}

#[tokio::test]
async fn identity_tokens() {
    let oauth = |asked: &Asked| match (asked.method.as_str(), asked.body.contains("refresh_token=SECRET")) {
        ("POST", true) => reply(200, &[], r#"{"access_token":"good"}"#),
        ("POST", false) => reply(400, &[], ""),
        _ => reply(200, &[], r#"{"token":"anonymous"}"#),
    };
    let server = with_tokens(oauth).await;
    let session = session_with(&[(&server.authority, identity("SECRET"))]);
    assert_eq!(server.digest(&session, "app:1", &Trace::default()).await, Ok(Some(digest('a'))));
    let body = &server.asked()[1].body;
    assert!(
        body.contains("grant_type=refresh_token") && body.contains("scope=repository:app:pull") && body.contains("service=reg"),
        "{body}"
    );
    let session = session_with(&[(&server.authority, identity("wrong"))]);
    assert_eq!(server.digest(&session, "app:1", &Trace::default()).await, Err(RegistryError::Unauthorized));
    for status in [404, 405] {
        let old = with_tokens(move |asked| match (asked.method.as_str(), asked.authorization()) {
            ("GET", "Basic OlNFQ1JFVA==") => reply(200, &[], r#"{"token":"good"}"#),
            ("POST", _) => reply(status, &[], ""),
            _ => reply(401, &[], ""),
        })
        .await;
        let session = session_with(&[(&old.authority, identity("SECRET"))]);
        assert_eq!(old.digest(&session, "app:1", &Trace::default()).await, Ok(Some(digest('a'))), "{status}");
    }
}

#[tokio::test]
async fn token_servers_that_fail() {
    let denied = with_tokens(|_| reply(403, &[], "")).await;
    assert_eq!(denied.digest(&session(), "app:1", &Trace::default()).await, Err(RegistryError::Denied));
    let unauthorized = with_tokens(|_| reply(401, &[], "")).await;
    assert_eq!(unauthorized.digest(&session(), "app:1", &Trace::default()).await, Err(RegistryError::Unauthorized));
    let broken = with_tokens(|_| reply(500, &[], "")).await;
    assert!(matches!(broken.digest(&session(), "app:1", &Trace::default()).await, Err(RegistryError::Status { status: 500, .. })));
    for body in ["", "garbage", "{}", r#"{"token":""}"#] {
        let garbage = with_tokens(move |_| reply(200, &[], body)).await;
        assert!(matches!(garbage.digest(&session(), "app:1", &Trace::default()).await, Err(RegistryError::InvalidResponse(_))), "{body}");
    }
    let huge = with_tokens(|_| Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 65536])).await;
    assert!(matches!(huge.digest(&session(), "app:1", &Trace::default()).await, Err(RegistryError::InvalidResponse(_))));
    let slow = with_tokens(|_| Reply::Hang).await;
    let (session, trace) = (session(), Trace::default());
    for _ in 0..4 {
        assert!(matches!(slow.digest(&session, "app:1", &trace).await, Err(RegistryError::Unreachable(_))));
    }
    assert_eq!(trace.requests(), 3, "a challenge, two tokens, and no more");
}

#[tokio::test]
async fn one_token_for_many_tags_and_a_new_one_when_it_has_expired() {
    let tokens = Arc::new(AtomicUsize::new(0));
    let expired = Arc::new(AtomicBool::new(false));
    let (count, old) = (tokens.clone(), expired.clone());
    let server = Server::start(move |asked| {
        if asked.target.starts_with("/token") {
            let number = count.fetch_add(1, Ordering::Relaxed);
            return reply(200, &[], &format!(r#"{{"token":"t{number}"}}"#));
        }
        let wanted = if old.load(Ordering::Relaxed) { "Bearer t1" } else { "Bearer t0" };
        let realm = format!(r#"Bearer realm="http://{}/token""#, asked.header("host").unwrap());
        if asked.authorization() == wanted { good(&digest('a')) } else { reply(401, &[("WWW-Authenticate", &realm)], "") }
    })
    .await;
    let (session, trace) = (session(), Trace::default());
    assert!(server.digest(&session, "app:first", &trace).await.is_ok());
    let names: Vec<String> = (0..50).map(|tag| format!("app:{tag}")).collect();
    let ask_all = || futures_util::future::join_all(names.iter().map(|name| server.digest(&session, name, &trace)));
    assert!(ask_all().await.iter().all(Result::is_ok));
    assert_eq!(tokens.load(Ordering::Relaxed), 1);
    expired.store(true, Ordering::Relaxed);
    assert!(ask_all().await.iter().all(Result::is_ok));
    assert_eq!(tokens.load(Ordering::Relaxed), 2);
    assert!(server.count("HEAD") >= 102);
}

#[tokio::test]
async fn no_secret_is_ever_shown() {
    let server = Server::start(|_| reply(401, &[("WWW-Authenticate", "Basic")], "")).await;
    let options = RegistryOptions { token: Some("SECRET".into()), ..password("u", "SECRET") };
    let environment =
        Environment::from([("DOCKER_AUTH_CONFIG", r#"{"auths":{"x":{"auth":"SECRET"}}}"#), ("HTTPS_PROXY", "http://u:SECRET@proxy:1")]);
    let settings = settings(&[(&server.authority, options.clone())], environment);
    let registries = Registries::new(&settings);
    let session = registries.session(None);
    let trace = Trace::default();
    let error = server.digest(&session, "app:1", &trace).await;
    let unreadable = Environment::from([("DOCKER_AUTH_CONFIG", r#"{"auths": SECRET}"#)]);
    let other = Registries::new(&super::settings(&[], unreadable)).session(None);
    let other_trace = Trace::default();
    let _ = server.digest(&other, "app:1", &other_trace).await;
    assert_eq!(other_trace.observations().notes[0].code, "credentials_unreadable");
    let shown = format!("{error:?} {trace:?} {other_trace:?} {settings:?} {registries:?} {options:?}");
    assert!(!shown.contains("SECRET") && !shown.contains("U0VDUkVU"), "{shown}");
}

/// The token server takes `u:p`, and names in its token the repository that was asked for.
fn token_server(asked: &Asked) -> Option<Reply> {
    let (path, query) = asked.target.split_once('?')?;
    let scope = query.split('&').find_map(|pair| pair.strip_prefix("scope="))?;
    let who = match asked.authorization() {
        BASIC_U_P => "u",
        "" => "nobody",
        _ => return Some(reply(401, &[], "")),
    };
    (path == "/token").then(|| reply(200, &[], &format!(r#"{{"token":"{who}-{}"}}"#, scope.split(':').nth(1).unwrap())))
}

#[tokio::test]
async fn a_401_to_a_fresh_token_spoils_no_other_repository() {
    for (error, expected) in [(r#",error="insufficient_scope""#, RegistryError::Denied), ("", RegistryError::Unauthorized)] {
        let server = Server::start(move |asked| {
            if let Some(token) = token_server(asked) {
                return token;
            }
            let repository = asked.target.trim_start_matches("/v2/").split("/manifests/").next().unwrap();
            let (sent, private) = (asked.authorization().to_owned(), repository.starts_with("private"));
            if sent == format!("Bearer u-{repository}") && private {
                return good(&digest('a'));
            }
            let realm = format!("http://{}/token", asked.header("host").unwrap());
            let error = if sent.is_empty() { "" } else { error };
            let challenge = format!(r#"Bearer realm="{realm}",service="reg",scope="repository:{repository}:pull"{error}"#);
            reply(401, &[("WWW-Authenticate", &challenge)], "")
        })
        .await;
        let (session, trace) = (session_with(&[(&server.authority, password("u", "p"))]), Trace::default());
        assert_eq!(server.digest(&session, "private1:1", &trace).await, Ok(Some(digest('a'))));
        assert_eq!(server.digest(&session, "myapp:dev", &trace).await, Err(expected));
        let trace = Trace::default();
        for repository in ["private2:1", "private3:1"] {
            assert_eq!(server.digest(&session, repository, &trace).await, Ok(Some(digest('a'))), "{repository}");
        }
        assert_eq!((trace.observations().credential, trace.requests()), (Some(CredentialUse::Used), 4), "a token and a HEAD each");
    }
}

#[tokio::test]
async fn a_password_that_one_repository_refuses_is_sent_to_the_others() {
    let server = Server::start(|asked| {
        let allowed = asked.target == "/v2/" || asked.target.contains("allowed");
        match asked.authorization() {
            BASIC_U_P if allowed => good(&digest('a')),
            _ => reply(401, &[("WWW-Authenticate", "Basic")], ""),
        }
    })
    .await;
    let (session, trace) = (session_with(&[(&server.authority, password("u", "p"))]), Trace::default());
    for _ in 0..2 {
        assert_eq!(server.digest(&session, "other:1", &trace).await, Err(RegistryError::Unauthorized));
        assert_eq!(server.digest(&session, "allowed:1", &trace).await, Ok(Some(digest('a'))));
    }
    assert_eq!(server.asked().iter().filter(|asked| asked.target == "/v2/").count(), 1, "it is asked once a call");
}

#[tokio::test]
async fn a_login_that_is_announced_at_the_base_alone_is_found_once() {
    for status in [404, 403] {
        let server = Server::start(move |asked| match (asked.authorization(), asked.target.as_str()) {
            (BASIC_U_P, _) => good(&digest('a')),
            (_, "/v2/") => reply(401, &[("WWW-Authenticate", "Basic")], ""),
            _ => reply(status, &[], r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#),
        })
        .await;
        let (session, trace) = (session_with(&[(&server.authority, password("u", "p"))]), Trace::default());
        let names: Vec<String> = (0..5).map(|number| format!("app{number}:1")).collect();
        let results = futures_util::future::join_all(names.iter().map(|name| server.digest(&session, name, &trace))).await;
        assert!(results.iter().all(|result| *result == Ok(Some(digest('a')))), "{status}: {results:?}");
        assert_eq!(server.asked().iter().filter(|asked| asked.target == "/v2/").count(), 1);
        assert_eq!(server.count("GET"), 1, "nothing but /v2/");
        let anonymous = super::session();
        assert!(server.digest(&anonymous, "app:1", &Trace::default()).await != Ok(Some(digest('a'))));
        assert_eq!(server.asked().iter().filter(|asked| asked.target == "/v2/").count(), 1, "without a credential it is not asked");
    }
}

#[tokio::test]
async fn a_refused_credential_is_left_out_once_and_noted() {
    // The registry forbids what it shows to everyone; so do token servers with an expired token (GHCR's "denied: denied").
    for at_token_server in [false, true] {
        let server = Server::start(move |asked| {
            if asked.target.starts_with("/token") && at_token_server && !asked.authorization().is_empty() {
                return reply(403, &[], r#"{"errors":[{"code":"DENIED","message":"denied"}]}"#);
            }
            if let Some(token) = token_server(asked) {
                return token;
            }
            match asked.authorization() {
                "Bearer nobody-public" => good(&digest('a')),
                "" => {
                    let realm = format!("http://{}/token", asked.header("host").unwrap());
                    reply(401, &[("WWW-Authenticate", &format!(r#"Bearer realm="{realm}""#))], "")
                }
                _ => reply(403, &[], r#"{"errors":[{"code":"DENIED","message":"expired"}]}"#),
            }
        })
        .await;
        let session = session_with(&[(&server.authority, password("u", "p"))]);
        for (repository, expected) in [("public:1", Ok(Some(digest('a')))), ("closed:1", Err(RegistryError::Denied))] {
            let trace = Trace::default();
            assert_eq!(server.digest(&session, repository, &trace).await, expected, "{repository} {at_token_server}");
            let seen = trace.observations();
            assert_eq!((seen.credential, seen.notes[0].code.as_str()), (Some(CredentialUse::Rejected), "credential_rejected"));
        }
    }
}

#[tokio::test]
async fn another_host_gets_no_credential_though_it_asks_for_one() {
    let stolen = Server::start(|_| reply(200, &[], r#"{"token":"other"}"#)).await;
    let realm = format!("http://{}/token", stolen.authority);
    let challenge = format!(r#"Bearer realm="{realm}",service="other",scope="repository:there/app:pull""#);
    let elsewhere = Server::start(move |asked| match asked.authorization() {
        "Bearer other" => good(&digest('b')),
        _ => reply(401, &[("WWW-Authenticate", &challenge)], ""),
    })
    .await;
    let to = elsewhere.authority.clone();
    // The shape of a vanity name: 307 of everything, and anonymous tokens where that leads.
    let server = Server::start(move |asked| reply(307, &[("Location", &format!("http://{to}{}", asked.target))], "")).await;
    for session in [session(), session_with(&[(&server.authority, password("u", "p"))])] {
        for _ in 0..2 {
            assert_eq!(server.digest(&session, "app:1", &Trace::default()).await, Ok(Some(digest('b'))));
        }
    }
    let all = [server.asked(), elsewhere.asked(), stolen.asked()].concat();
    assert!(all.iter().all(|asked| !asked.authorization().starts_with("Basic") && !asked.target.contains("account")));
    assert!(server.asked().iter().all(|asked| asked.authorization().is_empty()), "the challenge is not the first host's");
    assert_eq!(stolen.asked().len(), 2, "one token for each handle");
}
