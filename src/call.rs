//! One call under way: what may end it early, and where it reports to.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::progress::{Progress, ProgressQueue};
use crate::{Cancel, Code, Error, Result};

/// Why a call ends before its work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// The token, the end of the handle, or a future that was dropped.
    Cancelled,
    /// The listener asked to stop.
    Stopped,
    /// The call's own time limit.
    TimedOut,
}

impl Interrupt {
    fn code(self) -> Code {
        match self {
            Self::Cancelled => Code::Cancelled,
            Self::Stopped => Code::Stopped,
            Self::TimedOut => Code::Timeout,
        }
    }

    /// The interrupt as the call's error.
    pub(crate) fn error(self) -> Error {
        self.code().error(match self {
            Self::Cancelled => "the call was cancelled",
            Self::Stopped => "the progress callback asked to stop",
            Self::TimedOut => "the call did not end within its timeout_s",
        })
    }
}

/// The signals and the queue of one call. Clones belong to the same call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    token: Cancel,
    closing: CancellationToken,
    stop: CancellationToken,
    deadline: Option<Instant>,
    progress: Option<Arc<ProgressQueue>>,
    /// What a part of a larger call reports, as a report of the whole.
    translate: Option<fn(Progress) -> Progress>,
}

impl Call {
    pub(crate) fn new(token: Cancel, closing: CancellationToken, deadline: Option<Instant>) -> Self {
        Self { token, closing, stop: CancellationToken::new(), deadline, progress: None, translate: None }
    }

    pub(crate) fn with_progress(mut self, queue: Arc<ProgressQueue>) -> Self {
        self.progress = Some(queue);
        self
    }

    /// Ends the call as STOPPED.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    pub(crate) fn report(&self, progress: Progress) {
        if let Some(queue) = &self.progress {
            queue.push(match self.translate {
                Some(translate) => translate(progress),
                None => progress,
            });
        }
    }

    /// The same call as a part of a larger one, whose reports are translated.
    pub(crate) fn part(&self, translate: fn(Progress) -> Progress) -> Self {
        Self { translate: Some(translate), ..self.clone() }
    }

    /// Why the call should end now, if it should.
    pub(crate) fn interrupt(&self) -> Option<Interrupt> {
        if self.stop.is_cancelled() {
            Some(Interrupt::Stopped)
        } else if self.token.is_fired() || self.closing.is_cancelled() {
            Some(Interrupt::Cancelled)
        } else if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            Some(Interrupt::TimedOut)
        } else {
            None
        }
    }

    /// Waits until the call should end.
    pub(crate) async fn interrupted(&self) -> Interrupt {
        let deadline = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Interrupt::Stopped,
            () = self.token.fired() => Interrupt::Cancelled,
            () = self.closing.cancelled() => Interrupt::Cancelled,
            () = deadline => Interrupt::TimedOut,
        }
    }

    /// Whether the handle is being closed: nobody is to be told anything more.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// An error when the call should end now.
    pub(crate) fn check(&self) -> Result<()> {
        self.interrupt().map_or(Ok(()), |interrupt| Err(interrupt.error()))
    }

    /// Runs work that leaves nothing behind when it is dropped.
    pub(crate) async fn run<T, E: From<Error>>(&self, work: impl Future<Output = std::result::Result<T, E>>) -> std::result::Result<T, E> {
        tokio::select! {
            biased;
            interrupt = self.interrupted() => Err(interrupt.error().into()),
            result = work => result,
        }
    }
}
