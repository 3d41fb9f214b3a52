//! `/distribution`: what a registry answers to the engine.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use super::images::segment;
use crate::Result;
use crate::engine::Engine;
use crate::engine::request::registry_auth;
use crate::error::shown;

/// The digest and the platforms of an image at its registry: `{"Descriptor": {...}, "Platforms": [...]}`. `None`: the registry has not answered the
/// engine in time.
pub(crate) async fn inspect(engine: &Engine, image: &str, auth: Option<&str>, limit: Duration) -> Result<Option<Value>> {
    let mut headers = HeaderMap::new();
    registry_auth(&mut headers, auth)?;
    let what = format!("asking the engine about {}", shown(image));
    engine.get_of_others(&what, &format!("/distribution/{}/json", segment(image)), &headers, limit).await
}
