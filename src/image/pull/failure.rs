//! The error code of a failed pull, from the engine's message.

use crate::engine::phrases;
use crate::reference::Reference;
use crate::{Code, Error};

/// The engine's error of a pull, whether it was its answer or came inside the stream.
pub(super) fn classify(image: &str, words: &str, status: Option<u16>) -> Error {
    let own = Reference::parse(image).map_or_else(|_| words.to_owned(), |reference| reference.removed_from(words));
    let code = phrases::pull_failure(&own, status);
    let next = match code {
        Code::NotFound => "is the name right, and does the image exist for this platform?",
        Code::Unauthorized => "are the credentials right, and is the name? (a registry may answer so for a missing repository too)",
        Code::RateLimited => "try again later, or with an account",
        Code::Unreachable => "can the engine reach the registry?",
        Code::Data => "what was downloaded is not what the manifest names",
        _ => "this is the engine's message",
    };
    let error = code.error(format!("pulling image {image}: {}; {next}", words.trim())).with_image(image);
    match status {
        Some(status) => error.with_http_status(status),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_message_does_not_decide_the_code() {
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
    fn a_403_is_the_registrys_where_the_engine_says_so() {
        for (words, expected) in [("error from registry: denied", Code::Unauthorized), ("forbidden by a rule", Code::Engine)] {
            assert_eq!(classify("r/app:9", words, Some(403)).code(), expected, "{words}");
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
            (
                "failed to authorize: failed to fetch oauth token: unexpected status from GET request to http://r/token: 403",
                Code::Unauthorized,
            ),
            ("failed to authorize: failed to fetch anonymous token: dial tcp 127.0.0.1:1: connect: connection refused", Code::Unreachable),
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
