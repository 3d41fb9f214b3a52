//! `ssh://user@host:port/path`, and the arguments of the `ssh` that goes there.

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// Who and where. What is not named is decided by ssh's own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(super) user: Option<String>,
    pub(crate) host: String,
    pub(super) port: Option<u16>,
    /// The engine's socket there. `None`: the one that docker's client takes there.
    pub(super) socket: Option<String>,
}

/// What a shell, or a `ProxyCommand`, gives a meaning: ssh itself refuses these in names from the command line, from 9.6 on.
const SHELL: &[char] = &['\'', '"', '`', '$', '\\', ';', '&', '<', '>', '|', '(', ')', '{', '}', '*', '?', '!', '#'];

/// Behind this the child's arguments are no options.
const NO_MORE_OPTIONS: &str = "--";

impl Target {
    /// From what stands behind `ssh://`. The error says what is wrong, without the address: it may hold a password.
    pub(crate) fn parse(address: &str) -> Result<Self, String> {
        if address.contains(['?', '#']) {
            return Err("there is no query and no fragment in such an address".into());
        }
        let (authority, path) = address.split_once('/').map_or((address, ""), |(authority, path)| (authority, path));
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err("a password is not taken: ssh gets in with a key, from its agent or its configuration".into());
        }
        let user = user.map(decoded).transpose()?.filter(|user| !user.is_empty());
        let (host, port) = crate::engine::endpoint::host_and_port(place).ok_or("ssh://user@host:port/path is its form")?;
        for (what, name) in [("user", user.as_deref().unwrap_or_default()), ("host", &host)] {
            if name.starts_with('-') {
                return Err(format!("the {what} begins with -, which ssh may take for an option"));
            }
            if name.contains(SHELL) || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
                return Err(format!("the {what} has a character that no {what} has"));
            }
        }
        let path = decoded(path)?;
        if path.chars().any(char::is_control) {
            return Err("the path of the socket has a control character".into());
        }
        let socket = Some(path).filter(|path| !path.trim_matches('/').is_empty()).map(|path| format!("/{path}"));
        Ok(Self { user, host, port, socket })
    }

    /// The arguments of the `ssh` that connects its standard input and output to the engine.
    pub(super) fn dial(&self, connect_timeout: Duration) -> Vec<String> {
        let seconds = connect_timeout.as_secs_f64().ceil().max(1.0) as u64;
        // BatchMode: nobody is there who could answer a question. -T: a terminal would change the bytes.
        let options = ["-T".to_owned(), "-o".into(), "BatchMode=yes".into(), "-o".into(), format!("ConnectTimeout={seconds}")];
        let host = self.socket.as_ref().map(|socket| in_a_shell(&format!("--host=unix://{socket}")));
        let command = ["docker".to_owned()].into_iter().chain(host).chain(["system".to_owned(), "dial-stdio".to_owned()]);
        options.into_iter().chain(self.place()).chain(command).collect()
    }

    /// The arguments of the `ssh` that prints what its configuration makes of the host, and connects nowhere.
    pub(super) fn explain(&self) -> Vec<String> {
        ["-G".to_owned()].into_iter().chain(self.place()).collect()
    }

    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(22)
    }

    fn place(&self) -> impl Iterator<Item = String> {
        let user = self.user.iter().flat_map(|user| ["-l".to_owned(), user.clone()]);
        let port = self.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]);
        user.chain(port).chain([NO_MORE_OPTIONS.to_owned(), self.host.clone()])
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&crate::engine::endpoint::bracketed(&self.host))?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(self.socket.as_deref().unwrap_or_default())
    }
}

fn decoded(text: &str) -> Result<String, String> {
    percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| "it is not UTF-8".to_owned())
}

/// The remote user's shell reads the command line that ssh has made of the arguments.
fn in_a_shell(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if argument.chars().all(is_plain) { argument.to_owned() } else { format!("'{}'", argument.replace('\'', r"'\''")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_those_of_dockers_client() {
        let cases = [
            ("engine", "-- engine docker system dial-stdio"),
            ("me@engine", "-l me -- engine docker system dial-stdio"),
            ("me@engine:2222", "-l me -p 2222 -- engine docker system dial-stdio"),
            ("engine/", "-- engine docker system dial-stdio"),
            ("[::1]:22", "-p 22 -- ::1 docker system dial-stdio"),
            ("engine/run/user/1000/docker.sock", "-- engine docker --host=unix:///run/user/1000/docker.sock system dial-stdio"),
            ("a%40b@engine/a%20b", "-l a@b -- engine docker '--host=unix:///a b' system dial-stdio"),
            ("engine/$(id)'", r"-- engine docker '--host=unix:///$(id)'\''' system dial-stdio"),
        ];
        for (address, expected) in cases {
            let arguments = Target::parse(address).unwrap().dial(Duration::from_millis(9500)).join(" ");
            assert_eq!(arguments, format!("-T -o BatchMode=yes -o ConnectTimeout=10 {expected}"), "{address}");
        }
    }

    #[test]
    fn an_address_is_shown_as_it_was_given() {
        for address in ["engine", "me@engine", "me@engine:2222", "me@[fe80::1]:22/run/x.sock"] {
            assert_eq!(Target::parse(address).unwrap().to_string(), format!("ssh://{address}"));
        }
    }

    #[test]
    fn no_part_of_an_address_is_an_option_of_ssh_or_a_command() {
        for address in [
            "",
            "@",
            "me@",
            "-oProxyCommand=id",
            "-oProxyCommand=id@engine",
            "%2DoProxyCommand=id@engine",
            "engine:port",
            "eng ine",
            "engine;id",
            "$(id)@engine",
            "a%0ab@engine",
            "engine/a%0ab",
            "engine/x?y",
            "engine#x",
        ] {
            assert!(Target::parse(address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        let error = Target::parse("me:secret@engine").unwrap_err();
        assert!(error.contains("password") && !error.contains("secret"), "{error}");
    }
}
