//! Why a registry gave no usable response.

use std::fmt;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Every way in which a request to a registry fails. None of them ever means "no update".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RegistryError {
    /// 401, of the registry or its token server.
    Unauthorized,
    /// 403, of the registry or its token server.
    Denied,
    /// 429, now or a short while ago.
    RateLimited(RetryAfter),
    /// No response came.
    Unreachable(Unreachable),
    /// The registry answered with another error status.
    Status { status: u16, message: String },
    /// A response that no registry may give.
    InvalidResponse(String),
}

/// How long a registry wants no requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetryAfter {
    /// By the monotonic clock.
    pub(crate) until: Instant,
    /// The same by the calendar, for a reader; `None` when the registry did not say.
    pub(crate) retry_at: Option<Timestamp>,
}

impl RetryAfter {
    pub(crate) fn wait(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Why the registry was not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreachable {
    pub(crate) reason: UnreachableReason,
    pub(crate) message: String,
    /// Nothing was sent: the host had too many timeouts in this call.
    pub(crate) skipped: bool,
}

/// The kinds of failure on the way to a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnreachableReason {
    Dns,
    Refused,
    Tls,
    Timeout,
    Reset,
    Proxy,
}

impl UnreachableReason {
    /// As the documents write it.
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

/// In a few words, as a note has them.
impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized => f.write_str("it wants a credential (401)"),
            Self::Denied => f.write_str("it forbids the request (403)"),
            Self::RateLimited(_) => f.write_str("it limits the number of requests (429)"),
            Self::Unreachable(unreachable) => write!(f, "it cannot be reached ({}): {}", unreachable.reason.name(), unreachable.message),
            Self::Status { status, message } => write!(f, "it answered {status} {message}"),
            Self::InvalidResponse(why) => write!(f, "its answer cannot be right: {why}"),
        }
    }
}

impl RegistryError {
    pub(crate) fn unreachable(reason: UnreachableReason, message: impl Into<String>) -> Self {
        Self::Unreachable(Unreachable { reason, message: message.into(), skipped: false })
    }

    pub(crate) fn skipped() -> Self {
        let message = "it was not asked again after two timeouts in this call".to_owned();
        Self::Unreachable(Unreachable { reason: UnreachableReason::Timeout, message, skipped: true })
    }

    pub(crate) fn is_skipped(&self) -> bool {
        matches!(self, Self::Unreachable(Unreachable { skipped: true, .. }))
    }

    pub(crate) fn invalid_response(why: impl Into<String>) -> Self {
        Self::InvalidResponse(why.into())
    }

    pub(crate) fn unreachable_reason(&self) -> Option<UnreachableReason> {
        match self {
            Self::Unreachable(unreachable) => Some(unreachable.reason),
            _ => None,
        }
    }
}
