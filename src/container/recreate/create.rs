//! Steps 1 and 2: what is made beside the old container, before anything is stopped.

use std::time::Duration;

use super::prepare;
use super::steps::Run;
use super::undo::Patience;
use crate::container::names::TemporaryName;
use crate::container::spec::Spec;
use crate::container::{requests, state};
use crate::{Code, Error, Result};

impl Run<'_> {
    /// Steps 1 and 2: the new container under its temporary name, with all its networks.
    pub(super) async fn create(&mut self, spec: &Spec) -> Result<String> {
        (self.on_phase)("creating", 100);
        self.call.check()?;
        let name = self.swap.new_name();
        let created = requests::create(self.engine, &name, spec.platform.as_deref(), &spec.body).await;
        let (new, warnings) = match created {
            Ok(created) => created,
            Err(error) => {
                self.swap.new = self.find_created(&name, &error).await;
                return Err(self.create_error(error));
            }
        };
        self.swap.new = Some(new.clone());
        self.report.new_id = Some(new.clone());
        self.swap.lease.hold(&new, name);
        for warning in warnings {
            self.warn("engine", warning);
        }
        let (list, now) = requests::list(self.engine).await?;
        prepare::check_leftovers(&list, &self.swap.name, Some(&new), now)?;
        self.next("creating", 150).await?;
        requests::join_networks(self.engine, &new, &spec.disconnects, &spec.connects).await?;
        Ok(new)
    }

    fn create_error(&self, error: Error) -> Error {
        match error.code() {
            // Another run has made one under this very name.
            Code::Conflict => {
                let message = format!("container {} is being recreated by another process", self.swap.name);
                error.into_cause_of(Code::Busy, message)
            }
            Code::NotFound if error.message().contains("No such image") || error.message().contains("no such image") => {
                let (image, message) = (self.prepared.reference().to_owned(), error.message().to_owned());
                error.into_cause_of(Code::ImageMissing, message).with_missing(vec![image])
            }
            _ => error,
        }
    }

    /// A create whose answer was lost may have been done, or may be just now; one that the engine has failed at may have left something.
    async fn find_created(&self, name: &TemporaryName, error: &Error) -> Option<String> {
        let looks = match error.code() {
            Code::Unreachable => 10,
            Code::Engine => 1,
            _ => return None,
        };
        let mut patience = Patience::new(self.swap.engine_wait);
        let mut looked = 0;
        while looked < looks {
            match requests::inspect(self.engine, &name.to_string()).await {
                Ok(Some(container)) => return Some(state::id(&container).to_owned()),
                Ok(None) => looked += 1,
                Err(error) if patience.allows(&error).await => {}
                Err(_) => return None,
            }
            if looked < looks {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        None
    }

    /// An `--rm` container is gone once it has stopped: what an undo starts is made before.
    pub(super) async fn create_spare(&mut self, new: &str) -> Result<()> {
        self.next("creating", 230).await?;
        let Some(spec) = self.swap.kept.as_ref().map(|kept| kept.spec.clone()) else { return Ok(()) };
        let name = self.swap.old_name(new);
        let created = requests::create(self.engine, &name, spec.platform.as_deref(), &spec.body).await;
        if let Err(error) = &created {
            self.swap.spare = self.find_created(&name, error).await;
        }
        let (spare, _) = created?;
        self.swap.spare = Some(spare.clone());
        requests::join_networks(self.engine, &spare, &spec.disconnects, &spec.connects).await
    }
}
