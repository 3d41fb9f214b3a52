//! The recreation of a container.

mod allowed;
mod bystander;
mod cases;
mod dependents;
mod disturbed;
mod faults;
mod forbidden;
mod links;
mod lost_files;
mod meanwhile;
mod overlay;
mod own_connection;
mod run;
mod slow;
