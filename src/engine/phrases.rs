//! What the engine's messages mean where the status of an answer does not tell. Its phrases stand here and nowhere else.

use crate::{Code, Error};

/// Podman 5.8's words for what is a 409 of Docker's: at a create, at a rename, and at a removal.
const CONFLICTS: [&str; 3] = [
    "that name is already in use",
    "UNIQUE constraint failed: ContainerConfig.Name",
    "running or paused containers cannot be removed without force",
];

/// Podman 5.8's words about a container that is removed while it is inspected.
const GONE_MEANWHILE: &str = "found in database: no such container";

/// At a start: Podman's words, and Docker's.
const PORT_HELD: [&str; 2] = ["address already in use", "port is already allocated"];

/// At a file of a container: Docker's words, and those of Linux.
const LINK_LOOP: [&str; 2] = ["too many links", "too many levels of symbolic links"];

/// At an archive with an entry of one kind where a file of the other kind is: Docker's words.
const FOLDER_IN_THE_WAY: [&str; 2] = ["cannot overwrite directory", "cannot overwrite non-directory"];

/// At a removal that an earlier request has begun.
const REMOVAL_IN_PROGRESS: &str = "already in progress";

/// At a pause: runc's words when the processes change faster than it freezes them.
const NOT_FROZEN: &str = "unable to freeze";

/// Of a log whose driver keeps nothing that could be read: Docker's words, and Podman's.
const LOG_UNREADABLE: [&str; 2] = ["logging driver does not support reading", "log driver, logs cannot be read"];

/// Why a command in a container was not started, with the exit code that a shell would give, at a start that Podman refuses. Docker says it in
/// the command's output.
const NOT_STARTED: [(&str, i64); 4] =
    [("executable file not found", 127), ("no such file or directory", 127), ("permission denied", 126), ("exec failed", 126)];

/// At an update of a service that was changed since it was read: swarmkit's words, in a 500.
const OUT_OF_SEQUENCE: &str = "update out of sequence";

/// Why an engine manages no swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotManager {
    NoSwarm,
    Worker,
    Locked,
}

/// Docker's words for it, in a 503.
const NOT_MANAGER: [(NotManager, &str); 3] = [
    (NotManager::Worker, "Worker nodes can't be used"),
    (NotManager::NoSwarm, "This node is not a swarm manager"),
    (NotManager::Locked, "needs to be unlocked"),
];

/// Of a registry that is asked too often, through the engine. In lower case, as all that follow.
pub(crate) const RATE_LIMITED: &[&str] = &["toomanyrequests", "too many requests", "rate limit", "pull rate"];

/// Of a registry that does not have the image.
pub(crate) const NOT_IN_REGISTRY: &[&str] = &["manifest unknown", "name unknown", "not known to registry", "failed to resolve reference"];
/// Of a registry that wants a credential, or another one.
pub(crate) const LOGIN_WANTED: &[&str] = &[
    "unauthorized",
    "authentication required",
    "access denied",
    "denied:",
    "is denied",
    "no basic auth",
    "insufficient_scope",
    "incorrect username or password",
];
/// Why the engine did not reach a registry.
pub(crate) const PROXY_FAILED: &[&str] = &["proxyconnect", "proxy error"];
pub(crate) const NAME_NOT_RESOLVED: &[&str] = &["no such host", "server misbehaving", "lookup "];
pub(crate) const CONNECTION_REFUSED: &[&str] = &["connection refused", "no route to host", "network is unreachable"];
pub(crate) const TLS_FAILED: &[&str] = &["x509", "tls:", "certificate", "server gave http response to https client"];
pub(crate) const TIMED_OUT: &[&str] = &["timeout", "timed out", "deadline exceeded", "request canceled"];
pub(crate) const CONNECTION_RESET: &[&str] = &["connection reset", "eof", "broken pipe"];

/// Docker 26's words for an image that it has pulled and that is not for the platform that was requested.
const OTHER_PLATFORM: &str = "does not match the specified platform";

/// Docker 28's words before those of a registry, in lower case.
const FROM_REGISTRY: &str = "error from registry";

/// What a failed pull means, by the first row with a phrase of its message.
const PULL_FAILURES: [(Code, &[&str]); 5] = [
    (Code::RateLimited, RATE_LIMITED),
    (
        Code::Unauthorized,
        &[
            "unauthorized",
            "authentication required",
            "access denied",
            "access to the resource is denied",
            "no basic auth",
            "401 ",
            ": 401",
            "403 forbidden",
            ": 403",
            "denied:",
        ],
    ),
    (Code::NotFound, &["manifest unknown", "no matching manifest", "not found", "name unknown", OTHER_PLATFORM]),
    (Code::Data, &["filesystem layer verification failed", "verification failed", "unexpected commit digest", "failed to verify"]),
    (
        Code::Unreachable,
        &[
            "dial tcp",
            "no such host",
            "connection refused",
            "i/o timeout",
            "tls handshake",
            "connection reset",
            "x509:",
            "deadline exceeded",
            "unexpected eof",
            ": eof",
            "server misbehaving",
            "network is unreachable",
            "client.timeout",
        ],
    ),
];

/// Whether a message, in lower case, has one of the phrases.
pub(crate) fn has(message: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| message.contains(phrase))
}

/// What a failed pull means, from the engine's message without the names of the image, and the status of its answer where it is no error in
/// the stream.
pub(crate) fn pull_failure(message: &str, status: Option<u16>) -> Code {
    let message = message.to_lowercase();
    match status {
        Some(429) => return Code::RateLimited,
        // Docker 28 with containerd's store hands the registry's status on. A proxy before the engine's socket may answer 403 too.
        Some(401 | 403) if message.contains(FROM_REGISTRY) => return Code::Unauthorized,
        _ => {}
    }
    let row = PULL_FAILURES.iter().find(|(_, phrases)| has(&message, phrases));
    row.map_or(if status == Some(404) { Code::NotFound } else { Code::Engine }, |(code, _)| *code)
}

/// What an answer that is no success means.
pub(super) fn code(status: u16, message: &str) -> Code {
    match status {
        404 => Code::NotFound,
        409 => Code::Conflict,
        500 if has(message, &CONFLICTS) => Code::Conflict,
        500 if message.ends_with(GONE_MEANWHILE) => Code::NotFound,
        _ => Code::Engine,
    }
}

/// "client version 1.51 is too new. Maximum supported API version is 1.41", and the same with "too old".
pub(super) fn is_version_refused(message: &str) -> bool {
    message.contains("client version") && (message.contains("too new") || message.contains("too old"))
}

/// Whether a start has failed because another container, or its proxy, still holds a published port.
pub(crate) fn is_port_held(error: &Error) -> bool {
    has(error.message(), &PORT_HELD)
}

/// Whether a path is a link of a loop.
pub(crate) fn is_link_loop(error: &Error) -> bool {
    has(error.message(), &LINK_LOOP)
}

/// Whether an archive was refused because a folder is where a file would be, or the other way round.
pub(crate) fn is_folder_in_the_way(error: &Error) -> bool {
    has(error.message(), &FOLDER_IN_THE_WAY)
}

/// Whether an update of a service was refused because somebody has changed it since it was read.
pub(crate) fn is_out_of_sequence(error: &Error) -> bool {
    error.message().contains(OUT_OF_SEQUENCE)
}

/// Why an engine that has refused a request about a swarm manages none; `None` where it was refused for another reason.
pub(super) fn not_manager(error: &Error) -> Option<NotManager> {
    NOT_MANAGER.iter().find(|(_, phrase)| error.message().contains(phrase)).map(|(why, _)| *why)
}

/// Whether a container is being removed already.
pub(crate) fn is_removal_in_progress(error: &Error) -> bool {
    error.message().contains(REMOVAL_IN_PROGRESS)
}

/// Whether a pause has failed only because the container's processes were not frozen in time.
pub(crate) fn is_not_frozen(error: &Error) -> bool {
    error.message().contains(NOT_FROZEN)
}

/// Whether a log cannot be read because of its driver.
pub(crate) fn is_log_unreadable(error: &Error) -> bool {
    has(error.message(), &LOG_UNREADABLE)
}

/// The exit code of a command that was not started, from the refusal of its start.
pub(crate) fn exit_code_of_refused(error: &Error) -> Option<i64> {
    let message = error.message().to_lowercase();
    NOT_STARTED.iter().find(|(phrase, _)| message.contains(phrase)).map(|(_, code)| *code)
}

/// Whether a pull has failed because the tag names an image for another platform alone.
pub(crate) fn is_other_platform(error: &Error) -> bool {
    error.message().contains(OTHER_PLATFORM)
}

/// Whether a create has failed because its image is not local.
pub(crate) fn is_image_missing(error: &Error) -> bool {
    error.code() == Code::NotFound && error.message().to_lowercase().contains("no such image")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_means_what_its_status_or_its_words_say() {
        let cases = [
            (404, "No such container: x", Code::NotFound),
            (409, "Conflict", Code::Conflict),
            (400, "bad parameter", Code::Engine),
            (500, "driver failed", Code::Engine),
            (
                500,
                "renaming container 9d40: updating container config table: UNIQUE constraint failed: ContainerConfig.Name",
                Code::Conflict,
            ),
            (500, "no container with ID d8f8 found in database: no such container", Code::NotFound),
        ];
        for (status, words, expected) in cases {
            assert_eq!(code(status, words), expected, "{status} {words}");
        }
    }

    #[test]
    fn an_engine_that_manages_no_swarm_says_why() {
        let cases = [
            (
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.",
                Some(NotManager::NoSwarm),
            ),
            (
                "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.",
                Some(NotManager::Worker),
            ),
            (
                "Swarm is encrypted and needs to be unlocked before it can be used. Please use \"docker swarm unlock\" to unlock it.",
                Some(NotManager::Locked),
            ),
            ("rpc error: code = Unknown desc = The swarm does not have a leader.", None),
        ];
        for (words, expected) in cases {
            assert_eq!(not_manager(&Code::Engine.error(words).with_http_status(503)), expected, "{words}");
        }
    }

    #[test]
    fn version_errors_are_known() {
        assert!(is_version_refused("client version 1.51 is too new. Maximum supported API version is 1.41"));
        assert!(!is_version_refused("bad parameter"));
    }
}
