//! A tiny server that answers as a test tells it, and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What came in.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) head: String,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(super) fn authorization(&self) -> &str {
        self.header("authorization").unwrap_or_default()
    }
}

/// What goes out.
pub(super) enum Reply {
    /// These bytes, and the connection stays open.
    Bytes(Vec<u8>),
    /// These bytes, and the connection is closed.
    Last(Vec<u8>),
    /// A byte now and then, for ever.
    Trickle(Vec<u8>),
    /// These bytes again and again.
    Endless(Vec<u8>, Vec<u8>),
    Hang,
    /// Another one, once the flag is set.
    Held(watch::Receiver<bool>, Box<Reply>),
}

/// A status line, headers, a body with its length.
pub(super) fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut text = format!("HTTP/1.1 {status} X\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    Reply::Bytes(text.into_bytes())
}

/// The server; it ends with the value.
pub(super) struct Server {
    pub(super) authority: String,
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), asked.clone());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, answer.clone(), log.clone()));
            }
        });
        Self { authority, asked, task }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn count(&self, method: &str) -> usize {
        self.asked().iter().filter(|asked| asked.method == method).count()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<dyn Fn(&Asked) -> Reply + Send + Sync>, log: Arc<Mutex<Vec<Asked>>>) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let asked = read(&mut stream, &mut buffer).await?;
        let head_only = asked.method == "HEAD";
        log.lock().unwrap().push(asked.clone());
        let mut reply = answer(&asked);
        while let Reply::Held(mut flag, held) = reply {
            flag.wait_for(|set| *set).await.ok()?;
            reply = *held;
        }
        match reply {
            Reply::Bytes(bytes) => stream.write_all(if head_only { head_of(&bytes) } else { &bytes }).await.ok()?,
            Reply::Last(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                return None;
            }
            Reply::Trickle(bytes) => {
                for byte in bytes.iter().chain(std::iter::repeat(&b' ')) {
                    stream.write_all(&[*byte]).await.ok()?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Reply::Endless(head, again) => {
                stream.write_all(&head).await.ok()?;
                loop {
                    stream.write_all(&again).await.ok()?;
                }
            }
            Reply::Held(..) | Reply::Hang => std::future::pending().await,
        }
    }
}

fn head_of(bytes: &[u8]) -> &[u8] {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes, |end| &bytes[..end + 4])
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let mut words = head.split_whitespace();
            let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
            let mut asked = Asked { method, target, head, body: String::new() };
            let length: usize = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            while buffer.len() < end + 4 + length {
                stream.read_buf(buffer).await.ok().filter(|read| *read > 0)?;
            }
            asked.body = String::from_utf8_lossy(&buffer[end + 4..end + 4 + length]).into_owned();
            buffer.drain(..end + 4 + length);
            return Some(asked);
        }
        // A TLS handshake is refused at once, as Go's server does.
        if buffer.first() == Some(&0x16) {
            stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await.ok()?;
            return None;
        }
        stream.read_buf(buffer).await.ok().filter(|read| *read > 0)?;
    }
}
