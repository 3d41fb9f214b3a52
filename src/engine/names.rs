//! The names and ids that a caller gives, checked before anything is asked of the engine: a path would be made of `a/../b` too.

use crate::error::quoted;
use crate::reference::Reference;
use crate::{Code, Error, Result};

/// Engines set no limit; a longer one is a mistake that would fill a request.
const LONGEST: usize = 4096;

/// A container's name, its id or the beginning of one, with or without the engine's slash: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, as Docker and Podman
/// take them. Docker creates none of a single character; the beginning of an id may be one.
pub(crate) fn check_container(name: &str) -> Result<()> {
    check("container name", name.strip_prefix('/').unwrap_or(name))
}

/// A volume's name: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`. Escaping alone does not protect: the engine reads `..%2fvolumes%2fNAME` as NAME [measured on 20.10].
pub(crate) fn check_volume(name: &str) -> Result<()> {
    check("volume name", name)
}

/// A service's name, its id or the beginning of one, in the characters of a container's name.
pub(crate) fn check_service(name: &str) -> Result<()> {
    check("service name", name)
}

/// An image's reference or id.
pub(crate) fn check_image(image: &str) -> Result<()> {
    if Reference::is_image_id(image) { Ok(()) } else { Reference::parse(image).map(|_| ()).map_err(|error| error.with_image(image)) }
}

fn check(kind: &str, name: &str) -> Result<()> {
    let invalid = |why: &str| -> Error { Code::InvalidArgument.error(format!("{} is not a {kind}: {why}", quoted(name))) };
    let is_word = |byte: u8| byte.is_ascii_alphanumeric();
    match name.as_bytes() {
        [] => Err(invalid("it is empty")),
        all if all.len() > LONGEST => Err(invalid(&format!("it is longer than {LONGEST} characters"))),
        [first, rest @ ..] if is_word(*first) && rest.iter().all(|&byte| is_word(byte) || b"_.-".contains(&byte)) => Ok(()),
        _ => Err(invalid("it must be of a-z A-Z 0-9 _ . - and begin with a letter or digit")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn containers_names_and_ids() {
        let (id, long) = ("0123456789abcdef".repeat(4), "a".repeat(LONGEST));
        for name in ["web", "/web", "a", "0", "Web_1.2-x", "web.refit-new-0123456789ab-r-65000000", "a..b", &id, &id[..12], &long] {
            assert_eq!(check_container(name), Ok(()), "{name}");
        }
        let huge = "a".repeat(1_000_000);
        for name in [
            "",
            "/",
            "//web",
            ".",
            "..",
            "a/../b",
            "../a",
            "a/b",
            "/a/b",
            "-a",
            "_a",
            ".a",
            "a b",
            "a?b",
            "a#b",
            "a%2Fb",
            "a\nb",
            "a\0b",
            "ä",
            "web\u{7f}",
            "sha256:0123",
            &huge,
        ] {
            let error = check_container(name).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{name:.40}");
            assert!(error.message().chars().count() < 350, "{}", error.message());
        }
    }

    #[test]
    fn volumes_names() {
        for name in ["data", "a", "0", "Data_1.2-x"] {
            assert_eq!(check_volume(name), Ok(()), "{name}");
        }
        for name in ["", "/data", "..", "../a", "a/b", "..%2fvolumes%2fa", "-a", "_a", ".a", "a b", "a\nb", "ä"] {
            assert_eq!(check_volume(name).unwrap_err().code(), Code::InvalidArgument, "{name}");
        }
    }

    #[test]
    fn images_references_and_ids() {
        let id = format!("sha256:{}", "0".repeat(64));
        for image in ["app", "r.example:5000/a/b:1", &id, &id[7..], &format!("app@{id}"), "0123456789ab"] {
            assert_eq!(check_image(image), Ok(()), "{image}");
        }
        let huge = "a".repeat(1_000_000);
        for image in ["", ".", "..", "a/../b", "../a", "/a", "a//b", "a b", "a\nb", "a\0b", "App", "a?b", "https://a/b", &huge] {
            let error = check_image(image).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{image:.40}");
            assert!(error.message().chars().count() < 350, "{}", error.message());
        }
    }
}
