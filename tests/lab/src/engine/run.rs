//! What `docker run` and `docker exec` do, through the API.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Engine;

/// What a command in a container did.
#[derive(Debug, Clone)]
pub struct Executed {
    /// Its exit code.
    pub code: i64,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

impl Engine {
    /// Creates a container from a create body and answers its id. The label `refit-lab=1` is added, so that `lab down` finds it.
    pub fn create(&self, name: &str, body: &Value) -> String {
        let mut body = body.clone();
        body["Labels"]["refit-lab"] = json!("1");
        let made = self.post(&format!("/containers/create?name={name}"), &body);
        made["Id"].as_str().unwrap().to_owned()
    }

    /// Creates and starts a container.
    pub fn run(&self, name: &str, body: &Value) -> String {
        let id = self.create(name, body);
        self.post(&format!("/containers/{id}/start"), &Value::Null);
        id
    }

    /// Runs a container from an image with its defaults.
    pub fn run_image(&self, name: &str, image: &str) -> String {
        self.run(name, &json!({ "Image": image }))
    }

    /// `created`, `running`, `exited`, …; None when there is no such container.
    pub fn status(&self, name: &str) -> Option<String> {
        self.container(name)?["State"]["Status"].as_str().map(str::to_owned)
    }

    /// Waits until a container has a status.
    pub fn wait_status(&self, name: &str, status: &str, limit: Duration) {
        let end = Instant::now() + limit;
        loop {
            let now = self.status(name);
            if now.as_deref() == Some(status) {
                return;
            }
            assert!(Instant::now() < end, "{name} is {now:?} after {limit:?}, not {status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a command in a running container.
    pub fn exec(&self, name: &str, command: &[&str]) -> Executed {
        let body = json!({ "Cmd": command, "AttachStdout": true, "AttachStderr": true });
        let id = self.post(&format!("/containers/{name}/exec"), &body)["Id"].as_str().unwrap().to_owned();
        let answer = self.ask("POST", &format!("/exec/{id}/start"), &json!({ "Detach": false, "Tty": false }));
        assert!(answer.status < 400, "exec in {name}: {}", answer.text());
        let code = self.get(&format!("/exec/{id}/json"))["ExitCode"].as_i64().unwrap_or(-1);
        Executed { code, output: demultiplexed(&answer.body, &[1]), errors: demultiplexed(&answer.body, &[2]) }
    }

    /// A container's log so far, both streams.
    pub fn logs(&self, name: &str) -> String {
        let path = format!("/containers/{name}/logs?stdout=1&stderr=1");
        let answer = self.ask("GET", &path, &Value::Null);
        assert!(answer.status < 400, "{path}: {}", answer.text());
        demultiplexed(&answer.body, &[1, 2])
    }
}

/// The engine's frames, each with its stream and length, joined to one text. The order between two streams is anybody's guess.
fn demultiplexed(mut bytes: &[u8], streams: &[u8]) -> String {
    let mut text = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(8) {
        let length = u32::from_be_bytes(head[4..8].try_into().unwrap()) as usize;
        let length = length.min(rest.len());
        if streams.contains(&head[0]) {
            text.extend_from_slice(&rest[..length]);
        }
        bytes = &rest[length..];
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_joined() {
        let frames = b"\x01\0\0\0\0\0\0\x02ab\x02\0\0\0\0\0\0\x01c";
        assert_eq!(demultiplexed(frames, &[1, 2]), "abc");
        assert_eq!(demultiplexed(frames, &[2]), "c");
        assert_eq!(demultiplexed(b"", &[1]), "");
    }
}
