//! A real engine, a real registry and the faults between them, for the tests, the demo and the benches of refit.
//!
//! ```no_run
//! use refit_lab::{Image, Lab};
//!
//! let lab = Lab::get();                                   // from `lab run`, or brought up now
//! let scope = lab.scope("pull");                          // names of this test alone, cleaned up when dropped
//! let base = Image::new();                                // busybox; every `new` is another image, a clone the same
//! let old = scope.pull(&base.clone().version("1.0").build(), "latest");
//! lab.engine.run_image(&scope.name("web"), &old.reference);
//! let new = scope.publish(&base.version("2.0").build(), "latest");
//! assert_ne!(lab.engine.image(&old.reference).unwrap()["Id"], new.config_digest);
//! ```
//!
//! The map: [`Lab`] and [`Scope`] (what a test holds), [`Engine`] (raw JSON in and out), [`Registry`] (publish, delete, count requests),
//! [`Image`], [`Index`] and [`Artifact`] (any manifest there is), [`Proxy`] (cuts, hangs, holds, answers and counts at the n-th
//! request), [`LyingRegistry`] with [`Answer`] and [`HonestRegistry`] (a registry whose answers a test decides), [`ForwardProxy`] (CONNECT, whole
//! requests, SOCKS), [`TlsFront`] with [`Authority`] (TLS, sound or not, in front of any of them), [`Sshd`] (a machine that is reached by ssh).
//!
//! The engine is the one that answers (`DOCKER_HOST`, else /var/run/docker.sock); where none does, a dockerd of our own in a network
//! namespace of its own, so that nothing of the machine's networks or rules is touched. `lab up|env|down|run` do the same from a shell.

mod address;
mod command;
pub mod digest;
mod engine;
mod forward;
pub mod http;
mod image;
mod lab;
mod lying;
mod pattern;
mod proxy;
mod publish;
mod registry;
mod relay;
mod sshd;
mod tls;
mod up;

pub use address::{Address, Stream};
pub use command::command;
pub use engine::{Engine, Events, Executed};
pub use forward::ForwardProxy;
pub use image::{Artifact, Blob, Compression, Format, Image, Index, Layer, native_platform};
pub use lab::{Lab, PrivateEngine, PrivateRegistry, Scope, not_here};
pub use lying::{Answer, Asked, HonestRegistry, LyingRegistry};
pub use proxy::{Canned, Exchange, Fault, Gate, Held, Proxy, When, is_probe};
pub use registry::{MANIFEST_TYPES, Mark, Published, Registry, Seen};
pub use relay::Relay;
pub use sshd::{Knows, Sshd, children};
pub use tls::{Authority, Identity, TlsFront};
pub use up::Dockerd;
