//! `volume_remove_file`: a file, a link, or a folder with all that is in it.

use super::storage::{Access, Storage, VolumePath};
use super::write_file::FileChanged;
use crate::engine::names::check_image;
use crate::error::shown;
use crate::{Code, Operation, Refit, Result};

/// How a file is removed.
#[derive(Debug, Clone, Default)]
pub struct RemoveFileOptions {
    /// A folder with all that is in it, too. Default: no.
    pub recursive: bool,
    /// A local image with `sh` and `rm`, which runs without network. Default: that of the handle.
    pub helper_image: Option<String>,
}

/// The last part of the way is not followed by rm; the others were looked at before. The root file system is read-only, so that a link that takes the
/// place of a folder now leads to nothing that can be removed.
const SCRIPT: &str = "rm -rf -- \"$1\"";

impl Refit {
    /// Removes a file of a volume, or a link and not what it leads to. The engine has no call for it: `rm` runs in `helper_image`, without which the
    /// answer is [`Unsupported`](Code::Unsupported).
    pub fn remove_volume_file(&self, volume: &str, path: &str, options: RemoveFileOptions) -> Operation<FileChanged> {
        let (volume, asked) = (volume.to_owned(), path.to_owned());
        let span = tracing::error_span!("volume_remove_file", volume = %shown(&volume));
        self.operation(span, move |refit, call| async move {
            let path = VolumePath::parse(&asked)?;
            options.helper_image.as_deref().map_or(Ok(()), check_image)?;
            if path.is_root() {
                let message = format!("volume {volume}: its root is not removed; volume_remove removes a volume");
                return Err(Code::InvalidArgument.error(message).into());
            }
            let storage = Storage::open(&refit, &call, &volume, Access::Read).await?;
            let found = call.run(find(&storage, &path, options.recursive)).await;
            let names = storage.close(&call, found).await?;
            let Some(image) = options.helper_image.or_else(|| refit.shared.options.helper_image.clone()) else {
                let message = "the engine removes no files from a volume: set helper_image to a local image with sh and rm (busybox, debian), in the \
                               options of this call or of the handle";
                return Err(Code::Unsupported.error(message).into());
            };
            let arguments = vec![names.iter().fold("{}".to_owned(), |place, name| format!("{place}/{name}"))];
            let storage = Storage::open_shell(&refit, &call, &volume, Access::Write, &image, SCRIPT, arguments).await?;
            let removed = call.run(remove(&storage, &path, &names)).await;
            storage.close(&call, removed).await?;
            Ok(FileChanged { path: asked, bytes: None, changed: true })
        })
    }
}

/// Where it is; a link that is the last part is not followed.
async fn find(storage: &Storage, path: &VolumePath, recursive: bool) -> Result<Vec<String>> {
    let place = storage.find(path, false).await?;
    if place.stat.is_folder() && !recursive {
        return Err(storage.error(Code::InvalidArgument, path, "it is a folder: the option recursive removes it with all that is in it"));
    }
    Ok(place.names)
}

async fn remove(storage: &Storage, path: &VolumePath, names: &[String]) -> Result<()> {
    storage.note_change().await?;
    tokio::select! {
        ended = storage.run() => ended?,
        // A folder of millions of files takes longer than a lease.
        () = storage.keep() => {}
    }
    if storage.stat(names).await?.is_some() {
        let why = "it is still there after rm has ended well: was it made again, or does helper_image have another rm?";
        return Err(storage.error(Code::Conflict, path, why));
    }
    Ok(())
}
