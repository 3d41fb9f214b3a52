//! What an update of a service sends, decided from its check.
//!
//! Rules: docs/services.md, section 3.

use super::spec::{Service, digest_in, tag_of};
use super::update::ServiceUpdateOptions;
use crate::error::shown;
use crate::image::{Check, CheckState};
use crate::{Code, Result};

/// By what the engine's answers are recognised as those about the spec that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// `NAME:TAG@DIGEST`.
    pub(super) image: String,
    /// The spec's `ForceUpdate`.
    pub(super) force: u64,
}

impl Target {
    /// Whether the spec of a service is the one that was sent, as far as the update has changed it.
    pub(super) fn is_spec_of(&self, service: &Service) -> bool {
        service.image() == Some(&*self.image) && service.force() == self.force
    }

    /// Whether the spec that the engine would go back to is the one that was sent.
    pub(super) fn is_previous_of(&self, service: &Service) -> bool {
        service.previous_image() == Some(&*self.image) && service.previous_force() == self.force
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// The service is at that digest.
    Unchanged,
    /// Its spec is to have this image.
    Send { image: String },
}

/// What an update does, from the image in the spec and its check.
pub(super) fn decide(name: &str, image: &str, check: &Check, options: &ServiceUpdateOptions) -> Result<Decision> {
    let nothing = "nothing was changed";
    let found = check.remote.as_ref().map(|remote| remote.digest.as_str());
    if let (Some(expected), Some(digest)) = (&options.expect_digest, found)
        && expected != digest
    {
        let message =
            format!("service {name}: the registry has {digest} now, and {} was confirmed; check again; {nothing}", shown(expected));
        return Err(Code::Conflict.error(message).with_image(&check.image));
    }
    if check.state == CheckState::PlatformGone {
        let platform = check.platform.as_deref().unwrap_or_default();
        let message = format!("service {name}: {} names no image for {platform} any more, on which its tasks run; {nothing}", check.image);
        return Err(Code::NotFound.error(message).with_image(&check.image));
    }
    let Some(tag) = tag_of(image) else {
        // Pinned to a digest alone: there is no tag that could name another.
        return Ok(if options.force { Decision::Send { image: image.to_owned() } } else { Decision::Unchanged });
    };
    let is_pinned = digest_in(image).is_some();
    if is_pinned && check.has_update == Some(false) && !options.force {
        return Ok(Decision::Unchanged);
    }
    match found {
        Some(digest) => Ok(Decision::Send { image: format!("{tag}@{digest}") }),
        None => {
            let message =
                format!("service {name}: the registry has no {tag} (any more), so that there is nothing to update it to; {nothing}");
            Err(Code::NotFound.error(message).with_image(&check.image))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::image::RemoteImage;

    const OLD: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const NEW: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn check(state: CheckState, has_update: Option<bool>, digest: Option<&str>) -> Check {
        let mut check = Check::new("app:1", state);
        check.has_update = has_update;
        check.platform = Some("linux/arm64".into());
        let known =
            |digest: &str| RemoteImage { digest: digest.to_owned(), created: None, version: None, download_bytes: None, config: None };
        check.remote = digest.map(known);
        check
    }

    #[test]
    fn what_is_sent_follows_from_the_check() {
        let pinned = format!("app:1@{OLD}");
        let (newer, current) =
            (check(CheckState::UpdateAvailable, Some(true), Some(NEW)), check(CheckState::UpToDate, Some(false), Some(OLD)));
        // The index is another one, and the image for the nodes the same.
        let same = check(CheckState::UpToDate, Some(false), Some(NEW));
        let of_digest = check(CheckState::Pinned, Some(false), None);
        let force = ServiceUpdateOptions { force: true, ..ServiceUpdateOptions::default() };
        let plain = ServiceUpdateOptions::default();
        let send = |image: String| Ok(Decision::Send { image });
        for (image, check, options, expected) in [
            (&*pinned, &newer, &plain, send(format!("app:1@{NEW}"))),
            (&pinned, &current, &plain, Ok(Decision::Unchanged)),
            (&pinned, &current, &force, send(pinned.clone())),
            (&pinned, &same, &plain, Ok(Decision::Unchanged)),
            ("app:1", &current, &plain, send(pinned.clone())),
            ("app", &newer, &plain, send(format!("app:latest@{NEW}"))),
            (&format!("app@{OLD}"), &of_digest, &plain, Ok(Decision::Unchanged)),
            (&format!("app@{OLD}"), &of_digest, &force, send(format!("app@{OLD}"))),
        ] {
            assert_eq!(decide("web", image, check, options), expected, "{image} {:?}", check.state);
        }
    }

    #[test]
    fn what_cannot_be_or_was_not_confirmed_is_refused() {
        let pinned = format!("app:1@{OLD}");
        let expecting = ServiceUpdateOptions { expect_digest: Some(OLD.into()), ..ServiceUpdateOptions::default() };
        let force = ServiceUpdateOptions { force: true, ..ServiceUpdateOptions::default() };
        for (check, options, code, words) in [
            (check(CheckState::UpdateAvailable, Some(true), Some(NEW)), expecting, Code::Conflict, NEW),
            (check(CheckState::PlatformGone, None, Some(NEW)), force.clone(), Code::NotFound, "linux/arm64"),
            (check(CheckState::TagGone, None, None), force, Code::NotFound, "has no app:1"),
        ] {
            let error = decide("web", &pinned, &check, &options).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.message().contains(words) && error.message().contains("nothing was changed"), "{error}");
        }
    }
}
