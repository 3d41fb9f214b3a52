//! `/containers/CONTAINER/archive`: files of a container as a tar archive, also of one that was never started.
//!
//! While one archive is read or written the engine locks the container: an inspect, another request of this file and even a forced removal
//! wait until it ends [measured on Docker 20.10].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method};
use serde::Deserialize;

use crate::engine::{Body, ByteStream, Engine, escape, phrases};
use crate::{Code, Result};

/// What the engine says of a path without reading it. It says no owner, which is in the archive only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct PathStat {
    /// Go's `os.FileMode`.
    pub(crate) mode: u32,
}

/// The bit of a symbolic link in [`PathStat::mode`].
const LINK: u32 = 1 << 27;

/// The bits of everything that is no regular file: folder, link, device, pipe, socket, character device, and what Go does not know.
const NO_FILE: u32 = 1 << 31 | LINK | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19;

/// Go's bits of setuid, setgid and sticky, and Linux's.
const SPECIAL: [(u32, u32); 3] = [(1 << 23, 0o4000), (1 << 22, 0o2000), (1 << 20, 0o1000)];

impl PathStat {
    pub(crate) fn is_folder(&self) -> bool {
        self.mode & 1 << 31 != 0
    }

    pub(crate) fn is_link(&self) -> bool {
        self.mode & LINK != 0
    }

    pub(crate) fn is_file(&self) -> bool {
        self.mode & NO_FILE == 0
    }

    /// Permissions, setuid, setgid and sticky, as Linux has them.
    pub(crate) fn permissions(&self) -> u32 {
        SPECIAL.iter().filter(|(go, _)| self.mode & go != 0).fold(self.mode & 0o777, |mode, (_, linux)| mode | linux)
    }
}

/// What is at a path; `None` when nothing is. A link that is the last part is not followed, and every other one is.
pub(crate) async fn stat(engine: &Engine, container: &str, path: &str) -> Result<Option<PathStat>> {
    let what = format!("looking at {path} in container {container}");
    let request = request(container, path);
    // An answer to HEAD has no body, so that it cannot say whether the path or the container is missing.
    let answer = engine.answer(&what, Method::HEAD, &request, None, engine.timeout()).await?;
    match answer.status.as_u16() {
        404 => Ok(None),
        200 => {
            let header = answer.headers.get("x-docker-container-path-stat").and_then(|header| STANDARD.decode(header.as_bytes()).ok());
            let stat = header.and_then(|json| serde_json::from_slice(&json).ok());
            stat.map(Some).ok_or_else(|| Code::Engine.error(format!("{what}: the engine's answer was not understood")))
        }
        status => match read(engine, container, path).await {
            // Docker 20.10 fails at a link of a loop, also where it does not follow it.
            Err(error) if phrases::is_link_loop(&error) => Ok(Some(PathStat { mode: LINK })),
            // The answer to HEAD had no words.
            Err(error) if error.context().http_status == Some(status) => Err(error),
            _ => Err(Code::Engine.error(format!("{what}: HEAD was answered with {status}")).with_http_status(status)),
        },
    }
}

/// The archive of a path. A folder is named by its last part; with `/.` at the end of the path the names begin with `./`.
pub(crate) async fn read(engine: &Engine, container: &str, path: &str) -> Result<ByteStream> {
    let what = format!("reading {path} in container {container}");
    engine.stream(&what, Method::GET, &request(container, path), &HeaderMap::new()).await
}

/// Unpacks an archive at the root of a container. Nothing else takes a folder's place; without `noOverwriteDirNonDir` a file deletes the whole folder
/// that has its name.
pub(crate) async fn write(engine: &Engine, container: &str, archive: Body) -> Result<()> {
    let what = format!("writing files to container {container}");
    let path = format!("{}&noOverwriteDirNonDir=1", request(container, "/"));
    engine.send_body(&what, Method::PUT, &path, "application/x-tar", archive).await?;
    Ok(())
}

fn request(container: &str, path: &str) -> String {
    format!("/containers/{}/archive?path={}", escape(container), escape(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_of_go_say_what_is_at_a_path() {
        let cases = [
            (0o644, (false, false, true), 0o644),
            (1 << 31 | 1 << 20 | 0o777, (true, false, false), 0o1777),
            (1 << 27 | 0o777, (false, true, false), 0o777),
            (1 << 23 | 1 << 22 | 0o755, (false, false, true), 0o6755),
            (1 << 24 | 0o600, (false, false, false), 0o600),
            (1 << 26 | 1 << 21 | 0o600, (false, false, false), 0o600),
        ];
        for (mode, kind, permissions) in cases {
            let stat = PathStat { mode };
            assert_eq!((stat.is_folder(), stat.is_link(), stat.is_file()), kind, "{mode:o}");
            assert_eq!(stat.permissions(), permissions, "{mode:o}");
        }
    }
}
