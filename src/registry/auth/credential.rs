//! A credential, which no log, error or Debug shows.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use http::HeaderValue;
use serde_json::json;

use super::auth_file::HUB_KEY;
use crate::registry::transport::network::is_hub;

/// A credential for a registry.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Credential {
    /// For Basic authentication, and for a token server.
    Password { username: String, password: String },
    /// A refresh token of OAuth 2, which a token server changes into an access token.
    Identity { username: String, token: String },
    /// An access token, sent as it is.
    Access(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(***)",
            Self::Identity { .. } => "Identity(***)",
            Self::Access(_) => "Access(***)",
        })
    }
}

impl Credential {
    /// From a caller's options; a token there is an identity token.
    pub(crate) fn of(username: Option<&str>, password: Option<&str>, token: Option<&str>) -> Option<Self> {
        let username = username.unwrap_or_default().to_owned();
        match (token, password) {
            (Some(token), _) => Some(Self::Identity { username, token: token.to_owned() }),
            (None, Some(password)) => Some(Self::Password { username, password: password.to_owned() }),
            (None, None) => None,
        }
    }

    /// The value of `X-Registry-Auth`, with which the engine pulls.
    pub(crate) fn registry_auth(&self, registry: &str) -> String {
        // As the CLI sends it: containerd's stores before Engine 25 drop the credential of another address.
        let server = if is_hub(registry) { HUB_KEY } else { registry };
        let document = match self {
            Self::Password { username, password } => json!({"username": username, "password": password, "serveraddress": server}),
            Self::Identity { username, token } => json!({"username": username, "identitytoken": token, "serveraddress": server}),
            Self::Access(token) => json!({"registrytoken": token, "serveraddress": server}),
        };
        URL_SAFE.encode(document.to_string())
    }

    /// User name and secret as a token server takes them in Basic authentication.
    pub(crate) fn basic(&self) -> Option<HeaderValue> {
        match self {
            Self::Password { username, password: secret } | Self::Identity { username, token: secret } => {
                sensitive(&format!("Basic {}", STANDARD.encode(format!("{username}:{secret}"))))
            }
            Self::Access(_) => None,
        }
    }

    pub(crate) fn username(&self) -> Option<&str> {
        match self {
            Self::Password { username, .. } | Self::Identity { username, .. } => {
                Some(username).filter(|name| !name.is_empty()).map(String::as_str)
            }
            Self::Access(_) => None,
        }
    }
}

/// An `Authorization` header with a token.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {token}"))
}

/// A registry's error message without the credential that was sent: some registries repeat it.
pub(in crate::registry) fn redacted(words: &[u8], shown: &HeaderValue) -> Vec<u8> {
    let shown = String::from_utf8_lossy(shown.as_bytes());
    let secret = shown.split_once(' ').map_or(&*shown, |(_, secret)| secret);
    let decoded = STANDARD.decode(secret).ok().and_then(|pair| String::from_utf8(pair).ok()).unwrap_or_default();
    let password = decoded.split_once(':').map_or("", |(_, password)| password);
    let words = String::from_utf8_lossy(words);
    let secrets = [secret, password].into_iter().filter(|secret| !secret.is_empty());
    secrets.fold(words.into_owned(), |words, secret| words.replace(secret, "***")).into_bytes()
}

/// hyper's own Debug hides a header that is marked so.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_shows_a_secret() {
        let secrets = [
            Credential::of(Some("me"), Some("SECRET"), None),
            Credential::of(None, None, Some("SECRET")),
            Some(Credential::Access("SECRET".into())),
        ];
        assert!(!format!("{secrets:?}").contains("SECRET"));
        assert!(!format!("{:?}", bearer("SECRET")).contains("SECRET"));
        assert!(!format!("{:?}", secrets[0].as_ref().and_then(Credential::basic)).contains("U0VDUkVU"));
    }

    #[test]
    fn a_registrys_message_is_reported_without_the_secret() {
        let basic = Credential::of(Some("me"), Some("SECRET"), None).as_ref().and_then(Credential::basic);
        for (sent, words, reported) in [
            (basic.clone(), "bad password SECRET of me", "bad password *** of me"),
            (basic.clone(), "no Basic bWU6U0VDUkVU here", "no Basic *** here"),
            (bearer("SECRET"), "the token SECRET has expired", "the token *** has expired"),
            (sensitive("Basic bWU6"), "no password", "no password"),
        ] {
            assert_eq!(sent.map(|sent| redacted(words.as_bytes(), &sent)).as_deref(), Some(reported.as_bytes()));
        }
    }

    #[test]
    fn the_engine_gets_the_credential_as_x_registry_auth() {
        let decoded =
            |credential: &Credential| String::from_utf8(URL_SAFE.decode(credential.registry_auth("h:1")).unwrap_or_default()).ok();
        let of = |username, password, token| Credential::of(username, password, token);
        let table = [
            (of(Some("u"), Some("p"), None), r#"{"username":"u","password":"p","serveraddress":"h:1"}"#),
            (of(Some("u"), Some("p"), Some("t")), r#"{"username":"u","identitytoken":"t","serveraddress":"h:1"}"#),
            (Some(Credential::Access("a".into())), r#"{"registrytoken":"a","serveraddress":"h:1"}"#),
        ];
        for (credential, expected) in table {
            assert_eq!(credential.as_ref().and_then(decoded).as_deref(), Some(expected));
        }
        for name in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            let auth = of(Some("u"), Some("p"), None).map(|credential| credential.registry_auth(name));
            let document = String::from_utf8(URL_SAFE.decode(auth.unwrap_or_default()).unwrap_or_default()).unwrap_or_default();
            assert!(document.contains(r#""serveraddress":"https://index.docker.io/v1/""#), "{name}: {document}");
        }
        assert_eq!(of(Some("u"), None, None), None);
    }
}
