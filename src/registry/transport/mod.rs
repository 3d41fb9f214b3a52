//! Requests to a registry: where to send them, how to connect, and when to try again.

pub(in crate::registry) mod connect;
pub(in crate::registry) mod dial;
pub(in crate::registry) mod endpoint;
pub(in crate::registry) mod exchange;
pub(in crate::registry) mod http;
pub(in crate::registry) mod limits;
pub(in crate::registry) mod network;
mod no_proxy;
pub(in crate::registry) mod proxy;
pub(in crate::registry) mod stream;
pub(in crate::registry) mod tls;
pub(in crate::registry) mod url;
pub(in crate::registry) mod window;
