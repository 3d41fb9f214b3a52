//! The container through which the handle reaches its engine.

use std::io;
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use crate::recreation::{Case, connect, failed, quick, recreate_at, runtime};
use refit::Code;
use refit::container::RecreationResult;
use refit::image::{PlannedAction, UpdateOptions};
use refit_lab::{Address, Image, Proxy, not_here};
use serde_json::json;

/// The lab's proxy has its socket in the folder for temporary files, which the container mounts.
#[test]
fn the_container_that_mounts_the_folder_of_the_handles_socket_is_refused_unless_allowed() {
    let case = Case::new("line");
    let folder = format!("{}:/sockets", std::env::temp_dir().display());
    case.lab.engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"Binds": [folder]}}));
    let before = case.inspect(&case.name);
    case.moves_to(&Image::new().version("2"));
    let proxy = Proxy::engine(case.lab);
    let (error, report) = failed(recreate_at(&proxy, &case.name, quick(), || ()));
    assert_eq!((error.code(), report.result), (Code::Unsupported, RecreationResult::Refused), "{error}");
    for word in ["allow_own_connection", proxy.host.trim_start_matches("unix://")] {
        assert!(error.message().contains(word), "{word}: {error}");
    }
    let plan = runtime().block_on(async { connect(&proxy.host).await.plan_update(case.image(), UpdateOptions::default()).await }).unwrap();
    assert_eq!(plan.containers[0].action, PlannedAction::Refused);
    assert!(plan.containers[0].reason.as_ref().is_some_and(|reason| reason.contains("allow_own_connection")), "{plan:?}");
    assert_eq!(case.inspect(&case.name), before);
    assert_eq!(proxy.count("POST /containers/*"), 0, "nothing was begun");

    let mut allowed = quick();
    allowed.allow_own_connection = true;
    recreate_at(&proxy, &case.name, allowed, || ()).unwrap();
    assert_ne!(case.inspect(&case.name)["Id"], before["Id"]);
}

/// A container that mounts the engine's own socket, as dashboards and updaters do, is not what listens there.
#[test]
fn a_container_that_mounts_the_engines_own_socket_is_recreated() {
    let case = Case::new("line-engine");
    let Address::Unix(socket) = &case.lab.engine.address else { return not_here("the engine has no socket") };
    let folder = socket.parent().unwrap().display();
    let binds = json!([format!("{}:/engine.sock", socket.display()), format!("{folder}:/run/engine")]);
    case.lab.engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"Binds": binds}}));
    case.moves_to(&Image::new().version("2"));
    crate::recreation::recreate(&case, quick()).unwrap();
}

#[test]
fn the_container_that_publishes_the_handles_port_is_refused() {
    let case = Case::new("line-port");
    let (Address::Unix(socket), Some(_)) = (&case.lab.engine.address, &case.lab.network) else {
        return not_here("ports are published on the network on which this test listens");
    };
    // The port is taken twice: here by what leads to the engine, and in the engine's network by the container.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    lead_to(listener, socket.clone());
    let bindings = json!({"2375/tcp": [{"HostIp": "", "HostPort": port.to_string()}]});
    let body = json!({"Image": case.image(), "StopTimeout": 1, "ExposedPorts": {"2375/tcp": {}}, "HostConfig": {"PortBindings": bindings}});
    case.lab.engine.run(&case.name, &body);
    let before = case.inspect(&case.name);
    case.moves_to(&Image::new().version("2"));
    let recreate = |host: String| runtime().block_on(async { connect(&host).await.recreate_container(case.name.clone(), quick()).await });
    let (error, _) = failed(recreate(format!("tcp://127.0.0.1:{port}")));
    assert_eq!(error.code(), Code::Unsupported, "{error}");
    assert!(error.message().contains(&format!("port {port}")), "{error}");
    assert_eq!(case.inspect(&case.name), before);
    recreate(case.lab.engine.host()).unwrap();
}

/// Leads connections to the engine's socket, as long as the process runs.
fn lead_to(listener: TcpListener, socket: PathBuf) {
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let Ok(engine) = UnixStream::connect(&socket) else { continue };
            let (mut from, mut to) = (client.try_clone().unwrap(), engine.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            let (mut from, mut to) = (engine, client);
            std::thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    });
}
