//! Each fault does what it says, to the side it says.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use refit_lab::http::{self, Request};
use refit_lab::{Address, Canned, Engine, Fault, Image, Lab, Proxy, When};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(20);

fn ask(proxy: &Proxy, method: &str, path: &str, timeout: Duration) -> std::io::Result<http::Response> {
    let body: &[u8] = if method == "POST" { b"{}" } else { b"" };
    http::send(&Address::parse(&proxy.host), &Request { method, path, headers: &[], body, timeout })
}

/// The engine through a proxy, and a network that does not exist yet.
fn create_network(engine: &Engine, name: &str) -> u16 {
    engine.ask("POST", "/networks/create", &json!({ "Name": name, "CheckDuplicate": true })).status
}

#[test]
fn what_passes_is_unchanged_numbered_and_counted() {
    let lab = Lab::get();
    let proxy = Proxy::engine(lab);
    let engine = Engine::at(&proxy.host);
    let scope = lab.scope("pass");
    let image = scope.publish(&Image::new().build(), "1");
    engine.pull(&image.reference).unwrap();
    engine.run_image(&scope.name("c"), &image.reference);
    assert_eq!(engine.exec(&scope.name("c"), &["echo", "through"]).output, "through\n");
    let events = engine.events();
    engine.delete(&format!("/containers/{}?force=1", scope.name("c")));
    events.until(LIMIT, |event| {
        (event["Action"] == "destroy" || event["Action"] == "remove") && event["Actor"].to_string().contains(&scope.name)
    });
    assert_eq!((proxy.count("POST /containers/*/start"), proxy.count("POST /exec/*/start"), proxy.count("POST *")), (1, 1, 5));
    let seen = proxy.requests();
    assert_eq!((seen[0].number, seen[0].method.as_str(), seen[0].status), (1, "POST", Some(200)));
    drop(events);
    let end = Instant::now() + LIMIT;
    while proxy.open_connections() > 0 {
        assert!(Instant::now() < end, "a connection stays open that its client has closed");
    }
}

#[test]
fn one_connection_carries_many_requests() {
    let lab = Lab::get();
    let proxy = Proxy::engine(lab);
    let mut stream = Address::parse(&proxy.host).connect().unwrap();
    proxy.on(When::nth(2), Fault::Answer(Canned::message(500, "made up")));
    for expected in ["HTTP/1.1 200", "HTTP/1.1 500", "HTTP/1.1 200"] {
        stream.write_all(b"HEAD /_ping HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(expected.as_bytes()), "{}", String::from_utf8_lossy(&head));
    }
    assert_eq!((proxy.connections(), proxy.requests().len()), (1, 3));
}

#[test]
fn a_cut_request_has_no_effect_and_one_with_a_cut_answer_has() {
    let lab = Lab::get();
    let scope = lab.scope("cut");
    let proxy = Proxy::engine(lab);
    let body = |name: &str| json!({ "Name": name, "CheckDuplicate": true }).to_string().into_bytes();
    let exists = |name: &str| lab.engine.find(&format!("/networks/{name}")).is_some();
    let send = |name: &str| {
        let headers = &[("Content-Type", "application/json")];
        let body = body(name);
        let request = Request { method: "POST", path: "/v1.41/networks/create", headers, body: &body, timeout: Duration::from_secs(2) };
        http::send(&Address::parse(&proxy.host), &request)
    };
    let cases = [(Fault::Cut, false), (Fault::CutAnswer, true), (Fault::Hang, false), (Fault::HangAnswer, true)];
    for (at, (fault, carried_out)) in cases.into_iter().enumerate() {
        proxy.reset();
        let name = scope.name(&format!("n{at}"));
        let hangs = matches!(fault, Fault::Hang | Fault::HangAnswer);
        proxy.on(When::first("POST /networks/create"), fault.clone());
        let begun = Instant::now();
        let error = send(&name).unwrap_err();
        assert_eq!(begun.elapsed() >= Duration::from_secs(2), hangs, "{fault:?}: {error}");
        assert_eq!(exists(&name), carried_out, "{fault:?}");
        assert_eq!(proxy.requests()[0].status, None, "{fault:?}");
    }
    proxy.reset();
    proxy.on(When::first("POST *"), Fault::Pretend(Canned::message(500, "made up")));
    proxy.on(When::nth_of("POST *", 2), Fault::Answer(Canned::message(500, "made up")));
    let engine = Engine::at(&proxy.host);
    assert_eq!(create_network(&engine, &scope.name("pretend")), 500);
    assert!(exists(&scope.name("pretend")));
    assert_eq!(create_network(&engine, &scope.name("answer")), 500);
    assert!(!exists(&scope.name("answer")));
    assert_eq!(create_network(&engine, &scope.name("third")), 201);
}

#[test]
fn a_body_is_cut_or_stalls_at_its_byte() {
    let lab = Lab::get();
    let scope = lab.scope("body");
    let image = scope.publish(&Image::scratch().random_layer(1_000_000, 3).build(), "1");
    let blob = format!("/v2/{}/blobs/{}", scope.name, image.artifact.blobs[1].digest);
    let proxy = Proxy::registry(lab);
    let read = || {
        let request = Request { method: "GET", path: &blob, headers: &[], body: b"", timeout: Duration::from_secs(1) };
        let mut open = http::open(&Address::parse(&proxy.host), &request).unwrap();
        let mut body = Vec::new();
        let begun = Instant::now();
        let error = open.body.read_to_end(&mut body).err();
        (body.len(), error, begun.elapsed())
    };
    assert_eq!(read().0, image.artifact.blobs[1].bytes.len());
    proxy.on(When::nth_of("GET *", 1), Fault::CutBody(300_000));
    proxy.on(When::nth_of("GET *", 2), Fault::HangBody(300_000));
    let (length, error, _) = read();
    assert_eq!((length, error.unwrap().kind()), (300_000, std::io::ErrorKind::UnexpectedEof));
    let (length, error, time) = read();
    assert_eq!((length, error.is_some(), time >= Duration::from_secs(1)), (300_000, true, true));
}

#[test]
fn an_engine_pulls_through_a_proxy_with_faults() {
    let lab = Lab::get();
    let scope = lab.scope("through");
    let image = scope.publish(&Image::new().build(), "1");
    let proxy = Proxy::registry(lab);
    let reference = image.reference.replace(&lab.registry.host, &proxy.host);
    lab.engine.pull(&reference).unwrap();
    // Other tests' images share the layer, so only the configuration is asked for in any case.
    assert_eq!(proxy.count(&format!("GET /v2/*/blobs/{}", image.config_digest)), 1, "{:#?}", proxy.requests());
    // 429 and 5xx would be repeated by the engine for some 20 s.
    let canned = Canned::json(403, &json!({ "errors": [{ "code": "DENIED", "message": "made up" }] })).header("Retry-After", "7");
    proxy.on(When::each("* /v2/*/manifests/*"), Fault::Answer(canned));
    let error = lab.engine.pull(&reference).unwrap_err();
    // containerd tells the status alone.
    assert!(error.contains("denied") || error.contains("403"), "{error}");
}

#[test]
fn a_gate_holds_a_request_until_the_test_releases_it() {
    let lab = Lab::get();
    let scope = lab.scope("gate");
    let proxy = Proxy::engine(lab);
    let engine = Engine::at(&proxy.host);
    let exists = |name: &str| lab.engine.find(&format!("/networks/{name}")).is_some();
    let before = proxy.hold(When::nth_of("POST *", 1));
    let after = proxy.hold_answer(When::nth_of("POST *", 2));
    let (first, second) = (scope.name("first"), scope.name("second"));
    std::thread::scope(|threads| {
        let asked = threads.spawn(|| create_network(&engine, &first));
        let held = before.wait(LIMIT);
        assert_eq!((held.request.method.as_str(), held.request.number), ("POST", 1));
        assert!(!exists(&first));
        held.release();
        assert_eq!(asked.join().unwrap(), 201);
        let asked = threads.spawn(|| ask(&proxy, "POST", "/containers/refit-lab-nobody/stop", LIMIT).is_ok());
        let held = after.wait(LIMIT);
        held.cut();
        assert!(!asked.join().unwrap());
    });
    assert_eq!(create_network(&engine, &second), 201);
    assert!(before.try_wait(Duration::ZERO).is_none());
}

#[test]
fn delayed_requests_take_longer() {
    let lab = Lab::get();
    let proxy = Proxy::engine(lab);
    proxy.on(When::nth(1), Fault::Delay(Duration::from_millis(300)));
    proxy.on(When::nth(2), Fault::DelayAnswer(Duration::from_millis(300)));
    for slow in [true, true, false] {
        let begun = Instant::now();
        assert_eq!(ask(&proxy, "GET", "/_ping", LIMIT).unwrap().status, 200);
        assert_eq!(begun.elapsed() >= Duration::from_millis(300), slow);
    }
}

#[test]
fn a_dropped_proxy_stops_listening() {
    let lab = Lab::get();
    let proxy = Proxy::registry(lab);
    let host = Address::parse(&proxy.host);
    let mut idle = host.connect().unwrap();
    drop(proxy);
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
    let end = Instant::now() + LIMIT;
    while host.connect().is_ok() {
        assert!(Instant::now() < end);
    }
}

#[test]
fn a_published_port_is_reached_from_this_side() {
    let lab = Lab::get();
    let scope = lab.scope("port");
    let image = scope.pull(&Image::new().file("www/index.html", b"served").cmd(["httpd", "-f", "-p", "80", "-h", "/www"]).build(), "1");
    let ports = json!({ "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "" }] });
    let body = json!({ "Image": image.reference, "ExposedPorts": { "80/tcp": {} }, "HostConfig": { "PortBindings": ports } });
    let id = lab.engine.run(&scope.name("c"), &body);
    let port = lab.engine.container(&id).unwrap()["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"].as_str().unwrap().parse().unwrap();
    let relay = lab.reach(port);
    let request = Request { method: "GET", path: "/", headers: &[], body: b"", timeout: LIMIT };
    let end = Instant::now() + LIMIT;
    let answer = loop {
        match http::send(&Address::parse(&relay.host), &request) {
            Ok(answer) => break answer,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
    };
    assert_eq!(answer.text(), "served");
}
