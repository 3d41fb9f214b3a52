//! Tar archives, read and written piece by piece: the engine sends and takes volumes in this form.
//!
//! The headers are those of the crate `tar`. Its own reader is not used: it holds extended headers of any size in memory, and does not say whether
//! an archive has its end mark, by which alone an archive that the engine has cut is known.

mod entry;
mod scan;

pub(crate) use entry::{END, Entry, beginning, padding};
pub(crate) use scan::{Piece, Scanner};
