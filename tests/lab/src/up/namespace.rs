//! A network of the engine's own, so that its bridges and iptables rules never meet the machine's, and processes that outlive us.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Makes a named network with a loopback and, where the kernel can, an `eth0` with a default route that leads nowhere.
pub(crate) fn make(name: &str) -> PathBuf {
    let path = PathBuf::from("/run/netns").join(name);
    if path.exists() && within(&path, || true) {
        return path;
    }
    ip(&["netns", "add", name]).unwrap_or_else(|why| panic!("a network for the engine cannot be made (root is needed): {why}"));
    ip(&["-n", name, "link", "set", "lo", "up"]).unwrap();
    let eth0: [&[&str]; 4] = [
        &["link", "add", "eth0", "type", "veth", "peer", "name", "eth1"],
        &["addr", "add", "10.91.0.2/24", "dev", "eth0"],
        &["link", "set", "eth0", "up"],
        &["link", "set", "eth1", "up"],
    ];
    // Only swarm wants an address beside the loopback.
    if eth0.iter().all(|words| ip(&[&["-n", name], *words].concat()).is_ok()) {
        let _ = ip(&["-n", name, "route", "add", "default", "via", "10.91.0.1"]);
    }
    path
}

/// Takes it away.
pub(crate) fn remove(path: &Path) {
    if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
        let _ = ip(&["netns", "del", name]);
    }
}

fn ip(words: &[&str]) -> Result<(), String> {
    let done = Command::new("ip").args(words).output().map_err(|error| format!("ip: {error}"))?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()) }
}

/// Runs something on a thread inside a network; the answer is T's default when it cannot be entered.
pub(crate) fn within<T: Default + Send>(path: &Path, run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(|| enter(path).map(|()| run()).unwrap_or_default()).join().unwrap())
}

/// The calling thread's network from now on.
fn enter(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    Ok(move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// A listener inside a network. A socket stays in the network in which it was made, so any thread may use it.
pub(crate) fn listen(path: &Path, port: u16) -> io::Result<TcpListener> {
    let listen = || enter(path).and_then(|()| TcpListener::bind(("127.0.0.1", port)));
    std::thread::scope(|scope| scope.spawn(listen).join().unwrap())
}

/// A connection to a port inside a network.
pub(crate) fn connect(path: &Path, port: u16) -> io::Result<TcpStream> {
    let connect = || enter(path).and_then(|()| TcpStream::connect(("127.0.0.1", port)));
    std::thread::scope(|scope| scope.spawn(connect).join().unwrap())
}

/// A program in a session of its own, in a network or in ours, with an environment that holds nothing of the caller's.
pub(crate) fn daemon(inside: Option<&Path>, program: &str) -> Command {
    let mut command = Command::new(if inside.is_some() { "nsenter" } else { "setsid" });
    if let Some(path) = inside {
        command.arg(format!("--net={}", path.display())).arg("setsid");
    }
    command.arg(program).stdin(Stdio::null());
    command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root");
    command
}

/// Starts a daemon; nsenter and setsid become it, so its id is the child's.
pub(crate) fn spawn(mut command: Command) -> u32 {
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    let pid = child.id();
    std::thread::spawn(move || child.wait());
    pid
}

/// A process that runs: one that ended and waits for its parent does not.
pub(crate) fn alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

/// Whether a process has a word in its command line: a stored id may be somebody else's by now.
pub(crate) fn runs(pid: u32, word: &str) -> bool {
    alive(pid) && fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(word))
}

/// SIGTERM, and after so long SIGKILL.
pub(crate) fn terminate(pid: u32, patience: Duration) {
    signal(pid, Signal::TERM);
    let end = Instant::now() + patience;
    while alive(pid) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    if alive(pid) {
        signal(pid, Signal::KILL);
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Kills whatever still runs in a network that is ours alone: containerd and its shims after a SIGKILL of their engine.
pub(crate) fn kill_all_in(path: &Path) {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| fs::metadata(path).map(|data| (data.dev(), data.ino())).ok();
    let Some(ours) = id(path) else { return };
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(pid) = pid.filter(|_| id(&entry.path().join("ns/net")) == Some(ours)) {
            signal(pid, Signal::KILL);
        }
    }
}

/// Unmounts all that is mounted below a folder, the deepest first.
pub(crate) fn unmount_below(folder: &Path) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut points: Vec<_> =
        table.lines().filter_map(|line| line.split(' ').nth(4)).filter(|point| Path::new(point).starts_with(folder)).collect();
    points.sort_unstable_by_key(|point| std::cmp::Reverse(point.len()));
    for point in points {
        let _ = Command::new("umount").args(["-l", point]).output();
    }
}

/// The end of a log file.
pub(crate) fn end_of(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
