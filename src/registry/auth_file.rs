//! Docker's `config.json` and podman's `auth.json`: who opens which registry.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::credential::Credential;
use super::network::is_hub;

/// Under which Docker Hub's credentials are kept by docker and its helpers.
const HUB_KEY: &str = "https://index.docker.io/v1/";
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Whose rules a file follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Keys are hosts.
    Docker,
    /// Keys are hosts or repositories below them; the longest counts.
    Podman,
}

/// One file of credentials.
pub(super) struct AuthFile {
    kind: Kind,
    auths: Map<String, Value>,
    helpers: Map<String, Value>,
    store: Option<String>,
}

/// What a file says about a repository, in the order in which it counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Helpers, and the name by which each knows the registry.
    pub(super) helpers: Vec<(String, String)>,
    pub(super) credential: Option<Credential>,
}

impl AuthFile {
    /// Reads a file's text.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, serde_json::Error> {
        let mut document: Map<String, Value> = serde_json::from_str(text)?;
        let mut object = |key: &str| match document.remove(key) {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        };
        let (auths, helpers) = (object("auths"), object("credHelpers"));
        let store = document.get("credsStore").and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Self { kind, auths, helpers, store })
    }

    /// Without its helpers.
    pub(super) fn plain(mut self) -> Self {
        self.helpers.clear();
        self.store = None;
        self
    }

    /// What it says about a repository.
    pub(super) fn entry(&self, registry: &str, repository: &str) -> Entry {
        let own = self.helpers.iter().find(|(key, _)| names(key, registry)).and_then(|(_, name)| name.as_str());
        let server = if is_hub(registry) && self.kind == Kind::Docker { HUB_KEY } else { registry };
        let helpers = own.into_iter().chain(self.store.as_deref()).map(|name| (name.to_owned(), server.to_owned())).collect();
        let credential = match self.kind {
            Kind::Docker => self.auths.iter().filter(|(key, _)| names(key, registry)).find_map(|(_, value)| credential(value)),
            Kind::Podman => self.longest(registry, repository),
        };
        Entry { helpers, credential }
    }

    fn longest(&self, registry: &str, repository: &str) -> Option<Credential> {
        let mut path = Some(repository);
        while let Some(prefix) = path {
            if let Some(found) = self.auths.get(&format!("{registry}/{prefix}")).and_then(credential) {
                return Some(found);
            }
            path = prefix.rsplit_once('/').map(|(shorter, _)| shorter);
        }
        self.auths.iter().filter(|(key, _)| names(key, registry)).find_map(|(_, value)| credential(value))
    }
}

/// Whether a key means the registry: `HOST`, `https://HOST`, `https://HOST/v1/` (and http, and v2).
fn names(key: &str, registry: &str) -> bool {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    let same = host == registry || (is_hub(host) && is_hub(registry));
    same && matches!(path.trim_end_matches('/'), "" | "v1" | "v2")
}

fn credential(entry: &Value) -> Option<Credential> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
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
    let text = String::from_utf8(LENIENT.decode(auth.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.trim_matches('\0').to_owned()))
}

/// A helper's answer; `<token>` in the place of a name says that the secret is an identity token.
pub(super) fn of_helper(answer: &Value) -> Option<Credential> {
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

    fn found(kind: Kind, document: &Value, registry: &str, repository: &str) -> Option<Credential> {
        AuthFile::parse(kind, &document.to_string()).unwrap().entry(registry, repository).credential
    }

    #[test]
    fn spellings_of_a_key() {
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
            assert_eq!(names(key, registry), same, "{key}");
        }
    }

    #[test]
    fn entries_of_docker() {
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
            assert_eq!(found(Kind::Docker, &document, registry, "x"), expected, "{registry}");
        }
    }

    #[test]
    fn the_longest_key_of_podman() {
        let document = json!({"auths": {
            "r": {"auth": "cjpw"}, "r/a": {"auth": "YTpw"}, "r/a/b": {"auth": "YjpwCg"}, "docker.io": {"auth": "aDpw"},
        }});
        let user =
            |registry, repository| found(Kind::Podman, &document, registry, repository).and_then(|c| c.username().map(str::to_owned));
        for (repository, expected) in [("a/b", "b"), ("a/b/c", "b"), ("a/c", "a"), ("a", "a"), ("ab", "r"), ("z", "r")] {
            assert_eq!(user("r", repository).as_deref(), Some(expected), "{repository}");
        }
        assert_eq!(user("docker.io", "library/x").as_deref(), Some("h"));
    }

    #[test]
    fn helpers_come_in_their_order() {
        let document = json!({"credHelpers": {"reg": "own"}, "credsStore": "all", "auths": {"reg": {"auth": "dTpw"}}});
        let file = AuthFile::parse(Kind::Docker, &document.to_string()).unwrap();
        let pair = |name: &str, server: &str| (name.to_owned(), server.to_owned());
        assert_eq!(file.entry("reg", "x").helpers, [pair("own", "reg"), pair("all", "reg")]);
        assert_eq!(file.entry("docker.io", "x").helpers, [pair("all", HUB_KEY)]);
        assert!(file.plain().entry("reg", "x").helpers.is_empty());
    }

    #[test]
    fn answers_of_helpers() {
        assert_eq!(of_helper(&json!({"Username": "u", "Secret": "p"})), password("u", "p"));
        assert_eq!(of_helper(&json!({"Username": "<token>", "Secret": "t"})), Credential::of(None, None, Some("t")));
        assert_eq!(of_helper(&json!({"Username": "u", "Secret": ""})), None);
        assert_eq!(of_helper(&json!({})), None);
    }
}
