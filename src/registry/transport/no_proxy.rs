//! `NO_PROXY`, as Go's httpproxy reads it, and so dockerd.
//!
//! Rules: docs/check.md, section 5.4.

use std::net::IpAddr;

use http::Uri;
use ipnet::IpNet;

/// The hosts that are asked without a proxy.
#[derive(Debug, Default)]
pub(super) struct NoProxy {
    all: bool,
    entries: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Network(IpNet),
    /// With the port that it is limited to.
    Address(IpAddr, Option<u16>),
    /// `.domain`; whether the domain itself is one of them; the port.
    Domain(String, bool, Option<u16>),
}

impl NoProxy {
    pub(super) fn parse(text: &str) -> Self {
        let parts: Vec<String> = text.split(',').map(|part| part.trim().to_lowercase()).collect();
        let all = parts.iter().any(|part| part == "*");
        Self { all, entries: parts.iter().filter_map(|part| Entry::parse(part)).collect() }
    }

    /// Whether the host of an address is one of them.
    pub(super) fn has(&self, uri: &Uri) -> bool {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_lowercase();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let address: Option<IpAddr> = host.parse().ok().map(|address: IpAddr| address.to_canonical());
        self.all || self.entries.iter().any(|entry| entry.matches(&host, address, port))
    }
}

impl Entry {
    fn parse(entry: &str) -> Option<Self> {
        if let Ok(network) = entry.parse() {
            return Some(Self::Network(network));
        }
        let (host, port) = split_port(entry)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), port));
        }
        let host = if host.starts_with("*.") { &host[1..] } else { host };
        match host.strip_prefix('.') {
            _ if host.is_empty() || host == "*" => None,
            Some(_) => Some(Self::Domain(host.to_owned(), false, port)),
            None => Some(Self::Domain(format!(".{host}"), true, port)),
        }
    }

    fn matches(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let same_port = |own: &Option<u16>| own.is_none_or(|own| own == port);
        match self {
            Self::Network(network) => address.is_some_and(|address| network.contains(&address)),
            Self::Address(own, own_port) => address == Some(*own) && same_port(own_port),
            Self::Domain(domain, itself, own_port) => {
                (host.ends_with(domain.as_str()) || (*itself && domain.get(1..) == Some(host))) && same_port(own_port)
            }
        }
    }
}

/// `host`, `host:port`, `[v6]:port`, or an address of version 6, which has colons of its own. `None`: no host, or no port.
fn split_port(entry: &str) -> Option<(&str, Option<u16>)> {
    if entry.parse::<IpAddr>().is_ok() {
        return Some((entry, None));
    }
    match entry.rsplit_once(':') {
        Some((_, rest)) if rest.ends_with(']') => Some((entry, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((entry, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_go_reads_them() {
        for (entries, address, direct) in [
            ("*", "https://ghcr.io/", true),
            ("a, * ,b", "https://ghcr.io/", true),
            ("ghcr.io", "https://ghcr.io/", true),
            ("GHCR.io", "https://ghcr.IO/", true),
            ("ghcr.io", "https://sub.ghcr.io/", true),
            ("ghcr.io", "https://notghcr.io/", false),
            (".ghcr.io", "https://ghcr.io/", false),
            (".ghcr.io", "https://sub.ghcr.io/", true),
            ("*.ghcr.io", "https://sub.ghcr.io/", true),
            ("*.ghcr.io", "https://ghcr.io/", false),
            ("*ghcr.io", "https://sub.ghcr.io/", false),
            ("ghcr.io:443", "https://ghcr.io/", true),
            ("ghcr.io:80", "http://ghcr.io/", true),
            ("ghcr.io:5000", "https://ghcr.io/", false),
            ("ghcr.io:5000", "https://sub.ghcr.io:5000/", true),
            ("*.ghcr.io:5000", "https://sub.ghcr.io:5001/", false),
            ("10.0.0.0/8", "https://10.1.2.3:5000/", true),
            ("10.0.0.0/8", "https://11.1.2.3/", false),
            ("10.0.0.0/8", "https://10.example/", false),
            ("10.1.2.3", "https://10.1.2.3:5000/", true),
            ("10.1.2.3:5000", "https://10.1.2.3:5000/", true),
            ("10.1.2.3:5000", "https://10.1.2.3/", false),
            ("fd00::/8", "https://[fd00::1]:5000/", true),
            ("fd00::1", "https://[fd00::1]:5000/", true),
            ("[fd00::1]", "https://[fd00::1]:5000/", true),
            ("[fd00::1]:5000", "https://[fd00::1]:5000/", true),
            ("[fd00::1]:5001", "https://[fd00::1]:5000/", false),
            ("", "https://ghcr.io/", false),
            (" , ,:80", "https://ghcr.io/", false),
        ] {
            let uri = address.parse().ok();
            assert_eq!(uri.map(|uri| NoProxy::parse(entries).has(&uri)), Some(direct), "{entries} {address}");
        }
    }
}
