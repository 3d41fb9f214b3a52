//! `img_list`: which images are there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::api::{containers, images};
use crate::json::{integer, optional_text, text, unix_time, unsigned};
use crate::reference::{Reference, listed_references};
use crate::volume::storage::is_empty_image;
use crate::{Refit, Result};

/// Which images [`Refit::images`] lists; the default is all.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Only those that have one of these references. Default: any.
    pub names: Vec<String>,
    /// Only those with all of these labels; an empty value matches any. Default: any.
    pub labels: BTreeMap<String, String>,
    /// Only those with a tag or repository that this pattern matches (`*`, `?`; `registry/app*`, `app:1.*`). Default: any.
    pub reference: Option<String>,
}

/// Local images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "img_list")]
#[non_exhaustive]
pub struct ImageList {
    /// In the engine's order: newest first.
    pub images: Vec<ImageSummary>,
}

/// A local image in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ImageSummary {
    /// The engine's id.
    pub id: String,
    /// `repository:tag`.
    pub tags: Vec<String>,
    /// `repository@digest`.
    pub digests: Vec<String>,
    /// Bytes.
    pub size: u64,
    /// When it was built.
    pub created: Option<Timestamp>,
    /// How many containers, running or not, were made from it.
    pub containers: usize,
}

impl Refit {
    /// The local images.
    #[tracing::instrument(level = "error", name = "img_list", skip_all, err(level = "warn"))]
    pub async fn images(&self, options: &ListOptions) -> Result<ImageList> {
        let wanted: Vec<Reference> = options.names.iter().map(|name| Reference::parse(name)).collect::<Result<_>>()?;
        let engine = &self.shared.engine;
        let images = images::list(engine).await?;
        let (containers, _) = containers::list(engine).await?;
        let users = |id: &str| containers.iter().filter(|container| text(container, "/ImageID") == id).count();
        let summaries = images.iter().filter(|image| !is_empty_image(image) && matches(image, options, &wanted)).map(|image| {
            let id = optional_text(image, "/Id").unwrap_or_default();
            ImageSummary {
                containers: users(&id),
                tags: listed_references(image, "/RepoTags"),
                digests: listed_references(image, "/RepoDigests"),
                size: unsigned(image, "/Size").unwrap_or(0),
                created: integer(image, "/Created").and_then(unix_time),
                id,
            }
        });
        Ok(ImageList { images: summaries.collect() })
    }
}

fn matches(image: &Value, options: &ListOptions, wanted: &[Reference]) -> bool {
    let tags = listed_references(image, "/RepoTags");
    let references =
        || tags.iter().chain(&listed_references(image, "/RepoDigests")).filter_map(|name| Reference::parse(name).ok()).collect::<Vec<_>>();
    let named = wanted.is_empty() || references().iter().any(|own| wanted.contains(own));
    let labelled = options.labels.iter().all(|(key, value)| {
        let own = image.get("Labels").and_then(|labels| labels.get(key)).and_then(Value::as_str);
        own.is_some_and(|own| value.is_empty() || own == value)
    });
    let referred = options
        .reference
        .as_deref()
        .is_none_or(|pattern| references().iter().any(|own| glob(pattern, &own.familiar()) || glob(pattern, &own.familiar_name())));
    named && labelled && referred
}

/// `*` is any run and `?` any character of a path's segment, as in docker's `--filter reference=`.
fn glob(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // reached[n]: the pattern so far matches the first n characters.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for expected in pattern.chars() {
        let mut next = vec![false; text.len() + 1];
        next[0] = expected == '*' && reached[0];
        for (n, character) in text.iter().enumerate() {
            let inside = *character != '/';
            next[n + 1] = match expected {
                '*' => reached[n + 1] || (next[n] && inside),
                '?' => reached[n] && inside,
                _ => reached[n] && *character == expected,
            };
        }
        reached = next;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_dockers_filter_does() {
        for (pattern, text, expected) in [
            ("app", "app", true),
            ("app*", "application:1", true),
            ("app:1.*", "app:1.2", true),
            ("app:1.*", "app:2.1", false),
            ("a?p", "app", true),
            ("reg/*", "reg/app", true),
            ("*", "reg/app", false),
            ("*/*", "reg/app", true),
            ("", "app", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
