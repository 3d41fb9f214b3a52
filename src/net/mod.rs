//! What engine and registries need of the network and the system alike: certificates, TLS, child processes, the log of requests.

pub(crate) mod child;
pub(crate) mod pem;
pub(crate) mod process_group;
pub(crate) mod request_log;
pub(crate) mod tls;
