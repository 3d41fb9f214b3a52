//! Authentication: what a registry asks for in its 401 is sent with that request and the following ones.

pub(in crate::registry) mod auth_file;
mod authorize;
pub(in crate::registry) mod credential;
pub(in crate::registry) mod credential_helper;
pub(in crate::registry) mod credentials;
mod granted;
pub(in crate::registry) mod joined;
pub(in crate::registry) mod login;
pub(in crate::registry) mod tokens;

use http::{HeaderValue, StatusCode};

use crate::registry::Session;
use crate::registry::challenge::Challenge;
use crate::registry::error::RegistryError;
use crate::registry::trace::{CredentialUse, Trace};
use crate::registry::transport::endpoint::Endpoint;
use crate::registry::transport::http::{Request, Response};
use crate::registry::transport::url;
use crate::registry::transport::window::Way;
use credential::redacted;
use credentials::Refused;
use joined::pull_scope;
use tokens::TokenKey;

/// What a request is authorized with.
enum Authorization {
    Nothing,
    Basic(HeaderValue),
    Token {
        header: HeaderValue,
        key: TokenKey,
        origin: Origin,
    },
    /// An access token of the caller's own.
    Access(HeaderValue),
}

/// Where a token came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    New,
    Cached,
    /// It was given for several repositories. `told`: the token server said that this one is among them.
    Joined {
        told: bool,
    },
}

/// Which repository is asked about, where, and for which check.
#[derive(Clone, Copy)]
struct Subject<'a> {
    endpoint: &'a Endpoint,
    repository: &'a str,
    trace: &'a Trace,
}

/// A request, and on whose behalf it is sent.
#[derive(Clone, Copy)]
struct Asked<'a> {
    subject: Subject<'a>,
    request: &'a Request,
}

/// After a 401.
enum Next {
    Authorization(Authorization),
    Response(Response),
}

impl Authorization {
    /// Whether a credential stands behind it.
    fn has_credential(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Basic(_) | Self::Access(_) => true,
            Self::Token { key, .. } => key.credential.is_some(),
        }
    }

    fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::Nothing => None,
            Self::Basic(header) | Self::Token { header, .. } | Self::Access(header) => Some(header.clone()),
        }
    }
}

impl Session {
    /// Sends a request with the authorization that the registry asks for. A 401 is never returned: it is an error.
    pub(in crate::registry) async fn send_authorized(
        &self,
        endpoint: &Endpoint,
        repository: &str,
        request: &Request,
        trace: &Trace,
    ) -> Result<Response, RegistryError> {
        if let Some(error) = trace.take_failed_token() {
            return Err(error);
        }
        let subject = Subject { endpoint, repository, trace };
        let asked = Asked { subject, request };
        let mut authorization = match endpoint.host.challenge() {
            Some(challenge) => self.authorize(&subject, challenge).await?,
            None => Authorization::Nothing,
        };
        // Each attempt rules out its kind of authorization, so that there are at most five: none, a token for several repositories, a cached
        // token, a new token, and once without the credential.
        let (mut tried_without, mut too_little) = (false, None);
        loop {
            tried_without |= matches!(authorization, Authorization::Nothing);
            let response = self.send_with(&asked, authorization.header()).await?;
            if !url::same_host(&request.url, &response.url) {
                return match response.status {
                    StatusCode::UNAUTHORIZED => self.send_elsewhere(&asked, &response).await,
                    _ => Ok(response),
                };
            }
            authorization = match (response.status, authorization) {
                (status, Authorization::Token { header, key, origin: Origin::Joined { told } }) if may_be_too_little(status, told) => {
                    self.joined.leave(&endpoint.host.authority, repository);
                    too_little = (status != StatusCode::NOT_FOUND).then_some((key, header));
                    let challenge = Challenge::of(&response.headers).or_else(|| endpoint.host.challenge());
                    self.authorize(&subject, challenge.ok_or(RegistryError::Unauthorized)?).await?
                }
                (StatusCode::UNAUTHORIZED, authorization) => match self.after_401(&asked, &response, authorization, tried_without).await? {
                    Next::Authorization(next) => next,
                    Next::Response(response) => return Ok(response),
                },
                (StatusCode::FORBIDDEN, authorization) if authorization.has_credential() => {
                    let without = self.send_without(&asked, endpoint.host.challenge(), tried_without).await;
                    return Ok(without.unwrap_or(response));
                }
                // Some registries announce their login at `/v2/` alone, and hide from the anonymous what is there.
                (StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, Authorization::Nothing) => match self.announced(&subject).await? {
                    Authorization::Nothing => return Ok(response),
                    authorization => authorization,
                },
                (status, authorization) => {
                    trace.credential(CredentialUse::None);
                    if status.is_success() && matches!(authorization, Authorization::Basic(_)) {
                        self.password_was_taken(endpoint);
                    }
                    if let Some((key, header)) = too_little.filter(|_| status.is_success()) {
                        self.joined.end(&endpoint.host.authority);
                        self.shared.tokens.forget(&key, &header).await;
                    }
                    return Ok(response);
                }
            };
        }
    }

    /// Asks for the token of a repository ahead of its check, which is to begin soon. A failure is the check's.
    pub(in crate::registry) async fn token_ahead(&self, endpoint: &Endpoint, repository: &str, trace: &Trace) {
        let Some(challenge @ Challenge::Bearer { .. }) = endpoint.host.challenge() else { return };
        match self.authorize(&Subject { endpoint, repository, trace }, challenge).await {
            Ok(Authorization::Token { header, origin: Origin::New, .. }) => trace.set_new_token(header),
            Ok(_) => {}
            Err(error) => trace.set_failed_token(error),
        }
    }

    async fn send_with(&self, asked: &Asked<'_>, authorization: Option<HeaderValue>) -> Result<Response, RegistryError> {
        let request = Request { authorization, ..asked.request.clone() };
        let mut response = self.send(&asked.subject.endpoint.host, &request, asked.subject.trace).await?;
        if let Some(sent) = request.authorization.as_ref().filter(|_| !response.status.is_success()) {
            response.body = redacted(&response.body, sent).into();
        }
        Ok(response)
    }

    /// What is to be sent after a 401.
    async fn after_401(
        &self,
        asked: &Asked<'_>,
        response: &Response,
        authorization: Authorization,
        tried_without: bool,
    ) -> Result<Next, RegistryError> {
        let Subject { endpoint, trace, .. } = asked.subject;
        let challenge = Challenge::of(&response.headers);
        if let Some(challenge) = &challenge {
            endpoint.host.set_challenge(challenge.for_any_repository());
            // The others need not wait until the first one has its token.
            endpoint.host.checks.open(Way::of(response.http2));
        }
        let known = challenge.or_else(|| endpoint.host.challenge());
        match authorization {
            Authorization::Nothing => {
                let next = match known {
                    Some(challenge) => self.authorize(&asked.subject, challenge).await?,
                    None => self.announced(&asked.subject).await?,
                };
                return if matches!(next, Authorization::Nothing) {
                    Err(RegistryError::Unauthorized)
                } else {
                    Ok(Next::Authorization(next))
                };
            }
            Authorization::Token { header, key, origin: Origin::Cached } => {
                self.shared.tokens.forget(&key, &header).await;
                let challenge = known.ok_or(RegistryError::Unauthorized)?;
                return Ok(Next::Authorization(self.authorize(&asked.subject, challenge).await?));
            }
            Authorization::Token { key: TokenKey { credential: None, .. }, .. } => return Err(RegistryError::Unauthorized),
            Authorization::Token { header, key, .. } => {
                self.shared.tokens.forget(&key, &header).await;
                // The token server has taken the credential: the refusal belongs to this repository.
                if Challenge::is_scope_insufficient(&response.headers) {
                    return Err(RegistryError::Denied);
                }
            }
            Authorization::Basic(header) => {
                if !self.is_password_right(endpoint, &header, trace).await {
                    self.credentials.reject(&endpoint.registry, trace);
                }
            }
            Authorization::Access(_) => {}
        }
        self.send_without(asked, known, tried_without).await.map(Next::Response).ok_or(RegistryError::Unauthorized)
    }

    /// Once without the credential that the registry refuses; `None`: it refuses that too.
    async fn send_without(&self, asked: &Asked<'_>, challenge: Option<Challenge>, tried_without: bool) -> Option<Response> {
        let Subject { endpoint, repository, trace } = asked.subject;
        if self.credentials.refused(&endpoint.registry, repository) == Some(Refused::Closed) {
            self.credentials.refuse(&endpoint.registry, repository, Refused::Closed, trace);
            return None;
        }
        // A token for several repositories would not be proof.
        self.joined.leave(&endpoint.host.authority, repository);
        let response = match challenge {
            Some(challenge @ Challenge::Bearer { .. }) => match self.anonymous_token(&asked.subject, challenge).await {
                Ok(authorization) => self.send_with(asked, authorization.header()).await.ok(),
                Err(_) => None,
            },
            _ if tried_without => None,
            _ => self.send_with(asked, None).await.ok(),
        };
        let open = response.filter(|response| response.status.is_success());
        let refused = if open.is_some() { Refused::OpenWithout } else { Refused::Closed };
        self.credentials.refuse(&endpoint.registry, repository, refused, trace);
        open
    }

    /// The authorization of a registry that has asked for none, where there is a credential and `/v2/` asks for it.
    async fn announced(&self, subject: &Subject<'_>) -> Result<Authorization, RegistryError> {
        let Subject { endpoint, repository, trace } = *subject;
        if self.credentials.find(&endpoint.registry, repository, trace).await.is_none() {
            return Ok(Authorization::Nothing);
        }
        match self.announced_challenge(endpoint, trace).await {
            Some(challenge) => self.authorize(subject, challenge).await,
            None => Ok(Authorization::Nothing),
        }
    }

    /// A redirect has led to another host, which asks for a token: it gets one of its own, and never a credential. Its challenge is not that of
    /// the registry.
    async fn send_elsewhere(&self, asked: &Asked<'_>, response: &Response) -> Result<Response, RegistryError> {
        let Some(Challenge::Bearer { realm, service, scope }) = Challenge::of(&response.headers) else {
            return Err(RegistryError::Unauthorized);
        };
        let scope = scope.unwrap_or_else(|| pull_scope(url::repository_of(&response.url).unwrap_or(asked.subject.repository)));
        let authority = response.url.authority().map(ToString::to_string).unwrap_or_default();
        let host = self.shared.hosts.get(&authority);
        let key = TokenKey { authority, challenge: Challenge::Bearer { realm, service, scope: Some(scope) }, credential: None };
        asked.subject.trace.credential(CredentialUse::None);
        loop {
            let (token, cached) = self.shared.tokens.get(&key, || self.fetch_token(&host, &key, asked.subject.trace)).await?;
            let request = Request { url: response.url.clone(), authorization: Some(token.header.clone()), ..asked.request.clone() };
            let answer = self.send(&host, &request, asked.subject.trace).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            self.shared.tokens.forget(&key, &token.header).await;
            if !cached {
                return Err(RegistryError::Unauthorized);
            }
        }
    }
}

/// Whether another answer may come to a token of the repository's own. A registry that hides what is forbidden answers 404.
fn may_be_too_little(status: StatusCode, told: bool) -> bool {
    match status {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => !told,
        _ => false,
    }
}
