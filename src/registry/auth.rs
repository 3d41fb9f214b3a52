//! Convincing a registry: what it asks for is read off its 401, and brought along the next time.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};

use super::Session;
use super::challenge::Challenge;
use super::credential::{Credential, bearer, hidden};
use super::endpoint::Endpoint;
use super::http::{Answer, Request};
use super::tokens::{Token, TokenKey};
use super::trace::{CredentialUse, Trace};
use super::trouble::Trouble;
use super::url;

/// The largest answer of a token server.
const TOKEN_CAP: usize = 1024 * 1024;
const CLIENT_ID: &str = "refit";

/// What a request brought along.
enum Grant {
    Nothing,
    Basic(HeaderValue),
    /// A token, for whom it was given, and whether it was at hand already.
    Token {
        header: HeaderValue,
        key: TokenKey,
        kept: bool,
    },
    /// An access token of the caller's own.
    Access(HeaderValue),
}

impl Grant {
    fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::Nothing => None,
            Self::Basic(header) | Self::Token { header, .. } | Self::Access(header) => Some(header.clone()),
        }
    }
}

impl Session {
    /// Sends a request with all that the registry wants to see. A 401 never comes back: it is an error.
    pub(super) async fn authorised(
        &self,
        endpoint: &Endpoint,
        repository: &str,
        request: &Request,
        trace: &Trace,
    ) -> Result<Answer, Trouble> {
        let mut grant = match endpoint.host.challenge() {
            Some(challenge) => self.grant(endpoint, repository, challenge, trace).await?,
            None => Grant::Nothing,
        };
        // Each turn rules out what it tried, so that there are at most: nothing, a kept token, a new one, and one without a credential.
        let mut tried_without = false;
        loop {
            tried_without |= matches!(grant, Grant::Nothing);
            let request = Request { authorization: grant.header(), ..request.clone() };
            let mut answer = self.send(&endpoint.host, &request, trace).await?;
            if let Some(shown) = request.authorization.as_ref().filter(|_| !answer.status.is_success()) {
                answer.body = hidden(&answer.body, shown).into();
            }
            if answer.status != StatusCode::UNAUTHORIZED {
                trace.credential(CredentialUse::None);
                return Ok(answer);
            }
            let challenge = Challenge::of(&answer.headers).ok_or(Trouble::Unauthorized)?;
            endpoint.host.set_challenge(challenge.for_any_repository());
            grant = match grant {
                Grant::Nothing => match self.grant(endpoint, repository, challenge, trace).await? {
                    Grant::Nothing => return Err(Trouble::Unauthorized),
                    Grant::Basic(_) if self.refused(endpoint) => return Err(Trouble::Unauthorized),
                    grant => grant,
                },
                Grant::Token { header, key, kept: true } => {
                    self.shared.tokens.forget(&key, &header).await;
                    self.grant(endpoint, repository, challenge, trace).await?
                }
                Grant::Token { key: TokenKey { credential: None, .. }, .. } => return Err(Trouble::Unauthorized),
                Grant::Token { header, key, .. } => {
                    self.shared.tokens.forget(&key, &header).await;
                    self.reject(endpoint, trace);
                    self.grant(endpoint, repository, challenge, trace).await?
                }
                Grant::Basic(_) | Grant::Access(_) => {
                    self.reject(endpoint, trace);
                    match self.grant(endpoint, repository, challenge, trace).await? {
                        Grant::Nothing if tried_without => return Err(Trouble::Unauthorized),
                        grant => grant,
                    }
                }
            };
        }
    }

    async fn grant(&self, endpoint: &Endpoint, repository: &str, challenge: Challenge, trace: &Trace) -> Result<Grant, Trouble> {
        let credential = self.credentials.find(&endpoint.registry, repository, trace).await;
        let Challenge::Bearer { realm, service, scope } = challenge else {
            let header = credential.as_ref().and_then(Credential::basic);
            trace.credential(if header.is_some() { CredentialUse::Used } else { CredentialUse::None });
            return Ok(header.map_or(Grant::Nothing, Grant::Basic));
        };
        if let Some(Credential::Access(token)) = &credential {
            trace.credential(CredentialUse::Used);
            return Ok(bearer(token).map_or(Grant::Nothing, Grant::Access));
        }
        let scope = scope.unwrap_or_else(|| format!("repository:{repository}:pull"));
        let challenge = Challenge::Bearer { realm, service, scope: Some(scope) };
        let mut credential = credential.filter(|_| may_carry_secret(endpoint, &challenge, trace));
        loop {
            trace.credential(if credential.is_some() { CredentialUse::Used } else { CredentialUse::None });
            let key = TokenKey { authority: endpoint.host.authority.clone(), challenge: challenge.clone(), credential: credential.clone() };
            match self.shared.tokens.get(&key, || self.fetch_token(endpoint, &key, trace)).await {
                Ok((header, kept)) => return Ok(Grant::Token { header, key, kept }),
                Err(Trouble::Unauthorized) if credential.is_some() => {
                    self.reject(endpoint, trace);
                    credential = None;
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn reject(&self, endpoint: &Endpoint, trace: &Trace) {
        self.credentials.reject(&endpoint.registry, trace);
    }

    fn refused(&self, endpoint: &Endpoint) -> bool {
        self.credentials.is_rejected(&endpoint.registry)
    }

    async fn fetch_token(&self, endpoint: &Endpoint, key: &TokenKey, trace: &Trace) -> Result<Token, Trouble> {
        let Challenge::Bearer { realm, service, scope } = &key.challenge else { return Err(Trouble::Unauthorized) };
        let mut parameters: Vec<(&str, &str)> = Vec::new();
        parameters.extend(service.as_deref().map(|service| ("service", service)));
        parameters.extend(scope.as_deref().map(|scope| ("scope", scope)));
        if let Some(Credential::Identity { token, .. }) = &key.credential {
            let mut form = vec![("grant_type", "refresh_token"), ("client_id", CLIENT_ID), ("refresh_token", token.as_str())];
            form.extend(&parameters);
            let url = url::absolute(realm).ok_or_else(|| Trouble::bad_answer("the token server's address is not one"))?;
            let form = Some(Bytes::from(url::form(&form)));
            let request = Request { method: Method::POST, form, ..Request::get(url, TOKEN_CAP) };
            let answer = self.send(&endpoint.host, &request, trace).await?;
            // Not every token server knows OAuth 2.
            if !matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
                return token_of(&answer);
            }
        }
        if let Some(username) = key.credential.as_ref().and_then(Credential::username) {
            parameters.push(("account", username));
        }
        let mut request = Request::get(url::with_query(realm, &parameters)?, TOKEN_CAP);
        request.authorization = key.credential.as_ref().and_then(Credential::basic);
        token_of(&self.send(&endpoint.host, &request, trace).await?)
    }
}

fn token_of(answer: &Answer) -> Result<Token, Trouble> {
    match answer.status.as_u16() {
        200 | 201 => Token::parse(&answer.body),
        // 400 is how OAuth 2 says that a refresh token is no good.
        400 | 401 => Err(Trouble::Unauthorized),
        403 => Err(Trouble::Denied),
        status => Err(Trouble::Refused { status, words: "the token server refused".into() }),
    }
}

/// A secret goes to a token server over TLS only, unless the registry itself is plain.
fn may_carry_secret(endpoint: &Endpoint, challenge: &Challenge, trace: &Trace) -> bool {
    let Challenge::Bearer { realm, .. } = challenge else { return true };
    let plain_registry = endpoint.scheme() == Some(http::uri::Scheme::HTTP);
    let may = plain_registry || url::absolute(realm).is_some_and(|realm| realm.scheme_str() == Some("https"));
    if !may {
        trace.note("credential_withheld", "the token server is plain http: the credential was not sent to it");
    }
    may
}
