//! A swarm of one machine. Nobody else's engine is made one: it is a private engine of the machine's own dockerd, or an engine of `tests/lab/engines`.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

use refit_lab::{Engine, Lab, PrivateEngine, Registry};
use serde_json::{Value, json};

/// The manager of a swarm of one. Dropped, it leaves its swarm.
pub(crate) struct Swarm {
    pub(crate) engine: Engine,
    private: Option<Mutex<PrivateEngine>>,
    /// The engine of `tests/lab/engines` is in one swarm at a time.
    _alone: Option<Alone>,
}

impl Swarm {
    /// A swarm of this test alone; `None` where there are none.
    pub(crate) fn new(what: &str) -> Option<Self> {
        let lab = Lab::get();
        if lab.engine.is_podman() {
            refit_lab::not_here("Podman has no swarms");
            return None;
        }
        let (private, alone) = if is_ours() { (None, Some(Alone::take())) } else { (Some(lab.private_engine(what, &json!({}))), None) };
        let engine = private.as_ref().map_or_else(|| Engine::at(&lab.engine.host()), |private| private.dockerd.engine());
        engine.post("/swarm/init", &json!({"ListenAddr": "127.0.0.1:2377", "AdvertiseAddr": "127.0.0.1"}));
        Some(Self { engine, private: private.map(Mutex::new), _alone: alone })
    }

    /// A swarm that is shared by the tests that run at the same time.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        static NOW: Mutex<Weak<Swarm>> = Mutex::new(Weak::new());
        let mut now = NOW.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = now.upgrade() {
            return Some(shared);
        }
        let new = Arc::new(Self::new("swarm")?);
        *now = Arc::downgrade(&new);
        Some(new)
    }

    /// Whether the engine is one of this test program's own, with its data.
    pub(crate) fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// Lets its engine reach another registry under its name too.
    pub(crate) fn reaches(&self, registry: &Registry) {
        if let Some(private) = &self.private {
            private.lock().unwrap_or_else(PoisonError::into_inner).reaches(registry);
        }
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        if self.private.is_none() {
            self.engine.ask("POST", "/swarm/leave?force=1", &Value::Null);
        }
    }
}

/// Whether the lab's engine is one of `tests/lab/engines`.
pub(crate) fn is_ours() -> bool {
    let network = Lab::get().network.as_ref();
    network.is_some_and(|network| network.file_name().unwrap().to_string_lossy().starts_with("refit-engine-"))
}

static TAKEN: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// Held by one at a time, on whatever thread it is dropped.
struct Alone;

impl Alone {
    fn take() -> Self {
        let taken = TAKEN.0.lock().unwrap_or_else(PoisonError::into_inner);
        *TAKEN.1.wait_while(taken, |taken| *taken).unwrap_or_else(PoisonError::into_inner) = true;
        Self
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        *TAKEN.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
        TAKEN.1.notify_one();
    }
}
