//! Image references, read as Docker reads them (the grammar of distribution/reference).

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::error::quoted;
use crate::{Code, Error, Result, json};

/// The registry that a name without one means.
pub(crate) const DOCKER_HUB: &str = "docker.io";
/// The tag that a name without tag and digest means.
const DEFAULT_TAG: &str = "latest";
/// The name under which old clients knew Docker Hub.
const OLD_DOCKER_HUB: &str = "index.docker.io";
/// The namespace of Docker Hub's own images, which their short names leave out.
const OFFICIAL: &str = "library/";
/// The longest repository path that Docker takes.
const LONGEST_PATH: usize = 255;
/// The longest tag.
const LONGEST_TAG: usize = 128;

/// An image reference: registry, repository, and a tag, a digest or both.
///
/// Two references are equal when they name the same thing, however they were written: `alpine` is
/// `docker.io/library/alpine:latest`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// Reads a reference. What Docker would not take, and what can only be a typing error, is
    /// [`Code::InvalidArgument`] with the reason.
    pub fn parse(text: &str) -> Result<Self> {
        read(text).map_err(|why| Code::InvalidArgument.error(format!("{} is no image reference: {why}", quoted(text))))
    }

    /// The registry's host, with its port: `docker.io`, `127.0.0.1:5000`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository's path at its registry: `library/alpine`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` when neither tag nor digest was given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, when the reference is pinned to one.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Registry and repository: `docker.io/library/alpine`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The name as the engine's own lists show it: `alpine`.
    #[must_use]
    pub fn familiar_name(&self) -> String {
        if self.registry != DOCKER_HUB {
            return self.name();
        }
        match self.repository.strip_prefix(OFFICIAL) {
            Some(short) if !short.contains('/') => short.to_owned(),
            // A namespace that looks like a host would be read as a registry.
            _ if !matches!(split_registry(&self.repository), Ok((DOCKER_HUB, _))) => self.name(),
            _ => self.repository.clone(),
        }
    }

    /// The whole reference as the engine's own lists show it: `alpine:latest`.
    #[must_use]
    pub fn familiar(&self) -> String {
        self.written_after(self.familiar_name())
    }

    /// The whole reference with nothing left out: `docker.io/library/alpine:latest`.
    #[must_use]
    pub fn normalised(&self) -> String {
        self.written_after(self.name())
    }

    /// A message without the parts of this reference, before phrases are looked for in it: a registry at port 40191 is not a status 401, and an
    /// image may have any name.
    pub(crate) fn removed_from(&self, message: &str) -> String {
        let mut own = message.to_owned();
        for name in [&self.normalised(), &self.familiar(), &self.name(), &self.familiar_name(), self.repository(), self.registry()] {
            own = without(&own, name);
        }
        for name in [self.tag(), self.digest()].into_iter().flatten() {
            own = without(&own, name);
        }
        own
    }

    /// The same repository at another tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self> {
        Self::parse(&format!("{}:{tag}", self.name()))
    }

    /// Whether the text is an image id (64 hexadecimal digits, with or without `sha256:`), which is no reference.
    #[must_use]
    pub fn is_image_id(text: &str) -> bool {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        digits.len() == 64 && digits.bytes().all(is_lower_hex)
    }

    fn written_after(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(digest);
        }
        name
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.normalised())
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

/// A text without a name, where that stands by itself.
fn without(text: &str, name: &str) -> String {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    let (mut rest, mut out) = (text, String::new());
    while let Some(at) = rest.find(name).filter(|_| !name.is_empty()) {
        let end = at + name.len();
        let before = rest.as_bytes()[..at].last().or(out.as_bytes().last());
        if is_part(before) || is_part(rest.as_bytes().get(end)) {
            out.push_str(&rest[..end]);
        } else {
            out.push_str(&rest[..at]);
        }
        rest = &rest[end..];
    }
    out + rest
}

/// The references in a list of the engine's (`/RepoTags`, `/RepoDigests`), without its `<none>:<none>`.
pub(crate) fn listed_references(image: &Value, pointer: &str) -> Vec<String> {
    let mut references = json::texts(image, pointer);
    references.retain(|reference| !reference.contains("<none>"));
    references
}

/// Whether the text is `sha256:` and 64, or `sha512:` and 128, lower-case hexadecimal digits.
pub(crate) fn is_digest(text: &str) -> bool {
    let Some((algorithm, digits)) = text.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    digits.len() == length && digits.bytes().all(is_lower_hex)
}

fn read(text: &str) -> std::result::Result<Reference, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.chars().any(char::is_control) {
        return Err("it has a control character");
    }
    if text.chars().any(char::is_whitespace) {
        return Err("it has a space");
    }
    if text.contains("://") {
        return Err("an image reference has no scheme: remove what is before the host");
    }
    if Reference::is_image_id(text) {
        return Err("it is an image id");
    }
    let (registry, rest) = split_registry(text)?;
    let (rest, digest) = match rest.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (rest, None),
    };
    let (path, tag) = match rest.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (rest, None),
    };
    check_path(path)?;
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("the tag must be up to 128 of A-Z a-z 0-9 _ . - and not begin with . or -");
    }
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err("the digest must be sha256: and 64 lower-case hexadecimal digits");
    }
    let repository = if registry == DOCKER_HUB && !path.contains('/') { format!("{OFFICIAL}{path}") } else { path.to_owned() };
    if repository.len() > LONGEST_PATH {
        return Err("the repository is longer than 255 characters");
    }
    let tag = tag.or(if digest.is_none() { Some(DEFAULT_TAG) } else { None });
    Ok(Reference { registry: registry.to_owned(), repository, tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) })
}

/// The first component is a registry when it could not be a namespace of Docker Hub.
fn split_registry(text: &str) -> std::result::Result<(&str, &str), &'static str> {
    let Some((first, rest)) = text.split_once('/') else { return Ok((DOCKER_HUB, text)) };
    if first == OLD_DOCKER_HUB || first == DOCKER_HUB {
        return Ok((DOCKER_HUB, rest));
    }
    if first == "localhost" || first.contains(['.', ':']) {
        return if is_host(first) { Ok((first, rest)) } else { Err("the registry's host is not well formed") };
    }
    // Docker takes `UPPER/case` for a registry named UPPER; nobody means that.
    if first.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("the repository must be lower case");
    }
    Ok((DOCKER_HUB, text))
}

fn is_host(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let address_is_good = !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
        return address_is_good && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    name.split('.').all(is_host_label) && port.is_none_or(is_port)
}

fn is_host_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn check_path(path: &str) -> std::result::Result<(), &'static str> {
    if path.is_empty() {
        return Err("the repository is missing");
    }
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("the repository must be lower case");
    }
    if path.split('/').all(is_path_component) {
        Ok(())
    } else {
        Err("the repository must be of a-z 0-9, with single . or _, __ or dashes between them, and / between its parts")
    }
}

/// Runs of letters and digits with `.`, `_`, `__` or any number of `-` between them.
fn is_path_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    if !bytes.first().is_some_and(|&byte| is_word(byte)) || !bytes.last().is_some_and(|&byte| is_word(byte)) {
        return false;
    }
    bytes
        .split(|&byte| is_word(byte))
        .all(|separator| matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|&b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= LONGEST_TAG
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "reference_tests.rs"]
mod tests;
