//! One token for several repositories, and servers that do not give it.

use super::*;
use base64::Engine as _;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

type Answers = Vec<Result<Option<String>, RegistryError>>;

/// All of a call's repositories at once, each at its turn.
async fn ask_all(session: &Session, server: &Server, repositories: &[String]) -> Answers {
    let ask = async |repository: &String| {
        let (reference, trace) = (server.reference(repository), Trace::default());
        let _permit = session.permit(&reference, true, &trace).await;
        session.digest(&reference, "latest", &trace).await
    };
    futures_util::future::join_all(repositories.iter().map(ask)).await
}

fn repositories(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("team/app{number:02}")).collect()
}

/// With limits that no busy machine reaches.
fn patient(options: &[(&str, RegistryOptions)]) -> Session {
    let mut settings = settings(options, Environment::default());
    let limits = &mut settings.limits;
    (limits.headers, limits.request, limits.check) = (Duration::from_secs(120), Duration::from_secs(120), Duration::from_secs(240));
    Registries::new(&settings).session(None)
}

/// A call that has named what it will ask for.
fn announced(server: &Server, options: &[(&str, RegistryOptions)], repositories: &[String]) -> Session {
    let session = patient(options);
    session.announce(&server.authority, repositories.iter().cloned().collect());
    session
}

/// The repositories that a token request names.
fn scopes(asked: &Asked) -> Vec<String> {
    let query = asked.target.split_once('?').map_or("", |(_, query)| query);
    let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope=repository:")?.strip_suffix(":pull"));
    scopes.map(str::to_owned).collect()
}

fn repository(asked: &Asked) -> String {
    asked.target.trim_start_matches("/v2/").split("/manifests/").next().unwrap().to_owned()
}

/// The challenge of a registry for one of its repositories.
fn challenge(asked: &Asked, status: u16) -> Reply {
    let realm = format!("http://{}/token", asked.header("host").unwrap());
    let challenge = format!(r#"Bearer realm="{realm}",service="reg",scope="repository:{}:pull""#, repository(asked));
    let headers = [("WWW-Authenticate", challenge.as_str()), ("Content-Type", "application/json")];
    let headers = if status == 401 { &headers[..] } else { &headers[1..] };
    reply(status, headers, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#)
}

/// A token that says what it is for; the registry of these tests reads it.
fn token_for(repositories: &[String]) -> String {
    format!(r#"{{"token":"{}"}}"#, repositories.join("+"))
}

/// Answers the manifests; a repository that the token is not for gets `status`.
fn manifest(asked: &Asked, status: u16) -> Reply {
    match asked.authorization().strip_prefix("Bearer ") {
        None => challenge(asked, 401),
        Some(token) if token.split('+').any(|name| name == repository(asked)) => good(&digest('a')),
        Some(_) => challenge(asked, status),
    }
}

fn tokens(server: &Server) -> Vec<Asked> {
    server.asked().into_iter().filter(|asked| asked.target.starts_with("/token")).collect()
}

fn are_right(answers: &Answers) -> bool {
    answers.iter().all(|answer| *answer == Ok(Some(digest('a'))))
}

#[tokio::test]
async fn one_token_serves_several_repositories() {
    let server =
        Server::start(
            |asked| {
                if asked.target.starts_with("/token") { reply(200, &[], &token_for(&scopes(asked))) } else { manifest(asked, 401) }
            },
        )
        .await;
    let names = repositories(60);
    let answers = ask_all(&announced(&server, &[], &names), &server, &names).await;
    assert!(are_right(&answers), "{answers:?}");
    let asked: Vec<Vec<String>> = tokens(&server).iter().map(scopes).collect();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert_eq!(asked.concat().into_iter().collect::<BTreeSet<_>>(), names.into_iter().collect());
    assert_eq!(server.count("HEAD"), 61, "one for the challenge, and one each");
}

#[tokio::test]
async fn an_identity_token_is_exchanged_for_one_of_several_repositories() {
    let server = Server::start(|asked| match (asked.method.as_str(), asked.target.as_str()) {
        ("POST", "/token") => {
            let scope = asked.body.split('&').find_map(|pair| pair.strip_prefix("scope=")).unwrap().replace("%20", " ");
            let names: Vec<&str> = scope.split(' ').map(|scope| scope.split(':').nth(1).unwrap()).collect();
            reply(200, &[], &format!(r#"{{"access_token":"{}"}}"#, names.join("+")))
        }
        _ => manifest(asked, 401),
    })
    .await;
    let names = repositories(5);
    let options = RegistryOptions { token: Some("SECRET".into()), ..RegistryOptions::default() };
    let answers = ask_all(&announced(&server, &[(&server.authority, options)], &names), &server, &names).await;
    assert!(are_right(&answers), "{answers:?}");
    assert_eq!((tokens(&server).len(), server.count("HEAD")), (1, 6));
}

#[tokio::test]
async fn a_token_server_that_takes_one_repository_alone_spoils_nobody() {
    for status in [400, 401, 403, 404, 405, 414, 500] {
        let server = Server::start(move |asked| {
            if !asked.target.starts_with("/token") {
                return manifest(asked, 401);
            }
            let names = scopes(asked);
            if names.len() > 1 { reply(status, &[], "") } else { reply(200, &[], &token_for(&names)) }
        })
        .await;
        let names = repositories(10);
        let answers = ask_all(&announced(&server, &[], &names), &server, &names).await;
        assert!(are_right(&answers), "{status}: {answers:?}");
        assert_eq!((tokens(&server).len(), server.count("HEAD")), (11, 11), "{status}: once for all, then one each");
    }
}

#[tokio::test]
async fn a_password_is_not_rejected_because_one_of_several_repositories_is_forbidden() {
    // u:p
    const BASIC: &str = "Basic dTpw";
    let server = Server::start(|asked| {
        if !asked.target.starts_with("/token") {
            return manifest(asked, 401);
        }
        let names = scopes(asked);
        let forbidden = names.iter().any(|name| name == "team/app03");
        if forbidden || asked.authorization() != BASIC { reply(401, &[], "") } else { reply(200, &[], &token_for(&names)) }
    })
    .await;
    let names = repositories(8);
    let options = RegistryOptions { username: Some("u".into()), password: Some("p".into()), ..RegistryOptions::default() };
    let session = announced(&server, &[(&server.authority, options)], &names);
    // One of the good ones first: a token server's 401 to a repository alone rejects the credential.
    let order: Vec<String> = names.iter().filter(|name| *name != "team/app03").cloned().collect();
    let answers = ask_all(&session, &server, &order).await;
    assert!(are_right(&answers), "{answers:?}");
    assert!(tokens(&server).iter().all(|asked| asked.authorization() == BASIC));
}

#[tokio::test]
async fn a_token_that_allows_less_than_was_asked_for_spoils_nobody() {
    let signed = |names: &[String]| {
        let access: Vec<_> = names.iter().map(|name| json!({"type": "repository", "name": name, "actions": ["pull"]})).collect();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json!({ "access": access }).to_string());
        format!(r#"{{"token":"e30.{claims}.c2ln"}}"#)
    };
    let told = |names: &[String]| {
        let scope: Vec<String> = names.iter().map(|name| format!("repository:{name}:pull")).collect();
        json!({"access_token": names.join("+"), "scope": scope.join(" ")}).to_string()
    };
    // The registry of the signed tokens reads them too.
    let names_of = |token: &str| match token.split('.').nth(1) {
        None => token.to_owned(),
        Some(claims) => String::from_utf8(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap(),
    };
    for (kind, status) in [("signed", 401), ("told", 401), ("opaque", 401), ("opaque", 403), ("opaque", 404)] {
        let server = Server::start(move |asked| {
            if asked.target.starts_with("/token") {
                let first = &scopes(asked)[..1];
                return reply(
                    200,
                    &[],
                    &match kind {
                        "signed" => signed(first),
                        "told" => told(first),
                        _ => token_for(first),
                    },
                );
            }
            match asked.authorization().strip_prefix("Bearer ") {
                None => challenge(asked, 401),
                Some(token) if names_of(token).contains(&repository(asked)) => good(&digest('a')),
                Some(_) => challenge(asked, status),
            }
        })
        .await;
        let names = repositories(10);
        let answers = ask_all(&announced(&server, &[], &names), &server, &names).await;
        assert!(are_right(&answers), "{kind} {status}: {answers:?}");
        assert_eq!(tokens(&server).len(), 10, "{kind} {status}: one for all, and one for each but the first");
        if kind != "opaque" {
            assert_eq!(server.count("HEAD"), 11, "{kind}: no token is sent for what it is not for");
        }
    }
}

#[tokio::test]
async fn a_tag_that_is_gone_is_told_from_one_that_a_common_token_hides() {
    let server = Server::start(|asked| {
        let gone = repository(asked) == "team/app01" && !asked.authorization().is_empty();
        match asked.target.starts_with("/token") {
            true => reply(200, &[], &token_for(&scopes(asked)[..1])),
            false if gone => reply(404, &[], r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
            false => manifest(asked, 404),
        }
    })
    .await;
    let names = repositories(3);
    let answers = ask_all(&announced(&server, &[], &names), &server, &names).await;
    let there = Ok(Some(digest('a')));
    assert_eq!(answers, [there.clone(), Ok(None), there]);
}

/// The others have their tokens asked for as soon as the challenge is known: the first one's is not given before that.
#[tokio::test]
async fn nobody_waits_for_the_token_of_the_first_one() {
    let (open, held) = watch::channel(false);
    let asked_for = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        if !asked.target.starts_with("/token") {
            return manifest(asked, 401);
        }
        if asked_for.fetch_add(1, Ordering::SeqCst) + 1 == 5 {
            open.send_replace(true);
        }
        Reply::Held(held.clone(), Box::new(reply(200, &[], &token_for(&scopes(asked)))))
    })
    .await;
    let names = repositories(5);
    // Not announced: one token each.
    let session = patient(&[]);
    assert!(are_right(&ask_all(&session, &server, &names).await));
    assert_eq!((tokens(&server).len(), server.count("HEAD")), (5, 6));
}

#[tokio::test]
async fn a_token_server_that_is_slow_delays_only_its_own() {
    let (open, held) = watch::channel(false);
    let slow = Server::start(move |asked| {
        if !asked.target.starts_with("/token") {
            return manifest(asked, 401);
        }
        Reply::Held(held.clone(), Box::new(reply(200, &[], &token_for(&scopes(asked)))))
    })
    .await;
    let quick = Server::start(|_| good(&digest('a'))).await;
    let names = repositories(40);
    let session = patient(&[]);
    for server in [&slow, &quick] {
        session.announce(&server.authority, names.iter().cloned().collect());
    }
    let mut waiting = std::pin::pin!(ask_all(&session, &slow, &names));
    tokio::select! {
        _ = &mut waiting => panic!("no token was given yet"),
        answers = ask_all(&session, &quick, &names) => assert!(are_right(&answers), "{answers:?}"),
    }
    open.send_replace(true);
    assert!(are_right(&waiting.await));
}
