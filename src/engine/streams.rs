//! Answers that come in pieces, and the frames in which the engine sends both streams of a container at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hyper::body::Body as HttpBody;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, ReadHalf};

use super::answer_body::AnswerBody;
use super::silence;
use super::transport::Transport;
use crate::Result;

/// How much is handed over at once, and read at once from a connection that is no longer HTTP.
const BATCH: usize = 64 * 1024;

/// A chunk of this size is handed over as it is.
const LARGE: usize = BATCH / 4;

/// Two arrivals within so short a time are of a stream that has more to send than a line now and then.
const RAPID: Duration = Duration::from_micros(500);

/// How long such a stream is left alone, so that one read takes many lines: a read for each line costs the reader and the engine, who
/// share the machine, more than the line itself. Nobody sees a line that is so late.
const PAUSE: Duration = Duration::from_millis(1);

/// What must have arrived in a pause, so that there is another one.
const WORTH_A_PAUSE: usize = 1024;

/// The bytes of an answer; a silence that is too long is an error.
#[derive(Debug)]
pub(crate) struct ByteStream {
    source: Source,
    transport: Transport,
    silence: Duration,
    pace: Pace,
}

/// How quickly the bytes of a stream come.
#[derive(Debug, Default)]
struct Pace {
    last: Option<Instant>,
    rapid: bool,
}

impl Pace {
    /// Before the next bytes are asked for.
    async fn pause(&self) {
        if self.rapid {
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn arrived(&mut self, bytes: usize) {
        let before = self.last.replace(Instant::now());
        let soon = before.is_some_and(|before| before.elapsed() < RAPID);
        // Large chunks are no lines, and after that much nothing was waited for in vain.
        self.rapid = bytes < LARGE && (soon || self.rapid && bytes >= WORTH_A_PAUSE);
    }
}

#[derive(Debug)]
enum Source {
    Body(Batches<AnswerBody>),
    /// A connection on which HTTP was given up.
    Connection(ReadHalf<TokioIo<Upgraded>>),
}

impl Source {
    async fn next(&mut self, transport: &Transport) -> Result<Option<Bytes>> {
        match self {
            Self::Body(batches) => {
                let next = poll_fn(|context| batches.poll_next(context)).await;
                next.transpose().map_err(|error| transport.unreachable(&error))
            }
            Self::Connection(connection) => {
                let mut bytes = BytesMut::with_capacity(BATCH);
                let read = connection.read_buf(&mut bytes).await.map_err(|error| transport.unreachable(&error))?;
                Ok((read > 0).then(|| bytes.freeze()))
            }
        }
    }
}

impl ByteStream {
    pub(super) fn new(body: AnswerBody, transport: Transport, silence: Duration) -> Self {
        Self { source: Source::Body(Batches::new(body)), transport, silence, pace: Pace::default() }
    }

    pub(super) fn of_connection(connection: ReadHalf<TokioIo<Upgraded>>, transport: Transport, silence: Duration) -> Self {
        Self { source: Source::Connection(connection), transport, silence, pace: Pace::default() }
    }

    /// The next bytes, all that have arrived up to 64 KiB; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        let next = tokio::time::timeout(self.silence, self.source.next(&self.transport));
        next.await.unwrap_or_else(|_| Err(self.transport.silent(self.silence)))
    }

    /// The same of a stream that has nothing to send for hours: after each silence the engine is pinged, and while it answers the stream is
    /// waited for.
    pub(crate) async fn next_or_quiet(&mut self) -> Result<Option<Bytes>> {
        self.pace.pause().await;
        let (transport, source) = (&self.transport, &mut self.source);
        let next = silence::while_engine_answers(transport, self.silence, source.next(transport)).await??;
        self.pace.arrived(next.as_ref().map_or(0, Bytes::len));
        Ok(next)
    }
}

/// The chunks of a body, of which the small ones that have arrived are joined: dockerd sends each line of a log as a chunk.
#[derive(Debug)]
struct Batches<B: HttpBody> {
    body: B,
    joined: BytesMut,
    /// Comes after the bytes that were joined before it.
    error: Option<B::Error>,
}

impl<B: HttpBody<Data = Bytes> + Unpin> Batches<B> {
    fn new(body: B) -> Self {
        Self { body, joined: BytesMut::new(), error: None }
    }

    /// The next bytes. They are there as soon as one has arrived: more is only taken along. Nothing is lost when it is not polled again.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<std::result::Result<Bytes, B::Error>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        while self.joined.len() < BATCH {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if self.joined.is_empty() {
                        if data.len() >= LARGE {
                            return Poll::Ready(Some(Ok(data)));
                        }
                        // What the last bytes have left of their buffer is used up first.
                        if self.joined.capacity() < data.len() {
                            self.joined.reserve(BATCH);
                        }
                    }
                    self.joined.extend_from_slice(&data);
                }
                Poll::Ready(Some(Err(error))) if self.joined.is_empty() => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Err(error))) => {
                    self.error = Some(error);
                    break;
                }
                Poll::Ready(None) if self.joined.is_empty() => return Poll::Ready(None),
                Poll::Pending if self.joined.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Some(Ok(self.joined.split().freeze())))
    }
}

/// Both streams of a container without a terminal: frames of a stream's number, three zeros, a length and the bytes.
pub(crate) fn join_frames(mut frames: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some((head, rest)) = frames.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let (frame, next) = rest.split_at(length.min(rest.len()));
        text.extend_from_slice(frame);
        frames = next;
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::VecDeque;
    use std::task::Waker;

    use hyper::body::Frame;

    use super::*;

    /// A body that answers each poll with the next of these; after the last one it has ended.
    struct Scripted(VecDeque<Poll<std::result::Result<Bytes, &'static str>>>);

    impl HttpBody for Scripted {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::result::Result<Frame<Bytes>, &'static str>>> {
            match self.0.pop_front() {
                None => Poll::Ready(None),
                Some(Poll::Pending) => Poll::Pending,
                Some(Poll::Ready(answer)) => Poll::Ready(Some(answer.map(Frame::data))),
            }
        }
    }

    fn chunk(size: usize) -> Poll<std::result::Result<Bytes, &'static str>> {
        Poll::Ready(Ok(vec![b'a'; size].into()))
    }

    /// The sizes in which a body is handed over, `.` where it has to be waited for, and how it ends.
    fn handed_over(body: impl IntoIterator<Item = Poll<std::result::Result<Bytes, &'static str>>>) -> Vec<String> {
        let (mut batches, mut found) = (Batches::new(Scripted(body.into_iter().collect())), Vec::new());
        loop {
            match batches.poll_next(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => found.push(".".to_owned()),
                Poll::Ready(Some(Ok(bytes))) => found.push(bytes.len().to_string()),
                Poll::Ready(Some(Err(error))) => found.push(error.to_owned()),
                Poll::Ready(None) => return found,
            }
        }
    }

    #[test]
    fn small_chunks_that_have_arrived_are_joined_and_none_is_waited_for() {
        assert_eq!(handed_over([]), [""; 0]);
        assert_eq!(handed_over([chunk(1), Poll::Pending, Poll::Pending, chunk(2), chunk(3)]), ["1", ".", "5"]);
        assert_eq!(handed_over(std::iter::repeat_n((), 1000).map(|()| chunk(100))), ["65600", "34400"]);
        assert_eq!(handed_over([chunk(BATCH), chunk(BATCH / 2), chunk(1), chunk(BATCH), chunk(1)]), ["65536", "32768", "65537", "1"]);
    }

    #[test]
    fn a_stream_is_left_alone_for_a_moment_while_much_arrives() {
        let mut pace = Pace { last: Instant::now().checked_sub(Duration::from_secs(1)), rapid: false };
        pace.arrived(100);
        assert!(!pace.rapid, "a line now and then");
        pace.rapid = true;
        pace.last = Instant::now().checked_sub(Duration::from_millis(2));
        pace.arrived(WORTH_A_PAUSE);
        assert!(pace.rapid, "many lines in a pause");
        pace.arrived(LARGE);
        assert!(!pace.rapid, "a large chunk");
        pace.rapid = true;
        pace.last = Instant::now().checked_sub(Duration::from_millis(2));
        pace.arrived(100);
        assert!(!pace.rapid, "a line in a pause");
    }

    #[test]
    fn an_error_comes_after_the_bytes_before_it() {
        let failed = || Poll::Ready(Err("lost"));
        assert_eq!(handed_over([failed()]), ["lost"]);
        assert_eq!(handed_over([chunk(1), chunk(2), failed()]), ["3", "lost"]);
        assert_eq!(handed_over([chunk(BATCH), failed()]), ["65536", "lost"]);
    }

    #[test]
    fn bytes_that_are_kept_are_not_written_over() {
        let body = (0..200_u8).flat_map(|number| [Poll::Ready(Ok(vec![number; 1000].into())), Poll::Pending]);
        let (mut batches, mut kept) = (Batches::new(Scripted(body.collect())), Vec::new());
        loop {
            match batches.poll_next(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => {}
                Poll::Ready(Some(bytes)) => kept.push(bytes.unwrap()),
                Poll::Ready(None) => break,
            }
        }
        assert_eq!(kept.len(), 200);
        assert!(kept.iter().zip(0..).all(|(bytes, number): (_, u8)| bytes.iter().all(|byte| *byte == number)));
    }

    #[test]
    fn frames_of_both_streams_are_joined() {
        let cases: [(&[u8], &[u8]); 4] = [
            (b"", b""),
            (b"\x01\0\0\0\0\0\0\x03ab\n\x02\0\0\0\0\0\0\x01c", b"ab\nc"),
            (b"\x01\0\0\0\0\0\0\x09cut", b"cut"),
            (b"\x01\0\0", b""),
        ];
        for (frames, text) in cases {
            assert_eq!(join_frames(frames), text);
        }
    }
}
