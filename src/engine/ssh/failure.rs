//! What ssh said last, and what to do about it.

use std::fmt;
use std::time::Duration;

/// Why there is no connection, or no connection any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The last words of ssh, or of docker's client on the other machine.
    pub(super) words: String,
    /// ssh's own exit status is 255, any other one is that of the command.
    pub(super) status: Option<i32>,
}

/// The next step, by the first row with a phrase of the words, in lower case.
const NEXT: [(&[&str], &str); 8] = [
    (&["in place of an answer"], "what a shell starts with there must print nothing for a command without a terminal"),
    (&["cannot be run"], "install OpenSSH's client; it is looked for on PATH"),
    (
        &["host key verification failed", "host identification has changed", "host key is known"],
        "the host's key is not in known_hosts, or is another one: connect once by hand, and compare the key",
    ),
    // Of docker's client, before ssh's own "Permission denied (publickey)".
    (&["docker.sock: connect: permission denied", "docker daemon socket"], "may that user open the engine's socket there? (group docker)"),
    (
        &["permission denied"],
        "ssh has to get in without a question: with a key of its agent or its configuration (try ssh -o BatchMode=yes HOST true as this user)",
    ),
    (
        &["command not found", "docker: not found", "not found: docker", "unknown command", "is not a docker command"],
        "docker's client (18.09 or later) has to be on the PATH that a command over ssh has there",
    ),
    (&["dial unix", "connect to the docker daemon", "failed to connect", "daemon is not running"], "is Docker running there?"),
    (
        &["could not resolve", "connection refused", "timed out", "no route", "unreachable"],
        "is the address right, and does sshd listen there?",
    ),
];

impl Failure {
    /// ssh connects, or has connected, and nothing has come back from the engine.
    pub(crate) fn no_answer(within: Duration) -> Self {
        Self { words: format!("no answer of the engine has come back within {} s", within.as_secs_f64()), status: None }
    }

    /// The next step.
    pub(crate) fn next(&self) -> &'static str {
        let words = self.words.to_lowercase();
        let row = NEXT.iter().find(|(phrases, _)| phrases.iter().any(|phrase| words.contains(phrase)));
        row.map_or("does `ssh HOST docker version` work as this user? (causes say more)", |(_, next)| next)
    }

    /// Whether sshd has let ssh go before it had logged in. sshd takes only so many logins at a time (`MaxStartups`), and no request was sent.
    pub(super) fn is_let_go(&self) -> bool {
        let words = self.words.to_lowercase();
        self.status == Some(255) && ["connection closed by", "connection reset by"].iter().any(|phrase| words.contains(phrase))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.words.as_str(), self.status) {
            ("", Some(status)) => write!(f, "ssh has ended with status {status}, and said nothing"),
            ("", None) => f.write_str("ssh has ended, and said nothing"),
            (words, _) => write!(f, "ssh: {}", words.trim_start_matches("ssh: ")),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for std::io::Error {
    fn from(failure: Failure) -> Self {
        Self::other(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_step_fits_the_words() {
        let cases = [
            ("me@engine: Permission denied (publickey).", "BatchMode"),
            ("Host key verification failed.", "known_hosts"),
            ("bash: line 1: docker: command not found", "PATH"),
            ("dial unix /var/run/docker.sock: connect: permission denied", "group docker"),
            ("permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock", "group docker"),
            ("dial unix /var/run/docker.sock: connect: no such file or directory", "running"),
            ("dial unix /var/run/docker.sock: connect: connection refused", "running"),
            ("ssh: Could not resolve hostname nowhere: Name or service not known", "address"),
            ("ssh: connect to host 127.0.0.1 port 1: Connection refused", "address"),
            ("the other side prints \"Welcome\" in place of an answer", "terminal"),
            ("it cannot be run: No such file or directory", "OpenSSH"),
            ("Connection to 127.0.0.1 closed by remote host.", "docker version"),
        ];
        for (words, next) in cases {
            let failure = Failure { words: words.into(), status: Some(255) };
            assert!(failure.next().contains(next), "{words}: {}", failure.next());
        }
    }
}
