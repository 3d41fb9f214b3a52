//! A create, whose answer may come late or never: what it has created is found again.
//!
//! Rules: docs/recreate.md, section 4.2.

use std::time::{Duration, Instant};

use crate::container::create_body::CreatePlan;
use crate::container::replacement::RetryLimit;
use crate::container::replacement::names::TemporaryName;
use crate::container::state;
use crate::engine::Engine;
use crate::engine::api::containers;
use crate::operation::call::Call;
use crate::{Code, Error, Result};

/// How often a container is looked for whose create is in progress.
const LOOK: Duration = Duration::from_secs(1);

/// How long an answer is still waited for at the least.
const SHORTEST_WAIT: Duration = Duration::from_secs(5);

/// How often it is looked for at the least after the connection was lost.
const LOOKS: u32 = 10;

/// A container that may not have been created.
pub(super) struct NotCreated {
    pub(super) error: Error,
    /// What was created all the same: it is to be removed.
    pub(super) left: Option<String>,
}

/// One create under a temporary name.
pub(super) struct CreateRequest<'a> {
    pub(super) engine: &'a Engine,
    pub(super) call: &'a Call,
    /// How long the answer is still waited for after its time limit, or after the call has ended.
    pub(super) engine_wait: Duration,
    pub(super) name: &'a TemporaryName,
    pub(super) plan: &'a CreatePlan,
}

impl CreateRequest<'_> {
    /// The new container's id, and what the engine warns of. The engine goes on with a create whose request was given up, so after the
    /// handle's `long_timeout`, or the end of the call, the answer is waited for and the container is looked for until it is there or
    /// `engine_wait` has passed.
    pub(super) async fn send(&self) -> std::result::Result<(String, Vec<String>), NotCreated> {
        let (engine, name) = (self.engine, self.name.to_string());
        let (limit, begun) = (engine.long_timeout(), Instant::now());
        let patience = limit.saturating_add(self.engine_wait.max(SHORTEST_WAIT)).saturating_add(LOOK);
        let creating = containers::create(engine, &name, self.plan.platform.as_deref(), &self.plan.body, patience);
        tokio::pin!(creating);
        let error = tokio::select! {
            biased;
            created = &mut creating => return self.answered(created, begun).await,
            interrupt = self.call.interrupted() => interrupt.error(),
            () = tokio::time::sleep(limit) => Code::Unreachable.error(format!(
                "the engine has not created container {name} within {} s (long_timeout_s of the handle allows longer)",
                limit.as_secs_f64()
            )),
        };
        let end = Instant::now() + self.engine_wait.max(SHORTEST_WAIT);
        while Instant::now() < end {
            match tokio::time::timeout(LOOK, &mut creating).await {
                Ok(Ok((id, _))) => return Err(NotCreated { error, left: Some(id) }),
                Ok(created @ Err(_)) => {
                    return Err(match self.answered(created, begun).await {
                        Err(NotCreated { left: None, error: refused }) => NotCreated { left: None, error: error.caused_by(&refused) },
                        Err(NotCreated { left, .. }) => NotCreated { error, left },
                        Ok((id, _)) => NotCreated { left: Some(id), error },
                    });
                }
                Err(_) => {
                    if let Ok(Some(container)) = containers::inspect(engine, &name).await {
                        return Err(NotCreated { error, left: Some(state::id(&container).to_owned()) });
                    }
                }
            }
        }
        let message = format!("{}; the engine may create {name} all the same, which container_recover removes", error.message());
        Err(NotCreated { error: error.with_message(message), left: None })
    }

    async fn answered(
        &self,
        created: Result<(String, Vec<String>)>,
        begun: Instant,
    ) -> std::result::Result<(String, Vec<String>), NotCreated> {
        match created {
            Ok(created) => Ok(created),
            Err(error) => Err(NotCreated { left: self.find(&error, begun.elapsed()).await, error }),
        }
    }

    /// A create whose answer was lost may have been done, or may be in progress; one that failed in the engine may have left a container.
    /// The longer it was in progress before the connection was lost, the longer it is looked for.
    async fn find(&self, error: &Error, elapsed: Duration) -> Option<String> {
        let (looks, end) = match error.code() {
            Code::Unreachable => (LOOKS, Instant::now() + elapsed.min(self.engine_wait)),
            Code::Engine => (1, Instant::now()),
            _ => return None,
        };
        let mut retries = RetryLimit::new(self.engine_wait);
        let mut looked = 0;
        while looked < looks || Instant::now() < end {
            match containers::inspect(self.engine, &self.name.to_string()).await {
                Ok(Some(container)) => return Some(state::id(&container).to_owned()),
                Ok(None) => looked += 1,
                Err(error) if retries.allows(&error).await => {}
                Err(_) => return None,
            }
            if looked < looks || Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        None
    }
}
