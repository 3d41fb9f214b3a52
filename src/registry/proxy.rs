//! The way through a proxy: a tunnel, SOCKS, or a plain request handed over whole.

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

use super::connect::{ConnectError, Line, chain, dial, failed, speak_tls};
use super::network::Network;
use super::trouble::Obstacle;

/// A connection to `uri`; `secure`: TLS will be spoken in it.
pub(super) async fn through(
    proxy: &Intercept,
    network: &Arc<Network>,
    tcp: HttpConnector,
    uri: &Uri,
    secure: bool,
) -> Result<Line, ConnectError> {
    let limit = network.limits.connect;
    let mut to_proxy = ToProxy { network: network.clone(), tcp };
    let way = async {
        match proxy.uri().scheme_str() {
            Some("http" | "https") if !secure => {
                return Ok(Line { way: to_proxy.call(proxy.uri().clone()).await.map_err(|error| error.0.words)?, through_proxy: true });
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
            _ => Err("only http://, https:// and socks5:// proxies are understood".to_owned()),
        }
        .map(|way| Line { way, through_proxy: false })
    };
    let host = proxy.uri().host().unwrap_or_default();
    let by_proxy = |words: &str| failed(Obstacle::Proxy, format!("the proxy {host}: {words}"));
    match timeout(limit, way).await {
        Ok(line) => line.map_err(|words| by_proxy(&words)),
        Err(_) => Err(by_proxy("it did not answer in time")),
    }
}

/// The address with the port that goes without saying.
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
        let line = dial(self.tcp, proxy.clone(), limit).await?;
        if proxy.scheme() != Some(&Scheme::HTTPS) {
            return Ok(line.into());
        }
        let authority = proxy.authority().map(ToString::to_string).unwrap_or_default();
        let config = self.network.tls_of_proxy(&authority).await.map_err(|why| failed(Obstacle::Tls, why))?;
        speak_tls(config, line, &proxy).await
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
