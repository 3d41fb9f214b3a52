//! The token that ends a call early.

use tokio_util::sync::CancellationToken;

/// A one-shot, sticky signal to end a call: any thread may fire it, any number of times, and one token may serve many calls.
///
/// What a cancelled call leaves behind is said where the call is documented. A call that gets a token which was fired already does nothing.
#[derive(Debug, Clone, Default)]
pub struct Cancel(CancellationToken);

impl Cancel {
    /// A token that nobody has fired.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends every call that was given this token, now and later.
    pub fn fire(&self) {
        self.0.cancel();
    }

    /// Whether somebody has fired it.
    #[must_use]
    pub fn is_fired(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until somebody fires it.
    pub async fn fired(&self) {
        self.0.cancelled().await;
    }
}
