//! Containers: recreation, recovery, and an engine that restarts meanwhile; logs, commands, statistics.

mod exec;
mod find;
mod logs;
mod reboot;
mod recover;
mod recreate;
mod stats;
