//! The cases of a recreation on a real engine, by their numbers in docs/recreate.md, section 12: what a user has made of a container is there
//! afterwards, and what he left to the image is the new image's.

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
mod refusals;
mod rollback;
mod shared_names;
mod volumes;
