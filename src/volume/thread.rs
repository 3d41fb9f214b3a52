//! Threads of backups and restores: each works as long as its call. In the runtime's pool, which may have one thread, a part of a backup would wait for
//! the end of another part that waits for it.

use tokio::sync::oneshot;

/// Does it on a thread of its own. Without a result the thread was not begun, or has ended by a panic.
pub(super) fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (sender, result) = oneshot::channel();
    // One that cannot be begun drops the sender.
    let _ = std::thread::Builder::new().name("refit".into()).spawn(move || {
        // Nobody waits any more when the call has ended.
        let _ = sender.send(work());
    });
    result
}
