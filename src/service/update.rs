//! `service_update`: a service gets the digest that its tag names now, by the engine's own rolling update.
//!
//! Rules: docs/services.md, sections 3 and 4.

use std::time::{Duration, Instant};

use super::find;
use super::report::{ServiceResult, ServiceUpdate};
use super::send::{Sent, send};
use super::spec::{FailureAction, Mode, Service, digest_in, tag_of};
use super::target::{Decision, Target, decide};
use super::watch::{End, Watch};
use crate::container::replacement::run_guard::RunGuard;
use crate::engine::names::check_service;
use crate::error::shown;
use crate::history::{Draft, HistoryImage, HistoryKind, HistoryResult};
use crate::image::CheckOptions;
use crate::operation::call::Call;
use crate::reference::Reference;
use crate::registry::Trace;
use crate::{Code, Error, Failure, Operation, Outcome, Progress, Refit, Result};

/// The name of the call, and of its progress.
pub(super) const OP: &str = "service_update";

/// How a service is updated.
#[derive(Debug, Clone)]
pub struct ServiceUpdateOptions {
    /// The digest that was confirmed; another one in the registry is CONFLICT. Default: any.
    pub expect_digest: Option<String>,
    /// Also where the service is at that digest: its tasks are replaced. Default: no.
    pub force: bool,
    /// How long the update is waited for; then the engine goes on by itself. Default: 300 s.
    pub wait: Duration,
}

impl Default for ServiceUpdateOptions {
    fn default() -> Self {
        Self { expect_digest: None, force: false, wait: Duration::from_secs(300) }
    }
}

impl Refit {
    /// Updates a service of the swarm: its spec gets `NAME:TAG@DIGEST` with the digest that the tag names now, everything else in it stays, and the
    /// engine replaces its tasks by its own rolling update, which is watched until every task runs.
    ///
    /// A task that fails is followed by the engine's rollback, which is asked for where the service's failure action is `pause`: `ROLLED_BACK`, with
    /// the last lines of the task's log. After `wait`, and when the call is cancelled, the engine goes on; the report says how far it was.
    pub fn update_service(&self, service: impl Into<String>, options: ServiceUpdateOptions) -> Operation<ServiceUpdate> {
        let service = service.into();
        let span = tracing::error_span!("service_update", service = %shown(&service));
        self.operation(span, move |refit, call| async move { refit.update_service_and_record(&call, &service, &options).await })
    }

    async fn update_service_and_record(&self, call: &Call, name: &str, options: &ServiceUpdateOptions) -> Outcome<ServiceUpdate> {
        check_service(name)?;
        let mut draft = Draft::of_service(HistoryKind::ServiceUpdate, call, name);
        match self.update_service_in(call, name, options, &mut draft).await {
            Ok(mut report) => {
                let result = if report.result == ServiceResult::Unchanged { HistoryResult::Unchanged } else { HistoryResult::Done };
                report.warnings.extend(self.record(draft, result).await);
                Ok(report)
            }
            Err(failure) => {
                let Failure { error, mut report } = *failure;
                let warning = self.record_failure(draft, &error).await;
                if let Some(report) = &mut report {
                    report.warnings.extend(warning);
                }
                Err(Box::new(Failure { error, report }))
            }
        }
    }

    async fn update_service_in(
        &self,
        call: &Call,
        name: &str,
        options: &ServiceUpdateOptions,
        draft: &mut Draft,
    ) -> Outcome<ServiceUpdate> {
        let begun = Instant::now();
        call.report(Progress::whole(OP, name, "checking", 0));
        let service = call.run(find::service(self, name)).await?;
        let (name, image) = (service.name(), updatable(&service)?.to_owned());
        draft.service_is(name, &tag_of(&image).unwrap_or_else(|| image.clone()));
        draft.from = in_history(&image);
        draft.to.clone_from(&draft.from);
        let engine = self.shared.engine.endpoint().to_string();
        let Some(_guard) = RunGuard::take(&engine, &format!("service:{}", service.id()), OP) else {
            return Err(Code::Busy.error(format!("service {name} is being updated: try again later")).into());
        };
        if service.update_state().as_deref() == Some("rollback_started") {
            let message = format!("service {name}: the engine is rolling it back (service_list shows its update_state): try again later");
            return Err(Code::Busy.error(message).into());
        }
        let check = self.check_of_service(call, &service, &CheckOptions::default()).await?;
        if let Some(mut error) = check.error.clone() {
            error.context_mut().op.clear();
            return Err(error.into());
        }
        let mut report = match decide(name, &image, &check, options)? {
            Decision::Send { image: to } => {
                let mut report = ServiceUpdate::new(name, &image, &to);
                let sent = self.send_update(call, &service, &to, options.force).await;
                draft.to = in_history(&to);
                match sent {
                    Ok(Sent { target, warnings }) => {
                        for words in warnings {
                            report.warn("engine", words);
                        }
                        self.watch_update(call, &service, target, options.wait, report).await
                    }
                    Err(error) => {
                        draft.to.clone_from(&draft.from);
                        Err(failed(error, report))
                    }
                }
            }
            Decision::Unchanged => self.leave(call, &service, &image, options.wait).await,
        };
        let ended = match &mut report {
            Ok(report) => Some(report),
            Err(failure) => failure.report.as_mut(),
        };
        if let Some(ended) = ended {
            ended.elapsed_ms = begun.elapsed().as_millis() as u64;
        }
        if report.is_ok() {
            call.report(Progress::whole(OP, name, "done", 1000));
        }
        report
    }

    async fn send_update(&self, call: &Call, service: &Service, image: &str, force: bool) -> Result<Sent> {
        let reference = Reference::parse(image)?;
        let session = call.run(self.registry_session()).await?;
        // The nodes that pull have no credential of their own.
        let auth = call.run(async { Ok::<_, Error>(session.registry_auth(&reference, &Trace::default()).await) }).await?;
        send(self, call, service.clone(), image, force, auth.as_deref()).await
    }

    /// A service that is at that digest: nothing is sent. An update to it that is in progress is waited for.
    async fn leave(&self, call: &Call, service: &Service, image: &str, wait: Duration) -> Outcome<ServiceUpdate> {
        let state = service.update_state();
        if state.as_deref() == Some("updating") {
            let report = ServiceUpdate::new(service.name(), service.previous_image().unwrap_or(image), image);
            let target = Target { image: image.to_owned(), force: service.force() };
            return self.watch_update(call, service, target, wait, report).await;
        }
        let mut report = ServiceUpdate::new(service.name(), image, image);
        report.result = ServiceResult::Unchanged;
        if state.as_deref() == Some("paused") {
            let message = format!(
                "service {}: the engine has stopped an update to this image ({}): docker service rollback goes back, \"force\" tries again",
                service.name(),
                service.update_message()
            );
            report.warn("update_paused", message);
        }
        report.update_state = state;
        Ok(report)
    }

    async fn watch_update(
        &self,
        call: &Call,
        service: &Service,
        target: Target,
        wait: Duration,
        mut report: ServiceUpdate,
    ) -> Outcome<ServiceUpdate> {
        let from = report.from.image.clone();
        let mut watch = Watch {
            refit: self,
            call,
            name: service.name(),
            id: service.id(),
            from: &from,
            target,
            counts: None,
            update_state: None,
            message: String::new(),
            failure: None,
            waiting: None,
            is_rolling_back: false,
            down: Vec::new(),
        };
        let end = watch.run(wait).await;
        if matches!(end, End::TimedOut) {
            watch.see_nodes().await;
        }
        report.update_state.clone_from(&watch.update_state);
        report.replicas_running = watch.counts.map(|counts| counts.running);
        report.replicas_wanted = watch.counts.map(|counts| counts.wanted);
        report.logs_tail = watch.failure.as_ref().and_then(|failure| failure.log.clone());
        report.result = result(&end, watch.is_rolling_back);
        match error(&watch, &end, service, &report, wait) {
            None => Ok(report),
            Some(error) => Err(with_error(error, report)),
        }
    }
}

/// The image of a service whose tasks the engine replaces one after another.
fn updatable(service: &Service) -> Result<&str> {
    let name = service.name();
    let Some(image) = service.image() else {
        return Err(Code::Unsupported.error(format!("service {name} runs no containers: it has no image that could be updated")));
    };
    if service.mode() == Mode::Job {
        let message = format!(
            "service {name} is a job: the engine would run it once more, and has no rolling update and no rollback for it; use docker service update"
        );
        return Err(Code::Unsupported.error(message));
    }
    Ok(image)
}

/// An image of a record: of a service only the digest is known, which is the id on a containerd store.
fn in_history(image: &str) -> Option<HistoryImage> {
    let digest = digest_in(image)?;
    Some(HistoryImage { id: digest.clone(), digest: Some(digest), version: None })
}

fn result(end: &End, is_rolling_back: bool) -> ServiceResult {
    match end {
        End::Updated => ServiceResult::Updated,
        End::RolledBack => ServiceResult::RolledBack,
        End::RollbackFailed(_) => ServiceResult::RollbackFailed,
        End::Changed | End::Gone(_) => ServiceResult::ChangedMeanwhile,
        End::TimedOut | End::Interrupted(_) | End::Lost(_) if is_rolling_back => ServiceResult::RollingBack,
        End::TimedOut | End::Interrupted(_) | End::Lost(_) => ServiceResult::Updating,
    }
}

/// The error of an update that has not ended well, with the failed task as its cause.
fn error(watch: &Watch<'_>, end: &End, service: &Service, report: &ServiceUpdate, wait: Duration) -> Option<Error> {
    let (name, from, to) = (&report.service, &report.from.image, &report.to.image);
    let how_far = || {
        let counts = watch.counts.unwrap_or_default();
        let far = format!("{} of {} tasks run {to}", counts.running, counts.wanted);
        // An engine waits for ever for the task that it was replacing on a node that is lost [seen on Docker 20.10].
        let lost =
            format!("a node is down ({}): where the engine waits for its task, \"force\" sends the update anew", watch.down.join(", "));
        let why = watch.waiting.clone().into_iter().chain((!watch.down.is_empty()).then_some(lost));
        std::iter::once(far).chain(why).collect::<Vec<_>>().join("; ")
    };
    let error = match end {
        End::Updated => return None,
        End::RolledBack => {
            let message = format!("service {name} was not updated to {to}, and the engine has gone back to {from}: {}", watch.message);
            Code::RolledBack.error(message)
        }
        End::RollbackFailed(why) => {
            let message = format!(
                "service {name} was not updated to {to}, and the engine has not gone back to {from}: {why}; docker service ps {name} shows its tasks, docker service rollback {name} tries again"
            );
            Code::RollbackFailed.error(message)
        }
        End::Changed => Code::Conflict
            .error(format!("service {name}: somebody else has updated it since {to} was sent; what it is now is shown by service_list")),
        End::Gone(error) => error.clone().with_message(format!("service {name} was removed while it was updated to {to}")),
        End::TimedOut => Code::Timeout.error(format!(
            "service {name} has not converged within {} s: {}; {}",
            wait.as_secs_f64(),
            how_far(),
            goes_on(watch, service)
        )),
        End::Interrupted(error) | End::Lost(error) => {
            error.clone().with_message(format!("service {name}: {}; {}; {}", error.message(), how_far(), goes_on(watch, service)))
        }
    };
    Some(match &watch.failure {
        Some(failure) => failure.cause(error),
        None => error,
    })
}

/// What becomes of an update that is no longer watched.
fn goes_on(watch: &Watch<'_>, service: &Service) -> String {
    let failing = match service.failure_action() {
        _ if watch.is_rolling_back => return "the engine goes on with the rollback: service_list shows its update_state".into(),
        FailureAction::Pause => "at a task that fails it stops, and does not go back (the service's failure action is pause)",
        FailureAction::Continue => "at a task that fails it goes on too (the service's failure action is continue)",
        FailureAction::Rollback => "at a task that fails it goes back (the service's failure action is rollback)",
    };
    format!(
        "the engine goes on with the update: {failing}; service_list shows its update_state, and another service_update waits for it again"
    )
}

/// The failure of an update that was not sent.
fn failed(error: Error, report: ServiceUpdate) -> Box<Failure<ServiceUpdate>> {
    with_error(error, ServiceUpdate { result: ServiceResult::Failed, ..report })
}

fn with_error(error: Error, mut report: ServiceUpdate) -> Box<Failure<ServiceUpdate>> {
    report.error = Some(error.clone().in_op(OP).document());
    Failure::with_report(error, report)
}
