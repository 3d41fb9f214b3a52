//! OpenSSH's sshd on a loopback port, in front of an engine: another machine, as an `ssh://` host sees it.
//!
//! Host key, keys and configurations are its own, in a folder of its own. ssh finds its configuration by the user's home of passwd, whatever HOME
//! is: a client gets a PATH on which another `ssh` comes first, which names a configuration.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::address::Address;
use crate::digest::unique;
use crate::up::packages;

const SSHD: &str = "/usr/sbin/sshd";
const SSH: &str = "/usr/bin/ssh";
const PROGRAMS: &[(&str, &str)] = &[("sshd", "openssh-server"), ("ssh", "openssh-client"), ("docker", "docker-cli")];
const FOLDERS: [&str; 5] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// What a client of the sshd knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knows {
    /// The host's key, and a key that gets in.
    All,
    /// A key that does not get in.
    WrongKey,
    /// Nothing of the host.
    NoHostKey,
    /// That it gets in, where there is no docker.
    NoDocker,
    /// That it gets in, where a shell's start files print something.
    Chatty,
}

/// Dropping it ends sshd and all of its sessions.
#[derive(Debug)]
pub struct Sshd {
    /// `ssh://USER@127.0.0.1:PORT`.
    pub host: String,
    folder: PathBuf,
    child: Child,
}

impl Sshd {
    /// In front of an engine.
    pub fn start(engine: &Address) -> Self {
        packages::ensure_quietly(PROGRAMS);
        let folder = std::env::temp_dir().join(format!("refit-lab-sshd-{}", unique()));
        for part in ["there", "chatty"] {
            std::fs::create_dir_all(folder.join(part)).unwrap();
        }
        for key in ["host_key", "key", "wrong_key"] {
            let key = folder.join(key);
            succeeds(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "refit-lab", "-f"]).arg(&key));
        }
        std::fs::copy(folder.join("key.pub"), folder.join("authorized_keys")).unwrap();
        let docker = docker();
        write_program(&folder.join("there/docker"), &format!("#!/bin/sh\nexec {} \"$@\"\n", docker.display()));
        write_program(
            &folder.join("chatty/docker"),
            &format!("#!/bin/sh\necho 'Welcome to this machine'\nexec {} \"$@\"\n", docker.display()),
        );
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let in_folder = |name: &str| folder.join(name).display().to_string();
        let engine = match engine {
            Address::Unix(path) => format!("unix://{}", path.display()),
            Address::Tcp(host) => format!("tcp://{host}"),
        };
        // bash reads the user's ~/.bashrc for a command over ssh, unless it takes itself for a shell within a shell.
        let configuration = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nAcceptEnv REFIT_LAB_*\nLogLevel ERROR\n\
             SetEnv PATH={}:/usr/bin:/bin DOCKER_HOST={engine} SHLVL=2\n",
            in_folder("host_key"),
            in_folder("authorized_keys"),
            in_folder("there"),
        );
        std::fs::write(folder.join("sshd_config"), configuration).unwrap();
        let _ = std::fs::create_dir_all("/run/sshd");
        let child = Command::new(SSHD)
            .args(["-D", "-e", "-o", "ListenAddress=127.0.0.1", "-p", &port.to_string(), "-f"])
            .arg(folder.join("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let public = std::fs::read_to_string(folder.join("host_key.pub")).unwrap();
        std::fs::write(folder.join("known_hosts"), format!("[127.0.0.1]:{port} {public}")).unwrap();
        std::fs::write(folder.join("no_known_hosts"), "").unwrap();
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let sshd = Self { host: format!("ssh://{}@127.0.0.1:{port}", user.trim()), folder, child };
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = std::fs::read_to_string(sshd.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "sshd does not listen: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        sshd
    }

    /// Writes an `ssh` into a folder that comes first on the PATH of a client.
    pub fn client(&self, folder: &Path, knows: Knows) {
        let (key, known_hosts) = match knows {
            Knows::WrongKey => ("wrong_key", "known_hosts"),
            Knows::NoHostKey => ("key", "no_known_hosts"),
            _ => ("key", "known_hosts"),
        };
        let configuration = format!(
            "Host *\n  IdentityFile {}\n  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n",
            self.folder.join(key).display(),
            self.folder.join(known_hosts).display()
        );
        let own = self.folder.join(format!("{knows:?}"));
        std::fs::write(&own, configuration).unwrap();
        // The command that ssh is given is the last argument but some: the shell there is told another PATH before it.
        let there = match knows {
            Knows::NoDocker => "/nonexistent".to_owned(),
            Knows::Chatty => format!("{}:/usr/bin:/bin", self.folder.join("chatty").display()),
            _ => format!("{}:/usr/bin:/bin", self.folder.join("there").display()),
        };
        let client = format!(
            "#!/bin/sh\nconfig={}\ncase \" $* \" in *' docker '*) ;; *) exec {SSH} -F $config \"$@\";; esac\n\
             n=$#; while [ $n -gt 0 ]; do a=$1; shift; [ \"$a\" = docker ] && set -- \"$@\" PATH={there}; set -- \"$@\" \"$a\"; n=$((n-1)); done\n\
             exec {SSH} -F $config \"$@\"\n",
            own.display()
        );
        write_program(&folder.join("ssh"), &client);
    }

    /// How many logins there are now.
    pub fn sessions(&self) -> usize {
        children(self.child.id()).len()
    }

    /// Ends every session at once, as a machine that goes away; sshd itself stays.
    pub fn cut(&self) {
        descendants(self.child.id()).into_iter().for_each(kill);
    }

    /// Ends sshd too.
    pub fn stop(&mut self) {
        let sessions = descendants(self.child.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
        sessions.into_iter().for_each(kill);
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Docker's client; another program of that name may come first on PATH.
fn docker() -> PathBuf {
    let is_client = |program: &PathBuf| {
        let asked = Command::new(program).args(["system", "dial-stdio", "--help"]).stderr(Stdio::null()).output();
        asked.is_ok_and(|asked| asked.status.success() && String::from_utf8_lossy(&asked.stdout).contains("dial-stdio"))
    };
    let found = FOLDERS.iter().map(|folder| Path::new(folder).join("docker")).find(is_client);
    found.expect("docker's client, of Debian's package docker.io or docker-cli")
}

fn write_program(path: &Path, text: &str) {
    // Written beside and renamed: a program that is open for writing cannot be run.
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&new, path).unwrap();
}

fn succeeds(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The processes that a process has started and that run, by /proc.
pub fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes.filter(|process| parent_of(*process) == Some(parent)).collect()
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

fn descendants(parent: u32) -> Vec<u32> {
    children(parent).into_iter().flat_map(|child| [vec![child], descendants(child)].concat()).collect()
}

fn kill(process: u32) {
    if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        let _ = kill_process(process, Signal::KILL);
    }
}
