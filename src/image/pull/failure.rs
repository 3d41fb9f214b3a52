//! What a failed pull means: the engine gives words, a caller needs a code.

use crate::reference::Reference;
use crate::{Code, Error};

/// The engine's error of a pull, whether it was its answer or came inside the stream.
pub(super) fn classify(image: &str, words: &str, status: Option<u16>) -> Error {
    let own = Reference::parse(image).map_or_else(|_| words.to_owned(), |reference| reference.left_out_of(words));
    let code = code(&own.to_lowercase(), status);
    let next = match code {
        Code::NotFound => "is the name right, and has it this platform?",
        Code::Unauthorized => "are the credentials right, and is the name? (a registry may answer so for a missing repository too)",
        Code::RateLimited => "try again later, or with an account",
        Code::Unreachable => "can the engine reach the registry?",
        Code::Data => "what was downloaded is not what the manifest names",
        _ => "these are the engine's words",
    };
    let error = code.error(format!("pulling image {image}: {}; {next}", words.trim())).with_image(image);
    match status {
        Some(status) => error.with_http_status(status),
        None => error,
    }
}

fn code(words: &str, status: Option<u16>) -> Code {
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if says(&["toomanyrequests", "too many requests", "rate limit", "pull rate"]) || status == Some(429) {
        Code::RateLimited
    } else if says(&[
        "unauthorized",
        "authentication required",
        "access denied",
        "access to the resource is denied",
        "no basic auth",
        "401 ",
        ": 401",
        "403 forbidden",
        "denied:",
    ]) {
        Code::Unauthorized
    } else if says(&["manifest unknown", "no matching manifest", "not found", "name unknown", "does not match the specified platform"]) {
        Code::NotFound
    } else if says(&["filesystem layer verification failed", "verification failed", "unexpected commit digest", "failed to verify"]) {
        Code::Data
    } else if says(&[
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
    ]) {
        Code::Unreachable
    } else if status == Some(404) {
        Code::NotFound
    } else {
        Code::Engine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_not_the_engines_words() {
        for (image, words, expected) in [
            ("127.0.0.1:40191/app:1", "manifest for 127.0.0.1:40191/app:1 not found: manifest unknown", Code::NotFound),
            ("denied:401", "manifest for denied:401 not found: manifest unknown", Code::NotFound),
            (
                "r.example/unauthorized:not",
                "Get \"https://r.example/v2/unauthorized/manifests/not\": dial tcp 10.0.0.1:443",
                Code::Unreachable,
            ),
            ("r.example/app:1", "Head \"https://r.example/v2/app/manifests/1\": unexpected status: 401 Unauthorized", Code::Unauthorized),
        ] {
            let error = classify(image, words, None);
            assert_eq!(error.code(), expected, "{words}");
            assert!(error.message().contains(words), "{error}");
        }
    }

    #[test]
    fn the_engines_words_have_their_code() {
        for (words, expected) in [
            ("manifest for r/app:9 not found: manifest unknown: manifest unknown", Code::NotFound),
            ("no matching manifest for linux/amd64 in the manifest list entries", Code::NotFound),
            ("failed to resolve reference \"r/app:9\": r/app:9: not found", Code::NotFound),
            ("pull access denied for app, repository does not exist or may require 'docker login'", Code::Unauthorized),
            ("Head \"http://r/v2/app/manifests/1\": no basic auth credentials", Code::Unauthorized),
            ("unauthorized: authentication required", Code::Unauthorized),
            ("toomanyrequests: You have reached your pull rate limit", Code::RateLimited),
            ("Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", Code::Unreachable),
            ("Get \"https://r/v2/\": x509: certificate signed by unknown authority", Code::Unreachable),
            ("filesystem layer verification failed for digest sha256:1", Code::Data),
            ("write /var/lib/docker/tmp/x: no space left on device", Code::Engine),
        ] {
            let error = classify("r/app:9", words, Some(500));
            assert_eq!(error.code(), expected, "{words}");
            assert!(error.message().contains(words), "the engine's words stand in {:?}", error.message());
        }
    }
}
