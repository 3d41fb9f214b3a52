//! A running call: what may end it early, and where it reports its progress.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::operation::progress::{Progress, ProgressQueue};
use crate::{Cancel, Code, Error, Result};

/// Why a call ends before its work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// The token was fired, the handle closed, or the future dropped.
    Cancelled,
    /// The progress callback asked to stop.
    Stopped,
    /// The call's own time limit has passed.
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
            Self::Stopped => "the callback asked to stop",
            Self::TimedOut => "the call did not end within its timeout_s",
        })
    }
}

/// A call: the signals that end it, who asked for it, and the queue of its progress. Clones belong to the same call.
#[derive(Clone, Default)]
pub(crate) struct Call {
    token: Cancel,
    closing: CancellationToken,
    stop: CancellationToken,
    deadline: Option<Instant>,
    /// Who asked for the call, for the history.
    actor: Option<Arc<str>>,
    progress: Option<Arc<ProgressQueue>>,
    /// Turns the progress of a part of a larger call into progress of the whole.
    translate: Option<Arc<dyn Fn(Progress) -> Progress + Send + Sync>>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("interrupt", &self.interrupt()).field("actor", &self.actor).finish_non_exhaustive()
    }
}

impl Call {
    pub(crate) fn new(token: Cancel, closing: CancellationToken, deadline: Option<Instant>) -> Self {
        Self { token, closing, stop: CancellationToken::new(), deadline, actor: None, progress: None, translate: None }
    }

    pub(crate) fn with_actor(mut self, actor: Option<String>) -> Self {
        self.actor = actor.map(Into::into);
        self
    }

    pub(crate) fn actor(&self) -> Option<Arc<str>> {
        self.actor.clone()
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
            queue.push(match &self.translate {
                Some(translate) => translate(progress),
                None => progress,
            });
        }
    }

    /// The same call as a part of a larger one. `translate` turns its progress into progress of the whole.
    /// A part may have parts itself.
    pub(crate) fn part(&self, translate: impl Fn(Progress) -> Progress + Send + Sync + 'static) -> Self {
        let translate: Arc<dyn Fn(Progress) -> Progress + Send + Sync> = match self.translate.clone() {
            Some(whole) => Arc::new(move |progress| whole(translate(progress))),
            None => Arc::new(translate),
        };
        Self { translate: Some(translate), ..self.clone() }
    }

    /// Work that the engine goes on with whatever becomes of its request: once the call has ended, its answer is waited for only so much
    /// longer.
    pub(crate) fn run_to_answer<T>(&self, longer: Duration, work: impl Future<Output = Result<T>>) -> impl Future<Output = Result<T>> {
        let mut work = Box::pin(work);
        async move {
            let interrupt = tokio::select! {
                biased;
                result = &mut work => return result,
                interrupt = self.interrupted() => interrupt,
            };
            tokio::time::timeout(longer, work).await.unwrap_or_else(|_| Err(interrupt.error()))
        }
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

    /// Whether the handle is being closed: then progress is no longer reported.
    #[cfg(feature = "capi")]
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// An error when the call should end now.
    pub(crate) fn check(&self) -> Result<()> {
        self.interrupt().map_or(Ok(()), |interrupt| Err(interrupt.error()))
    }

    /// Runs work that may be dropped at any point, until the call should end.
    ///
    /// It is boxed: a future that is handed over by value is in the caller's twice, and a few of those are more than a thread's stack.
    pub(crate) fn run<T, E: From<Error>>(
        &self,
        work: impl Future<Output = std::result::Result<T, E>>,
    ) -> impl Future<Output = std::result::Result<T, E>> {
        let work = Box::pin(work);
        async move {
            tokio::select! {
                biased;
                interrupt = self.interrupted() => Err(interrupt.error().into()),
                result = work => result,
            }
        }
    }
}
