//! Updates of images and of their containers.

mod cases;
mod crowd;
mod places;
mod tag;
mod untagged;
