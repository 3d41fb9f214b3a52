//! `img_list`: which images are there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::inspect::{names, text};
use crate::reference::Reference;
use crate::{Code, Refit, Result};

/// Which images [`Refit::images`] lists; the default is all.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ListOptions {
    /// Only those that have one of these references. Default: any.
    pub names: Vec<String>,
    /// Only those with all of these labels; an empty value matches any. Default: any.
    pub labels: BTreeMap<String, String>,
    /// Only those with a tag or repository that this pattern matches (`*`, `?`; `registry/app*`, `app:1.*`). Default: any.
    pub reference: Option<String>,
}

/// Local images.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "img_list")]
#[non_exhaustive]
pub struct ImageList {
    /// In the engine's order: newest first.
    pub images: Vec<ImageSummary>,
}

/// A local image in a list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
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
    /// When it was built (RFC 3339).
    pub created: Option<String>,
    /// How many containers, running or not, were made from it.
    pub containers: usize,
}

impl Refit {
    /// The local images.
    pub async fn images(&self, options: &ListOptions) -> Result<ImageList> {
        let wanted: Vec<Reference> = options.names.iter().map(|name| Reference::parse(name)).collect::<Result<_>>()?;
        let engine = &self.shared.engine;
        // Not by the engine's own filter: with `reference=repo:tag` the classic store leaves RepoDigests out.
        let images = engine.get("listing the images", "/images/json").await?;
        let containers = engine.get("listing the containers", "/containers/json?all=1").await?;
        let images = images.as_array().ok_or_else(|| Code::Engine.error("listing the images: the engine's answer is no list"))?;
        let users =
            |id: &str| containers.as_array().map_or(0, |all| all.iter().filter(|c| text(c, "/ImageID").as_deref() == Some(id)).count());
        let summaries = images.iter().filter(|image| matches(image, options, &wanted)).map(|image| {
            let id = text(image, "/Id").unwrap_or_default();
            ImageSummary {
                containers: users(&id),
                tags: names(image, "RepoTags"),
                digests: names(image, "RepoDigests"),
                size: image.get("Size").and_then(Value::as_u64).unwrap_or(0),
                created: image.get("Created").and_then(Value::as_i64).and_then(unix_time),
                id,
            }
        });
        Ok(ImageList { images: summaries.collect() })
    }
}

fn matches(image: &Value, options: &ListOptions, wanted: &[Reference]) -> bool {
    let tags = names(image, "RepoTags");
    let references = || tags.iter().chain(&names(image, "RepoDigests")).filter_map(|name| Reference::parse(name).ok()).collect::<Vec<_>>();
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

/// Seconds since 1970 as RFC 3339.
pub(crate) fn unix_time(seconds: i64) -> Option<String> {
    (seconds > 0).then(|| jiff::Timestamp::from_second(seconds).ok()).flatten().map(|time| time.to_string())
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

    #[test]
    fn times_before_1970_are_unknown() {
        assert_eq!(unix_time(0), None);
        assert_eq!(unix_time(1_700_000_000).as_deref(), Some("2023-11-14T22:13:20Z"));
    }
}
