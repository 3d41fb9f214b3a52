//! One download, from the request to the inspect of the new image.

use std::time::Instant;

use super::ImageIdentity;
use super::decoder::{Decoder, Message};
use super::failure::classify;
use super::progress::PullProgress;
use super::shared::{Download, PullState, Pulled};
use crate::engine::api::images;
use crate::engine::phrases;
use crate::registry::Note;
use crate::{Code, Error, Result};

impl Download {
    /// Pulls, and writes on the state how far it is.
    pub(super) async fn run(&self, state: &PullState) -> Result<Pulled> {
        let engine = &self.refit.shared.engine;
        let what = format!("pulling image {}", self.image);
        let podman = engine.facts().await?.podman();
        let mut progress = PullProgress::default();
        let requested = self.request_with_or_without(&mut progress, state).await;
        if requested.as_ref().is_err_and(phrases::is_other_platform)
            && let Some(after) = self.local().await?
        {
            // Docker 26 has pulled it, and refuses it only then.
            self.check_platform(&after, podman).await?;
        }
        let notes = requested?;
        if !podman && progress.digest().is_none() {
            let message = format!(
                "{what}: the engine's stream ended without the image's digest, so that the pull may not be complete; pull it again"
            );
            return Err(Code::Engine.error(message).with_image(&*self.image));
        }
        state.verifying();
        let after = self.local().await?;
        let after =
            after.ok_or_else(|| Code::Engine.error(format!("{what}: the engine reports that the pull is done, and has no such image")))?;
        self.check_platform(&after, podman).await?;
        Ok(Pulled {
            before: self.before.clone(),
            after: ImageIdentity::of(&after),
            digest: progress.digest().map(str::to_owned),
            bytes: progress.downloaded(),
            notes,
        })
    }

    /// Once more without the credential, if that is refused.
    async fn request_with_or_without(&self, progress: &mut PullProgress, state: &PullState) -> Result<Vec<Note>> {
        match self.request(self.auth.as_deref(), progress, state).await {
            Ok(()) => Ok(Vec::new()),
            Err(refused) if refused.code() == Code::Unauthorized && self.auth.is_some() => {
                self.request(None, progress, state).await.map_err(|_| refused)?;
                let message = format!("{} refused the credential; the image was pulled without one", self.reference.registry());
                Ok(vec![Note { code: "credential_rejected".into(), message }])
            }
            Err(error) => Err(error),
        }
    }

    async fn request(&self, auth: Option<&str>, progress: &mut PullProgress, state: &PullState) -> Result<()> {
        let engine = &self.refit.shared.engine;
        // Without a tag the engine would pull every tag of the repository.
        let (name, tag) = (self.reference.familiar_name(), self.reference.digest().or(self.reference.tag()).unwrap_or("latest"));
        let answer = images::pull(engine, &name, tag, self.platform.as_deref(), auth).await;
        let mut stream = answer.map_err(|error| self.refused(error, &format!("{name}:{tag}")))?;
        let mut decoder = Decoder::default();
        while let Some(chunk) = stream.next_or_quiet().await.map_err(|error| error.with_image(&*self.image))? {
            self.apply(&decoder.push(&chunk)?, progress, state)?;
        }
        self.apply(&decoder.finish()?, progress, state)
    }

    fn apply(&self, messages: &[Message], progress: &mut PullProgress, state: &PullState) -> Result<()> {
        for message in messages {
            if let Some(message_text) = message.failure() {
                return Err(classify(&self.image, &message_text, None));
            }
            let now = Instant::now();
            if let Some(layer) = progress.apply(message, now) {
                state.write(layer, progress.measure(now), || progress.layers());
            }
        }
        Ok(())
    }

    /// An answer that is no success means the same as an error in its stream.
    fn refused(&self, error: Error, asked: &str) -> Error {
        let status = error.context().http_status;
        if status.is_none() {
            return error.with_image(&*self.image);
        }
        let prefix = format!("pulling image {asked}: ");
        classify(&self.image, error.message().trim_start_matches(&prefix), status)
    }
}
