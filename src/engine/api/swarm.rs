//! What every request about a swarm may be answered: that this engine does not manage one.

use crate::engine::phrases::{self, NotManager};
use crate::{Code, Error};

/// The error of a request that only a manager of a swarm answers, with what to do where this engine is none.
pub(super) fn of_manager(what: &str, error: Error) -> Error {
    let Some(why) = phrases::not_manager(&error) else { return error };
    let next = match why {
        NotManager::NoSwarm => "this engine is in no swarm: docker swarm init makes it the manager of one, docker swarm join a member",
        NotManager::Worker => {
            "this engine is a worker of its swarm, and only a manager answers: use the engine of a manager, or docker node promote"
        }
        NotManager::Locked => "the swarm of this engine is locked: docker swarm unlock",
    };
    error.into_cause_of(Code::Unsupported, format!("{what}: {next}"))
}
