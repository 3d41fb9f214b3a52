//! The mapping of what a mapping made is the same again.

use proptest::prelude::*;
use serde_json::Map;

use super::super::*;
use super::without_files;

/// What an engine shows of a container that was made by this request from this image.
fn shown(body: &Value, image: &Value, minor: u32) -> Value {
    let mut config = body.as_object().unwrap().clone();
    let host_config = config.shift_remove("HostConfig").unwrap();
    let networking = config.shift_remove("NetworkingConfig").unwrap_or_default();
    image_defaults::merge(&mut config, &image["Config"]);
    let id = "fedcba9876543210fedcba9876543210";
    if value::text(body, "Hostname").is_empty() {
        config.insert("Hostname".into(), id[..12].into());
    }
    let mut mounts: Vec<Value> = value::list(&host_config, "Mounts")
        .iter()
        .map(|mount| json!({"Type": mount["Type"], "Name": mount["Source"], "Destination": mount["Target"], "RW": mount["ReadOnly"] != true}))
        .collect();
    mounts.extend(value::texts(&host_config, "Binds").map(|bind| {
        let (name, destination) = bind.split_once(':').unwrap();
        json!({"Type": "volume", "Name": name, "Destination": destination, "RW": true})
    }));
    let networks: Map<String, Value> = value::entries(&networking, "EndpointsConfig")
        .map(|(name, endpoint)| {
            let mut endpoint = endpoint.clone();
            endpoint["NetworkID"] = json!("00ff");
            endpoint["IPAddress"] = json!("10.9.9.9");
            if minor < 45 {
                let mut aliases = value::list(&endpoint, "Aliases").to_vec();
                aliases.push(id[..12].into());
                endpoint["Aliases"] = Value::Array(aliases);
            }
            (name.clone(), endpoint)
        })
        .collect();
    json!({
        "Id": id, "Name": "/x", "Image": image["Id"], "Config": config, "HostConfig": host_config, "Mounts": mounts,
        "NetworkSettings": {"Networks": networks},
    })
}

/// A container as a user could have made it.
fn any_container() -> impl Strategy<Value = Value> {
    let pick = |values: Vec<Value>| prop::sample::select(values);
    let settings = (
        prop::sample::subsequence(vec!["A=1", "A=9", "B", "C=", "MINE=1", "COMMON=same"], 0..=6),
        pick(vec![json!(null), json!([]), json!(["/bin/sh", "-c"]), json!(["/mine"])]),
        pick(vec![json!(["loop"]), json!(["mine"])]),
        pick(vec![json!(""), json!("1000"), json!("7:8")]),
        pick(vec![json!("/w1"), json!("/zz")]),
        pick(vec![
            json!(null),
            json!({"Test": ["CMD", "t"], "Retries": 1}),
            json!({"Test": ["NONE"]}),
            json!({"Test": ["CMD", "t"], "Retries": 9}),
        ]),
        pick(vec![json!("0123456789ab"), json!("web")]),
        pick(vec![json!(null), json!("02:00:00:00:00:29")]),
    );
    let places = (
        pick(vec![json!(null), json!({}), json!({"80/tcp": [{"HostPort": "8080"}]}), json!({"99/udp": []})]),
        prop::sample::subsequence(vec!["n1", "n2", "bridge"], 0..=3),
        pick(vec![json!("n1"), json!("bridge"), json!("default"), json!("none"), json!("host")]),
        pick(vec![json!(null), json!({"IPv4Address": "10.71.0.9"})]),
        pick(vec![json!(null), json!(["named:/n"])]),
        any::<bool>(),
    );
    let others = (
        pick(vec![json!(null), json!([{"Type": "volume", "Source": "mine", "Target": "/m", "VolumeOptions": {"NoCopy": true}}])]),
        pick(vec![json!(null), json!({"/t": "size=1m"})]),
        pick(vec![json!(null), json!([]), json!(["/proc/keys"])]),
        pick(vec![json!(null), json!({"of a later engine": [1]})]),
    );
    (settings, places, others).prop_map(|((env, entrypoint, command, user, folder, healthcheck, hostname, mac), (ports, networks, mode, ipam, binds, anonymous), (asked, tmpfs, masked, unknown))| {
        let endpoint = json!({"IPAMConfig": ipam, "Aliases": ["al", "0123456789ab"], "IPAddress": "10.71.0.9", "NetworkID": "00ff"});
        let networks: Map<String, Value> = match mode.as_str() {
            Some(alone @ ("none" | "host")) => Map::from_iter([(alone.to_owned(), json!({}))]),
            _ => networks.into_iter().map(|name| (name.to_owned(), endpoint.clone())).collect(),
        };
        let mut mounts: Vec<Value> = value::texts(&json!({"Binds": binds}), "Binds").map(|_| json!({"Type": "volume", "Name": "named", "Destination": "/n", "RW": true})).collect();
        mounts.extend(value::list(&json!({"Mounts": asked}), "Mounts").iter().map(|_| json!({"Type": "volume", "Name": "mine", "Destination": "/m", "RW": true})));
        if anonymous {
            mounts.push(json!({"Type": "volume", "Name": "0a0a", "Destination": "/anon", "RW": true}));
        }
        json!({
            "Id": "0123456789abcdef", "Name": "/x", "Image": "sha256:1",
            "Config": {
                "Image": "app:t", "Env": env, "Entrypoint": entrypoint, "Cmd": command, "User": user, "WorkingDir": folder, "Healthcheck": healthcheck,
                "Hostname": hostname, "MacAddress": mac, "Labels": {"l": "one"}, "StopSignal": "SIGUSR1",
                "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/anon": {}},
            },
            "HostConfig": {"NetworkMode": mode, "PortBindings": ports, "Binds": binds, "Mounts": asked, "Tmpfs": tmpfs, "MaskedPaths": masked, "Unknown": unknown},
            "Mounts": mounts,
            "NetworkSettings": {"Networks": networks},
        })
    })
}

proptest! {
    #![proptest_config(without_files(256))]

    #[test]
    fn mapping_a_mapping_changes_nothing(container in any_container(), minor in prop::sample::select(vec![41_u32, 44, 45, 48])) {
        let old_image = json!({"Id": "sha256:1", "Config": {
            "Env": ["A=1", "COMMON=same"], "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["loop"], "User": "1000", "WorkingDir": "/w1/",
            "Healthcheck": {"Test": ["CMD", "t"], "Retries": 1}, "Labels": {"l": "one"}, "StopSignal": "SIGUSR1", "ExposedPorts": {"80/tcp": {}},
        }});
        let new_image = json!({"Id": "sha256:2", "Config": {
            "Env": ["A=2", "COMMON=same", "D=new"], "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["loop2"], "User": "1001", "WorkingDir": "/w2",
            "Healthcheck": {"Test": ["CMD", "t2"], "Retries": 4}, "Labels": {"l": "two"}, "StopSignal": "SIGUSR2", "ExposedPorts": {"90/tcp": {}},
        }});
        let facts = EngineFacts { api_version: (1, minor), ..EngineFacts::default() };
        let around = Surroundings::default();
        let mut container = container;
        if minor >= 44 && !networks::endpoints(&container).iter().any(|endpoint| endpoint.is_mode) {
            // It would be that of a network that is not there.
            container["Config"]["MacAddress"] = Value::Null;
        }
        let old = Subject { container: &container, old_image: &old_image, new_image: Some(&new_image), facts: &facts, around: &around };
        let first = old.spec().unwrap();
        let mut replacement = shown(&first.body, &new_image, minor);
        if minor >= 44 {
            // Shown at the top, said of the endpoint.
            replacement["Config"]["MacAddress"] = container["Config"]["MacAddress"].clone();
        }
        // Networks that come by connect are shown like those of the create.
        for connect in &first.connects {
            let mut endpoint = connect.endpoint.clone();
            endpoint["IPAddress"] = json!("10.9.9.9");
            replacement["NetworkSettings"]["Networks"][&connect.network] = endpoint;
        }
        if let Some(alone @ ("none" | "host")) = container["HostConfig"]["NetworkMode"].as_str() {
            replacement["NetworkSettings"]["Networks"][alone] = json!({});
        }
        let again = Subject { container: &replacement, old_image: &new_image, new_image: Some(&new_image), facts: &facts, around: &around };
        let second = again.spec().unwrap();
        prop_assert_eq!(&second.body, &first.body);
        prop_assert_eq!(&second.disconnects, &first.disconnects);
        prop_assert_eq!(&second.connects, &first.connects);
        let verified = verify(&old, &replacement);
        prop_assert!(verified.is_ok(), "{:?}", verified);
    }
}
