//! `docker-credential-NAME get`: a program that knows a secret.
//!
//! Rules: docs/check.md, section 5.3.

use std::time::Duration;

use serde_json::Value;

use super::auth_file::from_helper;
use super::credential::Credential;
use crate::environment::Environment;
use crate::net::child::{Finished, Program};

/// The longest answer of a helper.
const OUTPUT_LIMIT: u64 = 64 * 1024;

/// Asks a helper. `Ok(None)`: it knows no credential. An error says what went wrong and holds no secret.
///
/// Dropping the future kills the helper and all that it started.
pub(in crate::registry) async fn get(
    name: &str,
    server: &str,
    environment: &Environment,
    time_limit: Duration,
) -> Result<Option<Credential>, String> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !is_name {
        return Err("the name of the credential helper is not valid".into());
    }
    let program = Program {
        name: format!("docker-credential-{name}"),
        arguments: vec!["get".into()],
        environment: environment.clone(),
        input: server.to_owned(),
        output_limit: OUTPUT_LIMIT,
        time_limit,
    };
    program.run().await.and_then(|finished| read(&finished)).map_err(|why| format!("docker-credential-{name}: {why}"))
}

fn read(finished: &Finished) -> Result<Option<Credential>, String> {
    // What docker's own helpers print when they have none.
    let has_none = || String::from_utf8_lossy(&finished.output).contains("credentials not found");
    let answer = || serde_json::from_slice::<Value>(&finished.output).map_err(|_| "its answer is not JSON".to_owned());
    match finished.status {
        Some(status) if status.success() => Ok(from_helper(&answer()?)),
        _ if has_none() => Ok(None),
        Some(status) => Err(format!("it failed: {status}")),
        // The host has read its status: what it has printed has to do.
        None => Ok(from_helper(&answer()?)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::time::Instant;

    /// A folder with one helper of that name, and an environment that finds it.
    fn helper(name: &str, script: &str) -> (PathBuf, Environment) {
        let folder = std::env::temp_dir().join(format!("refit-helper-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("docker-credential-{name}"));
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.display());
        (folder, Environment::from([("PATH", path.as_str())]))
    }

    async fn answer(name: &str, script: &str) -> Result<Option<Credential>, String> {
        let (folder, environment) = helper(name, script);
        let result = get(name, "reg:5000", &environment, Duration::from_secs(2)).await;
        std::fs::remove_dir_all(folder).unwrap();
        result
    }

    #[tokio::test]
    async fn an_answer_is_a_credential_none_or_an_error_without_the_secret() {
        let good = r#"test "$1" = get && printf '{"ServerURL":"%s","Username":"u","Secret":"%s"}' x "$(cat)""#;
        assert_eq!(answer("good", good).await, Ok(Credential::of(Some("u"), Some("reg:5000"), None)));
        assert_eq!(answer("none", "echo credentials not found in native keychain; exit 1").await, Ok(None));
        for (name, script, why) in [
            ("fails", "echo SECRET; echo SECRET >&2; exit 3", "exit status: 3"),
            ("garbage", "echo SECRET", "not JSON"),
            ("endless", "exec yes SECRET", "too long"),
        ] {
            let error = answer(name, script).await.unwrap_err();
            assert!(error.contains(why) && !error.contains("SECRET"), "{name}: {error}");
        }
        let nowhere = get("nowhere", "x", &Environment::from([("PATH", "/nonexistent")]), Duration::from_secs(1)).await.unwrap_err();
        assert!(nowhere.contains("cannot be run"), "{nowhere}");
        for name in ["", "a/b", "a b", "a;b"] {
            assert!(get(name, "x", &Environment::default(), Duration::from_secs(1)).await.is_err(), "{name}");
        }
    }

    #[test]
    fn an_answer_counts_where_the_host_has_read_the_status() {
        let finished = |output: &str| read(&Finished { status: None, output: output.into() });
        assert_eq!(finished(r#"{"Username":"u","Secret":"p"}"#), Ok(Credential::of(Some("u"), Some("p"), None)));
        assert_eq!(finished("credentials not found in native keychain\n"), Ok(None));
        assert!(finished("SECRET").is_err_and(|why| !why.contains("SECRET")));
    }

    #[tokio::test]
    async fn a_slow_helper_is_killed_with_all_that_it_started() {
        let (folder, environment) = helper("slow", r#"sleep 1000 & echo $! > "$(dirname "$0")/child"; wait"#);
        let begin = Instant::now();
        let error = get("slow", "x", &environment, Duration::from_secs(5)).await.unwrap_err();
        assert!(error.contains("too long") && begin.elapsed() < Duration::from_secs(60), "{error}");
        let child = std::fs::read_to_string(folder.join("child")).unwrap();
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_else(|_| "0 (sleep) Z".into());
        while !state().contains(") Z") {
            assert!(begin.elapsed() < Duration::from_secs(60), "its child still runs: {}", state());
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_dropped_call_kills_its_helper() {
        let (folder, environment) = helper("dropped", "exec sleep 1000");
        let waiting = get("dropped", "x", &environment, Duration::from_secs(1000));
        assert!(tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err());
        std::fs::remove_dir_all(folder).unwrap();
        // The runtime waits for its blocking threads when it is dropped: the test hangs if the helper does.
    }
}
