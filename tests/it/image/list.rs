//! Lists and descriptions of images and containers.

use crate::connected::refit;
use refit::Code;
use refit::container::{ContainerState, ContainersOptions, RemoveOptions};
use refit::image::{ContainerMatch, ListOptions};
use refit_lab::{Image, Lab};
use serde_json::json;

#[tokio::test]
async fn images_are_listed_and_described() {
    let lab = Lab::get();
    let scope = lab.scope("images");
    let refit = refit().await;
    let image = Image::new().version("1.2.3").env("A", "1").label("team", "blue").expose("80/tcp").volume("/data").workdir("/srv").build();
    let published = scope.pull(&image, "t");
    lab.engine.run_image(&scope.name("user"), &published.reference);

    let only = ListOptions { names: vec![published.reference.clone()], ..ListOptions::default() };
    let listed = refit.images(&only).await.unwrap().images;
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].tags, listed[0].containers), (&vec![published.reference.clone()], 1));
    assert_eq!(listed[0].digests, [published.by_digest()]);
    let mut labelled = ListOptions {
        labels: [("team".into(), "blue".into())].into(),
        reference: Some(format!("*/{}*", scope.name)),
        ..ListOptions::default()
    };
    assert_eq!(refit.images(&labelled).await.unwrap().images.len(), 1);
    labelled.labels.insert("team".into(), "red".into());
    assert_eq!(refit.images(&labelled).await.unwrap().images.len(), 0);

    let info = refit.image_info(&published.reference).await.unwrap();
    assert_eq!((info.version.as_deref(), info.working_dir.as_str()), (Some("1.2.3"), "/srv"));
    assert!(info.env.contains(&"A=1".to_owned()) && info.exposed_ports == ["80/tcp"] && info.volumes == ["/data"]);
    assert_eq!(info.layers.len(), image.config_json()["rootfs"]["diff_ids"].as_array().unwrap().len());
    assert_eq!(refit.image_info(&info.id).await.unwrap().id, info.id);
    assert!(!refit.image_history(&published.reference).await.unwrap().layers.is_empty());

    let nowhere = scope.reference("nowhere");
    let missing = refit.missing_images(&[&nowhere, &published.reference]).await.unwrap();
    assert_eq!((missing.missing, missing.present), (vec![nowhere.clone()], vec![published.reference.clone()]));
    assert_eq!(refit.image_info(&nowhere).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(refit.image_history(&nowhere).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn containers_of_an_image_are_found_after_its_tag_has_moved() {
    let lab = Lab::get();
    let scope = lab.scope("members");
    let refit = refit().await;
    let old = scope.pull(&Image::new().version("1").build(), "t");
    let other = scope.reference("other");
    lab.engine.tag(&old.reference, &other);
    for (name, image) in [("a", &old.reference), ("b", &old.reference), ("c", &other)] {
        lab.engine.run_image(&scope.name(name), image);
    }
    let reported = async |image: &str| {
        let found = refit.image_containers(image, &ContainersOptions::default()).await.unwrap().containers;
        let mut reported: Vec<_> = found.into_iter().map(|one| (one.container.name, one.matched, one.container.outdated)).collect();
        reported.sort_by(|a, b| a.0.cmp(&b.0));
        reported
    };
    let expected = |outdated: bool| {
        let mut all = vec![(scope.name("a"), ContainerMatch::Reference, outdated), (scope.name("b"), ContainerMatch::Reference, outdated)];
        if !outdated {
            all.push((scope.name("c"), ContainerMatch::SameImage, false));
        }
        all
    };
    assert_eq!(reported(&old.reference).await, expected(false));
    scope.pull(&Image::new().version("2").build(), "t");
    assert_eq!(reported(&old.reference).await, expected(true));
    let mine = ContainersOptions { names: vec![scope.name("a")], ..ContainersOptions::default() };
    let listed = refit.containers(&mine).await.unwrap().containers;
    assert_eq!((listed.len(), listed[0].image.as_str(), listed[0].outdated), (1, old.reference.as_str(), true));
}

#[tokio::test]
async fn a_container_is_created_started_stopped_and_removed() {
    let lab = Lab::get();
    let scope = lab.scope("life");
    let refit = refit().await;
    let image = scope.pull(&Image::new().build(), "t");
    let name = scope.name("c");
    let nowhere = scope.reference("nowhere");
    let spec = json!({"Image": nowhere});
    let refused = refit.create_container(&name, &spec, None).await.unwrap_err();
    assert_eq!((refused.code(), refused.context().missing.as_slice()), (Code::ImageMissing, [nowhere.clone()].as_slice()));
    let spec =
        json!({"Image": image.reference, "Env": ["A=1"], "HostConfig": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}});
    let created = refit.create_container(&name, &spec, None).await.unwrap();
    assert_eq!(refit.create_container(&name, &spec, None).await.unwrap_err().code(), Code::Conflict);

    let required = refit.start_container(&name, std::slice::from_ref(&nowhere)).await.unwrap_err();
    assert_eq!((required.code(), required.context().missing.as_slice()), (Code::ImageMissing, [nowhere].as_slice()));
    assert_eq!(refit.container_status(&name).await.unwrap().state, ContainerState::Created);
    assert!(refit.start_container(&name, std::slice::from_ref(&image.reference)).await.unwrap().changed);
    assert!(!refit.start_container(&name, &[]).await.unwrap().changed);
    let info = refit.container_info(&name).await.unwrap();
    assert_eq!((info.status.id.as_str(), info.status.state), (created.id.as_str(), ContainerState::Running));
    assert!(info.env.contains(&"A=1".to_owned()) && info.restart_policy == "on-failure:3");
    let refused = refit.remove_container(&name, &RemoveOptions::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Conflict);
    assert!(refit.restart_container(&name, None).await.unwrap().changed);
    let waiting = tokio::spawn({
        let (refit, name) = (refit.clone(), name.clone());
        async move { refit.wait_container(&name).await }
    });
    assert!(refit.stop_container(&name, None).await.unwrap().changed);
    assert!(!refit.stop_container(&name, None).await.unwrap().changed);
    let exit = waiting.await.unwrap().unwrap();
    assert_eq!(refit.container_status(&name).await.unwrap().exit_code, Some(exit.exit_code));
    assert!(refit.remove_container(&name, &RemoveOptions::default()).await.unwrap().changed);
    assert!(!refit.container_exists(&name).await.unwrap());
    assert_eq!(refit.container_status(&name).await.unwrap_err().code(), Code::NotFound);
}
