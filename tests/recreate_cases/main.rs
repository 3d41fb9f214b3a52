//! The cases of a recreation on a real engine, by their numbers in the design: what a user has made of a container is there
//! afterwards, and what he left to the image is the new image's.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)]

mod case;
mod changes;
mod config;
mod equality;
mod health;
mod identity;
mod image_defaults;
mod machine;
mod networks;
mod podman;
mod ports;
#[path = "../recreation/mod.rs"]
mod recreation;
mod refusals;
mod rollback;
mod volumes;
