//! What a registry was asked, from its own access log: nothing between it and the caller counts.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::Registry;

/// A request as the registry logged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// GET, HEAD, …
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// What it answered.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// Who asked.
    pub user_agent: String,
}

/// A place in the access log.
#[derive(Debug, Clone, Default)]
pub struct Mark(Vec<usize>);

const LOGS: [&str; 2] = ["access-here.log", "access-engine.log"];

impl Registry {
    /// The place where the log stands now.
    pub fn mark(&self) -> Mark {
        Mark(self.read_logs().iter().map(String::len).collect())
    }

    /// Requests for a repository since a mark, without the lab's own; an empty name is all repositories. Tests run side by side: name yours.
    pub fn requests_since(&self, mark: &Mark, repository: &str) -> Vec<Seen> {
        // A line is written after the answer is out: wait until nothing more comes.
        let mut logs = self.read_logs();
        loop {
            std::thread::sleep(Duration::from_millis(40));
            let now = self.read_logs();
            if now.iter().map(String::len).eq(logs.iter().map(String::len)) {
                break;
            }
            logs = now;
        }
        let wanted = format!("/v2/{repository}/");
        let lines = logs.iter().enumerate().flat_map(|(at, log)| log[mark.0.get(at).copied().unwrap_or(0).min(log.len())..].lines());
        let seen = lines.filter_map(parse).filter(|seen| seen.user_agent != "refit-lab");
        seen.filter(|seen| repository.is_empty() || seen.path.starts_with(&wanted)).collect()
    }

    fn read_logs(&self) -> Vec<String> {
        LOGS.iter().map(|name| read(&self.folder.join(name))).collect()
    }
}

fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// One line in Apache's combined format.
fn parse(line: &str) -> Option<Seen> {
    let mut quoted = line.split('"');
    let (_, request, numbers) = (quoted.next()?, quoted.next()?, quoted.next()?);
    let user_agent = quoted.nth(2)?.to_owned();
    let mut request = request.split(' ');
    let method = request.next()?.to_owned();
    let path = request.next()?.split('?').next()?.to_owned();
    let mut numbers = numbers.split_whitespace();
    Some(Seen { method, path, status: numbers.next()?.parse().ok()?, bytes: numbers.next()?.parse().ok()?, user_agent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read() {
        let line = r#"127.0.0.1 - - [24/Nov/2026:13:00:00 +0000] "HEAD /v2/a/b/manifests/1?x=y HTTP/1.1" 200 527 "" "docker/20.10""#;
        let seen = parse(line).unwrap();
        assert_eq!((seen.method.as_str(), seen.path.as_str(), seen.status, seen.bytes), ("HEAD", "/v2/a/b/manifests/1", 200, 527));
        assert_eq!(seen.user_agent, "docker/20.10");
        assert_eq!(parse("time=now level=info"), None);
    }
}
