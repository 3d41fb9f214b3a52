//! A line on which each way takes 25 ms, between two networks of the bench's own: two TAP devices, and a thread each way that keeps what comes
//! for so long. Needs root.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

const EACH_WAY: Duration = Duration::from_millis(25);
/// In the network of the clients, and in that of the servers.
const NEAR: &str = "10.92.0.1/24";
pub(crate) const FAR: [&str; 2] = ["10.92.0.2", "10.92.0.3"];
const DEVICE: &str = "slow0";

/// The line; it is taken away with the value.
pub(crate) struct SlowLine {
    near: String,
    far: String,
    hosts: PathBuf,
}

impl SlowLine {
    /// `hosts`: what the clients have as `/etc/hosts`.
    pub(crate) fn lay(folder: &Path, hosts: &str) -> Self {
        let process = std::process::id();
        let line = Self { near: format!("refit-near-{process}"), far: format!("refit-far-{process}"), hosts: folder.join("hosts") };
        std::fs::write(&line.hosts, hosts).unwrap();
        let ends = [&line.near, &line.far].map(|name| {
            ip(&["netns", "add", name]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
            tap_in(name)
        });
        for (name, addresses) in [(&line.near, vec![NEAR.to_owned()]), (&line.far, FAR.map(|address| format!("{address}/24")).to_vec())] {
            for address in addresses {
                ip(&["-n", name, "addr", "add", &address, "dev", DEVICE]);
            }
            ip(&["-n", name, "link", "set", DEVICE, "txqueuelen", "10000", "up"]);
        }
        let [near, far] = ends;
        carry(near.try_clone().unwrap(), far.try_clone().unwrap());
        carry(far, near);
        line
    }

    /// A command on the clients' side, with the names of the servers.
    pub(crate) fn near(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.near)).args(["unshare", "-m", "--propagation", "private", "sh", "-c"]);
        command.args(["mount --bind \"$0\" /etc/hosts && exec \"$@\""]).arg(&self.hosts).arg(program);
        command
    }

    /// A command on the servers' side.
    pub(crate) fn far(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.far)).arg(program);
        command
    }
}

impl Drop for SlowLine {
    fn drop(&mut self) {
        for name in [&self.near, &self.far] {
            ip(&["netns", "del", name]);
        }
    }
}

fn ip(words: &[&str]) {
    let done = Command::new("ip").args(words).output().expect("ip");
    assert!(done.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A TAP device in a network. A device is made in the network of the thread that makes it.
fn tap_in(network: &str) -> File {
    let path = CString::new(format!("/run/netns/{network}")).unwrap();
    std::thread::spawn(move || {
        // SAFETY: the path ends with a zero; a descriptor that is none is refused by setns.
        let entered = unsafe { libc::setns(libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC), libc::CLONE_NEWNET) };
        assert_eq!(entered, 0, "setns: {}", std::io::Error::last_os_error());
        // SAFETY: the path ends with a zero.
        let descriptor = unsafe { libc::open(c"/dev/net/tun".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        assert!(descriptor >= 0, "/dev/net/tun: {}", std::io::Error::last_os_error());
        // SAFETY: the descriptor is open and belongs to nobody else.
        let file = unsafe { File::from_raw_fd(descriptor) };
        // SAFETY: a zeroed ifreq is a valid one.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(DEVICE.bytes()) {
            *to = libc::c_char::try_from(from).unwrap();
        }
        request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_TAP | libc::IFF_NO_PI).unwrap();
        // SAFETY: TUNSETIFF reads an ifreq.
        let made = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw const request) };
        assert_eq!(made, 0, "TUNSETIFF: {}", std::io::Error::last_os_error());
        file
    })
    .join()
    .unwrap()
}

/// Hands on each packet when its time has come, until the devices are gone.
fn carry(mut from: File, mut to: File) {
    let (sender, packets) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 70_000];
        while let Ok(length) = from.read(&mut buffer) {
            if sender.send((Instant::now() + EACH_WAY, buffer[..length].to_vec())).is_err() {
                break;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, packet) in packets {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // A device that is not up yet, or full, loses the packet as a line does.
            let _ = to.write(&packet);
        }
    });
}
