//! `/images`.

use std::time::Duration;

use bollard::models::ImageHistoryResponseItem;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::engine::request::registry_auth;
use crate::engine::{ApiVersion, ByteStream, Engine, Versioned, body, escape, image_facts};
use crate::error::shown;
use crate::{Code, Result};

/// How long an answer is waited for that may need others.
const ORIGIN_LIMIT: Duration = Duration::from_secs(10);

/// What an inspect shows beside the usual.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Detail<'a> {
    /// Nothing.
    None,
    /// The manifests of its index, which a containerd store shows from API 1.48 on.
    Manifests,
    /// Its configuration for another platform than the engine's: `{"os": ..., "architecture": ..., "variant": ...}` (API 1.49).
    Platform(&'a Value),
}

/// Every image, untagged ones included. Never by the engine's own filter: with `reference=repo:tag` the classic store leaves `RepoDigests`
/// out.
pub(crate) async fn list(engine: &Engine) -> Result<Vec<Value>> {
    let what = "listing the images";
    match engine.get(what, "/images/json").await? {
        Value::Array(images) => Ok(images),
        _ => Err(Code::Engine.error(format!("{what}: the engine's answer is not a list"))),
    }
}

/// An image by reference or id; `None` when it is not local.
pub(crate) async fn inspect(engine: &Engine, image: &str, detail: Detail<'_>) -> Result<Option<Value>> {
    let query = match detail {
        Detail::Manifests if engine.session().await?.api >= ApiVersion(1, 48) => "?manifests=1".to_owned(),
        Detail::Platform(platform) => format!("?platform={}", escape(&platform.to_string())),
        Detail::None | Detail::Manifests => String::new(),
    };
    let path = format!("/images/{}/json{query}", segment(image));
    match engine.get(&format!("inspecting image {}", shown(image)), Versioned::inspect(&path)).await {
        Ok(inspect) => Ok(Some(inspect)),
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error.with_image(image)),
    }
}

/// Whether a local image was ever pulled, or pushed; `None`: the engine does not tell. It verifies signatures on the way, for which it may ask
/// other servers; that is not waited for as long as for an answer of its own.
pub(crate) async fn was_pulled(engine: &Engine, image: &str) -> Result<Option<bool>> {
    if engine.session().await?.api < ApiVersion::ORIGIN {
        return Ok(None);
    }
    let what = format!("asking where image {} is from", shown(image));
    let path = format!("/images/{}/json", segment(image));
    let inspect = match engine.get_of_others(&what, &path, &HeaderMap::new(), engine.timeout().min(ORIGIN_LIMIT)).await {
        Ok(Some(inspect)) => inspect,
        Ok(None) => return Ok(None),
        // Where it cannot tell, nothing is known.
        Err(error) if matches!(error.code(), Code::NotFound | Code::Engine) => return Ok(None),
        Err(error) => return Err(error.with_image(image)),
    };
    Ok(image_facts::was_pulled(&inspect))
}

/// The steps in which it was built.
pub(crate) async fn history(engine: &Engine, image: &str) -> Result<Vec<ImageHistoryResponseItem>> {
    let history = |docker: bollard::Docker| async move { docker.image_history(image).await };
    engine.typed(&format!("reading the history of image {}", shown(image)), history).await
}

/// Pulls; the engine's progress, a JSON document a message, which tells an error too. With an empty tag the engine pulls every tag.
pub(crate) async fn pull(engine: &Engine, name: &str, tag: &str, platform: Option<&str>, auth: Option<&str>) -> Result<ByteStream> {
    let platform = platform.map(|platform| format!("&platform={}", escape(platform))).unwrap_or_default();
    let path = format!("/images/create?fromImage={}&tag={}{platform}", escape(name), escape(tag));
    let mut headers = HeaderMap::new();
    registry_auth(&mut headers, auth)?;
    engine.stream(&format!("pulling image {name}:{tag}"), Method::POST, &path, &headers).await
}

/// Gives an image another tag, which is taken from the image that has it. Podman's answer is not JSON.
pub(crate) async fn tag(engine: &Engine, image: &str, name: &str, tag: &str) -> Result<()> {
    let path = format!("/images/{}/tag?repo={}&tag={}", segment(image), escape(name), escape(tag));
    engine.call(&format!("tagging image {image} as {name}:{tag}"), Method::POST, &path, None, engine.timeout()).await?;
    Ok(())
}

/// Takes a tag from an image, and with the last one the image; never by force. Without `noprune` the engine would remove untagged parents
/// too, for which nobody asked.
pub(crate) async fn remove(engine: &Engine, image: &str) -> Result<()> {
    let path = format!("/images/{}?force=false&noprune=true", segment(image));
    engine.call(&format!("removing image {}", shown(image)), Method::DELETE, &path, None, engine.timeout()).await?;
    Ok(())
}

/// Loads the one image of an archive, and says its id: that of a containerd store is no digest of its configuration.
pub(crate) async fn load(engine: &Engine, archive: Bytes) -> Result<String> {
    let what = "loading an image";
    let answer = engine.send_body(what, Method::POST, "/images/load?quiet=1", "application/x-tar", body(archive)).await?;
    parse_loaded(&answer.body)
        .ok_or_else(|| Code::Engine.error(format!("{what}: the engine did not say its id: {}", String::from_utf8_lossy(&answer.body))))
}

/// `{"stream": "Loaded image ID: sha256:…\n"}`; Podman and a containerd store say `Loaded image: sha256:…`.
fn parse_loaded(answer: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(answer);
    let id = text.split("Loaded image").nth(1)?.split("sha256:").nth(1)?;
    let id: String = id.chars().take_while(char::is_ascii_hexdigit).collect();
    (id.len() == 64).then(|| format!("sha256:{id}"))
}

/// A reference as a part of a path, in which its own characters may stand.
pub(super) fn segment(image: &str) -> String {
    escape(image).replace("%2F", "/").replace("%3A", ":").replace("%40", "@")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_loaded_image_is_in_the_answer() {
        let id = format!("sha256:{}", "a1".repeat(32));
        for words in ["Loaded image ID: ", "Loaded image: ", "Loaded image: docker.io/library/import@"] {
            let answer = format!(r#"{{"stream":"{words}{id}\n"}}"#);
            assert_eq!(parse_loaded(answer.as_bytes()), Some(id.clone()), "{answer}");
        }
        for answer in ["", r#"{"stream":"Loaded image: app:1\n"}"#, r#"{"error":"sha256:12"}"#] {
            assert_eq!(parse_loaded(answer.as_bytes()), None, "{answer}");
        }
    }

    #[test]
    fn a_reference_stands_in_a_path_as_it_is() {
        let digest = format!("127.0.0.1:5000/a/b_c-d.e@sha256:{}", "0".repeat(64));
        assert_eq!(segment(&digest), digest);
        assert_eq!(segment("a b?c#d%"), "a%20b%3Fc%23d%25");
    }
}
