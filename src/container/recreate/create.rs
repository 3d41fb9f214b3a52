//! Steps 1 to 3: what is created beside the old container, before anything is stopped.
//!
//! Rules: docs/recreate.md, section 4.

use jiff::Timestamp;
use serde_json::Value;

use super::late_create::{CreateRequest, NotCreated};
use super::prepare;
use super::run::Run;
use crate::container::create_body::{self, CreatePlan, Difference, FOREGROUND, NamedBy};
use crate::container::lost_files::LostFiles;
use crate::container::replacement::{RecoverySnapshot, engine_id, join_networks};
use crate::container::{libpod, state};
use crate::engine::api::{container_list, containers, events};
use crate::engine::phrases;
use crate::{Code, Error, Result};

/// The code of what the engine warns of at create.
const ENGINE_WARNING: &str = "engine";

impl Run<'_> {
    /// Steps 1 to 3: the new container is complete beside the old one, which is not touched.
    pub(super) async fn create_new(&mut self) -> Result<()> {
        let mut plan = self.prepared.input().create_plan()?;
        if plan.warnings.iter().any(|warning| warning.code == FOREGROUND) && !self.may_be_attached().await {
            plan.warnings.retain(|warning| warning.code != FOREGROUND);
        }
        self.is_on_overlay = plan.overlay;
        self.report.warnings.extend(plan.warnings.iter().cloned());
        self.report.warnings.extend(self.prepared.volumes.warnings.iter().cloned());
        for loss in &plan.lossy {
            self.warn("lossy", loss.clone());
        }
        if let Some((provider, by)) = self.prepared.attached_to.clone() {
            let by = match by {
                NamedBy::Caller => "the option provider names",
                NamedBy::Labels => "its labels of Compose name",
            };
            let message = format!("its provider is gone: it is attached to {provider}, which {by}; a rollback could not start it");
            self.warn("provider_replaced", message);
        }
        self.count_layer_changes().await?;
        self.step("creating", 90);
        self.probe_engine(plan.overlay).await?;
        let new = self.create(&plan).await?;
        let made = self.verify(&new, &plan).await?;
        self.probe_new(&made).await?;
        self.take_snapshot(&new).await?;
        if state::is_auto_remove(&self.prepared.container) && self.pair.mode.runs() {
            self.create_standby(&new).await?;
        }
        Ok(())
    }

    /// Whether a client may be attached to the old container; the engine's events tell it where they reach back to its creation.
    async fn may_be_attached(&self) -> bool {
        let Some(created) = self.prepared.container["Created"].as_str().and_then(|time| time.parse::<Timestamp>().ok()) else {
            return true;
        };
        let events = events::of_container(self.engine, &self.pair.old, created.as_second(), self.prepared.clock.now());
        match self.call.run(events).await {
            Ok(events) => create_body::is_attached(&events).unwrap_or(true),
            Err(_) => true,
        }
    }

    /// Steps 1 and 2: the new container under its temporary name, with all its networks.
    pub(super) async fn create(&mut self, plan: &CreatePlan) -> Result<String> {
        self.step("creating", 100);
        self.call.check()?;
        let name = self.pair.new_name();
        let (engine, call, engine_wait) = (self.engine, self.call, self.pair.engine_wait);
        let (new, warnings) = match (CreateRequest { engine, call, engine_wait, name: &name, plan }).send().await {
            Ok(created) => created,
            Err(NotCreated { error, left }) => {
                self.pair.new = left;
                return Err(self.create_error(error));
            }
        };
        self.pair.new = Some(new.clone());
        self.report.new_id = Some(new.clone());
        self.pair.lease.hold(&new, name);
        // The create may have taken longer than the lease that its name carries.
        self.pair.lease.ensure().await?;
        for warning in warnings {
            self.warn(ENGINE_WARNING, warning);
        }
        let (list, now) = container_list::list_temporary(self.engine).await?;
        prepare::check_leftovers(&list, &self.pair.name, Some(&new), now)?;
        self.begin_step("creating", 150).await?;
        join_networks(self.engine, &new, &plan.disconnects, &plan.connects).await?;
        Ok(new)
    }

    /// Step 3: the new container has the old one's configuration and the image that was inspected.
    async fn verify(&mut self, new: &str, plan: &CreatePlan) -> Result<Value> {
        self.step("verifying", 200);
        let (mut made, mut differences) = self.compare(new).await?;
        self.may_retry = differences.iter().any(|difference| difference.field == "Image");
        if !differences.is_empty() && !self.may_retry {
            // The first answer may be older than the create: a second look decides.
            (made, differences) = self.compare(new).await?;
        }
        self.warn_of_watch(&made);
        let of_engine = self.report.warnings.iter().filter(|warning| warning.code == ENGINE_WARNING);
        let of_engine: Vec<String> = of_engine.map(|warning| warning.message.clone()).collect();
        let mut refused = Vec::new();
        for difference in differences {
            if create_body::is_discarded(&difference, &plan.body, &of_engine) {
                self.warn("discarded", format!("this engine discards {}, which is {}", difference.field, difference.expected));
            } else if difference.field != "Image" && self.options.accept_changes.contains(&difference.field) {
                self.accepted.push(difference);
            } else {
                refused.push(difference);
            }
        }
        if refused.is_empty() {
            return Ok(made);
        }
        let fields: Vec<&str> = refused.iter().map(|difference| difference.field.as_str()).filter(|field| *field != "Image").collect();
        let next = if fields.is_empty() { String::new() } else { format!("; accept_changes {fields:?} would allow it") };
        let refused: Vec<String> = refused.iter().map(ToString::to_string).collect();
        Err(Code::Engine.error(format!(
            "the new container's configuration differs from that of container {}; nothing was changed: {}{next}",
            self.pair.name,
            refused.join("; ")
        )))
    }

    /// The new container's inspect, and what differs from the old one.
    async fn compare(&self, new: &str) -> Result<(Value, Vec<Difference>)> {
        let mut made = containers::inspect(self.engine, new).await?.ok_or_else(|| self.conflict("lost its new container"))?;
        libpod::complete(self.engine, &mut made).await?;
        let differences = create_body::verify(&self.prepared.input(), &made).err().unwrap_or_default();
        Ok((made, differences))
    }

    fn warn_of_watch(&mut self, new: &Value) {
        if self.pair.mode.runs() {
            let healthcheck = new.pointer("/Config/Healthcheck").unwrap_or(&Value::Null);
            self.report.warnings.extend(self.options.watch_warnings(&self.prepared.container, healthcheck));
        }
    }

    /// From here on a rollback can recreate the old container, in this process or, with a `state_dir`, in another.
    async fn take_snapshot(&mut self, new: &str) -> Result<()> {
        let snapshot = RecoverySnapshot {
            engine: engine_id(self.engine).await?,
            container: self.pair.name.clone(),
            mode: self.pair.mode,
            old: self.prepared.container.clone(),
            new_id: new.to_owned(),
            made_again: None,
            taken_at: Some(self.pair.lease.clock().now()),
            stop_timeout: self.options.stop_timeout,
            watch: Some(self.options.watch(&self.prepared.container)),
            after_hooks: if self.pair.mode.runs() { self.options.hooks.after.clone() } else { Vec::new() },
            hooks_timeout: Some(self.options.hooks.timeout),
            volumes: None,
            plan: self.prepared.input_as_inspected().create_plan_from_old_image()?,
        };
        if let Some(state_dir) = self.pair.state_dir {
            self.snapshot_file = Some(snapshot.write(state_dir).await?);
        }
        self.pair.snapshot = Some(snapshot);
        Ok(())
    }

    /// Counts the files of the writable layer, which the new container does not get.
    async fn count_layer_changes(&mut self) -> Result<()> {
        if self.options.count_layer_changes {
            let lost = LostFiles::read(self.engine, &self.prepared.container);
            self.report.writable_layer_changes = self.call.run(async { Ok::<_, Error>(lost.await) }).await?.map(|lost| lost.count);
        }
        Ok(())
    }

    fn create_error(&self, error: Error) -> Error {
        match error.code() {
            // Another run has created a container with this very name.
            Code::Conflict => {
                let message = format!("container {} is being recreated by another process", self.pair.name);
                error.into_cause_of(Code::Busy, message)
            }
            _ if phrases::is_image_missing(&error) => {
                let (image, message) = (self.prepared.reference().to_owned(), error.message().to_owned());
                error.into_cause_of(Code::ImageMissing, message).with_missing(vec![image])
            }
            _ => error,
        }
    }

    /// An `--rm` container is gone once it has stopped: the container that a rollback starts is created before.
    pub(super) async fn create_standby(&mut self, new: &str) -> Result<()> {
        self.begin_step("creating", 230).await?;
        let Some(plan) = self.pair.snapshot.as_ref().map(|snapshot| snapshot.plan.clone()) else { return Ok(()) };
        let name = self.pair.old_name(new);
        let (engine, call, engine_wait) = (self.engine, self.call, self.pair.engine_wait);
        let request = CreateRequest { engine, call, engine_wait, name: &name, plan: &plan };
        let standby = match self.pair.lease.during(async { Ok(request.send().await) }).await? {
            Ok((standby, _)) => standby,
            Err(NotCreated { error, left }) => {
                self.pair.standby = left;
                return Err(error);
            }
        };
        self.pair.standby = Some(standby.clone());
        join_networks(self.engine, &standby, &plan.disconnects, &plan.connects).await
    }
}
