//! One container is found by its name or its id without a list of all.

use refit::container::ContainerState;
use refit::{ConnectOptions, Refit};
use refit_lab::{Image, Lab, Proxy};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_about_one_container_does_not_read_the_list_of_all() {
    let lab = Lab::get();
    let scope = lab.scope("find");
    let image = scope.pull(&Image::new().build(), "t").reference;
    let (name, neighbour) = (scope.name("web"), scope.name("web2"));
    for name in [&name, &neighbour] {
        lab.engine.create(name, &json!({"Image": image, "HostConfig": {"NetworkMode": "none"}}));
    }
    let id = lab.engine.container(&name).unwrap()["Id"].as_str().unwrap().to_owned();
    // What another container's interrupted recreation has left has the name, and not only that, in its own.
    let left = format!("{neighbour}.refit-new-{}-s-65000000", &id[..12]);
    lab.engine.create(&left, &json!({"Image": image, "HostConfig": {"NetworkMode": "none"}}));
    let proxy = Proxy::engine(lab);
    let refit = Refit::connect(ConnectOptions { host: Some(proxy.host.clone()), ..ConnectOptions::default() }).await.unwrap();
    for asked in [name.as_str(), &id, &id[..12]] {
        let info = refit.container_info(asked).await.unwrap();
        assert_eq!((&info.status.id, &info.name, &info.status.state), (&id, &name, &ContainerState::Created), "{asked}");
        assert!(!refit.container_status(asked).await.unwrap().interrupted, "{asked}");
    }
    assert!(refit.container_status(&neighbour).await.unwrap().interrupted, "its own temporary name is found");
    assert!(!refit.container_exists(&scope.name("we")).await.unwrap(), "the beginning of a name is none");
    let lists: Vec<String> = proxy.requests().into_iter().map(|seen| seen.path).filter(|path| path.contains("/containers/json")).collect();
    assert!(!lists.is_empty() && lists.iter().all(|path| path.contains("filters=")), "{lists:?}");
}
