//! Every document that a call returns can be read back into its type.

use std::time::Duration;

use refit::container::{ContainersOptions, ExecOptions, LogOptions, RecoverOptions, RecreateOptions};
use refit::image::{CheckOptions, ListOptions, PullOptions, UpdateOptions};
use refit_lab::{Image, Lab};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::connected::refit;

#[track_caller]
fn reads_back<T: Serialize + DeserializeOwned>(document: &T) {
    let written = serde_json::to_value(document).unwrap();
    let read: T = serde_json::from_value(written.clone()).unwrap_or_else(|error| panic!("{error}: {written:#}"));
    assert_eq!(serde_json::to_value(&read).unwrap(), written);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_reads_back() {
    let lab = Lab::get();
    let scope = lab.scope("documents");
    let old = scope.pull(&Image::new().version("1").build(), "t");
    let name = scope.name("web");
    let body = json!({"Image": old.reference, "HostConfig": {"RestartPolicy": {"Name": "always"}}});
    lab.engine.run(&name, &body);
    scope.publish(&Image::new().version("2").build(), "t");
    let refit = refit().await;
    let image = old.reference.as_str();

    reads_back(&refit.engine_info().await.unwrap());
    reads_back(&refit.history(&Default::default()).await.unwrap());
    reads_back(&refit.images(&ListOptions::default()).await.unwrap());
    reads_back(&refit.image_info(image).await.unwrap());
    reads_back(&refit.image_history(image).await.unwrap());
    reads_back(&refit.missing_images(&[image.to_owned(), "refit.invalid/none:1".into()]).await.unwrap());
    reads_back(&refit.image_containers(image, &ContainersOptions::default()).await.unwrap());
    reads_back(&refit.containers(&ContainersOptions::default()).await.unwrap());
    reads_back(&refit.container_status(&name).await.unwrap());
    reads_back(&refit.container_info(&name).await.unwrap());
    reads_back(&refit.check_update(image, CheckOptions::default()).await.unwrap());
    let unknown = refit.check_update("refit.invalid/none:1", CheckOptions::default()).await.unwrap_err();
    reads_back(&unknown.error.document());
    reads_back(&unknown.error);
    reads_back(&unknown.report.unwrap());
    reads_back(&refit.check_updates(Some(vec![image.to_owned()]), CheckOptions::default()).await.unwrap());
    reads_back(&refit.plan_update(image, UpdateOptions::default()).await.unwrap());
    let recreate = RecreateOptions { settle: Duration::from_millis(300), allow_lossy: true, ..RecreateOptions::default() };
    reads_back(&refit.update(image, UpdateOptions { recreate: recreate.clone(), ..UpdateOptions::default() }).await.unwrap());
    reads_back(&refit.recreate_container(name.as_str(), recreate).await.unwrap());
    reads_back(&refit.recover(Some(&name), RecoverOptions { dry_run: true, ..RecoverOptions::default() }).await.unwrap());
    reads_back(&refit.pull(image, PullOptions::default()).await.unwrap());
    reads_back(&refit.image_status(image).await.unwrap());
    reads_back(&refit.container_logs(&name, &LogOptions::default()).await.unwrap());
    reads_back(&refit.exec_container(&name, &["true".into()], &ExecOptions::default()).await.unwrap());
    reads_back(&refit.container_stats(&name).await.unwrap());
    reads_back(&refit.stop_container(&name, Some(Duration::ZERO)).await.unwrap());
    reads_back(&refit.wait_container(&name).await.unwrap());
    refit.close().await;
    let refused = refit.pull(image, PullOptions::default()).await.unwrap_err();
    assert_eq!(refused.error.code(), refit::Code::Cancelled, "a closed handle refuses new operations");
}
