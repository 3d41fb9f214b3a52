//! Docker's `config.json` and Podman's `auth.json`: which credential is for which registry.
//!
//! Rules: docs/check.md, section 5.3.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::credential::Credential;
use crate::json;
use crate::registry::transport::network::is_hub;

/// Under which Docker Hub's credentials are kept by docker and its helpers.
pub(super) const HUB_KEY: &str = "https://index.docker.io/v1/";
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Whose format a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::registry) enum Format {
    /// Keys are hosts.
    Docker,
    /// Keys are hosts or repositories below them; the longest counts.
    Podman,
}

/// One file of credentials.
pub(in crate::registry) struct AuthFile {
    format: Format,
    auths: Map<String, Value>,
    helpers: Map<String, Value>,
    store: Option<String>,
}

/// What a file has for a repository, in the order of precedence.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::registry) struct Entry {
    /// Helpers, and the name by which each knows the registry.
    pub(in crate::registry) helpers: Vec<(String, String)>,
    pub(in crate::registry) credential: Option<Credential>,
}

impl AuthFile {
    /// Reads a file's text.
    pub(in crate::registry) fn parse(format: Format, text: &str) -> Result<Self, serde_json::Error> {
        let mut document: Map<String, Value> = serde_json::from_str(text)?;
        let mut object = |key: &str| match document.remove(key) {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        };
        let (auths, helpers) = (object("auths"), object("credHelpers"));
        let store = document.get("credsStore").and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Self { format, auths, helpers, store })
    }

    /// Without its helpers.
    pub(in crate::registry) fn plain(mut self) -> Self {
        self.helpers.clear();
        self.store = None;
        self
    }

    /// What it has for a repository.
    pub(in crate::registry) fn entry(&self, registry: &str, repository: &str) -> Entry {
        let own = self.helpers.iter().find(|(key, _)| key_matches(key, registry)).and_then(|(_, name)| name.as_str());
        let server = if is_hub(registry) && self.format == Format::Docker { HUB_KEY } else { registry };
        let helpers = own.into_iter().chain(self.store.as_deref()).map(|name| (name.to_owned(), server.to_owned())).collect();
        let credential = match self.format {
            Format::Docker => self.docker(server, registry),
            Format::Podman => self.longest(registry, repository),
        };
        Entry { helpers, credential }
    }

    /// As docker's CLI finds it: the very key first, then every key of the host, whatever path it has.
    fn docker(&self, server: &str, registry: &str) -> Option<Credential> {
        let exact = [server, registry].into_iter().find_map(|key| self.auths.get(key).and_then(credential));
        let of_host = || {
            let entries = self.auths.iter().filter(|(key, _)| !is_token_of_hub(key) && is_same_registry(host_of_key(key), registry));
            entries.map(|(_, value)| value).find_map(credential)
        };
        exact.or_else(of_host)
    }

    fn longest(&self, registry: &str, repository: &str) -> Option<Credential> {
        let mut path = Some(repository);
        while let Some(prefix) = path {
            if let Some(found) = self.auths.get(&format!("{registry}/{prefix}")).and_then(credential) {
                return Some(found);
            }
            path = prefix.rsplit_once('/').map(|(shorter, _)| shorter);
        }
        self.auths.iter().filter(|(key, _)| key_matches(key, registry)).find_map(|(_, value)| credential(value))
    }
}

/// The host, with its port, of a key: an address with any scheme and path, or a host followed by a path.
fn host_of_key(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn is_same_registry(host: &str, registry: &str) -> bool {
    host.eq_ignore_ascii_case(registry) || (is_hub(host) && is_hub(registry))
}

/// What `docker login` keeps beside Docker Hub's entry after a login in the browser: tokens for other services, which are no passwords.
fn is_token_of_hub(key: &str) -> bool {
    is_hub(host_of_key(key)) && (key.ends_with("/access-token") || key.ends_with("/refresh-token"))
}

/// Whether a key of podman's stands for the whole registry: `HOST`, `https://HOST`, `https://HOST/v1/` (and http, and v2).
fn key_matches(key: &str, registry: &str) -> bool {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    let same = host == registry || (is_hub(host) && is_hub(registry));
    same && matches!(path.trim_end_matches('/'), "" | "v1" | "v2")
}

fn credential(entry: &Value) -> Option<Credential> {
    let text = |key: &str| Some(json::text(entry, key)).filter(|text| !text.is_empty());
    if let Some(token) = text("registrytoken") {
        return Some(Credential::Access(token.to_owned()));
    }
    let pair = text("auth").and_then(decoded);
    let (username, password) = match &pair {
        Some((username, password)) => (Some(username.as_str()), Some(password.as_str())),
        None => (text("username"), text("password")),
    };
    Credential::of(username, password.filter(|password| !password.is_empty()), text("identitytoken"))
}

/// `user:password` in base64; old versions of docker padded the password with zeros.
fn decoded(auth: &str) -> Option<(String, String)> {
    // Go's decoder, and so docker, skips the line breaks of `base64` without `-w 0`.
    let auth: String = auth.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let text = String::from_utf8(LENIENT.decode(auth).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.trim_matches('\0').to_owned()))
}

/// A helper's answer; `<token>` in the place of a name says that the secret is an identity token.
pub(in crate::registry) fn from_helper(answer: &Value) -> Option<Credential> {
    let username = answer.get("Username")?.as_str()?;
    let secret = answer.get("Secret")?.as_str().filter(|secret| !secret.is_empty())?;
    if username == "<token>" { Credential::of(None, None, Some(secret)) } else { Credential::of(Some(username), Some(secret), None) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn password(username: &str, password: &str) -> Option<Credential> {
        Credential::of(Some(username), Some(password), None)
    }

    fn found(format: Format, document: &Value, registry: &str, repository: &str) -> Option<Credential> {
        AuthFile::parse(format, &document.to_string()).unwrap().entry(registry, repository).credential
    }

    #[test]
    fn a_key_matches_its_registry_in_every_spelling() {
        for (key, registry, same) in [
            ("reg:5000", "reg:5000", true),
            ("https://reg:5000", "reg:5000", true),
            ("http://reg:5000/v1/", "reg:5000", true),
            ("https://reg:5000/v2", "reg:5000", true),
            ("reg", "reg:5000", false),
            ("reg:5000/team", "reg:5000", false),
            ("https://index.docker.io/v1/", "docker.io", true),
            ("docker.io", "docker.io", true),
            ("registry-1.docker.io", "docker.io", true),
            ("docker.io", "reg:5000", false),
        ] {
            assert_eq!(key_matches(key, registry), same, "{key}");
        }
    }

    #[test]
    fn a_docker_entry_is_a_password_or_a_token() {
        // u:p, and u:p followed by a zero
        let document = json!({"auths": {
            "a": {"auth": "dTpw"}, "b": {"auth": "dTpwAA"}, "c": {"username": "u", "password": "p"}, "d": {},
            "e": {"auth": "dTo=", "identitytoken": "t"}, "f": {"registrytoken": "t"}, "g": {"auth": "!"}, "h": {"auth": ""},
        }});
        let table = [
            ("a", password("u", "p")),
            ("b", password("u", "p")),
            ("c", password("u", "p")),
            ("d", None),
            ("e", Credential::of(Some("u"), None, Some("t"))),
            ("f", Some(Credential::Access("t".into()))),
            ("g", None),
            ("h", None),
            ("i", None),
        ];
        for (registry, expected) in table {
            assert_eq!(found(Format::Docker, &document, registry, "x"), expected, "{registry}");
        }
    }

    #[test]
    fn the_keys_of_docker_are_read_as_its_cli_reads_them() {
        // u:p, and q:q
        let (up, qq) = (json!({"auth": "dTpw"}), json!({"auth": "cTpx"}));
        let with = |keys: &[(&str, &Value)]| {
            let auths: Map<String, Value> = keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).clone())).collect();
            json!({ "auths": auths })
        };
        for key in
            ["reg:5", "https://reg:5", "HTTPS://reg:5", "http://reg:5/v1/", "reg:5/v1/", "reg:5/team/app", "https://reg:5/any/path?x"]
        {
            assert_eq!(found(Format::Docker, &with(&[(key, &up)]), "reg:5", "x"), password("u", "p"), "{key}");
            assert_eq!(found(Format::Docker, &with(&[(key, &up)]), "reg", "x"), None, "{key}");
        }
        let both = with(&[("https://reg:5/v1/", &qq), ("reg:5", &up)]);
        assert_eq!(found(Format::Docker, &both, "reg:5", "x"), password("u", "p"), "the very key first");
        let hub = with(&[
            ("https://index.docker.io/v1/access-token", &qq),
            ("https://index.docker.io/v1/refresh-token", &qq),
            ("https://index.docker.io/v1/", &up),
        ]);
        assert_eq!(found(Format::Docker, &hub, "docker.io", "x"), password("u", "p"));
        let tokens = with(&[("https://index.docker.io/v1/access-token", &qq), ("https://index.docker.io/v1/refresh-token", &qq)]);
        assert_eq!(found(Format::Docker, &tokens, "docker.io", "x"), None);
        for auth in ["dTpw\n", "dT\npw", "dT\r\npw\r\n"] {
            assert_eq!(found(Format::Docker, &with(&[("r", &json!({"auth": auth}))]), "r", "x"), password("u", "p"), "{auth:?}");
        }
    }

    #[test]
    fn the_longest_matching_key_of_podman_counts() {
        let document = json!({"auths": {
            "r": {"auth": "cjpw"}, "r/a": {"auth": "YTpw"}, "r/a/b": {"auth": "YjpwCg"}, "docker.io": {"auth": "aDpw"},
        }});
        let user =
            |registry, repository| found(Format::Podman, &document, registry, repository).and_then(|c| c.username().map(str::to_owned));
        for (repository, expected) in [("a/b", "b"), ("a/b/c", "b"), ("a/c", "a"), ("a", "a"), ("ab", "r"), ("z", "r")] {
            assert_eq!(user("r", repository).as_deref(), Some(expected), "{repository}");
        }
        assert_eq!(user("docker.io", "library/x").as_deref(), Some("h"));
    }

    #[test]
    fn the_helper_of_a_registry_comes_before_the_store() {
        let document = json!({"credHelpers": {"reg": "own"}, "credsStore": "all", "auths": {"reg": {"auth": "dTpw"}}});
        let file = AuthFile::parse(Format::Docker, &document.to_string()).unwrap();
        let pair = |name: &str, server: &str| (name.to_owned(), server.to_owned());
        assert_eq!(file.entry("reg", "x").helpers, [pair("own", "reg"), pair("all", "reg")]);
        assert_eq!(file.entry("docker.io", "x").helpers, [pair("all", HUB_KEY)]);
        assert!(file.plain().entry("reg", "x").helpers.is_empty());
    }

    #[test]
    fn a_helper_answers_with_a_password_or_an_identity_token() {
        assert_eq!(from_helper(&json!({"Username": "u", "Secret": "p"})), password("u", "p"));
        assert_eq!(from_helper(&json!({"Username": "<token>", "Secret": "t"})), Credential::of(None, None, Some("t")));
        assert_eq!(from_helper(&json!({"Username": "u", "Secret": ""})), None);
        assert_eq!(from_helper(&json!({})), None);
    }
}
