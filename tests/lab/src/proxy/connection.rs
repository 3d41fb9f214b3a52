//! One client's connection: request after request to a connection of its own on the other side, byte for byte.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::framer::{Body, Head};
use super::gate::Held;
use super::{Exchange, Fault, Shared};
use crate::address::Stream;

/// The first byte of a client that speaks TLS.
const TLS_HANDSHAKE: u8 = 0x16;

/// Carries a connection until one side closes it or a fault does.
pub(super) fn carry(shared: &Shared, number: usize, client: Stream) {
    let mut carrier = Carrier { shared, number, client, upstream: None, pending: Vec::new() };
    // An error here is a connection that one side closed, which is how they all end.
    let _ = carrier.run();
    carrier.client.shutdown(Shutdown::Both);
    if let Some(upstream) = carrier.upstream {
        upstream.shutdown(Shutdown::Both);
    }
}

struct Carrier<'a> {
    shared: &'a Shared,
    number: usize,
    client: Stream,
    upstream: Option<Stream>,
    /// Read from the client and not yet sent on.
    pending: Vec<u8>,
}

/// An exchange in progress.
struct Turn {
    exchange: Exchange,
    fault: Option<Fault>,
    request_body: Body,
    answer: Answer,
}

enum Answer {
    /// Its head is not complete.
    Head(Vec<u8>),
    /// Its body, and how many bytes of it may still go out.
    Body(Body, u64),
}

impl Turn {
    fn is_over(&self) -> bool {
        self.request_body.is_done() && matches!(&self.answer, Answer::Body(body, _) if body.is_done())
    }
}

impl Carrier<'_> {
    fn run(&mut self) -> io::Result<()> {
        while let Some(head) = self.request_head()? {
            let mut turn = self.turn(&head);
            if self.before(&head, &mut turn)? {
                continue;
            }
            if self.upstream.is_none() {
                self.upstream = Some(self.shared.target.connect()?);
            }
            let bytes = self.shared.face.as_ref().map_or_else(|| head.bytes.clone(), |face| face.request(&head));
            self.upstream().write_all(&bytes)?;
            let pending = std::mem::take(&mut self.pending);
            self.send_on(&mut turn, &pending);
            while !turn.is_over() {
                self.step(&mut turn)?;
            }
        }
        Ok(())
    }

    fn upstream(&mut self) -> &mut Stream {
        self.upstream.as_mut().expect("it was connected when the request was sent on")
    }

    /// The next request's head; None when either side closed between requests.
    fn request_head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(head) = Head::take(&mut self.pending)? {
                return Ok(Some(head));
            }
            let (from_client, from_upstream) = self.ready(PollFlags::IN, true, None)?;
            if from_upstream || !from_client {
                return Ok(None);
            }
            let bytes = read(&mut self.client)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            self.pending.extend_from_slice(&bytes);
            if self.pending[0] == TLS_HANDSHAKE {
                // The engine tries TLS first on a loopback registry and waits 10 s for an answer. This is what Go's server says.
                self.client
                    .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n400 Bad Request")?;
                return Ok(None);
            }
        }
    }

    /// Numbers the request and finds its fault.
    fn turn(&mut self, head: &Head) -> Turn {
        let (method, path) = (head.word(0).to_owned(), head.word(1).to_owned());
        let mut rules = self.shared.rules.lock().unwrap();
        let mut exchanges = self.shared.exchanges.lock().unwrap();
        // Every rule counts, also behind one that has its turn.
        let turns: Vec<_> = rules.iter_mut().filter_map(|rule| rule.turn(&method, &path)).collect();
        let exchange = Exchange { number: exchanges.len() + 1, connection: self.number, method, path, status: None };
        exchanges.push(exchange.clone());
        Turn { exchange, fault: turns.into_iter().next(), request_body: head.request_body(), answer: Answer::Head(Vec::new()) }
    }

    /// What a fault does before the request is sent on; true when the exchange is over with that.
    fn before(&mut self, head: &Head, turn: &mut Turn) -> io::Result<bool> {
        match turn.fault.clone() {
            Some(Fault::Cut) => Err(cut()),
            Some(Fault::Hang) => self.hang(),
            Some(Fault::Delay(time)) => self.wait(time).map(|()| false),
            Some(Fault::Hold(gate)) => {
                turn.fault = hold(&gate, &turn.exchange)?;
                self.before(head, turn)
            }
            Some(Fault::Answer(canned)) => {
                if head.headers.get("expect").is_none() {
                    self.swallow(&mut turn.request_body)?;
                }
                self.reported(&turn.exchange, canned.status());
                self.client.write_all(&canned.bytes(&turn.exchange.method))?;
                if turn.request_body.is_done() { Ok(true) } else { Err(cut()) }
            }
            fault => {
                // A fault in the answer has to be met by the answer of the engine itself.
                let canned = match (&self.shared.face, fault) {
                    (Some(face), None) => face.answer(&self.shared.target, head),
                    _ => None,
                };
                let Some(canned) = canned else { return Ok(false) };
                self.swallow(&mut turn.request_body)?;
                self.reported(&turn.exchange, canned.status());
                self.client.write_all(&canned.bytes(&turn.exchange.method))?;
                Ok(true)
            }
        }
    }

    /// Reads a request's body for nobody.
    fn swallow(&mut self, body: &mut Body) -> io::Result<()> {
        let taken = body.feed(&self.pending);
        self.pending.drain(..taken);
        while !body.is_done() {
            let bytes = read(&mut self.client)?;
            if bytes.is_empty() {
                return Err(cut());
            }
            let taken = body.feed(&bytes);
            self.pending.extend_from_slice(&bytes[taken..]);
        }
        Ok(())
    }

    /// Waits for either side and sends on what it has.
    fn step(&mut self, turn: &mut Turn) -> io::Result<()> {
        // A client whose next request is here already is not read from, but it may hang up.
        let look = if self.pending.is_empty() { PollFlags::IN } else { PollFlags::empty() };
        let (from_client, from_upstream) = self.ready(look, true, None)?;
        if from_client {
            let bytes = read(&mut self.client)?;
            if !bytes.is_empty() {
                self.send_on(turn, &bytes);
            } else if matches!(turn.answer, Answer::Body(Body::UntilClosed, _)) {
                self.end_of_input(turn)?;
            } else {
                return Err(cut());
            }
        }
        if from_upstream {
            let bytes = read(self.upstream())?;
            if bytes.is_empty() {
                return Err(cut());
            }
            self.send_back(turn, &bytes)?;
        }
        Ok(())
    }

    /// The client of an attached connection writes no more, but may still read: only the other side ends it.
    fn end_of_input(&mut self, turn: &mut Turn) -> io::Result<()> {
        self.upstream().shutdown(Shutdown::Write);
        loop {
            let (hung_up, _) = self.ready(PollFlags::empty(), true, None)?;
            let bytes = if hung_up { Vec::new() } else { read(self.upstream())? };
            if bytes.is_empty() {
                return Err(cut());
            }
            self.send_back(turn, &bytes)?;
        }
    }

    fn send_on(&mut self, turn: &mut Turn, bytes: &[u8]) {
        let attached = matches!(turn.answer, Answer::Body(Body::UntilClosed, _));
        let taken = if attached { bytes.len() } else { turn.request_body.feed(bytes) };
        self.pending.extend_from_slice(&bytes[taken..]);
        if self.upstream().write_all(&bytes[..taken]).is_err() {
            // The engine may answer, and close, before it has read a body that it has no use for: the answer is still to be read.
            turn.request_body = Body::Length(0);
        }
    }

    fn send_back(&mut self, turn: &mut Turn, bytes: &[u8]) -> io::Result<()> {
        let Answer::Head(buffer) = &mut turn.answer else { return self.body(turn, bytes) };
        buffer.extend_from_slice(bytes);
        loop {
            let Answer::Head(buffer) = &mut turn.answer else { return Ok(()) };
            let Some(head) = Head::take(buffer)? else { return Ok(()) };
            if head.word(1) == "100" {
                self.client.write_all(&head.bytes)?;
                continue;
            }
            let rest = std::mem::take(buffer);
            let may_go_out = self.after(turn)?;
            self.reported(&turn.exchange, head.word(1).parse().unwrap_or(0));
            self.client.write_all(&head.bytes)?;
            turn.answer = Answer::Body(head.answer_body(&turn.exchange.method), may_go_out);
            return self.body(turn, &rest);
        }
    }

    /// What a fault does when the answer has come: the request is carried out, the client has heard nothing.
    fn after(&mut self, turn: &mut Turn) -> io::Result<u64> {
        match &turn.fault {
            Some(Fault::CutAnswer) => Err(cut()),
            Some(Fault::HangAnswer) => self.hang(),
            Some(Fault::DelayAnswer(time)) => self.wait(*time).map(|()| u64::MAX),
            Some(Fault::HoldAnswer(gate)) => {
                turn.fault = hold(gate, &turn.exchange)?;
                self.after(turn)
            }
            Some(Fault::Pretend(canned)) => {
                self.reported(&turn.exchange, canned.status());
                let canned = canned.clone().header("Connection", "close");
                self.client.write_all(&canned.bytes(&turn.exchange.method))?;
                Err(cut())
            }
            Some(Fault::CutBody(bytes) | Fault::HangBody(bytes)) => Ok(*bytes),
            _ => Ok(u64::MAX),
        }
    }

    fn body(&mut self, turn: &mut Turn, bytes: &[u8]) -> io::Result<()> {
        let Answer::Body(body, may_go_out) = &mut turn.answer else { return Ok(()) };
        let taken = body.feed(bytes);
        let out = taken.min(usize::try_from(*may_go_out).unwrap_or(usize::MAX));
        *may_go_out = may_go_out.saturating_sub(out as u64);
        let limited = *may_go_out == 0;
        self.client.write_all(&bytes[..out])?;
        match turn.fault {
            Some(Fault::CutBody(_)) if limited => Err(cut()),
            Some(Fault::HangBody(_)) if limited => self.hang(),
            _ => Ok(()),
        }
    }

    /// Says nothing until the client goes.
    fn hang<T>(&mut self) -> io::Result<T> {
        while !self.shared.stopped.load(Ordering::SeqCst) {
            let (from_client, _) = self.ready(PollFlags::IN, false, Some(Duration::from_millis(100)))?;
            if from_client && read(&mut self.client)?.is_empty() {
                break;
            }
        }
        Err(cut())
    }

    /// Waits, but not for a proxy that was stopped.
    fn wait(&self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if self.shared.stopped.load(Ordering::SeqCst) {
                return Err(cut());
            }
            std::thread::sleep(end.saturating_duration_since(Instant::now()).min(Duration::from_millis(20)));
        }
        Ok(())
    }

    /// Remembers the status that the client gets.
    fn reported(&self, exchange: &Exchange, status: u16) {
        let mut exchanges = self.shared.exchanges.lock().unwrap();
        // A reset may have forgotten it meanwhile.
        if let Some(seen) = exchanges.iter_mut().find(|seen| seen.number == exchange.number && seen.path == exchange.path) {
            seen.status = Some(status);
        }
    }

    /// Which side has something to read, or has closed; without a flag of its own the client is only seen when it hangs up.
    fn ready(&self, client: PollFlags, upstream_too: bool, limit: Option<Duration>) -> io::Result<(bool, bool)> {
        let mut polled = vec![PollFd::from_borrowed_fd(self.client.as_fd(), client)];
        if let Some(upstream) = self.upstream.as_ref().filter(|_| upstream_too) {
            polled.push(PollFd::from_borrowed_fd(upstream.as_fd(), PollFlags::IN));
        }
        let limit = limit.map(|limit| Timespec::try_from(limit).unwrap());
        poll(&mut polled, limit.as_ref())?;
        let is_ready = |at: usize| polled.get(at).is_some_and(|fd| !fd.revents().is_empty());
        Ok((is_ready(0), is_ready(1)))
    }
}

fn hold(gate: &std::sync::mpsc::Sender<Held>, exchange: &Exchange) -> io::Result<Option<Fault>> {
    let (held, verdict) = Held::new(exchange.clone());
    // A gate that is gone holds nobody.
    if gate.send(held).is_err() {
        return Ok(None);
    }
    verdict.recv().map_err(|_| cut())
}

fn read(from: &mut Stream) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 65536];
    let read = from.read(&mut buffer)?;
    buffer.truncate(read);
    Ok(buffer)
}

fn cut() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}
