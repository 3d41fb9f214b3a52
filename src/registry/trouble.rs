//! Why a registry gave no answer that counts.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Every way in which asking a registry fails. None of them is ever "no update".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// 401, of the registry or its token server.
    Unauthorized,
    /// 403, of the registry or its token server.
    Denied,
    /// 429, now or a short while ago.
    RateLimited(LeftAlone),
    /// No answer came.
    Unreachable(Unreachable),
    /// The registry answered with an error of its own.
    Refused { status: u16, words: String },
    /// An answer that cannot be one of a registry.
    BadAnswer(String),
}

/// How long a registry wants to be left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeftAlone {
    /// By the clock that no one sets.
    pub(crate) until: Instant,
    /// The same for a reader; `None` when the registry did not say.
    pub(crate) retry_at: Option<Timestamp>,
}

impl LeftAlone {
    pub(crate) fn wait(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// What stood between us and the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreachable {
    pub(crate) why: Obstacle,
    pub(crate) words: String,
    /// Nothing was sent: it had its chances in this call.
    pub(crate) given_up: bool,
}

/// The kinds of obstacles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    Dns,
    Refused,
    Tls,
    Timeout,
    Reset,
    Proxy,
}

impl Obstacle {
    /// As the document says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Proxy => "proxy",
        }
    }
}

impl Trouble {
    pub(crate) fn unreachable(why: Obstacle, words: impl Into<String>) -> Self {
        Self::Unreachable(Unreachable { why, words: words.into(), given_up: false })
    }

    pub(crate) fn given_up() -> Self {
        let words = "it was not asked again after two timeouts in this call".to_owned();
        Self::Unreachable(Unreachable { why: Obstacle::Timeout, words, given_up: true })
    }

    pub(crate) fn is_given_up(&self) -> bool {
        matches!(self, Self::Unreachable(Unreachable { given_up: true, .. }))
    }

    pub(crate) fn bad_answer(why: impl Into<String>) -> Self {
        Self::BadAnswer(why.into())
    }

    pub(crate) fn obstacle(&self) -> Option<Obstacle> {
        match self {
            Self::Unreachable(unreachable) => Some(unreachable.why),
            _ => None,
        }
    }
}
