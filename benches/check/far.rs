//! The rows of the slow line: one registry over HTTP/2 and over HTTP/1.1, ten registries, Docker Hub. All names are tags of one image, and each
//! is in a repository of its own. Each registry has a token server. cup has an engine of its own (`tag_engine`), which is quicker than Docker's.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use refit_lab::{Artifact, Image, Lab, Layer, Scope};

use crate::ACCEPT;
use crate::far_registry::{READY, hosts, name, take_count, write_certificates};
use crate::side::{Side, measure_all};
use crate::slow_line::SlowLine;
use crate::tag_engine;

const ROUNDS: usize = 7;

/// Measures every row.
pub(crate) fn compare(lab: &Lab, scope: &Scope<'_>) {
    let folder = std::env::temp_dir().join(scope.name("far"));
    std::fs::create_dir_all(&folder).unwrap();
    write_certificates(&folder);
    let artifact = Image::scratch().layer(Layer::new().file("/a", b"a")).build();
    let local = scope.pull(&artifact, "t").reference;
    let line = SlowLine::lay(&folder, &hosts());
    let mut servers = Servers::start(&line, &folder, &artifact);
    let tag_engine = tag_engine::serve(&folder.join("engine"), &artifact.digest);
    for (title, images) in rows(&scope.name) {
        for image in &images {
            lab.engine.tag(&local, image);
        }
        println!("{title}, 50 ms away");
        let sides = sides(lab, &tag_engine, &line, &folder, &images);
        measure_all(&sides, || (take_count(&folder).expect("the far side counts"), 0));
        for image in &images {
            lab.engine.delete(&format!("/images/{image}"));
        }
    }
    servers.0.kill().unwrap();
    servers.0.wait().unwrap();
    drop(line);
    std::fs::remove_dir_all(folder).unwrap();
}

fn rows(unique: &str) -> Vec<(&'static str, Vec<String>)> {
    let of = |registry: &str, count: usize| (0..count).map(|number| format!("{registry}/{unique}/r{number:04}:t")).collect::<Vec<_>>();
    vec![
        ("200 images of one registry", of(&name(0, true), 200)),
        ("1000 images of one registry", of(&name(0, true), 1000)),
        ("200 images over HTTP/1.1", of(&name(0, false), 200)),
        ("1000 images over HTTP/1.1", of(&name(0, false), 1000)),
        ("200 images of ten registries", (0..10).flat_map(|number| of(&name(number, true), 20)).collect()),
        ("50 images of Docker Hub", (0..50).map(|number| format!("{unique}-r{number:02}:t")).collect()),
    ]
}

/// The servers' process; it ends with the value.
struct Servers(Child);

impl Servers {
    fn start(line: &SlowLine, folder: &Path, artifact: &Artifact) -> Self {
        let mut command = line.far(&own());
        let child = command.arg("--serve").arg(folder).args([&artifact.digest, &artifact.media_type]).spawn().unwrap();
        let begun = Instant::now();
        while take_count(folder).is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the far side begins to serve");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self(child)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

fn own() -> PathBuf {
    std::env::current_exe().expect("this program")
}

/// `HOST`, `REPOSITORY`, `TAG` as they are asked for.
fn asked_for(image: &str) -> (String, String, String) {
    let (name, tag) = image.rsplit_once(':').unwrap();
    let (host, repository) = match name.split_once('/') {
        Some((host, repository)) => (host.to_owned(), repository.to_owned()),
        None => ("registry-1.docker.io".to_owned(), format!("library/{name}")),
    };
    (host, repository, tag.to_owned())
}

fn sides<'a>(lab: &Lab, tag_engine: &str, line: &'a SlowLine, folder: &Path, images: &[String]) -> Vec<Side<'a>> {
    let (list, urls, roots) = (folder.join("images"), folder.join("urls"), folder.join("ca.pem"));
    std::fs::write(&list, images.join("\n")).unwrap();
    let mut config = String::new();
    for image in images {
        let (host, repository, tag) = asked_for(image);
        writeln!(config, "url = \"https://{host}/v2/{repository}/manifests/{tag}\"\noutput = \"/dev/null\"").unwrap();
    }
    std::fs::write(&urls, config).unwrap();
    let (socket, trusted) = (lab.engine.host(), roots.clone());
    let refit = move || {
        let mut command = line.near(&own());
        command.arg("--check").arg(&list).env("DOCKER_HOST", &socket).env("SSL_CERT_FILE", &trusted);
        command
    };
    let trusted = roots.clone();
    let curl = move || {
        let mut command = line.near(Path::new("curl"));
        command.args(["-Z", "--no-progress-meter", "--parallel-max", "16", "-s", "-I", "-H", ACCEPT, "-H"]);
        command.arg(format!("Authorization: Bearer {READY}")).arg("--cacert").arg(&trusted).arg("-K").arg(&urls).stdout(Stdio::null());
        command
    };
    let mut sides = vec![
        Side { name: "refit", command: Box::new(refit), rounds: ROUNDS },
        Side { name: "curl, tokens ready", command: Box::new(curl), rounds: ROUNDS },
    ];
    if let Ok(cup) = std::env::var("CUP") {
        let (socket, images) = (tag_engine.to_owned(), images.to_vec());
        let command = move || -> Command {
            let mut command = line.near(Path::new(&cup));
            command.arg("--socket").arg(&socket).args(["check", "-r"]).args(&images).env("SSL_CERT_FILE", &roots);
            command
        };
        sides.push(Side { name: "cup", command: Box::new(command), rounds: ROUNDS });
    }
    sides
}
