//! What can go wrong, and the code under which C knows it.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

/// The result of every call that has no report beside its error.
pub type Result<T> = std::result::Result<T, Error>;

/// The result of a call that tells what was done and undone even when it fails.
pub type Outcome<T> = std::result::Result<T, Box<Failure<T>>>;

/// An error, and the report of what was done before and after it.
#[derive(Debug)]
pub struct Failure<T> {
    /// Why the call failed.
    pub error: Error,
    /// What was done and undone; `None` when nothing had begun.
    pub report: Option<T>,
}

impl<T> Failure<T> {
    /// A failure beside a report.
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

/// What is known about an error beside its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// One line: what was attempted on what, and what to do next.
    pub message: String,
    /// The call that failed, as C names it: `img_pull`. Empty until the call's edge has filled it in.
    pub op: String,
    /// The image that the error is about.
    pub image: Option<String>,
    /// The container that the error is about.
    pub container: Option<String>,
    /// The status that the engine or the registry answered.
    pub http_status: Option<u16>,
    /// How long the registry asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Images that are required and not local.
    pub missing: Vec<String>,
    /// The errors below this one, outermost first.
    pub causes: Vec<String>,
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

            /// What is known beside the kind.
            #[must_use]
            pub fn context(&self) -> &Context {
                match self { $(Self::$variant(context) => context,)* }
            }

            fn context_mut(&mut self) -> &mut Context {
                match self { $(Self::$variant(context) => context,)* }
            }
        }
    };
}

errors! {
    /// An argument or option that cannot be meant; nothing has happened.
    InvalidArgument = 1 "INVALID_ARGUMENT",
    /// The token was fired, or the handle closed.
    Cancelled = 2 "CANCELLED",
    /// The progress callback asked to stop.
    Stopped = 3 "STOPPED",
    /// The call's own `timeout_s` has passed.
    Timeout = 4 "TIMEOUT",
    /// No such image, container, volume or file.
    NotFound = 5 "NOT_FOUND",
    /// A required image is not local: pull it by hand.
    ImageMissing = 6 "IMAGE_MISSING",
    /// The registry wants other credentials.
    Unauthorized = 7 "UNAUTHORIZED",
    /// The name is taken, in use, changed under our hands, or an interrupted run left something.
    Conflict = 8 "CONFLICT",
    /// The engine or the registry cannot be reached.
    Unreachable = 9 "UNREACHABLE",
    /// The engine answered with an error.
    Engine = 10 "ENGINE",
    /// The registry answered with an error.
    Registry = 11 "REGISTRY",
    /// The registry wants to be left alone for a while.
    RateLimited = 12 "RATE_LIMITED",
    /// This version, engine or container cannot do that.
    Unsupported = 13 "UNSUPPORTED",
    /// The update failed and everything was put back.
    RolledBack = 14 "ROLLED_BACK",
    /// It could not be put back; the message says what stands where.
    RollbackFailed = 15 "ROLLBACK_FAILED",
    /// A digest or an archive does not verify.
    Data = 16 "DATA",
    /// The same thing is being done now, here or elsewhere: try again later.
    Busy = 17 "BUSY",
    /// A local file or folder: disk full, `state_dir`.
    Io = 18 "IO",
    /// A defect of refit, contained; the next call works.
    Panic = 99 "PANIC",
}

impl Error {
    /// The message alone.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.context().message
    }

    /// Names the call that failed, unless an inner one has named itself.
    #[must_use]
    pub fn in_op(mut self, op: &str) -> Self {
        let context = self.context_mut();
        if context.op.is_empty() {
            op.clone_into(&mut context.op);
        }
        self
    }

    /// Names the image that the error is about.
    #[must_use]
    pub fn with_image(mut self, image: impl Into<String>) -> Self {
        self.context_mut().image.get_or_insert(image.into());
        self
    }

    /// Names the container that the error is about.
    #[must_use]
    pub fn with_container(mut self, container: impl Into<String>) -> Self {
        self.context_mut().container.get_or_insert(container.into());
        self
    }

    /// Adds the status that the other side answered.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.context_mut().http_status = Some(status);
        self
    }

    /// Adds how long the registry asks to be left alone.
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

    /// Adds an error and all that it was caused by.
    #[must_use]
    pub fn caused_by(mut self, cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            self.context_mut().causes.push(one_line(&error.to_string()));
            next = error.source();
        }
        self
    }

    /// The same story under another kind and message: the old message becomes the first cause.
    #[must_use]
    pub fn into_cause_of(self, code: Code, message: impl Into<String>) -> Self {
        let old = self.context().clone();
        let mut causes = vec![old.message];
        causes.extend(old.causes);
        code.with(Context { message: one_line(&message.into()), causes, ..old })
    }

    /// The error as the contract's document.
    #[must_use]
    pub fn document(&self) -> ErrorDocument {
        let context = self.context().clone();
        ErrorDocument {
            code: self.code() as i32,
            name: self.code().name(),
            message: context.message,
            op: context.op,
            image: context.image,
            container: context.container,
            http_status: context.http_status,
            retry_after_s: context.retry_after.map(|wait| wait.as_secs_f64()),
            missing: context.missing,
            causes: context.causes,
        }
    }
}

impl Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.document().serialize(serializer)
    }
}

/// An error as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "error")]
pub struct ErrorDocument {
    /// The number in the C ABI.
    pub code: i32,
    /// The name after `REFIT_E_`.
    pub name: &'static str,
    /// One line: what was attempted on what, and what to do next.
    pub message: String,
    /// The call that failed.
    pub op: String,
    /// The image that it is about.
    pub image: Option<String>,
    /// The container that it is about.
    pub container: Option<String>,
    /// The status that the engine or the registry answered.
    pub http_status: Option<u16>,
    /// Seconds that the registry asks to be left alone.
    pub retry_after_s: Option<f64>,
    /// Images that are required and not local.
    pub missing: Vec<String>,
    /// The errors below this one, outermost first.
    pub causes: Vec<String>,
}

/// Engines and registries put line breaks into their messages; ours are one line, without control characters.
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
    fn a_cause_keeps_its_story() {
        let inner = Code::Engine.error("inner").with_http_status(500).with_container("web");
        let outer = inner.into_cause_of(Code::RolledBack, "outer");
        let document = outer.document();
        assert_eq!((document.name, document.message.as_str()), ("ROLLED_BACK", "outer"));
        assert_eq!(document.causes, ["inner"]);
        assert_eq!((document.http_status, document.container.as_deref()), (Some(500), Some("web")));
    }
}
