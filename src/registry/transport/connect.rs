//! Connections to registries: the name's addresses, a proxy where the environment names one, TLS.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::timeout;
use tower_service::Service;

use super::dial::{ConnectError, dial, failed, speak_tls};
use super::network::Network;
use super::proxy;
use super::stream::RegistryStream;
use crate::registry::error::UnreachableReason;

/// How long a server may take for the TLS handshake that finds out whether it speaks TLS.
const TLS_PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Connects to whatever host a request names.
#[derive(Debug, Clone)]
pub(in crate::registry) struct Connector {
    network: Arc<Network>,
    tcp: HttpConnector,
}

impl Connector {
    pub(in crate::registry) fn new(network: Arc<Network>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self { network, tcp }
    }

    async fn connect(self, uri: Uri) -> Result<MaybeHttpsStream<RegistryStream>, ConnectError> {
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let stream = self.open_stream(&uri, secure).await?;
        if !secure {
            return Ok(MaybeHttpsStream::Http(stream));
        }
        match timeout(self.network.limits.tls, self.handshake(stream, &uri)).await {
            Ok(stream) => stream,
            Err(_) => Err(failed(UnreachableReason::Timeout, "the TLS handshake did not end in time")),
        }
    }

    /// Whether the server speaks TLS. One that sends nothing is waiting for the end of a plain request.
    pub(in crate::registry) async fn speaks_tls(&self, uri: &Uri) -> Result<bool, ConnectError> {
        let stream = self.open_stream(uri, true).await?;
        Ok(timeout(TLS_PROBE_TIMEOUT, self.handshake(stream, uri)).await.is_ok_and(|stream| stream.is_ok()))
    }

    async fn open_stream(&self, uri: &Uri, secure: bool) -> Result<RegistryStream, ConnectError> {
        let limit = self.network.limits.connect;
        match self.network.proxy(uri) {
            None => Ok(RegistryStream { connection: dial(self.tcp.clone(), uri.clone(), limit).await?.into(), through_proxy: false }),
            Some(proxy) => proxy::through(&proxy, &self.network, self.tcp.clone(), uri, secure).await,
        }
    }

    async fn handshake(&self, stream: RegistryStream, uri: &Uri) -> Result<MaybeHttpsStream<RegistryStream>, ConnectError> {
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let config = self.network.tls(&authority).await.map_err(|message| failed(UnreachableReason::Tls, message))?;
        speak_tls(config, stream, uri).await
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<RegistryStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}
