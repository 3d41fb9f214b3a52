//! Which address ssh goes to, by its own configuration.

use std::time::Duration;

use super::connect::Ssh;
use crate::net::child::Program;

const TIME_LIMIT: Duration = Duration::from_secs(5);
const LONGEST: u64 = 256 * 1024;

/// Where sshd listens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether this machine resolves the host: behind a jump host it is another one that does.
    pub(crate) is_direct: bool,
}

impl Ssh {
    /// What `ssh -G` prints; where that fails, the host and the port as they were given.
    pub(crate) async fn place(&self) -> Place {
        let program = Program {
            name: "ssh".into(),
            arguments: self.target().explain(),
            environment: self.environment().clone(),
            input: String::new(),
            output_limit: LONGEST,
            time_limit: TIME_LIMIT,
        };
        let given = Place { host: self.target().host.clone(), port: self.target().port(), is_direct: true };
        match program.run().await {
            Ok(finished) => configured(&String::from_utf8_lossy(&finished.output), given),
            Err(_) => given,
        }
    }
}

fn configured(printed: &str, given: Place) -> Place {
    let value = |name: &str| {
        let is_it = |line: &&str| line.split(' ').next() == Some(name);
        printed.lines().find(is_it).and_then(|line| line.split_once(' ')).map(|(_, value)| value.trim())
    };
    let is_set = |name: &str| value(name).is_some_and(|value| value != "none");
    Place {
        host: value("hostname").map_or(given.host, str::to_owned),
        port: value("port").and_then(|port| port.parse().ok()).unwrap_or(given.port),
        is_direct: !is_set("proxyjump") && !is_set("proxycommand"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_ssh_says_where_it_goes() {
        let place = |host: &str, port, is_direct| Place { host: host.into(), port, is_direct };
        let cases = [
            ("user me\nhostname engine.lan\nport 2222\n", place("engine.lan", 2222, true)),
            ("hostname engine.lan\nport 22\nproxyjump gate\n", place("engine.lan", 22, false)),
            ("hostname engine.lan\nport 22\nproxycommand none\n", place("engine.lan", 22, true)),
            ("", place("alias", 7, true)),
        ];
        for (printed, expected) in cases {
            assert_eq!(configured(printed, place("alias", 7, true)), expected, "{printed}");
        }
    }
}
