//! The history, the rollback by hand that goes by it, and the batch.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use refit::container::RecreateOptions;
use refit::image::{ContainerUpdate, PullOptions, RemoveOldOptions, RollbackOptions, TagFate, UpdateOptions};
use refit::{Code, ConnectOptions, HistoryEntry, HistoryFilter, HistoryKind, HistoryResult, Refit};
use refit_lab::{Canned, Fault, Image, Lab, Proxy, Published, Scope, When};
use serde_json::{Value, json};

/// An image, a container of it, and a handle that remembers nothing of other tests.
struct Game {
    scope: Scope<'static>,
    old: Published,
    refit: Refit,
}

async fn connect(host: &str, state_dir: Option<&Path>) -> Refit {
    let options = ConnectOptions {
        host: Some(host.to_owned()),
        state_dir: state_dir.map(Path::to_owned),
        timeout: Duration::from_secs(120),
        ..ConnectOptions::default()
    };
    Refit::connect(options).await.unwrap()
}

fn recreate() -> RecreateOptions {
    RecreateOptions {
        settle: Duration::from_millis(300),
        allow_lossy: true, // Podman's inspect hides things; elsewhere it allows nothing
        stop_timeout: Some(Duration::from_secs(2)),
        ..RecreateOptions::default()
    }
}

fn options() -> UpdateOptions {
    UpdateOptions { recreate: recreate(), ..UpdateOptions::default() }
}

fn back() -> RollbackOptions {
    RollbackOptions { to: None, recreate: recreate() }
}

fn version(number: &str) -> Image {
    Image::new().version(number)
}

fn broken() -> Image {
    version("broken").cmd(["sh", "-c", "exit 3"])
}

impl Game {
    async fn new(what: &str) -> Self {
        let lab = Lab::get();
        let scope = lab.scope(what);
        let old = scope.pull(&version("1").build(), "t");
        lab.engine.run(&scope.name("c"), &json!({"Image": old.reference, "StopTimeout": 1}));
        Self { refit: connect(&lab.engine.host(), None).await, scope, old }
    }

    fn reference(&self) -> &str {
        &self.old.reference
    }

    fn container(&self) -> Value {
        Lab::get().engine.container(&self.scope.name("c")).unwrap()
    }

    fn image_of_tag(&self) -> String {
        Lab::get().engine.image(self.reference()).unwrap()["Id"].as_str().unwrap().to_owned()
    }

    /// The tag and the container are at this image, and the container runs.
    fn assert_at(&self, image: &str) {
        let container = self.container();
        assert_eq!((container["Image"].as_str(), &container["State"]["Running"]), (Some(image), &json!(true)));
        assert_eq!(self.image_of_tag(), image);
    }

    async fn entries(&self) -> Vec<HistoryEntry> {
        self.refit.history(&HistoryFilter::default()).await.unwrap().entries
    }
}

fn ids(entry: &HistoryEntry) -> (Option<&str>, Option<&str>) {
    (entry.from.as_ref().map(|image| image.id.as_str()), entry.to.as_ref().map(|image| image.id.as_str()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changing_call_has_one_record_and_no_other_has_one() {
    let game = Game::new("history").await;
    let first = game.image_of_tag();
    let reads = game.refit.plan_update(game.reference(), options()).await;
    assert!(reads.is_ok());
    assert_eq!(game.refit.pull("NO REFERENCE", PullOptions::default()).await.unwrap_err().error.code(), Code::InvalidArgument);
    assert!(game.entries().await.is_empty(), "reads and refused arguments leave no record");

    game.refit.pull(game.reference(), PullOptions::default()).actor("ann").await.unwrap();
    let new = game.scope.publish(&version("2").build(), "t");
    game.refit.update(game.reference(), options()).actor("bob").await.unwrap();
    let second = game.image_of_tag();
    game.refit.recreate_container(game.scope.name("c"), recreate()).actor("ann").await.unwrap();
    let dry = RemoveOldOptions { dry_run: true, ..RemoveOldOptions::default() };
    game.refit.remove_old_images(game.reference(), dry).await.unwrap();
    game.refit.remove_old_images(game.reference(), RemoveOldOptions::default()).await.unwrap();
    game.refit.pull(game.scope.reference("absent"), PullOptions::default()).await.unwrap_err();

    let entries = game.entries().await;
    let kinds: Vec<_> = entries.iter().map(|entry| (entry.kind, entry.result)).collect();
    let expected = [
        (HistoryKind::Pull, HistoryResult::Failed),
        (HistoryKind::RemoveOld, HistoryResult::Done),
        (HistoryKind::Recreate, HistoryResult::Done),
        (HistoryKind::Update, HistoryResult::Done),
        (HistoryKind::Pull, HistoryResult::Unchanged),
    ];
    assert_eq!(kinds, expected, "newest first; the pull and the recreation of an update have none of their own: {entries:?}");
    let [failed, removed, recreated, updated, pulled] = entries.as_slice() else { unreachable!() };
    assert_eq!((ids(failed), failed.error.is_some()), ((None, None), true));
    assert_eq!(ids(removed), (Some(first.as_str()), None));
    assert_eq!(ids(recreated), (Some(second.as_str()), Some(second.as_str())));
    assert_eq!(recreated.container.as_deref(), Some(game.scope.name("c").as_str()));
    assert_eq!(ids(updated), (Some(first.as_str()), Some(second.as_str())));
    assert_eq!(updated.to.as_ref().unwrap().digest.as_deref(), Some(new.digest.as_str()));
    assert_eq!(updated.to.as_ref().unwrap().version.as_deref(), Some("2"));
    assert_eq!(updated.containers.iter().map(|one| one.container.as_str()).collect::<Vec<_>>(), [game.scope.name("c")]);
    assert_eq!(ids(pulled), (Some(first.as_str()), Some(first.as_str())));

    let count = async |filter: HistoryFilter| game.refit.history(&filter).await.unwrap().entries.len();
    let all = HistoryFilter::default;
    assert_eq!(count(HistoryFilter { actor: Some("ann".into()), ..all() }).await, 2);
    assert_eq!(count(HistoryFilter { kind: Some(HistoryKind::Pull), ..all() }).await, 2);
    assert_eq!(count(HistoryFilter { container: Some(game.scope.name("c")), ..all() }).await, 2, "the update recreated it too");
    assert_eq!(count(HistoryFilter { image: Some(game.reference().to_owned()), ..all() }).await, 3);
    assert_eq!(count(HistoryFilter { limit: 1, actor: Some("ann".into()), ..all() }).await, 1);
    assert_eq!(count(HistoryFilter { since: Some(updated.at), ..all() }).await, 4);
    game.refit.history(&HistoryFilter { image: Some("NO REFERENCE".into()), ..all() }).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_goes_to_the_image_before_and_a_second_one_forward_again() {
    let game = Game::new("back").await;
    let first = game.image_of_tag();
    let before = game.refit.rollback(game.reference(), back()).await.unwrap_err();
    assert_eq!(before.error.code(), Code::NotFound, "{}", before.error);
    game.scope.publish(&version("2").build(), "t");
    game.refit.update(game.reference(), options()).await.unwrap();
    let second = game.image_of_tag();

    let report = game.refit.rollback(game.reference(), back()).await.unwrap();
    assert_eq!((report.update.tag, report.to.unwrap().id), (Some(TagFate::Moved), first.clone()));
    assert!(report.update.pull.is_none() && report.update.check.is_none());
    assert_eq!(report.update.containers.len(), 1);
    game.assert_at(&first);
    game.refit.rollback(game.reference(), back()).await.unwrap();
    game.assert_at(&second);

    let to = RollbackOptions { to: Some(second.clone()), ..back() };
    let report = game.refit.rollback(game.reference(), to).await.unwrap();
    assert!(report.update.containers.is_empty() && report.update.tag == Some(TagFate::Unchanged), "it is there already");
    let other = game.scope.pull(&version("other").build(), "u");
    let foreign = game.scope.name("foreign");
    Lab::get().engine.tag(&other.reference, &format!("{foreign}:1"));
    Lab::get().engine.delete(&format!("/images/{}", other.reference));
    let of_foreign = Lab::get().engine.image(&format!("{foreign}:1")).unwrap()["Id"].as_str().unwrap().to_owned();
    let unknown = format!("sha256:{}", "0".repeat(64));
    let digests = Lab::get().engine.image(&of_foreign).unwrap()["RepoDigests"].to_string();
    let refused = [("no id", Code::InvalidArgument), (unknown.as_str(), Code::ImageMissing)];
    for (to, code) in refused.into_iter().chain((digests == "[]").then_some((of_foreign.as_str(), Code::InvalidArgument))) {
        let failure = game.refit.rollback(game.reference(), RollbackOptions { to: Some(to.into()), ..back() }).await.unwrap_err();
        assert_eq!(failure.error.code(), code, "{to}: {}", failure.error);
    }
    game.assert_at(&second);
    Lab::get().engine.delete(&format!("/images/{foreign}:1"));
    let kinds: Vec<_> = game.entries().await.into_iter().map(|entry| (entry.kind, entry.result)).collect();
    assert_eq!(
        kinds[kinds.len() - 4..],
        [
            (HistoryKind::Rollback, HistoryResult::Done),
            (HistoryKind::Rollback, HistoryResult::Done),
            (HistoryKind::Update, HistoryResult::Done),
            (HistoryKind::Rollback, HistoryResult::Failed),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_to_an_image_that_does_not_run_leaves_everything_as_before() {
    let game = Game::new("back-broken").await;
    let lab = Lab::get();
    // The tag names a broken image for a while, which no container was made from.
    let good = game.image_of_tag();
    if lab.engine.forgets_untagged_images() {
        lab.engine.tag(game.reference(), &game.scope.reference("kept"));
    }
    game.scope.pull(&broken().build(), "t");
    let bad = game.image_of_tag();
    lab.engine.tag(game.reference(), &game.scope.reference("bad"));
    lab.engine.tag(&good, game.reference());
    let before = game.container();
    let failure = game.refit.rollback(game.reference(), RollbackOptions { to: Some(bad), ..back() }).await.unwrap_err();
    let report = failure.report.unwrap();
    assert_eq!((failure.error.code(), report.update.tag), (Code::RolledBack, Some(TagFate::Restored)), "{}", failure.error);
    assert_eq!(game.container()["Id"], before["Id"]);
    game.assert_at(&good);
    assert_eq!(game.entries().await[0].result, HistoryResult::RolledBack);
}

/// `docker image rm` between an update and its rollback.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_whose_image_is_gone_tells_how_to_pull_it() {
    let game = Game::new("back-gone").await;
    let first = game.image_of_tag();
    game.scope.publish(&version("2").build(), "t");
    game.refit.update(game.reference(), options()).await.unwrap();
    let removed = game.refit.remove_old_images(game.reference(), RemoveOldOptions::default()).await.unwrap();
    assert_eq!(removed.removed.len(), 1, "{removed:?}");
    let before = game.container();
    let failure = game.refit.rollback(game.reference(), back()).await.unwrap_err();
    let message = failure.error.message();
    assert_eq!(failure.error.code(), Code::ImageMissing, "{message}");
    assert!(message.contains(&first) && message.contains(&game.old.digest), "{message}");
    assert_eq!(game.container(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_updates_each_image_and_reports_each_error() {
    let lab = Lab::get();
    let (one, two) = (Game::new("batch-one").await, Game::new("batch-two").await);
    one.scope.publish(&version("2").build(), "t");
    two.scope.publish(&broken().build(), "t");
    let absent = one.scope.reference("absent");
    let images = vec![two.reference().to_owned(), absent.clone(), one.reference().to_owned()];
    for wrong in
        [UpdateOptions { expect_digest: Some("sha256:0".into()), ..options() }, UpdateOptions { containers: Some(Vec::new()), ..options() }]
    {
        let failure = one.refit.update_all(Some(images.clone()), wrong).await.unwrap_err();
        assert_eq!(failure.error.code(), Code::InvalidArgument, "{}", failure.error);
    }
    let failure = one.refit.update_all(Some(vec![one.reference().to_owned(), "NO".into()]), options()).await.unwrap_err();
    assert_eq!(failure.error.code(), Code::InvalidArgument, "{}", failure.error);
    assert!(one.entries().await.is_empty(), "nothing was begun");

    let list = one.refit.update_all(Some(images.clone()), options()).await.unwrap();
    let results: Vec<_> = list.images.iter().map(|report| (report.image.clone(), report.error.is_some())).collect();
    assert_eq!(results, [(images[0].clone(), true), (images[1].clone(), true), (images[2].clone(), false)]);
    assert!(matches!(list.images[2].containers.as_slice(), [ContainerUpdate::Recreation(_)]));
    let entries = one.entries().await;
    assert_eq!(entries.len(), 3, "one record an image: {entries:?}");

    // Every tagged image: the engine lists this test's own alone.
    one.scope.publish(&version("3").build(), "t");
    let proxy = Proxy::engine(lab);
    let images = lab.engine.get("/images/json");
    let ours =
        |image: &&Value| image["RepoTags"].to_string().contains(&one.scope.name) || image["RepoTags"].to_string().contains(&two.scope.name);
    let ours: Vec<Value> = images.as_array().unwrap().iter().filter(ours).cloned().collect();
    proxy.on(When::each("GET */images/json*"), Fault::Answer(Canned::json(200, &Value::Array(ours))));
    let refit = connect(&proxy.host, None).await;
    let list = refit.update_all(None, options()).await.unwrap();
    let updated: Vec<_> = list.images.iter().filter(|report| report.error.is_none()).map(|report| report.image.as_str()).collect();
    assert_eq!(updated, [one.reference()], "{list:?}");
}

/// A folder that is removed at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(scope: &Scope) -> Self {
        Self(std::env::temp_dir().join(&scope.name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_handles_of_one_folder_see_each_others_records() {
    let lab = Lab::get();
    let scope = lab.scope("history-shared");
    let folder = Folder::new(&scope);
    let image = scope.pull(&version("1").build(), "t");
    let one = connect(&lab.engine.host(), Some(&folder.0)).await;
    let two = connect(&lab.engine.host(), Some(&folder.0)).await;
    one.pull(&image.reference, PullOptions::default()).actor("one").await.unwrap();
    two.pull(&image.reference, PullOptions::default()).actor("two").await.unwrap();
    let actors = async |refit: &Refit| {
        let entries = refit.history(&HistoryFilter::default()).await.unwrap().entries;
        entries.into_iter().map(|entry| entry.actor.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((actors(&one).await, actors(&two).await), (vec!["two".into(), "one".into()], vec!["two".into(), "one".into()]));
    drop((one, two));
    let later = connect(&lab.engine.host(), Some(&folder.0)).await;
    assert_eq!(actors(&later).await.len(), 2, "the records outlive the process");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_the_record_and_not_the_call() {
    let lab = Lab::get();
    let scope = lab.scope("history-full");
    let folder = Folder::new(&scope);
    std::fs::create_dir(&folder.0).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs"]).arg(&folder.0).status().unwrap();
    assert!(mounted.success(), "the tests run as root");
    let image = scope.pull(&version("1").build(), "t");
    let refit = connect(&lab.engine.host(), Some(&folder.0)).await;
    refit.pull(&image.reference, PullOptions::default()).await.unwrap();
    let file = folder.0.join("history.jsonl");
    let whole = std::fs::read(&file).unwrap();
    // Fills the disk up to the last byte.
    let mut rest = vec![0; 64 * 1024];
    while !rest.is_empty() && std::fs::write(folder.0.join("recreations-filler"), &rest).is_err() {
        rest.truncate(rest.len() - 1024.min(rest.len()));
    }
    let mut warnings = Vec::new();
    for _ in 0..40 {
        warnings = refit.pull(&image.reference, PullOptions::default()).await.unwrap().warnings;
        if !warnings.is_empty() {
            break;
        }
    }
    assert_eq!(warnings.iter().map(|warning| warning.code.as_str()).collect::<Vec<_>>(), ["history_not_written"], "{warnings:?}");
    let after = std::fs::read(&file).unwrap();
    assert!(after.starts_with(&whole) && after.ends_with(b"\n"), "what was written before stays whole");
    std::fs::remove_file(folder.0.join("recreations-filler")).unwrap();
    assert!(refit.pull(&image.reference, PullOptions::default()).await.unwrap().warnings.is_empty());
    assert!(!refit.history(&HistoryFilter::default()).await.unwrap().entries.is_empty());
}
