//! `container_exec` on a real engine.
//!
//! Rules: docs/abi.md, section 11.

use std::time::{Duration, Instant};

use refit::container::{ExecOptions, Executed};
use refit::{Code, ConnectOptions, Refit};
use refit_lab::{Canned, Fault, Image, Lab, Proxy, Scope, When};
use serde_json::Value;

use crate::connected::refit;

fn running(scope: &Scope<'_>) -> String {
    let image = scope.pull(&Image::new().env("OWN", "here").workdir("/srv").build(), "t");
    let name = scope.name("c");
    scope.lab.engine.run_image(&name, &image.reference);
    name
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

async fn exec(refit: &Refit, container: &str, command: &[&str]) -> Executed {
    refit.exec_container(container, &words(command), &ExecOptions::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_its_exit_code_and_both_streams() {
    let lab = Lab::get();
    let scope = lab.scope("exec");
    let name = running(&scope);
    let refit = refit().await;
    let done = exec(&refit, &name, &["sh", "-c", r"echo out; echo err >&2; printf '\377'; exit 42"]).await;
    assert_eq!((done.exit_code, done.stdout.as_str(), done.stderr.as_str()), (42, "out\n\u{fffd}", "err\n"));
    assert!(!done.truncated);
    let id = lab.engine.container(&name).unwrap()["Id"].as_str().unwrap().to_owned();
    for by in [id.as_str(), &id[..12]] {
        assert_eq!(exec(&refit, by, &["true"]).await.exit_code, 0);
    }
    let options = ExecOptions {
        user: Some("1234:5678".into()),
        working_dir: Some("/tmp".into()),
        env: words(&["A=b=c", "EMPTY="]),
        ..ExecOptions::default()
    };
    lab.engine.exec(&name, &["mkdir", "-p", "/tmp"]);
    let command = words(&["sh", "-c", "id -u; id -g; pwd; echo \"$A ${EMPTY-unset} $OWN\""]);
    let done = refit.exec_container(&name, &command, &options).await.unwrap();
    assert_eq!(done.stdout, "1234\n5678\n/tmp\nb=c  here\n", "{done:?}");
    assert_eq!(exec(&refit, &name, &["pwd"]).await.stdout, "/srv\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_start_has_its_exit_code_and_the_engines_words() {
    let lab = Lab::get();
    let scope = lab.scope("exec-not");
    let name = running(&scope);
    let refit = refit().await;
    let none = exec(&refit, &name, &["no-such-program"]).await;
    assert!([126, 127].contains(&none.exit_code), "{none:?}");
    assert!(format!("{}{}", none.stdout, none.stderr).contains("no-such-program"), "{none:?}");
    let folder = exec(&refit, &name, &["/bin"]).await;
    // Podman does not distinguish this failure of its runtime from others: 125.
    let expected: &[i64] = if lab.engine.is_podman() { &[125, 126, 127] } else { &[126, 127] };
    assert!(expected.contains(&folder.exit_code) && !format!("{}{}", folder.stdout, folder.stderr).is_empty(), "{folder:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_without_input_sees_the_end_at_once() {
    let lab = Lab::get();
    let scope = lab.scope("exec-read");
    let name = running(&scope);
    let refit = refit().await;
    let begun = Instant::now();
    let done = exec(&refit, &name, &["sh", "-c", "cat; echo end"]).await;
    assert_eq!((done.stdout.as_str(), done.exit_code), ("end\n", 0));
    let empty = ExecOptions { stdin: Some(Vec::new()), ..ExecOptions::default() };
    assert_eq!(refit.exec_container(&name, &words(&["cat"]), &empty).await.unwrap().stdout, "");
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_megabyte_goes_in_and_comes_out() {
    let lab = Lab::get();
    let scope = lab.scope("exec-mega");
    let name = running(&scope);
    let refit = refit().await;
    let text: String = (0..1024 * 1024 / 16).map(|number| format!("{number:015}\n")).collect();
    let options = ExecOptions { stdin: Some(text.clone().into_bytes()), ..ExecOptions::default() };
    let done = refit.exec_container(&name, &words(&["cat"]), &options).await.unwrap();
    assert!(done.stdout == text && !done.truncated && done.exit_code == 0, "{} bytes came", done.stdout.len());
    // One that does not read it, and one that ends before.
    for (command, expected) in [(&["echo", "x"][..], "x\n"), (&["head", "-c", "16"], &text[..16])] {
        let done = refit.exec_container(&name, &words(command), &options).await.unwrap();
        assert_eq!(done.exit_code, 0, "{done:?}");
        // Podman resets the connection then, and what the command wrote last may be lost.
        assert!(done.stdout == expected || lab.engine.is_podman() && done.truncated, "{done:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_bytes_are_kept_and_the_exit_code_comes() {
    let lab = Lab::get();
    let scope = lab.scope("exec-cap");
    let name = running(&scope);
    let refit = refit().await;
    let command = words(&["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' a; exit 7"]);
    let done = refit.exec_container(&name, &command, &ExecOptions::default()).await.unwrap();
    assert_eq!((done.stdout.len(), done.truncated, done.exit_code), (1024 * 1024, true, 7));
    let small = ExecOptions { max_output_bytes: 5, ..ExecOptions::default() };
    let done = refit
        .exec_container(&name, &words(&["sh", "-c", "echo 12; sleep 2; echo 345 >&2; sleep 2; echo more; exit 8"]), &small)
        .await
        .unwrap();
    assert_eq!((done.stdout.as_str(), done.stderr.as_str(), done.truncated, done.exit_code), ("12\n", "34", true, 8));
    let exact = ExecOptions { max_output_bytes: 3, ..ExecOptions::default() };
    assert!(!refit.exec_container(&name, &words(&["echo", "12"]), &exact).await.unwrap().truncated);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_commands_run_at_once() {
    let lab = Lab::get();
    let scope = lab.scope("exec-fifty");
    let name = running(&scope);
    let refit = refit().await;
    let each = (0..50).map(|number| {
        let (refit, name) = (refit.clone(), name.clone());
        tokio::spawn(async move {
            let command = words(&["sh", "-c", &format!("cat; echo {number}; exit {number}")]);
            let stdin = (number % 2 == 0).then(|| b"in ".to_vec());
            let done = refit.exec_container(&name, &command, &ExecOptions { stdin, ..ExecOptions::default() }).await.unwrap();
            let expected = format!("{}{number}\n", if number % 2 == 0 { "in " } else { "" });
            assert_eq!((done.exit_code, done.stdout), (number, expected));
        })
    });
    for one in each.collect::<Vec<_>>() {
        one.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_does_not_run_is_a_conflict() {
    let lab = Lab::get();
    let scope = lab.scope("exec-stopped");
    let name = running(&scope);
    let refit = refit().await;
    let code = async |container: &str| {
        let error = refit.exec_container(container, &words(&["true"]), &ExecOptions::default()).await.unwrap_err();
        assert_eq!(error.context().container.as_deref(), Some(container), "{error}");
        (error.code(), error.message().to_owned())
    };
    lab.engine.pause(&name);
    let (paused, message) = code(&name).await;
    assert!(paused == Code::Conflict && message.contains("paused"), "{message}");
    lab.engine.post(&format!("/containers/{name}/unpause"), &Value::Null);
    refit.stop_container(&name, None).await.unwrap();
    let (stopped, message) = code(&name).await;
    assert!(stopped == Code::Conflict && message.contains("not running"), "{message}");
    assert_eq!(code(&scope.name("missing")).await.0, Code::NotFound);
}

/// Waits until a command in the container has written this to its file.
async fn wait_for_state(refit: &Refit, name: &str, expected: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let state = exec(refit, name, &["sh", "-c", "cat /srv/state || true"]).await.stdout;
        if state == expected {
            return;
        }
        assert!(Instant::now() < end, "{state}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_command_goes_on_in_the_container() {
    let lab = Lab::get();
    let scope = lab.scope("exec-cancel");
    let name = running(&scope);
    let refit = refit().await;
    let command = words(&["sh", "-c", "echo begun > /srv/state; sleep 10; echo done > /srv/state"]);
    let call = tokio::spawn({
        let (refit, name) = (refit.clone(), name.clone());
        async move { refit.exec_container(&name, &command, &ExecOptions::default()).await }
    });
    wait_for_state(&refit, &name, "begun\n").await;
    assert!(!call.is_finished());
    call.abort();
    wait_for_state(&refit, &name, "done\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_command_is_waited_for_and_a_lost_connection_is_an_error() {
    let lab = Lab::get();
    let scope = lab.scope("exec-lost");
    let name = running(&scope);
    let proxy = Proxy::engine(lab);
    let options = ConnectOptions { host: Some(proxy.host.clone()), timeout: Duration::from_secs(4), ..ConnectOptions::default() };
    let refit = Refit::connect(options).await.unwrap();
    assert_eq!(exec(&refit, &name, &["sh", "-c", "sleep 10; echo late"]).await.stdout, "late\n");
    // The command ends because its input does, of which it had only a part.
    let input = ExecOptions { stdin: Some(vec![b'x'; 8 * 1024 * 1024]), ..ExecOptions::default() };
    proxy.on(When::each("POST /exec/*/start"), Fault::CutBody(1));
    if !lab.engine.is_podman() {
        let error = refit.exec_container(&name, &words(&["cat"]), &input).await.unwrap_err();
        assert_eq!(error.code(), Code::Unreachable, "{error}");
    }
    proxy.reset();
    // Within a frame.
    proxy.on(When::each("POST /exec/*/start"), Fault::CutBody(20));
    let command = words(&["sh", "-c", "head -c 10000 /dev/zero | tr '\\0' a"]);
    let error = refit.exec_container(&name, &command, &ExecOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unreachable, "{error}");
    proxy.reset();
    let input = ExecOptions { stdin: Some(b"x".to_vec()), ..ExecOptions::default() };
    proxy.on(When::each("POST /exec/*/start"), Fault::Answer(Canned::json(200, &Value::Null)));
    let error = refit.exec_container(&name, &words(&["cat"]), &input).await.unwrap_err();
    assert!(error.code() == Code::Unsupported && error.message().contains("proxy"), "{error}");
}
