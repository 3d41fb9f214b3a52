//! Volumes, and the files in them.
//!
//! Files are read and written through a container that mounts the volume and is never started. No image is pulled, and none has to be there.

pub(crate) mod archive;
pub(crate) mod backup;
mod change;
mod export;
mod import;
mod import_rules;
mod list;
mod list_by_shell;
mod list_files;
mod read_file;
mod remove_file;
pub(crate) mod restore;
pub(crate) mod storage;
mod thread;
mod write_file;

pub use backup::{BackupOptions, VolumeBackup};
pub use change::{CreateVolumeOptions, VolumeChanged};
pub use export::Exported;
#[cfg(feature = "capi")]
pub(crate) use export::{Sink, export};
pub use import::ImportOptions;
#[cfg(feature = "capi")]
pub(crate) use import::{Source, import};
pub use list::{VolumeList, VolumeSummary, VolumesOptions};
pub(crate) use list::{other_users, other_users_that_run};
pub use list_files::{FileType, ListFilesOptions, VolumeFile, VolumeFiles};
pub use read_file::ReadFileOptions;
pub use remove_file::RemoveFileOptions;
pub use restore::{RestoreOptions, VolumeRestore};
pub use write_file::{FileChanged, WriteFileOptions};
