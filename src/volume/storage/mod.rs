//! A storage container: it is made for one call, mounts the volume, is never started, and is removed when the call has ended. The engine mounts
//! the volume for each archive that is read from it or written to it.
//!
//! Rules: docs/volumes.md, section 4.

mod empty_image;
mod feed;
mod leftovers;
pub(crate) mod name;
pub(crate) mod path;
mod shell;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::engine::api::archive::{self, PathStat};
use crate::engine::api::containers::{self, Removal};
use crate::engine::api::{container_list, volumes};
use crate::engine::names::check_volume;
use crate::engine::{Body, ByteStream, Engine, phrases};
use crate::error::shown;
use crate::json::{elements, text, text_map};
use crate::operation::call::Call;
use crate::volume::restore;
use crate::{Code, Error, Refit, Result};

pub(crate) use empty_image::{StorageImage, is_empty_image};
pub(crate) use feed::Pieces;
pub(crate) use leftovers::{LeftStorage, Wanted, left, remove_left};
pub(crate) use path::{VolumePath, about};
pub(crate) use walk::{Opened, Place, Walked};

/// How long a call that was ended waits for the removal of its container, which goes on then.
const AFTER_INTERRUPT: Duration = Duration::from_millis(50);

/// How often a removal is requested that the engine refuses.
const REMOVALS: usize = 5;

/// How often a lease is renewed.
const RENEWAL: Duration = Duration::from_secs(10);

/// What the container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    /// All of it: [`RESTORES`] says so to other processes.
    Restore,
}

/// The label of the container through which a volume is restored: its volume.
pub(crate) const RESTORES: &str = "refit.restore";

/// A container that mounts a volume.
#[derive(Debug)]
pub(crate) struct Storage {
    refit: Refit,
    id: String,
    pub(crate) volume: String,
    /// Where the volume is mounted: `/refit-…`.
    mount: String,
    /// When it was made, in seconds since 1970 by the engine's clock.
    made: i64,
}

impl Storage {
    /// Makes the container. `NOT_FOUND` without the volume: a create would make it.
    ///
    /// When the call is ended meanwhile, the container is removed once the engine has made it.
    pub(crate) async fn open(refit: &Refit, call: &Call, volume: &str, access: Access) -> Result<Self> {
        Self::open_with(refit, call, volume, access, Purpose::Files).await
    }

    /// The same of a container of `image` that runs a program when it is started.
    async fn open_with(refit: &Refit, call: &Call, volume: &str, access: Access, purpose: Purpose) -> Result<Self> {
        check_volume(volume)?;
        let (sender, receiver) = oneshot::channel();
        let (refit, volume) = (refit.clone(), volume.to_owned());
        refit.clone().in_background(async move {
            let made = make(&refit, &volume, access, purpose).await;
            if let Err(Ok(unwanted)) = sender.send(made) {
                unwanted.remove_now().await;
            }
        });
        let gone = |_| Code::Panic.error("the container of a volume was not made: its task has ended");
        call.run(async { receiver.await.map_err(gone)? }).await
    }

    /// Removes the container after the call's work, whose streams are closed by now, and hands the work's result over.
    pub(crate) async fn close<T>(self, call: &Call, result: T) -> T {
        let (done, removed) = oneshot::channel();
        self.refit.clone().in_background(async move {
            self.remove_now().await;
            // Nobody waits any more after an interrupt.
            let _ = done.send(());
        });
        let mut removed = removed;
        tokio::select! {
            _ = &mut removed => {}
            _ = call.interrupted() => {
                // What is still to be done goes on in the background.
                let _ = tokio::time::timeout(AFTER_INTERRUPT, removed).await;
            }
        }
        result
    }

    /// A container that cannot be removed now is left to `container_recover`.
    async fn remove_now(&self) {
        for _ in 0..REMOVALS {
            match containers::remove(self.engine(), &self.id, Removal { force: true, volumes: true }).await {
                // Docker 20.10 may still have the volume mounted for the archive that was just broken off.
                Err(error) if matches!(error.code(), Code::Engine | Code::Conflict) => tokio::time::sleep(AFTER_INTERRUPT).await,
                _ => return,
            }
        }
    }

    fn engine(&self) -> &Engine {
        &self.refit.shared.engine
    }

    /// Where the volume is in the container.
    pub(crate) fn root(&self) -> &str {
        &self.mount
    }

    /// Where names from the volume's root are in the container.
    fn place(&self, names: &[String]) -> String {
        names.iter().fold(self.mount.clone(), |path, name| format!("{path}/{name}"))
    }

    /// The name in an archive that is unpacked at the container's root.
    pub(crate) fn in_archive(&self, names: &[String]) -> String {
        self.place(names).trim_start_matches('/').to_owned()
    }

    /// What is there, the last name not followed. Every name before must be known to be no link.
    pub(crate) async fn stat(&self, names: &[String]) -> Result<Option<PathStat>> {
        archive::stat(self.engine(), &self.id, &self.place(names)).await
    }

    /// The archive of a file, or of a folder with its names relative to it.
    pub(crate) async fn read(&self, place: &Place) -> Result<ByteStream> {
        let path = self.place(&place.names);
        let path = if place.stat.is_folder() { format!("{path}/.") } else { path };
        archive::read(self.engine(), &self.id, &path).await
    }

    /// Unpacks an archive whose names begin with [`Storage::in_archive`], and looks afterwards whether all of it is in the volume: a link that took a
    /// folder's place meanwhile leads into the container.
    pub(crate) async fn write(&self, archive: Body) -> Result<()> {
        archive::write(self.engine(), &self.id, archive).await?;
        let changes = containers::changes(self.engine(), &self.id).await?;
        let below = format!("{}/", self.mount);
        let is_elsewhere = |path: &&str| !path.is_empty() && *path != self.mount && !path.starts_with(&below);
        match elements(&changes).iter().map(|change| text(change, "/Path")).filter(is_elsewhere).count() {
            0 => Ok(()),
            _ => {
                let message = format!(
                    "volume {}: a link took the place of a folder while files were written, and some of them are not in the volume: look at it, and \
                     write them again",
                    self.volume
                );
                Err(Code::Conflict.error(message))
            }
        }
    }

    /// Before files of the volume are changed: a restore of it that was interrupted is not finished over them.
    pub(crate) async fn note_change(&self) -> Result<()> {
        restore::note_change(&self.refit, &self.volume).await
    }

    /// Renews the lease until it is dropped: for a container of which nothing may be asked for a while.
    pub(crate) async fn keep(&self) {
        let mut now = self.made;
        loop {
            tokio::time::sleep(RENEWAL).await;
            now += RENEWAL.as_secs().cast_signed();
            let name = name::StorageName::new(now).to_string();
            // One that fails is tried again in a moment.
            if let Ok(Some(read)) = containers::rename(self.engine(), &self.id, &name).await {
                now = read;
            }
        }
    }

    /// An error about a path in this volume.
    pub(crate) fn error(&self, code: Code, path: &dyn std::fmt::Display, why: &str) -> Error {
        about(code, &self.volume, path, why)
    }
}

/// What runs in the container.
#[derive(Debug, Clone)]
enum Purpose {
    /// Nothing: its archives are read and written.
    Files,
    /// A shell of this image runs a script with arguments. `{}` in an argument is where the volume is mounted.
    Shell { image: String, script: &'static str, arguments: Vec<String> },
}

/// Podman's archives do not mount the volume of a container that was never started [measured on 5.8]: what is written lands beside it.
pub(crate) fn not_on_podman(volume: &str) -> Error {
    let volume = shown(volume);
    let message =
        format!("volume {volume}: on Podman its files cannot be reached while no container runs; use podman volume export and import");
    Code::Unsupported.error(message)
}

async fn make(refit: &Refit, volume: &str, access: Access, purpose: Purpose) -> Result<Storage> {
    let engine = &refit.shared.engine;
    let Some((inspect, now)) = volumes::inspect(engine, volume).await? else { return Err(no_volume(volume)) };
    if engine.is_podman().await? {
        return Err(not_on_podman(volume));
    }
    if access != Access::Read {
        check_writable(engine, volume, &inspect).await?;
    }
    let mount = name::mount_point();
    let mut body = json!({
        "Labels": {"refit.volume": volume},
        "NetworkDisabled": true,
        "HostConfig": {
            "NetworkMode": "none",
            "Mounts": [{
                "Type": "volume",
                "Source": volume,
                "Target": mount,
                "ReadOnly": access == Access::Read,
                "VolumeOptions": {"NoCopy": true},
            }],
        },
    });
    if access == Access::Restore {
        body["Labels"][RESTORES] = volume.into();
    }
    let image = match purpose {
        Purpose::Files => {
            body["Cmd"] = json!(["none"]);
            empty_image::id(refit).await?
        }
        Purpose::Shell { image, script, arguments } => {
            let mut command = vec!["-c".to_owned(), script.to_owned(), "sh".to_owned()];
            command.extend(arguments.iter().map(|argument| argument.replacen("{}", &mount, 1)));
            shell::complete(&mut body, &command);
            image
        }
    };
    let name = name::StorageName::new(now).to_string();
    let mut created = create(engine, &name, &image, &mut body).await;
    if let Err(error) = &created
        && phrases::is_image_missing(error)
    {
        if text(&body, "/Entrypoint/0").is_empty() {
            let image = empty_image::load(refit).await?;
            created = create(engine, &name, &image, &mut body).await;
        } else {
            let message = format!("helper_image {} is not local: pull it with img_pull first", shown(&image));
            return Err(Code::ImageMissing.error(message).with_image(&image).with_missing(vec![image.clone()]));
        }
    }
    Ok(Storage { refit: refit.clone(), id: created?, volume: volume.to_owned(), mount, made: now })
}

async fn create(engine: &Engine, name: &str, image: &str, body: &mut Value) -> Result<String> {
    body["Image"] = image.into();
    Ok(containers::create(engine, name, None, body, engine.long_timeout()).await?.0)
}

/// No volume of that name.
pub(crate) fn no_volume(volume: &str) -> Error {
    Code::NotFound.error(format!("there is no volume {}: volume_list shows those that are there, volume_create makes one", shown(volume)))
}

/// A volume in memory is empty again after each archive, unless a running container has it mounted.
async fn check_writable(engine: &Engine, volume: &str, inspect: &Value) -> Result<()> {
    if !is_in_memory(&text_map(inspect, "/Options")) {
        return Ok(());
    }
    let (list, _) = container_list::list(engine).await?;
    let holds = |entry: &container_list::ListedEntry| {
        matches!(entry.state.as_str(), "running" | "paused") && entry.mounts.iter().flatten().any(|mount| text(mount, "/Name") == volume)
    };
    if list.iter().any(holds) {
        return Ok(());
    }
    Err(in_memory(volume))
}

pub(crate) fn is_in_memory(options: &std::collections::BTreeMap<String, String>) -> bool {
    options.get("type").is_some_and(|kind| kind == "tmpfs")
}

pub(in crate::volume) fn in_memory(volume: &str) -> Error {
    let message = format!(
        "volume {} is in memory (tmpfs) and no running container has it mounted: what is written to it now would be lost; start a container that \
         mounts it first",
        shown(volume)
    );
    Code::Unsupported.error(message)
}

impl Refit {
    /// Goes on with work that a running call leaves behind; a close of the handle waits for it.
    pub(in crate::volume) fn in_background(self, work: impl Future<Output = ()> + Send + 'static) {
        let counted: Arc<_> = self.shared.gate.clone();
        let counted = counted.go_on();
        let work = async move {
            work.await;
            drop(counted);
        };
        self.shared.runtime.spawn(work.in_current_span());
    }
}
