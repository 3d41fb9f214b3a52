//! An engine that is reached by `ssh://`, on a real sshd.
//!
//! ssh is found on PATH, and reads its configuration in the user's home, whatever HOME is. Each test therefore runs once more in a process of its own,
//! on whose PATH another `ssh` comes first, which names the lab's configuration.

use std::future::Future;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use refit::container::{ExecOptions, LogOptions, RecreateOptions};
use refit::image::{CheckOptions, CheckState, PullOptions};
use refit::{Cancel, Code, ConnectOptions, Refit};
use refit_lab::{Fault, Image, Knows, Lab, Proxy, Sshd, When, children};

/// The folder into which the lab's `ssh` is written.
const CLIENT: &str = "REFIT_LAB_SSH_CLIENT";
const MEGABYTE: usize = 1024 * 1024;

/// Runs the test in a process of its own.
fn alone<T: Future<Output = ()>>(test: impl FnOnce(PathBuf) -> T) {
    if let Some(folder) = std::env::var_os(CLIENT) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(test(folder.into()));
    }
    let lab = Lab::get();
    let folder = std::env::temp_dir().join(lab.scope("ssh").name("client"));
    std::fs::create_dir_all(&folder).unwrap();
    let name = std::thread::current().name().unwrap().to_owned();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args([&name, "--exact", "--nocapture"]).env(CLIENT, &folder);
    again.env("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()));
    let done = again.output().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

/// Another machine, on which the lab's engine is.
fn machine(client: &std::path::Path) -> Sshd {
    let sshd = Sshd::start(&Lab::get().engine.address);
    sshd.client(client, Knows::All);
    sshd
}

async fn open(host: &str) -> refit::Result<Refit> {
    Refit::connect(ConnectOptions { host: Some(host.into()), timeout: Duration::from_secs(20), ..ConnectOptions::default() }).await
}

/// Zombies among them. The lab's sshd is a child of this process, too.
fn ssh_children() -> Vec<u32> {
    let is_ssh = |child: &u32| std::fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|name| name.trim() == "ssh");
    children(std::process::id()).into_iter().filter(is_ssh).collect()
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Waits until it is so.
async fn soon(what: &str, limit: Duration, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn an_engine_behind_ssh_is_opened_checked_pulled_and_asked() {
    alone(|client| async move {
        let (lab, sshd) = (Lab::get(), machine(&client));
        let scope = lab.scope("ssh-read");
        let refit = open(&sshd.host).await.unwrap();
        let info = refit.engine_info().await.unwrap();
        assert_eq!(info.host, sshd.host);
        let first = scope.pull(&Image::new().random_layer(8 * MEGABYTE, 71).build(), "t");
        assert_eq!(refit.check_update(&first.reference, CheckOptions::default()).await.unwrap().state, CheckState::UpToDate);
        let second = scope.publish(&Image::new().random_layer(8 * MEGABYTE, 72).build(), "t");
        assert_eq!(refit.check_update(&first.reference, CheckOptions::default()).await.unwrap().state, CheckState::UpdateAvailable);
        let reported = Arc::new(Mutex::new(Vec::new()));
        let listener = reported.clone();
        let pull = refit.pull(&first.reference, PullOptions::default()).on_progress(move |progress| {
            listener.lock().unwrap().push((progress.phase, progress.permille));
            ControlFlow::Continue(())
        });
        assert_eq!(pull.await.unwrap().digest, Some(second.digest));
        refit.close().await;
        let reported = reported.lock().unwrap();
        assert_eq!(reported.last(), Some(&("done", 1000)));
        assert!(reported.iter().any(|(phase, _)| *phase == "downloading"), "{reported:?}");
    });
}

#[test]
fn a_log_is_followed_and_a_command_has_its_input_over_ssh() {
    alone(|client| async move {
        let (lab, sshd) = (Lab::get(), machine(&client));
        let scope = lab.scope("ssh-stream");
        let image = scope.pull(&Image::new().cmd(["sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.2; done"]).build(), "t");
        let name = scope.name("log");
        let refit = open(&sshd.host).await.unwrap();
        lab.engine.run_image(&name, &image.reference);
        let (mut log, mut lines) = (refit.follow_logs(&name, &LogOptions::default()).await.unwrap(), Vec::new());
        while let Some(line) = log.next().await.unwrap() {
            lines.push(String::from_utf8_lossy(&line.text).into_owned());
        }
        assert_eq!(lines, ["line 1", "line 2", "line 3"]);
        let running = scope.name("exec");
        let image = scope.pull(&Image::new().build(), "u");
        lab.engine.run_image(&running, &image.reference);
        let input = vec![b'x'; 2 * MEGABYTE];
        let options = ExecOptions { stdin: Some(input), ..ExecOptions::default() };
        let command = ["sh", "-c", "wc -c; exit 3"].map(str::to_owned);
        let done = refit.exec_container(&running, &command, &options).await.unwrap();
        assert_eq!((done.stdout.trim(), done.exit_code), (format!("{}", 2 * MEGABYTE).as_str(), 3));
        refit.close().await;
    });
}

#[test]
fn a_container_is_recreated_over_ssh() {
    alone(|client| async move {
        let (lab, sshd) = (Lab::get(), machine(&client));
        let scope = lab.scope("ssh-recreate");
        let image = scope.pull(&Image::new().build(), "t");
        let name = scope.name("c");
        lab.engine.run_image(&name, &image.reference);
        let before = lab.engine.container(&name).unwrap();
        let new = scope.pull(&Image::new().build(), "t");
        let refit = open(&sshd.host).await.unwrap();
        let options = RecreateOptions { settle: Duration::from_millis(300), allow_lossy: true, ..RecreateOptions::default() };
        refit.recreate_container(&name, options).await.unwrap();
        let after = lab.engine.container(&name).unwrap();
        assert_ne!(after["Id"], before["Id"]);
        assert_eq!(after["Config"]["Image"], new.reference);
        refit.close().await;
    });
}

#[test]
fn what_keeps_ssh_out_is_told_in_its_words_with_the_next_step() {
    alone(|client| async move {
        let mut sshd = machine(&client);
        let cases = [
            (Knows::WrongKey, "Permission denied", "BatchMode"),
            (Knows::NoHostKey, "Host key verification failed", "known_hosts"),
            (Knows::NoDocker, "docker", "PATH"),
            (Knows::Chatty, "Welcome to this machine", "must print nothing"),
        ];
        for (knows, words, next) in cases {
            sshd.client(&client, knows);
            let error = open(&sshd.host).await.unwrap_err();
            assert_eq!(error.code(), Code::Unreachable, "{knows:?}: {error}");
            let message = error.message();
            assert!(message.contains(&sshd.host) && message.contains(words) && message.contains(next), "{knows:?}: {message}");
        }
        sshd.client(&client, Knows::All);
        let error = open(&format!("{}/nonexistent/docker.sock", sshd.host)).await.unwrap_err();
        let message = error.message();
        assert!(message.contains("/nonexistent/docker.sock") && message.contains("is Docker running there?"), "{message}");
        sshd.stop();
        let message = open(&sshd.host).await.unwrap_err().message().to_owned();
        assert!(message.contains("Connection refused") && message.contains("does sshd listen there?"), "{message}");
        std::fs::remove_file(client.join("ssh")).unwrap();
    });
}

#[test]
fn the_socket_of_the_address_is_the_one_that_is_used_there() {
    alone(|client| async move {
        let lab = Lab::get();
        let sshd = machine(&client);
        let proxy = Proxy::engine(lab);
        let refit = open(&format!("{}{}", sshd.host, proxy.host.trim_start_matches("unix://"))).await.unwrap();
        refit.engine_info().await.unwrap();
        assert!(proxy.requests().iter().any(|exchange| exchange.path.ends_with("/info")));
        refit.close().await;
    });
}

#[test]
fn a_cancelled_pull_ends_the_ssh_that_carried_it() {
    alone(|client| async move {
        let (lab, sshd) = (Lab::get(), machine(&client));
        let scope = lab.scope("ssh-cancel");
        let proxy = Proxy::engine(lab);
        let image = scope.publish(&Image::new().build(), "t");
        proxy.on(When::each("POST /images/create"), Fault::HangBody(1));
        let refit = open(&format!("{}{}", sshd.host, proxy.host.trim_start_matches("unix://"))).await.unwrap();
        let cancel = Cancel::new();
        let idle = ssh_children().len();
        let pull = tokio::spawn(refit.pull(&image.reference, PullOptions::default()).cancel(&cancel).into_future());
        soon("the pull has its ssh", Duration::from_secs(60), || ssh_children().len() > idle).await;
        let begun = Instant::now();
        cancel.fire();
        let error = pull.await.unwrap().unwrap_err();
        assert_eq!(refit::Error::from(error).code(), Code::Cancelled);
        assert!(begun.elapsed() < Duration::from_millis(250), "{:?}", begun.elapsed());
        soon("its ssh is gone", Duration::from_secs(30), || ssh_children().len() <= idle).await;
        refit.close().await;
    });
}

#[test]
fn a_connection_that_is_lost_in_a_pull_is_unreachable_and_the_next_call_comes_through() {
    alone(|client| async move {
        let (lab, sshd) = (Lab::get(), machine(&client));
        let scope = lab.scope("ssh-lost");
        let proxy = Proxy::engine(lab);
        let image = scope.publish(&Image::new().random_layer(MEGABYTE, 73).build(), "t");
        proxy.on(When::first("POST /images/create"), Fault::HangBody(1));
        let refit = open(&format!("{}{}", sshd.host, proxy.host.trim_start_matches("unix://"))).await.unwrap();
        let pull = tokio::spawn(refit.pull(&image.reference, PullOptions::default()).into_future());
        let is_pulling = || proxy.requests().iter().any(|exchange| exchange.path.contains("/images/create"));
        soon("the pull", Duration::from_secs(60), is_pulling).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        sshd.cut();
        let error = refit::Error::from(pull.await.unwrap().unwrap_err());
        assert_eq!(error.code(), Code::Unreachable, "{error}");
        assert!(error.message().contains(&sshd.host) && error.message().contains("ssh"), "{error}");
        refit.pull(&image.reference, PullOptions::default()).await.unwrap();
        refit.close().await;
    });
}

#[test]
fn a_connection_that_is_lost_in_a_recreation_leaves_the_container_running() {
    alone(|client| async move {
        let (lab, sshd) = (Lab::get(), machine(&client));
        for at in ["POST /containers/*/stop", "POST /containers/*/start", "POST /containers/create"] {
            let scope = lab.scope("ssh-lost-run");
            let image = scope.pull(&Image::new().build(), "t");
            let name = scope.name("c");
            lab.engine.run_image(&name, &image.reference);
            let before = lab.engine.container(&name).unwrap();
            scope.pull(&Image::new().build(), "t");
            let proxy = Proxy::engine(lab);
            let gate = proxy.hold_answer(When::first(at));
            let refit = open(&format!("{}{}", sshd.host, proxy.host.trim_start_matches("unix://"))).await.unwrap();
            let options = RecreateOptions { settle: Duration::from_millis(300), allow_lossy: true, ..RecreateOptions::default() };
            let run = tokio::spawn(refit.recreate_container(&name, options).into_future());
            let held = tokio::task::spawn_blocking(move || gate.wait(Duration::from_secs(20))).await.unwrap();
            sshd.cut();
            held.cut();
            // Rolled back, or finished: the engine is there again at the next request.
            let outcome = run.await.unwrap();
            let after = lab.engine.container(&name).unwrap();
            assert_eq!(after["State"]["Running"], true, "{at}: {outcome:?}");
            assert_eq!(outcome.is_err(), after["Id"] == before["Id"], "{at}: {outcome:?}");
            refit.close().await;
        }
    });
}

#[test]
fn fifty_connections_leave_no_process_no_thread_and_no_file() {
    alone(|client| async move {
        let sshd = machine(&client);
        let refit = open(&sshd.host).await.unwrap();
        refit.engine_info().await.unwrap();
        refit.close().await;
        drop(refit);
        soon("no ssh at the beginning", Duration::from_secs(30), || ssh_children().is_empty()).await;
        let (files, threads_before) = (open_files(), threads());
        for _ in 0..10 {
            let refit = open(&sshd.host).await.unwrap();
            let calls = (0..5).map(|_| {
                let refit = refit.clone();
                tokio::spawn(async move { refit.images(&refit::image::ListOptions::default()).await.map(drop) })
            });
            for call in calls.collect::<Vec<_>>() {
                call.await.unwrap().unwrap();
            }
        }
        soon("no ssh is left", Duration::from_secs(30), || ssh_children().is_empty()).await;
        soon("no session is left", Duration::from_secs(30), || sshd.sessions() == 0).await;
        soon("no file is left", Duration::from_secs(30), || open_files() <= files).await;
        soon("no thread is left", Duration::from_secs(60), || threads() <= threads_before).await;
    });
}
