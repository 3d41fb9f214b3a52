//! An engine for cup, which takes the first tag of an image for its name: here each name is an image of its own. It answers what cup asks.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use serde_json::{Value, json};

/// Serves until the process ends; tells its address.
pub(crate) fn serve(socket: &Path, digest: &str) -> String {
    let listener = UnixListener::bind(socket).unwrap();
    let digest = digest.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, digest) = (stream.unwrap(), digest.clone());
            // An error is a client that went away.
            std::thread::spawn(move || {
                let _ = converse(&stream, &digest);
            });
        }
    });
    format!("unix://{}", socket.display())
}

fn converse(stream: &UnixStream, digest: &str) -> std::io::Result<()> {
    let (mut from, mut to) = (BufReader::new(stream), stream);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = answer(line.split(' ').nth(1).unwrap_or_default(), digest).to_string();
        while from.read_line(&mut line)? > 2 {}
        write!(to, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}", answer.len())?;
    }
}

fn answer(target: &str, digest: &str) -> Value {
    let path = target.split('?').next().unwrap_or_default();
    if path.ends_with("/version") {
        return json!({"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10.24"});
    }
    let name = path.split_once("/images/").and_then(|(_, rest)| rest.strip_suffix("/json"));
    let Some(name) = name.map(|name| name.replace("%2F", "/").replace("%3A", ":")) else { return json!([]) };
    let repository = name.rsplit_once(':').map_or(name.as_str(), |(repository, _)| repository);
    json!({"Id": digest, "RepoTags": [name], "RepoDigests": [format!("{repository}@{digest}")]})
}
