//! A request held between two sides while the test does something.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::{Exchange, Fault};

/// Where held requests arrive.
#[derive(Debug)]
pub struct Gate {
    arrived: Receiver<Held>,
}

impl Gate {
    pub(crate) fn new() -> (Sender<Held>, Self) {
        let (sender, arrived) = channel();
        (sender, Self { arrived })
    }

    /// Waits for a request.
    pub fn wait(&self, limit: Duration) -> Held {
        self.arrived.recv_timeout(limit).unwrap_or_else(|_| panic!("no request came to the gate within {limit:?}"))
    }

    /// A request, if one comes in time.
    pub fn try_wait(&self, limit: Duration) -> Option<Held> {
        self.arrived.recv_timeout(limit).ok()
    }
}

/// One held request. Dropped without a word it is cut.
#[derive(Debug)]
pub struct Held {
    /// Which.
    pub request: Exchange,
    verdict: Sender<Option<Fault>>,
}

impl Held {
    pub(crate) fn new(request: Exchange) -> (Self, Receiver<Option<Fault>>) {
        let (verdict, receiver) = channel();
        (Self { request, verdict }, receiver)
    }

    /// Lets it go on.
    pub fn release(self) {
        // The client may be gone, and its connection with it.
        let _ = self.verdict.send(None);
    }

    /// Lets another fault become of it; of a held answer one that is after the request.
    pub fn suffer(self, fault: Fault) {
        let _ = self.verdict.send(Some(fault));
    }

    /// Closes its connection.
    pub fn cut(self) {}
}
