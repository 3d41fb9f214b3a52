//! One download, from the engine's first word to the inspect of what came.

use std::time::Instant;

use http::{HeaderMap, HeaderValue, Method};

use super::ImageIdentity;
use super::decoder::{Decoder, Message};
use super::failure::classify;
use super::meter::Meter;
use super::shared::{Board, Done, Download};
use crate::engine::escape;
use crate::image::inspect;
use crate::{Code, Error, Result};

impl Download {
    /// Pulls, and writes on the board how far it is.
    pub(super) async fn run(&self, board: &Board) -> Result<Done> {
        let engine = &self.refit.shared.engine;
        let what = format!("pulling image {}", self.image);
        let mut headers = HeaderMap::new();
        if let Some(auth) = &self.auth {
            let mut value = HeaderValue::from_str(auth)
                .map_err(|error| Code::InvalidArgument.error("these credentials cannot be sent").caused_by(&error))?;
            value.set_sensitive(true);
            headers.insert("X-Registry-Auth", value);
        }
        let answer = engine.stream(&what, Method::POST, &self.path(), &headers).await;
        let mut stream = answer.map_err(|error| self.answered(error))?;
        let mut decoder = Decoder::default();
        let mut meter = Meter::default();
        while let Some(piece) = stream.next().await.map_err(|error| error.with_image(&*self.image))? {
            self.take(&decoder.push(&piece)?, &mut meter, board)?;
        }
        self.take(&decoder.finish()?, &mut meter, board)?;
        board.verifying();
        let after = inspect::find(engine, &self.image).await?;
        let after = after.ok_or_else(|| Code::Engine.error(format!("{what}: the engine says that it is done, and has no such image")))?;
        Ok(Done {
            before: self.before.clone(),
            after: ImageIdentity::of(&after),
            digest: meter.digest().map(str::to_owned),
            bytes: meter.downloaded(),
        })
    }

    fn take(&self, messages: &[Message], meter: &mut Meter, board: &Board) -> Result<()> {
        for message in messages {
            if let Some(words) = message.failure() {
                return Err(classify(&self.image, &words, None));
            }
            let now = Instant::now();
            if let Some(layer) = meter.take(message, now) {
                board.write(layer, meter.read(now), || meter.layers());
            }
        }
        Ok(())
    }

    /// Without a tag the engine would pull every tag of the repository.
    fn path(&self) -> String {
        let tag = self.reference.digest().or(self.reference.tag()).unwrap_or("latest");
        let mut path = format!("/images/create?fromImage={}&tag={}", escape(&self.reference.familiar_name()), escape(tag));
        if let Some(platform) = &self.platform {
            path.push_str("&platform=");
            path.push_str(&escape(platform));
        }
        path
    }

    /// The engine's answer of 400 and more means the same as an error in its stream.
    fn answered(&self, error: Error) -> Error {
        let status = error.context().http_status;
        if status.is_none() {
            return error.with_image(&*self.image);
        }
        let prefix = format!("pulling image {}: ", self.image);
        classify(&self.image, error.message().trim_start_matches(&prefix), status)
    }
}
