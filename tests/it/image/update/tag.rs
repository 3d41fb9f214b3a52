//! The tag after an update that failed: put back only where it still names what this update has pulled.

use crate::recreation::{LIMIT, connect, quick, runtime};
use refit::image::{TagFate, UpdateOptions, UpdateReport};
use refit::{Code, Error, Outcome};
use refit_lab::{Canned, Fault, Image, Lab, Proxy, Published, Scope, When};

fn broken() -> Image {
    Image::new().version("broken").cmd(["sh", "-c", "exit 3"])
}

fn id_of(scope: &Scope, image: &str) -> String {
    scope.lab.engine.image(image).unwrap()["Id"].as_str().unwrap().to_owned()
}

/// A running container of the first version of an image, and another image.
fn running(what: &str) -> (Scope<'static>, Published, Published) {
    let scope = Lab::get().scope(what);
    let old = scope.pull(&Image::new().version("1").build(), "t");
    let other = scope.pull(&Image::new().version("other").build(), "other");
    scope.lab.engine.run_image(&scope.name("web"), &old.reference);
    (scope, old, other)
}

/// Updates to an image that does not keep running, and does something just before the new container starts.
fn failing_update(image: &str, meanwhile: impl FnOnce()) -> (Error, UpdateReport) {
    let failure = update_held(image, When::first("POST /containers/*.refit-*/rename"), |_| meanwhile()).unwrap_err();
    (failure.error, failure.report.unwrap())
}

/// Updates, and does something while a request is held.
fn update_held(image: &str, request: When, meanwhile: impl FnOnce(&Proxy)) -> Outcome<UpdateReport> {
    let (runtime, proxy) = (runtime(), Proxy::engine(Lab::get()));
    let gate = proxy.hold(request);
    let refit = runtime.block_on(connect(&proxy.host));
    let (image, options) = (image.to_owned(), UpdateOptions { recreate: quick(), ..UpdateOptions::default() });
    let work = runtime.spawn(async move { refit.update(image, options).await });
    let held = gate.wait(LIMIT);
    meanwhile(&proxy);
    held.release();
    runtime.block_on(work).unwrap()
}

/// The engine does not say any more what the tag names: the report says nothing of it either, whether the update succeeded or not.
#[test]
fn a_tag_that_was_not_read_is_null() {
    let (scope, old, _) = running("tag-unread");
    let unreadable = |proxy: &Proxy| {
        proxy.on(When::each("GET /images/*/json"), Fault::Answer(Canned::message(500, "the image store is broken")));
    };
    scope.publish(&Image::new().version("2").build(), "t");
    let removal = || When::first("DELETE /containers/*");
    let report = update_held(&old.reference, removal(), unreadable).unwrap();
    assert_eq!((report.tag, report.error.is_none()), (None, true));
    scope.publish(&broken().build(), "t");
    let rename = When::first("POST /containers/*.refit-*/rename");
    let failure = update_held(&old.reference, rename, unreadable).unwrap_err();
    assert_eq!((failure.error.code(), failure.report.unwrap().tag), (Code::RollbackFailed, None), "{}", failure.error);
}

#[test]
fn a_tag_that_somebody_moved_during_the_update_stays() {
    let (scope, old, other) = running("tag-moved");
    scope.publish(&broken().build(), "t");
    let (error, report) = failing_update(&old.reference, || scope.lab.engine.tag(&other.reference, &old.reference));
    assert_eq!((error.code(), report.tag), (Code::RolledBack, Some(TagFate::Moved)), "{error}");
    assert!(report.pull.is_some_and(|pull| pull.changed));
    assert_eq!(id_of(&scope, &old.reference), id_of(&scope, &other.reference));
}

/// The image was pulled by hand before: the update pulls nothing.
#[test]
fn a_tag_that_the_update_did_not_move_stays() {
    let (scope, old, other) = running("tag-by-hand");
    if scope.lab.engine.forgets_untagged_images() {
        scope.lab.engine.tag(&old.reference, &scope.reference("kept"));
    }
    scope.pull(&broken().build(), "t");
    let by_hand = id_of(&scope, &old.reference);
    let (error, report) = failing_update(&old.reference, || ());
    assert_eq!((error.code(), report.tag), (Code::RolledBack, Some(TagFate::Unchanged)), "{error}");
    assert!(report.pull.is_none());
    assert_eq!(id_of(&scope, &old.reference), by_hand);

    let (error, report) = failing_update(&old.reference, || scope.lab.engine.tag(&other.reference, &old.reference));
    assert_eq!((error.code(), report.tag), (Code::RolledBack, Some(TagFate::Moved)), "{error}");
    assert_eq!(id_of(&scope, &old.reference), id_of(&scope, &other.reference));
}

/// Between the plan and the pull the tag was moved: it is rolled back to what it named just before the pull.
#[test]
fn a_tag_goes_back_to_what_it_named_before_the_pull() {
    let (scope, old, other) = running("tag-before");
    scope.publish(&broken().build(), "t");
    let (runtime, proxy) = (runtime(), Proxy::engine(Lab::get()));
    let gate = proxy.hold_answer(When::first("GET /networks"));
    let refit = runtime.block_on(connect(&proxy.host));
    let (image, options) = (old.reference.clone(), UpdateOptions { recreate: quick(), ..UpdateOptions::default() });
    let work = runtime.spawn(async move { refit.update(image, options).await });
    let held = gate.wait(LIMIT);
    scope.lab.engine.tag(&other.reference, &old.reference);
    held.release();
    let failure = runtime.block_on(work).unwrap().unwrap_err();
    assert_eq!((failure.error.code(), failure.report.unwrap().tag), (Code::RolledBack, Some(TagFate::Restored)), "{}", failure.error);
    assert_eq!(id_of(&scope, &old.reference), id_of(&scope, &other.reference));
}
