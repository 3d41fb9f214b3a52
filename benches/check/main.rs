//! 200 and 1000 up-to-date images, each in a repository of its own: refit beside curl (the floor), the engine's `/distribution`, skopeo
//! where it is installed, and cup where `CUP=` names its binary. In turn, each side a process of its own.
//!
//! Then the same over a line on which each way takes 25 ms, which the loopback hides.
//!
//! `make bench-check`.
#![allow(missing_docs, unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod far;
mod far_registry;
mod side;
mod slow_line;
mod tag_engine;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use refit::image::{CheckOptions, CheckState};
use refit::{ConnectOptions, Refit};
use refit_lab::{Engine, Image, Lab, Layer, Scope};
use side::{Side, measure_all};

const ROUNDS: usize = 9;
/// Of the sides that take seconds.
const SLOW_ROUNDS: usize = 3;
pub(crate) const ACCEPT: &str = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

fn main() {
    let words: Vec<String> = std::env::args().collect();
    match words.get(1).map(String::as_str) {
        Some("--check") => return check(&words[2]),
        Some("--distribution") => return distribution(&words[2], words[3].parse().expect("a number")),
        Some("--serve") => return far_registry::serve(Path::new(&words[2]), &words[3], &words[4]),
        _ => {}
    }
    let lab = Lab::get();
    let scope = lab.scope("bench-check");
    // `cargo bench --bench check -- --far` measures the slow line alone.
    if !words.iter().any(|word| word == "--far") {
        let images = prepare(&scope, 1000);
        println!("{} images", 200);
        let small = compare(lab, &scope, &images[..200], true);
        println!("{} images", images.len());
        let large = compare(lab, &scope, &images, false);
        println!("refit: 1000 images take {:.2} x the time of 200", large / small);
    }
    far::compare(lab, &scope);
}

/// Publishes and pulls: all have one small layer in common, and a configuration of their own.
fn prepare(scope: &Scope<'_>, count: usize) -> Vec<String> {
    let numbers = Mutex::new(0..count);
    let images = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                loop {
                    let Some(number) = numbers.lock().unwrap().next() else { return };
                    let artifact = Image::scratch().layer(Layer::new().file("/a", b"a")).build();
                    let image = scope.lab.registry.publish(&artifact, &scope.name(&format!("r{number:04}")), "t").reference;
                    scope.lab.engine.pull(&image).expect("the pull");
                    images.lock().unwrap().push(image);
                }
            });
        }
    });
    let mut images = images.into_inner().unwrap();
    images.sort();
    images
}

/// Measures all sides in turn; tells refit's median.
fn compare(lab: &Lab, scope: &Scope<'_>, images: &[String], all: bool) -> f64 {
    let folder = std::env::temp_dir().join(scope.name(&images.len().to_string()));
    std::fs::create_dir_all(&folder).unwrap();
    let sides = sides(lab, &folder, images, all);
    let mark = RefCell::new(lab.registry.mark());
    let medians = measure_all(&sides, || {
        let seen = lab.registry.requests_since(&mark.replace(lab.registry.mark()), "");
        (seen.len(), seen.iter().filter(|seen| seen.method == "GET" && seen.path.contains("/manifests/")).count())
    });
    std::fs::remove_dir_all(folder).unwrap();
    println!("refit / curl: wall {:.2}", medians[0] / medians[1]);
    medians[0]
}

fn sides(lab: &Lab, folder: &Path, images: &[String], all: bool) -> Vec<Side<'static>> {
    let own = std::env::current_exe().expect("this program");
    let (list, urls) = (folder.join("images"), folder.join("urls"));
    std::fs::write(&list, images.join("\n")).unwrap();
    let mut config = String::new();
    for image in images {
        let (host, path) = image.split_once('/').unwrap();
        let (repository, tag) = path.rsplit_once(':').unwrap();
        writeln!(config, "url = \"http://{host}/v2/{repository}/manifests/{tag}\"\noutput = \"/dev/null\"").unwrap();
    }
    std::fs::write(&urls, config).unwrap();
    let host = lab.engine.host();
    let ours = |words: Vec<String>| -> Box<dyn Fn() -> Command> {
        let (own, host) = (own.clone(), host.clone());
        Box::new(move || {
            let mut command = Command::new(&own);
            command.args(&words).env("DOCKER_HOST", &host);
            command
        })
    };
    let path = list.display().to_string();
    let mut sides = vec![
        Side { name: "refit", command: ours(vec!["--check".into(), path.clone()]), rounds: ROUNDS },
        Side { name: "curl", command: Box::new(move || curl(&urls)), rounds: ROUNDS },
    ];
    if let Ok(cup) = std::env::var("CUP") {
        let settings = folder.join("cup.json");
        let registry = lab.registry.host.clone();
        std::fs::write(&settings, serde_json::json!({"registries": {registry: {"insecure": true}}}).to_string()).unwrap();
        let (socket, list) = (host.clone(), images.to_vec());
        let command = move || {
            let mut command = Command::new(&cup);
            command.arg("--socket").arg(&socket).arg("--config-path").arg(&settings).args(["check", "-r"]).args(&list);
            command
        };
        sides.push(Side { name: "cup", command: Box::new(command), rounds: ROUNDS });
    }
    if all {
        for (name, at_once) in [("/distribution, 8", "8"), ("/distribution, 1", "1")] {
            let words = vec!["--distribution".into(), path.clone(), at_once.into()];
            sides.push(Side { name, command: ours(words), rounds: SLOW_ROUNDS });
        }
        if Command::new("skopeo").arg("--version").stdout(Stdio::null()).status().is_ok() {
            let command = move || {
                let mut command = Command::new("xargs");
                command.args(["-a", &path, "-P", "8", "-I", "{}", "skopeo", "inspect", "--tls-verify=false", "docker://{}"]);
                command
            };
            sides.push(Side { name: "skopeo, 8", command: Box::new(command), rounds: SLOW_ROUNDS });
        }
    }
    sides
}

fn curl(urls: &PathBuf) -> Command {
    let mut command = Command::new("curl");
    command.args(["-Z", "--no-progress-meter", "--parallel-max", "16", "-s", "-I", "-H", ACCEPT, "-K"]).arg(urls);
    command
}

/// The child: all images in one call.
fn check(list: &str) {
    let images: Vec<String> = std::fs::read_to_string(list).unwrap().lines().map(str::to_owned).collect();
    let count = images.len();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let refit = Refit::connect(ConnectOptions::default()).await.expect("an engine");
        let before = memory("VmRSS");
        let list = refit.check_updates(Some(images), CheckOptions::default()).await.expect("the checks");
        let right = list.images.iter().filter(|check| check.state == CheckState::UpToDate).count();
        assert_eq!(right, count, "{:?}", list.images.iter().find(|check| check.state != CheckState::UpToDate));
        println!("{}", memory("VmHWM") - before);
    });
}

/// KiB of this process.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The child: the endpoint that the old package asked, so many at a time.
fn distribution(list: &str, at_once: usize) {
    let text = std::fs::read_to_string(list).unwrap();
    let images = Mutex::new(text.lines());
    let engine = Engine::at(&std::env::var("DOCKER_HOST").unwrap());
    std::thread::scope(|threads| {
        for _ in 0..at_once {
            threads.spawn(|| {
                loop {
                    let Some(image) = images.lock().unwrap().next() else { return };
                    assert!(engine.get(&format!("/distribution/{image}/json"))["Descriptor"]["digest"].is_string());
                }
            });
        }
    });
}
