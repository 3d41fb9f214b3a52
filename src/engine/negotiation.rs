//! Agreeing on an API version.
//!
//! Rules: docs/abi.md, section 8.

use std::time::Duration;

use http::Request;
use http::header::SERVER;
use http_body_util::BodyExt;

use super::api::system;
use super::api_version::{Agreed, ApiVersion};
use super::transport::Transport;
use crate::{Code, Result};

/// Pings, and takes the newest version that both sides speak. With it comes whether the engine has said that it is Docker.
pub(super) async fn negotiate(transport: &Transport, timeout: Duration) -> Result<(Agreed, bool)> {
    let answer = system::ping(transport, timeout).await?;
    if !answer.status.is_success() {
        let (status, words) = (answer.status.as_u16(), answer.text());
        let message = format!(
            "what answers at {} answered a ping with {status} {}: is it a Docker engine, and is it well?",
            transport.endpoint(),
            words.trim()
        );
        return Err(Code::Engine.error(message).with_http_status(status));
    }
    // A proxy may have put its own name there, which says nothing.
    let is_docker = answer.headers.get(SERVER).is_some_and(|server| server.as_bytes().starts_with(b"Docker/"));
    let spoken: Option<ApiVersion> = answer.headers.get("api-version").and_then(|value| value.to_str().ok()?.parse().ok());
    let Some(spoken) = spoken else {
        return Err(Code::Engine.error(format!("what answers at {} names no API version: is it a Docker engine?", transport.endpoint())));
    };
    if spoken < ApiVersion::OLDEST {
        return Err(Code::Unsupported.error(format!(
            "the engine at {} speaks API {spoken} at most; refit needs {} (Docker 19.03) or later",
            transport.endpoint(),
            ApiVersion::OLDEST
        )));
    }
    let newest = spoken.min(ApiVersion::NEWEST);
    if spoken <= ApiVersion::INSPECT {
        return Ok((Agreed { newest, oldest: ApiVersion::OLDEST }, is_docker));
    }
    let oldest = system::oldest_version(transport, timeout).await?.unwrap_or(ApiVersion::OLDEST);
    if oldest > ApiVersion::NEWEST {
        return Err(Code::Unsupported.error(format!(
            "the engine at {} speaks API {oldest} to {spoken}, and this refit {} to {}: a newer refit is needed",
            transport.endpoint(),
            ApiVersion::OLDEST,
            ApiVersion::NEWEST
        )));
    }
    Ok((Agreed { newest, oldest }, is_docker))
}

/// bollard over our transport. Its own timeout only stands behind ours.
pub(super) fn typed_client(transport: &Transport, api: ApiVersion, timeout: Duration) -> Result<bollard::Docker> {
    let (client, base) = (transport.clone(), transport.base());
    let send = move |request: bollard::BollardRequest| {
        let client = client.clone();
        async move {
            let (head, body) = request.into_parts();
            let request = Request::from_parts(head, body.map_err(Into::into).boxed_unsync());
            client.send(request, timeout).await.map_err(|error| bollard::errors::Error::from(std::io::Error::other(error)))
        }
    };
    let version = bollard::ClientVersion { major_version: api.0 as usize, minor_version: api.1 as usize };
    bollard::Docker::connect_with_custom_transport(send, Some(base), timeout.as_secs() + 5, &version)
        .map_err(|error| Code::InvalidArgument.error("the engine's address is not one").caused_by(&error))
}
