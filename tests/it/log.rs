//! What a subscriber of the host gets: spans, steps, requests, and nothing that is secret.
//!
//! The runtime of each test has a subscriber of its own on its threads, so that tests do not see each other's events.

use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use refit::Code;
use refit::container::{ExecOptions, RecreateOptions};
use refit::image::{CheckOptions, PullOptions};
use refit_lab::{Answer, Image, Lab, LyingRegistry};
use serde_json::{Map, Value, json};
use tracing::dispatcher::{self, DefaultGuard, Dispatch};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::NoSubscriber;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Scope};

use crate::connected::refit;

const SECRET: &str = "REFIT-SECRET-IN-ENV";

#[derive(Debug, Clone)]
struct Seen {
    level: Level,
    target: String,
    /// The outermost span.
    call: Option<String>,
    /// Those of the spans too.
    fields: Map<String, Value>,
}

impl Seen {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<Seen>>>);

impl Log {
    fn events(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    /// The steps of a container, in their order.
    fn steps(&self, container: &str) -> Vec<String> {
        let events = self.events();
        let of_it = events.iter().filter(|event| event.fields.contains_key("step") && event.field("container") == container);
        of_it.map(|event| event.field("step").to_owned()).collect()
    }

    /// Runs on a runtime whose threads have this log as their subscriber.
    fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        thread_local! {
            static GUARD: Mutex<Option<DefaultGuard>> = const { Mutex::new(None) };
        }
        // Of a process with only one subscriber `tracing` asks the current thread's, whether an event is wanted, and keeps the answer: where
        // another test's thread is the first to meet the event, that is none.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(NoSubscriber::new()));
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(self.clone()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .on_thread_start(move || GUARD.with(|guard| *guard.lock().unwrap() = Some(dispatcher::set_default(&dispatch))))
            .on_thread_stop(|| GUARD.with(|guard| drop(guard.lock().unwrap().take())))
            .enable_all()
            .build()
            .unwrap();
        let task = runtime.spawn(work);
        runtime.block_on(task).unwrap();
    }
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields(Map::new());
        attributes.record(&mut fields);
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let (mut fields, mut call) = (Fields(Map::new()), None);
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            call = call.or_else(|| span.metadata().target().starts_with("refit").then(|| span.name().to_owned()));
            fields.0.extend(span.extensions().get::<Fields>().map(|known| known.0.clone()).unwrap_or_default());
        }
        event.record(&mut fields);
        let (level, target) = (*event.metadata().level(), event.metadata().target().to_owned());
        self.0.lock().unwrap().push(Seen { level, target, call, fields: fields.0 });
    }
}

fn options() -> RecreateOptions {
    RecreateOptions { settle: Duration::from_millis(300), allow_lossy: true, ..RecreateOptions::default() }
}

/// The text of an event that is about the request, with its method and path.
fn requests<'a>(events: &'a [Seen], target: &str) -> Vec<&'a Seen> {
    let target = format!("refit::{target}::request");
    events.iter().filter(|event| event.target == target).collect()
}

#[test]
fn a_recreation_has_an_event_for_each_step_and_each_request_and_no_secret() {
    let (scope, log) = (Lab::get().scope("log-steps"), Log::default());
    let image = scope.pull(&Image::new().build(), "t").reference;
    let name = scope.name("c");
    let secret = format!("PASSWORD={SECRET}");
    Lab::get().engine.run(&name, &json!({"Image": image, "StopTimeout": 1, "Env": [secret], "Labels": {"token": SECRET}}));
    let container = name.clone();
    log.run(async move {
        let refit = refit().await;
        let done = refit.recreate_container(&container, options()).await.unwrap();
        assert!(done.new_id.is_some());
        let exec = ExecOptions { env: vec![secret], stdin: Some(SECRET.into()), ..ExecOptions::default() };
        refit.exec_container(&container, &["cat".to_owned()], &exec).await.unwrap();
        refit.container_info(&container).await.unwrap();
    });
    assert!(dispatcher::get_default(Dispatch::is::<NoSubscriber>), "the library installs no subscriber");
    assert_eq!(log.steps(&name), ["creating", "verifying", "stopping", "renaming", "starting", "waiting", "removing"]);
    let events = log.events();
    let result = events.iter().find(|event| event.field("result") == "recreated").expect("its result");
    assert_eq!((result.level, result.call.as_deref(), result.field("container")), (Level::INFO, Some("container_recreate"), name.as_str()));
    let requests = requests(&events, "engine");
    let stop = requests.iter().find(|request| request.field("path").ends_with("/stop")).expect("the stop");
    assert_eq!((stop.level, stop.field("method"), stop.call.as_deref()), (Level::DEBUG, "POST", Some("container_recreate")));
    assert_eq!((&stop.fields["status"], stop.fields["ms"].is_u64()), (&json!(204), true));
    let calls: Vec<_> = requests.iter().filter_map(|request| request.call.as_deref()).collect();
    for call in ["refit_open", "container_recreate", "container_exec", "container_info"] {
        assert!(calls.contains(&call), "{call} has no request: {calls:?}");
    }
    for event in &events {
        let text = format!("{event:?}");
        assert!(!text.contains(SECRET) && !event.field("path").contains('?'), "{text}");
    }
}

#[test]
fn a_rollback_has_its_steps_and_its_error() {
    let (scope, log) = (Lab::get().scope("log-rollback"), Log::default());
    let image = scope.pull(&Image::new().build(), "t").reference;
    let name = scope.name("c");
    Lab::get().engine.run(&name, &json!({"Image": image, "StopTimeout": 1}));
    scope.pull(&Image::new().cmd(["sh", "-c", "exit 3"]).build(), "t");
    let container = name.clone();
    log.run(async move {
        let refit = refit().await;
        let failure = refit.recreate_container(&container, options()).await.unwrap_err();
        assert_eq!(failure.error.code(), Code::RolledBack);
    });
    let steps = log.steps(&name);
    let began = steps.iter().position(|step| step == "rolling_back").expect("the rollback");
    for step in ["taking the name from the new container", "giving the old container its name", "starting the old container"] {
        assert!(steps[began..].contains(&format!("rollback: {step}")), "{step}: {steps:?}");
    }
    let events = log.events();
    let error = events.iter().find(|event| event.field("code") == "ROLLED_BACK").expect("the error");
    assert_eq!((error.level, error.field("container")), (Level::WARN, name.as_str()));
}

#[test]
fn a_request_to_a_registry_has_its_host_and_path_and_not_its_query() {
    let artifact = Image::scratch().build();
    let registry = LyingRegistry::start(move |asked| match (asked.path.as_str(), asked.bearer()) {
        ("/token", _) => Answer::token("REFIT-SECRET-TOKEN", None),
        (_, None) => Answer::ask_for_token(&format!("http://{}/token", asked.header("host")), "lab", "repository:app:pull"),
        _ => Answer::manifest(&artifact),
    });
    let (host, log) = (registry.host.clone(), Log::default());
    let image = format!("{host}/app:t");
    let asked = image.clone();
    log.run(async move {
        let refit = refit().await;
        refit.check_update(&asked, CheckOptions::default()).await.unwrap();
        // A registry that is not there.
        refit.pull("127.0.0.1:1/app:t", PullOptions::default()).await.unwrap_err();
    });
    let events = log.events();
    let requests = requests(&events, "registry");
    let paths: Vec<_> = requests.iter().map(|request| (request.field("path"), &request.fields["status"])).collect();
    assert!(paths.contains(&("/v2/app/manifests/t", &json!(401))), "{paths:?}");
    assert!(paths.contains(&("/token", &json!(200))) && paths.contains(&("/v2/app/manifests/t", &json!(200))), "{paths:?}");
    assert!(requests.iter().all(|request| request.field("host") == host && request.field("image") == image), "{requests:?}");
    assert!(!format!("{events:?}").contains("REFIT-SECRET") && !format!("{requests:?}").contains("scope="), "{events:?}");
    let failed = events.iter().find(|event| event.level == Level::WARN).expect("the pull");
    assert_eq!((failed.call.as_deref(), failed.field("image")), (Some("img_pull"), "127.0.0.1:1/app:t"));
}
