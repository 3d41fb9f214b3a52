//! What an update costs among many containers that it does not concern: requests to the engine, counted by a proxy before it.

use std::time::{Duration, Instant};

use crate::connected::refit_at;
use refit::Code;
use refit::container::{ContainersOptions, RecreateOptions};
use refit::image::{ContainerUpdate, UpdateOptions};
use refit_lab::{Engine, Image, Lab, Proxy, Published, Scope, When};
use serde_json::{Value, json};

/// The containers beside those of the image.
const CROWD: usize = 120;
/// Inspects that may come from containers of other tests, which appear meanwhile.
const OF_OTHERS: usize = 60;

struct Crowd {
    scope: Scope<'static>,
    image: Published,
    members: Vec<String>,
}

impl Crowd {
    /// So many containers of another image, none of which was ever started, and so many of the image.
    fn new(name: &str, others: usize, members: usize) -> Self {
        let lab = Lab::get();
        let scope = lab.scope(name);
        let other = scope.pull(&Image::new().build(), "other");
        let image = scope.pull(&Image::new().version("1").build(), "t");
        for number in 0..others {
            lab.engine
                .create(&scope.name(&format!("o{number}")), &json!({"Image": other.reference, "HostConfig": {"NetworkMode": "none"}}));
        }
        let members: Vec<String> = (0..members).map(|number| scope.name(&format!("m{number}"))).collect();
        for member in &members {
            lab.engine.create(member, &json!({"Image": image.reference, "HostConfig": {"NetworkMode": "none"}}));
        }
        Self { scope, image, members }
    }

    /// How many containers the engine has, those of other tests included.
    fn all(&self) -> usize {
        self.engine().get("/containers/json?all=1").as_array().map_or(0, Vec::len)
    }

    fn engine(&self) -> &'static Engine {
        &Lab::get().engine
    }
}

fn options() -> UpdateOptions {
    let recreate = RecreateOptions { settle: Duration::ZERO, allow_lossy: true, ..RecreateOptions::default() };
    UpdateOptions { recreate, ..UpdateOptions::default() }
}

const INSPECTS: &str = "GET /containers/*/json";

#[tokio::test(flavor = "multi_thread")]
async fn an_update_inspects_all_containers_once() {
    let crowd = Crowd::new("crowd", CROWD, 16);
    let proxy = Proxy::engine(Lab::get());
    let refit = refit_at(&proxy.host).await;
    crowd.scope.publish(&Image::new().version("2").build(), "t");
    proxy.reset();
    let (all, begun) = (crowd.all(), Instant::now());
    let report = refit.update(&crowd.image.reference, options()).await.unwrap();
    let seconds = begun.elapsed().as_secs() as usize;
    assert_eq!(report.containers.len(), crowd.members.len());
    let (inspects, requests) = (proxy.count(INSPECTS), proxy.requests().len());
    // For each recreation its own, and those of the containers that the update itself has made.
    let expected = all + OF_OTHERS + 12 * crowd.members.len();
    assert!(inspects >= CROWD && inspects <= expected, "{inspects} inspects of {all} containers, {requests} requests");
    assert!(requests <= expected + 15 * crowd.members.len() + 30, "{requests} requests, {inspects} inspects of {all} containers");
    // One to find those of the image; then one a second at most, whatever the number of recreations.
    let is_whole = |path: &str| path.contains("/containers/json") && !path.contains("filters");
    let whole = proxy.requests().iter().filter(|seen| is_whole(&seen.path)).count();
    assert!(whole <= seconds + 3, "{whole} whole lists in {seconds} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_among_many_containers_reads_the_list() {
    let crowd = Crowd::new("crowdplan", CROWD, 5);
    let engine = crowd.engine();
    let first = engine.container(&crowd.members[0]).unwrap();
    let provider = format!("container:{}", first["Id"].as_str().unwrap());
    let dependent = crowd.scope.name("net");
    let own = json!({"Image": crowd.scope.reference("other"), "HostConfig": {"NetworkMode": provider}});
    engine.create(&dependent, &own);
    engine.post(&format!("/containers/{}/start", crowd.members[0]), &Value::Null);
    crowd.scope.publish(&Image::new().version("2").build(), "t");
    let proxy = Proxy::engine(Lab::get());
    let refit = refit_at(&proxy.host).await;
    proxy.reset();
    let mut with_dependents = options();
    with_dependents.recreate.recreate_dependents = true;
    let plan = refit.plan_update(&crowd.image.reference, with_dependents).await.unwrap();
    let (inspects, requests) = (proxy.count(INSPECTS), proxy.requests().len());
    assert!(requests <= 100 + 5 * crowd.members.len() + 30, "{requests} requests, {inspects} inspects");
    let planned = plan.containers.iter().find(|planned| planned.container == crowd.members[0]).unwrap();
    assert_eq!(planned.dependents, [dependent], "the list shows whose network a container uses");
    let warning = plan.warnings.iter().find(|warning| warning.code == "only_listed").unwrap();
    assert!(warning.message.contains("only listed"), "{warning:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependent_that_appears_during_an_update_is_seen() {
    let crowd = Crowd::new("crowdlate", 3, 3);
    let engine = crowd.engine();
    for member in &crowd.members {
        engine.post(&format!("/containers/{member}/start"), &Value::Null);
    }
    crowd.scope.publish(&Image::new().version("2").build(), "t");
    let proxy = Proxy::engine(Lab::get());
    let refit = refit_at(&proxy.host).await;
    // The first goes alone. While its new container is created, another container joins the processes of each of the rest.
    let gate = proxy.hold(When::first("POST /containers/create"));
    let reference = crowd.image.reference.clone();
    let update = tokio::spawn(async move { refit.update(&reference, options()).await });
    let held = tokio::task::spawn_blocking(move || gate.wait(Duration::from_secs(120))).await.unwrap();
    let late: Vec<String> = crowd
        .members
        .iter()
        .enumerate()
        .map(|(number, member)| {
            let id = engine.container(member).unwrap()["Id"].as_str().unwrap().to_owned();
            let name = crowd.scope.name(&format!("late{number}"));
            let image = crowd.scope.reference("other");
            engine.create(&name, &json!({"Image": image, "HostConfig": {"NetworkMode": "none", "PidMode": format!("container:{id}")}}));
            name
        })
        .collect();
    held.release();
    let failure = update.await.unwrap().unwrap_err();
    assert_eq!(failure.error.code(), Code::Conflict, "{}", failure.error);
    assert!(late.iter().any(|name| failure.error.message().contains(name)), "{}", failure.error);
    let report = failure.report.unwrap();
    let recreated = report.containers.iter().filter(|one| matches!(one, ContainerUpdate::Recreation(one) if one.new_id.is_some()));
    assert_eq!(recreated.count(), 1, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_outdated_containers_asks_about_each_once() {
    let crowd = Crowd::new("crowdlist", 0, 30);
    crowd.scope.pull(&Image::new().version("2").build(), "t");
    let proxy = Proxy::engine(Lab::get());
    let refit = refit_at(&proxy.host).await;
    let outdated = async || {
        let all = refit.containers(&ContainersOptions::default()).await.unwrap().containers;
        let own = all.into_iter().filter(|one| one.image == crowd.image.reference && one.outdated);
        own.count()
    };
    assert_eq!(outdated().await, crowd.members.len());
    proxy.reset();
    assert_eq!(outdated().await, crowd.members.len());
    let ids: Vec<String> =
        crowd.members.iter().map(|name| crowd.engine().container(name).unwrap()["Id"].as_str().unwrap().to_owned()).collect();
    let again = proxy.requests().into_iter().filter(|seen| ids.iter().any(|id| seen.path.contains(id)));
    assert_eq!(again.count(), 0, "the references of containers that are known do not change");
}
