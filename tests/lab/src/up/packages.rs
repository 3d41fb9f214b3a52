//! What the lab needs of Debian, installed when it is missing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::image::static_busybox;

/// For an engine of our own.
pub(crate) const ENGINE: &[(&str, &str)] =
    &[("dockerd", "docker.io"), ("ip", "iproute2"), ("iptables", "iptables"), ("nsenter", "util-linux")];
/// For the registry and the images.
pub(crate) const REGISTRY: &[(&str, &str)] = &[("docker-registry", "docker-registry")];

/// Installs the packages whose program is not there.
pub(crate) fn ensure(programs: &[(&'static str, &'static str)]) {
    let mut missing: Vec<_> = programs.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect();
    if static_busybox().is_none() {
        missing.push("busybox-static");
    }
    if missing.is_empty() {
        return;
    }
    if missing.contains(&"docker.io") {
        missing.push("ca-certificates");
    }
    eprintln!("lab: installing {} with apt-get", missing.join(" "));
    apt(&["update"]);
    apt(&[&["install", "-y", "--no-install-recommends"], &missing[..]].concat());
}

/// The same for a package that starts a service: it is not started.
pub(crate) fn ensure_quietly(programs: &[(&'static str, &'static str)]) {
    if programs.iter().all(|(program, _)| is_there(program)) {
        return;
    }
    let policy = Path::new("/usr/sbin/policy-rc.d");
    let is_ours = !policy.exists();
    if is_ours {
        std::fs::write(policy, "#!/bin/sh\nexit 101\n").unwrap();
        std::fs::set_permissions(policy, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    ensure(programs);
    if is_ours {
        std::fs::remove_file(policy).unwrap();
    }
}

fn is_there(program: &str) -> bool {
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists())
}

fn apt(words: &[&str]) {
    // Another installation, the machine's own for one, is waited for.
    let done = Command::new("apt-get")
        .args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
        .args(words)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output();
    match done {
        Ok(done) if done.status.success() => {}
        Ok(done) => panic!("apt-get {}: {}", words.join(" "), String::from_utf8_lossy(&done.stderr)),
        Err(error) => panic!("apt-get {}: {error}; on another system than Debian install these by hand", words.join(" ")),
    }
}
