//! The connection through a proxy: a tunnel, SOCKS, or a plain request handed over whole.
//!
//! Rules: docs/check.md, section 5.4.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::dial::{ConnectError, chain, dial, failed, speak_tls};
use super::network::Network;
use super::stream::RegistryStream;
use crate::registry::error::UnreachableReason;

/// A connection to `uri`; `secure`: TLS will be spoken in it.
pub(in crate::registry) async fn through(
    proxy: &Intercept,
    network: &Arc<Network>,
    tcp: HttpConnector,
    uri: &Uri,
    secure: bool,
) -> Result<RegistryStream, ConnectError> {
    let limit = network.limits.connect;
    let mut to_proxy = ToProxy { network: network.clone(), tcp };
    let connection = async {
        match proxy.uri().scheme_str() {
            Some("http" | "https") if !secure => {
                return Ok(RegistryStream {
                    connection: to_proxy.call(proxy.uri().clone()).await.map_err(|error| error.0.message)?,
                    through_proxy: true,
                });
            }
            Some("http" | "https") => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
                if let Some(authorization) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(authorization.clone());
                }
                tunnel.call(uri.clone()).await.map_err(|error| chain(&error))
            }
            // Names are the proxy's to resolve, as Go's programs have it.
            Some("socks5" | "socks5h") => {
                let mut socks = SocksV5::new(with_port(proxy.uri(), 1080)?, to_proxy);
                if let Some((user, password)) = proxy.raw_auth() {
                    socks = socks.with_auth(user.to_owned(), password.to_owned());
                }
                socks.call(with_port(uri, if secure { 443 } else { 80 })?).await.map_err(|error| chain(&error))
            }
            _ => Err("only http://, https:// and socks5:// proxies are supported".to_owned()),
        }
        .map(|connection| RegistryStream { connection, through_proxy: false })
    };
    let host = proxy.uri().host().unwrap_or_default();
    let by_proxy = |words: &str| failed(UnreachableReason::Proxy, format!("the proxy {host}: {words}"));
    match timeout(limit, connection).await {
        Ok(stream) => stream.map_err(|words| by_proxy(&words)),
        Err(_) => Err(by_proxy("it did not answer in time")),
    }
}

/// The address with its port, where it is left out the default.
fn with_port(uri: &Uri, default: u16) -> Result<Uri, String> {
    let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(default));
    let scheme = uri.scheme().cloned().unwrap_or(Scheme::HTTP);
    Uri::builder().scheme(scheme).authority(format!("{host}:{port}")).path_and_query("/").build().map_err(|error| error.to_string())
}

/// Connects to the proxy itself.
#[derive(Clone)]
struct ToProxy {
    network: Arc<Network>,
    tcp: HttpConnector,
}

impl ToProxy {
    async fn connect(self, proxy: Uri) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, ConnectError> {
        let limit = self.network.limits.connect;
        let stream = dial(self.tcp, proxy.clone(), limit).await?;
        if proxy.scheme() != Some(&Scheme::HTTPS) {
            return Ok(stream.into());
        }
        let authority = proxy.authority().map(ToString::to_string).unwrap_or_default();
        let config = self.network.tls_of_proxy(&authority).await.map_err(|why| failed(UnreachableReason::Tls, why))?;
        speak_tls(config, stream, &proxy).await
    }
}

impl Service<Uri> for ToProxy {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, proxy: Uri) -> Self::Future {
        Box::pin(self.clone().connect(proxy))
    }
}
