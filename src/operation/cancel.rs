//! The token that ends a call early.
//!
//! Rules: docs/abi.md, section 5.

use tokio_util::sync::CancellationToken;

/// A token that cancels calls. Once fired it stays fired; any thread may fire it, any number of times, and many calls may use one token.
///
/// The documentation of each call says what a cancelled call leaves. A call that is given a token that was already fired does nothing.
#[derive(Debug, Clone, Default)]
pub struct Cancel(CancellationToken);

impl Cancel {
    /// A token that is not fired.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels every call that was given this token, now and later.
    pub fn fire(&self) {
        self.0.cancel();
    }

    /// Whether it was fired.
    #[must_use]
    pub fn is_fired(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it is fired.
    pub async fn fired(&self) {
        self.0.cancelled().await;
    }
}
