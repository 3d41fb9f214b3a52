//! The body of an answer, and the connection of one that has it to itself.
//!
//! hyper's client reads a connection in a task of its own, which hands each chunk over to the task that wants it. dockerd sends each line of a
//! log as a chunk, and that costs three context switches a line. An answer that is a stream is therefore read from its connection by the task
//! that wants it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use super::transport::{Body, Stream};

/// Dropped before its end, it closes its connection.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    body: Incoming,
    /// `None` where the client has the connection.
    connection: Option<OwnConnection>,
}

/// A connection that carries one request and its answer, and nothing while nobody polls it.
struct OwnConnection {
    /// The lock is never taken: hyper's connection is no `Sync`, and the types of logs are.
    connection: Mutex<Box<Connection<TokioIo<Stream>, Body>>>,
    /// hyper closes a connection to which no further request can come.
    _sender: SendRequest<Body>,
    ended: bool,
}

/// Sends a request, in the form in which it goes over the line, on a connection that nothing else uses.
pub(super) async fn send_alone(stream: Stream, request: Request<Body>) -> hyper::Result<Response<AnswerBody>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut answer = Box::pin(sender.send_request(request));
    let mut connection = OwnConnection { connection: Mutex::new(Box::new(connection)), _sender: sender, ended: false };
    let answer = poll_fn(|context| {
        connection.drive(context);
        answer.as_mut().poll(context)
    });
    let answer = pin!(answer).await?;
    Ok(answer.map(|body| AnswerBody { body, connection: Some(connection) }))
}

impl OwnConnection {
    /// Moves what can be moved in both directions. Of an error the answer learns, or its body.
    fn drive(&mut self, context: &mut Context<'_>) {
        let connection = self.connection.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.ended = self.ended || Pin::new(connection).poll(context).is_ready();
    }
}

impl fmt::Debug for OwnConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OwnConnection").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl From<Incoming> for AnswerBody {
    fn from(body: Incoming) -> Self {
        Self { body, connection: None }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        // Asking the body first tells the connection that a chunk is wanted.
        let frame = Pin::new(&mut this.body).poll_frame(context);
        match &mut this.connection {
            Some(connection) if frame.is_pending() => {
                connection.drive(context);
                Pin::new(&mut this.body).poll_frame(context)
            }
            _ => frame,
        }
    }
}
