//! The errors, and their codes in C.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The result of every call that has no report beside its error.
pub type Result<T> = std::result::Result<T, Error>;

/// The result of a call that reports what was done and rolled back even when it fails.
pub type Outcome<T> = std::result::Result<T, Box<Failure<T>>>;

/// An error, and the report of what was done before and after it.
#[derive(Debug)]
pub struct Failure<T> {
    /// Why the call failed.
    pub error: Error,
    /// What was done and what was rolled back; `None` when nothing was begun.
    pub report: Option<T>,
}

impl<T> Failure<T> {
    /// A failure with a report.
    pub fn with_report(error: Error, report: T) -> Box<Self> {
        Box::new(Self { error, report: Some(report) })
    }
}

impl<T> From<Error> for Box<Failure<T>> {
    fn from(error: Error) -> Self {
        Box::new(Failure { error, report: None })
    }
}

impl<T> From<Box<Failure<T>>> for Error {
    fn from(failure: Box<Failure<T>>) -> Self {
        failure.error
    }
}

impl<T> fmt::Display for Failure<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T: fmt::Debug> std::error::Error for Failure<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// What is known about an error in addition to its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// One line: what was attempted on what, and what to do next where that is known.
    pub message: String,
    /// The name of the call in C: `img_pull`. Empty in Rust unless a call has named itself.
    pub op: String,
    /// The image that the error is about.
    pub image: Option<String>,
    /// The container that the error is about.
    pub container: Option<String>,
    /// The status that the engine or the registry answered.
    pub http_status: Option<u16>,
    /// How long the registry asks to wait before the next request.
    pub retry_after: Option<Duration>,
    /// Images that are required and not local.
    pub missing: Vec<String>,
    /// The causes, outermost first.
    pub causes: Vec<String>,
    /// The body of `POST /containers/create` that makes a container again which is lost otherwise. It holds the values of its environment.
    pub create_body: Option<Box<serde_json::Value>>,
}

macro_rules! errors {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $name:literal,)*) => {
        /// Every error of refit: one kind for each decision that a caller can take.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum Error {
            $($(#[$doc])* #[error("{}", .0.message)] $variant(Box<Context>),)*
        }

        /// The number of each kind of error in the C ABI; never renumbered.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $variant = $code,)*
        }

        impl Code {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the documents and in C, after `REFIT_E_`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// An error of this kind.
            pub fn error(self, message: impl Into<String>) -> Error {
                self.with(Context { message: one_line(&message.into()), ..Context::default() })
            }

            fn with(self, context: Context) -> Error {
                match self { $(Self::$variant => Error::$variant(Box::new(context)),)* }
            }
        }

        impl Error {
            /// The kind as a number.
            #[must_use]
            pub fn code(&self) -> Code {
                match self { $(Self::$variant(_) => Code::$variant,)* }
            }

            /// What is known in addition to the kind.
            #[must_use]
            pub fn context(&self) -> &Context {
                match self { $(Self::$variant(context) => context,)* }
            }

            pub(crate) fn context_mut(&mut self) -> &mut Context {
                match self { $(Self::$variant(context) => context,)* }
            }
        }
    };
}

errors! {
    /// An argument or option is invalid; nothing has happened.
    InvalidArgument = 1 "INVALID_ARGUMENT",
    /// The token was fired, the future dropped, or the handle closed.
    Cancelled = 2 "CANCELLED",
    /// The progress callback asked to stop.
    Stopped = 3 "STOPPED",
    /// The call did not end within its own time limit.
    Timeout = 4 "TIMEOUT",
    /// There is no such image, container, volume or file.
    NotFound = 5 "NOT_FOUND",
    /// A required image is not local: pull it first.
    ImageMissing = 6 "IMAGE_MISSING",
    /// The registry does not accept the credentials, or needs some.
    Unauthorized = 7 "UNAUTHORIZED",
    /// The name is taken, the object is in use, it was changed concurrently, or an interrupted run left something.
    Conflict = 8 "CONFLICT",
    /// The engine or the registry cannot be reached.
    Unreachable = 9 "UNREACHABLE",
    /// The engine answered with an error.
    Engine = 10 "ENGINE",
    /// The registry answered with an error.
    Registry = 11 "REGISTRY",
    /// The registry limits the number of requests: try again later.
    RateLimited = 12 "RATE_LIMITED",
    /// This version of the library, the engine or the container does not support it.
    Unsupported = 13 "UNSUPPORTED",
    /// The operation failed and was rolled back: the state is the one before the call.
    RolledBack = 14 "ROLLED_BACK",
    /// The operation failed and could not be rolled back: the message says what state it left.
    RollbackFailed = 15 "ROLLBACK_FAILED",
    /// A digest or an archive does not match its checksum.
    Data = 16 "DATA",
    /// Another call or process is working on the same object: try again later.
    Busy = 17 "BUSY",
    /// A local file or folder cannot be read or written: the disk is full, or it is about `state_dir`.
    Io = 18 "IO",
    /// A defect of the library was caught; the next call works.
    Panic = 99 "PANIC",
}

impl Error {
    /// The message alone.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.context().message
    }

    /// The same error with another message.
    #[must_use]
    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Self {
        self.context_mut().message = one_line(&message.into());
        self
    }

    /// Sets the name of the call that failed, unless it is set.
    #[must_use]
    pub fn in_op(mut self, op: &str) -> Self {
        let context = self.context_mut();
        if context.op.is_empty() {
            op.clone_into(&mut context.op);
        }
        self
    }

    /// Sets the image that the error is about, unless it is set.
    #[must_use]
    pub fn with_image(mut self, image: impl Into<String>) -> Self {
        self.context_mut().image.get_or_insert(name(image.into()));
        self
    }

    /// Sets the container that the error is about, unless it is set.
    #[must_use]
    pub fn with_container(mut self, container: impl Into<String>) -> Self {
        self.context_mut().container.get_or_insert(name(container.into()));
        self
    }

    /// Sets the HTTP status that the engine or the registry answered.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.context_mut().http_status = Some(status);
        self
    }

    /// Sets how long the registry asks to wait before the next request.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.context_mut().retry_after = Some(wait);
        self
    }

    /// Adds the images that are required and not local.
    #[must_use]
    pub fn with_missing(mut self, missing: Vec<String>) -> Self {
        self.context_mut().missing = missing;
        self
    }

    /// Adds an error and its causes as the causes of this one.
    #[must_use]
    pub fn caused_by(mut self, cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            self.context_mut().causes.push(one_line(&error.to_string()));
            next = error.source();
        }
        self
    }

    /// Another kind and message for this error. The old message becomes the first cause; the rest of the context is kept.
    #[must_use]
    pub fn into_cause_of(self, code: Code, message: impl Into<String>) -> Self {
        let old = self.context().clone();
        let mut causes = vec![old.message];
        causes.extend(old.causes);
        code.with(Context { message: one_line(&message.into()), causes, ..old })
    }

    /// The error as a document.
    #[must_use]
    pub fn document(&self) -> ErrorDocument {
        let context = self.context().clone();
        ErrorDocument {
            code: self.code() as i32,
            name: self.code().name().to_owned(),
            message: context.message,
            op: context.op,
            image: context.image,
            container: context.container,
            http_status: context.http_status,
            retry_after_s: context.retry_after.map(|wait| wait.as_secs_f64()),
            missing: context.missing,
            causes: context.causes,
            create_body: context.create_body,
        }
    }
}

impl Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.document().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Error {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Ok(ErrorDocument::deserialize(deserializer)?.into())
    }
}

impl From<ErrorDocument> for Error {
    /// A code that this version does not know becomes [`Panic`](Code::Panic).
    fn from(document: ErrorDocument) -> Self {
        let code = Code::ALL.iter().copied().find(|code| *code as i32 == document.code).unwrap_or(Code::Panic);
        code.with(Context {
            message: document.message,
            op: document.op,
            image: document.image,
            container: document.container,
            http_status: document.http_status,
            retry_after: document.retry_after_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            missing: document.missing,
            causes: document.causes,
            create_body: document.create_body,
        })
    }
}

/// An error as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "error")]
pub struct ErrorDocument {
    /// The number in the C ABI.
    pub code: i32,
    /// The name after `REFIT_E_`.
    pub name: String,
    /// One line: what was attempted on what, and what to do next where that is known.
    pub message: String,
    /// The call that failed.
    pub op: String,
    /// The image that it is about.
    pub image: Option<String>,
    /// The container that it is about.
    pub container: Option<String>,
    /// The status that the engine or the registry answered.
    pub http_status: Option<u16>,
    /// Seconds that the registry asks to wait before the next request.
    pub retry_after_s: Option<f64>,
    /// Images that are required and not local.
    pub missing: Vec<String>,
    /// The causes, outermost first.
    pub causes: Vec<String>,
    /// The body of `POST /containers/create` that makes a container again which is lost otherwise. It holds the values of its environment.
    pub create_body: Option<Box<serde_json::Value>>,
}

/// The longest that a document names; no image or container has a longer name.
const LONGEST_NAME: usize = 4096;

/// A name in a document, which a caller's mistake does not fill with a megabyte.
fn name(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST_NAME) {
        text.truncate(end);
    }
    text
}

/// The most characters of a caller's own text that a message quotes.
const QUOTED: usize = 200;

/// Text that a caller gave, in quotation marks, at most 200 characters of it: a name of a megabyte must not make a message of one.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?} (the first {QUOTED} characters)", &text[..end]),
    }
}

/// The same within a sentence, without quotation marks: the names of containers and images.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTED) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}… (the first {QUOTED} characters)", &text[..end])),
    }
}

/// Engines and registries put line breaks into their messages. A message of refit is one line without control characters.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control()).filter(|part| !part.trim().is_empty()).map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_their_numbers() {
        let numbers: Vec<i32> = Code::ALL.iter().map(|code| *code as i32).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 99]);
    }

    #[test]
    fn a_message_is_one_line() {
        let error = Code::Engine.error("first\r\nsecond\u{0}third\t end ");
        assert_eq!(error.message(), "first second third end");
    }

    #[test]
    fn a_message_quotes_at_most_200_characters() {
        assert_eq!(quoted("a\"b"), r#""a\"b""#);
        assert_eq!(quoted(&"ä".repeat(200)), format!("{:?}", "ä".repeat(200)));
        assert_eq!(quoted(&"ä".repeat(1_000_000)), format!("{:?} (the first 200 characters)", "ä".repeat(200)));
    }

    #[test]
    fn an_error_keeps_its_context_as_a_cause() {
        let inner = Code::Engine.error("inner").with_http_status(500).with_container("web");
        let outer = inner.into_cause_of(Code::RolledBack, "outer");
        let document = outer.document();
        assert_eq!((document.name.as_str(), document.message.as_str()), ("ROLLED_BACK", "outer"));
        assert_eq!(document.causes, ["inner"]);
        assert_eq!((document.http_status, document.container.as_deref()), (Some(500), Some("web")));
    }
}
