//! With what a request is authorized: user name and password, or a token of the registry's token server.
//!
//! Rules: docs/check.md, section 5.2.

use std::sync::Arc;

use bytes::Bytes;
use http::uri::Authority;
use http::{Method, StatusCode};

use super::credential::{Credential, bearer};
use super::credentials::Refused;
use super::joined::pull_scope;
use super::tokens::{Token, TokenKey};
use super::{Authorization, Origin, Subject};
use crate::registry::Session;
use crate::registry::challenge::Challenge;
use crate::registry::error::{RegistryError, UnreachableReason};
use crate::registry::trace::{CredentialUse, Trace};
use crate::registry::transport::endpoint::Endpoint;
use crate::registry::transport::http::{Request, Response};
use crate::registry::transport::limits::Host;
use crate::registry::transport::url;

/// The largest response of a token server.
const TOKEN_LIMIT: usize = 1024 * 1024;
const CLIENT_ID: &str = "refit";

impl Session {
    /// The authorization for a challenge. Where the credential is refused it is that of nobody.
    pub(super) async fn authorize(&self, subject: &Subject<'_>, challenge: Challenge) -> Result<Authorization, RegistryError> {
        let Subject { endpoint, repository, trace } = *subject;
        let credential = self.credentials.find(&endpoint.registry, repository, trace).await;
        if matches!(challenge, Challenge::Basic) {
            let header = credential.as_ref().and_then(Credential::basic);
            trace.credential(if header.is_some() { CredentialUse::Used } else { CredentialUse::None });
            return Ok(header.map_or(Authorization::Nothing, Authorization::Basic));
        }
        if let Some(Credential::Access(token)) = &credential {
            trace.credential(CredentialUse::Used);
            return Ok(bearer(token).map_or(Authorization::Nothing, Authorization::Access));
        }
        let Some(credential) = credential.filter(|_| accepts_secret(endpoint, &challenge, trace)) else {
            return self.anonymous_token(subject, challenge).await;
        };
        trace.credential(CredentialUse::Used);
        match self.token(subject, challenge.clone(), Some(credential)).await {
            Err(RegistryError::Unauthorized) => {
                self.credentials.reject(&endpoint.registry, trace);
                self.anonymous_token(subject, challenge).await
            }
            // Some token servers answer so to a wrong credential, and others to a right one that may not pull this repository.
            Err(RegistryError::Denied) => {
                let without = self.anonymous_token(subject, challenge).await;
                let refused = if without.is_ok() { Refused::OpenWithout } else { Refused::Closed };
                self.credentials.refuse(&endpoint.registry, repository, refused, trace);
                without.map_err(|_| RegistryError::Denied)
            }
            result => result,
        }
    }

    pub(super) async fn anonymous_token(&self, subject: &Subject<'_>, challenge: Challenge) -> Result<Authorization, RegistryError> {
        subject.trace.credential(CredentialUse::None);
        self.token(subject, challenge, None).await
    }

    /// A token for the repository: a common one if it is asked for together with others, and the token server gives that.
    async fn token(
        &self,
        subject: &Subject<'_>,
        challenge: Challenge,
        credential: Option<Credential>,
    ) -> Result<Authorization, RegistryError> {
        let Challenge::Bearer { realm, service, scope } = challenge else { return Ok(Authorization::Nothing) };
        let own = pull_scope(subject.repository);
        let host = &subject.endpoint.host;
        let key = |scope: String| {
            let challenge = Challenge::Bearer { realm: realm.clone(), service: service.clone(), scope: Some(scope) };
            TokenKey { authority: host.authority.clone(), challenge, credential: credential.clone() }
        };
        if scope.as_ref().is_none_or(|scope| *scope == own)
            && let Some(scopes) = self.joined.scopes(&host.authority, subject.repository)
            && let Some(common) = self.common_token(subject, scopes.clone(), key(scopes.to_string())).await?
        {
            return Ok(common);
        }
        let key = key(scope.unwrap_or(own));
        let (token, cached) = self.shared.tokens.get(&key, || self.fetch_token(host, &key, subject.trace)).await?;
        let origin = if cached && !subject.trace.is_new_token(&token.header) { Origin::Cached } else { Origin::New };
        Ok(Authorization::Token { header: token.header, key, origin })
    }

    /// The token for several repositories; `None`: the server gives none for them together, or one that does not allow this one.
    async fn common_token(&self, subject: &Subject<'_>, scopes: Arc<str>, key: TokenKey) -> Result<Option<Authorization>, RegistryError> {
        let Subject { endpoint, repository, trace } = *subject;
        let authority = &endpoint.host.authority;
        let fetch = async || match self.joined.scopes(authority, repository) {
            Some(_) => self.fetch_token(&endpoint.host, &key, trace).await,
            // Another one has been refused meanwhile.
            None => Err(RegistryError::Unauthorized),
        };
        match self.shared.tokens.get(&key, fetch).await {
            Ok((token, _)) => match token.allows(repository) {
                Some(false) => {
                    self.joined.leave(authority, repository);
                    Ok(None)
                }
                allowed => {
                    let origin = Origin::Joined { told: allowed.is_some() };
                    Ok(Some(Authorization::Token { header: token.header, key, origin }))
                }
            },
            Err(error) if is_refusal(&error) => {
                self.joined.refuse(authority, scopes);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn fetch_token(&self, host: &Host, key: &TokenKey, trace: &Trace) -> Result<Token, RegistryError> {
        let Challenge::Bearer { realm, service, scope } = &key.challenge else { return Err(RegistryError::Unauthorized) };
        let realm_url = url::absolute(realm).ok_or_else(|| RegistryError::invalid_response("the token server's address is not a URL"))?;
        let window = self.shared.hosts.get(realm_url.authority().map_or("", Authority::as_str)).tokens.clone();
        let _turn = window.turn().await;
        let opens = Some(window.clone());
        let mut parameters: Vec<(&str, &str)> = Vec::new();
        parameters.extend(service.as_deref().map(|service| ("service", service)));
        let scope = scope.as_deref();
        if let Some(Credential::Identity { token, .. }) = &key.credential {
            let mut form = vec![("grant_type", "refresh_token"), ("client_id", CLIENT_ID), ("refresh_token", token.as_str())];
            form.extend(parameters.iter().copied().chain(scope.map(|scope| ("scope", scope))));
            let form = Some(Bytes::from(url::form(&form)));
            let request = Request { method: Method::POST, form, opens: opens.clone(), ..Request::get(realm_url, TOKEN_LIMIT) };
            let response = self.send(host, &request, trace).await?;
            // Not every token server supports OAuth 2.
            if !matches!(response.status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
                return token_of(&response);
            }
        }
        // In a query each scope has a parameter of its own.
        parameters.extend(scope.into_iter().flat_map(str::split_whitespace).map(|scope| ("scope", scope)));
        if let Some(username) = key.credential.as_ref().and_then(Credential::username) {
            parameters.push(("account", username));
        }
        let mut request = Request { opens, ..Request::get(url::with_query(realm, &parameters)?, TOKEN_LIMIT) };
        request.authorization = key.credential.as_ref().and_then(Credential::basic);
        token_of(&self.send(host, &request, trace).await?)
    }
}

/// Whether a token server that gives no token for several repositories may give one for each. One that does not answer is not asked for more.
fn is_refusal(error: &RegistryError) -> bool {
    match error {
        RegistryError::Unauthorized | RegistryError::Denied | RegistryError::Status { .. } | RegistryError::InvalidResponse(_) => true,
        RegistryError::RateLimited(_) => false,
        // A server, or a proxy in front of it, may break the connection at an address that is too long for it.
        RegistryError::Unreachable(why) => why.reason == UnreachableReason::Reset,
    }
}

fn token_of(response: &Response) -> Result<Token, RegistryError> {
    match response.status.as_u16() {
        200 | 201 => Token::parse(&response.body),
        // OAuth 2 answers 400 for a refresh token that is not valid.
        400 | 401 => Err(RegistryError::Unauthorized),
        403 if is_json_or_empty(&response.body) => Err(RegistryError::Denied),
        status => Err(RegistryError::Status { status, message: "the token server refused".into() }),
    }
}

/// A page, or plain text, is the word of a proxy in front of the token server.
fn is_json_or_empty(body: &[u8]) -> bool {
    body.trim_ascii().is_empty() || serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

/// A secret goes to a token server over TLS only, unless the registry itself is plain.
fn accepts_secret(endpoint: &Endpoint, challenge: &Challenge, trace: &Trace) -> bool {
    let Challenge::Bearer { realm, .. } = challenge else { return true };
    let plain_registry = endpoint.scheme() == Some(http::uri::Scheme::HTTP);
    let accepted = plain_registry || url::absolute(realm).is_some_and(|realm| realm.scheme_str() == Some("https"));
    if !accepted {
        trace.note("credential_withheld", "the token server is plain http: the credential was not sent to it");
    }
    accepted
}
