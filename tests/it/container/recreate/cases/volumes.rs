//! Volumes, binds and what is taken from other containers.

use std::collections::BTreeSet;

use refit_lab::{Image, not_here};
use serde_json::{Value, json};

use super::case::{Moving, options, plain, v1, v2, volume_at};

#[test]
fn r38_an_anonymous_volume_stays_over_two_recreations() {
    let moving = Moving::plain("r38");
    let before = moving.run(json!({"Volumes": {"/anon": {}}}));
    moving.exec("echo kept > /anon/file");
    for image in [plain("2"), plain("1")] {
        moving.move_to(&image);
        let after = moving.recreate_as_it_is(options());
        assert_eq!(volume_at(&after, "/anon"), volume_at(&before, "/anon"));
        assert!(after["Config"]["Volumes"] == json!({"/anon": {}}) || moving.is_podman(), "{}", after["Config"]["Volumes"]);
        assert_eq!(moving.exec("cat /anon/file"), "kept\n");
    }
}

#[test]
fn r38_a_bind_that_is_a_path_alone_is_an_anonymous_volume() {
    let moving = Moving::plain("r38-bind");
    let named = moving.case.scope.volume("n");
    let before = moving.run(json!({"HostConfig": {"Binds": ["/only", format!("{named}:/n")]}}));
    moving.exec("echo kept > /only/file");
    let after = moving.recreate();
    let name = volume_at(&before, "/only");
    // 28 does not name it.
    assert!(name.is_empty() || name == volume_at(&after, "/only"), "{after}");
    assert_eq!(moving.exec("cat /only/file"), "kept\n");
}

#[test]
fn r39_a_volume_that_the_image_declares_no_longer_stays() {
    let moving = Moving::new("r39", v2(), v1());
    let before = moving.run(json!({"User": "0"}));
    moving.exec("echo kept > /data2/file");
    let after = moving.recreate();
    assert_eq!(volume_at(&after, "/data2"), volume_at(&before, "/data2"));
    assert_eq!(moving.exec("cat /data2/file"), "kept\n");
}

#[test]
fn an_anonymous_volume_that_was_emptied_is_not_filled_from_the_new_image() {
    let moving = Moving::versions("emptied");
    moving.run(json!({"User": "0"}));
    moving.exec("rm /data/seed");
    moving.recreate();
    assert_eq!(moving.exec("ls /data"), "");
}

#[test]
fn r40_binds_stay_byte_for_byte() {
    let moving = Moving::plain("r40");
    let volume = |what: &str| moving.case.scope.volume(what);
    let (named, ro, nc, sl) = (volume("n"), volume("r"), volume("c"), volume("s"));
    let binds =
        json!([format!("{named}:/n"), format!("{ro}:/r:ro"), format!("{nc}:/nc:nocopy"), "/usr:/h:ro,rprivate", format!("{sl}:/sl/"),]);
    let before = moving.run(json!({"HostConfig": {"Binds": binds}}));
    moving.exec("echo kept > /n/file");
    let mounted = |moving: &Moving| moving.exec("grep -E ' /(n|r|nc|h|sl) ' /proc/mounts | sort");
    let had = mounted(&moving);
    let after = moving.recreate();
    assert_eq!((had.lines().count(), &mounted(&moving)), (5, &had));
    if moving.is_podman() {
        // In any order, and with the options that each has by default.
        let sorted = |container: &Value| {
            let binds = container["HostConfig"]["Binds"].as_array().unwrap();
            binds.iter().map(|bind| bind.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
        };
        assert_eq!((sorted(&after), sorted(&after).len()), (sorted(&before), 5));
    } else {
        assert_eq!(after["HostConfig"]["Binds"], binds);
    }
    assert_eq!(moving.exec("cat /n/file"), "kept\n");
}

#[test]
fn r41_r42_mounts_of_every_kind_stay() {
    let moving = Moving::new("r41", v1(), v2());
    let named = moving.case.scope.volume("v3");
    let before = moving.run(json!({"User": "0", "HostConfig": {
        "Mounts": [
            {"Type": "volume", "Target": "/m1"},
            {"Type": "volume", "Source": named, "Target": "/m3", "VolumeOptions": {"Labels": {"a": "b"}, "NoCopy": true}},
            {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1_048_576}},
            {"Type": "bind", "Source": "/usr", "Target": "/b", "ReadOnly": true, "BindOptions": {"Propagation": "private"}},
        ],
        "Tmpfs": {"/t2": "size=2m", "/data": ""},
    }}));
    moving.exec("echo kept > /m1/file");
    let tmpfs = |moving: &Moving| moving.exec("grep -E ' /(t|t2|data) ' /proc/mounts | sort");
    let had = tmpfs(&moving);
    let after = moving.recreate();
    assert_eq!((had.lines().count(), &tmpfs(&moving)), (3, &had));
    assert_eq!(volume_at(&after, "/m1"), volume_at(&before, "/m1"));
    assert_eq!(moving.exec("cat /m1/file"), "kept\n");
    // Podman shows them among the binds, and the tmpfs among the others.
    if !moving.is_podman() {
        let mounts = after["HostConfig"]["Mounts"].as_array().unwrap();
        assert_eq!(mounts[1..4], before["HostConfig"]["Mounts"].as_array().unwrap()[1..4]);
        assert_eq!(mounts.len(), 4, "a tmpfs over the image's volume makes no volume");
    }
    assert!(after["Mounts"].as_array().unwrap().iter().all(|mount| mount["Destination"] != "/data"));
}

#[test]
fn r41_the_content_of_an_image_stays_mounted() {
    let moving = Moving::plain("r41-image");
    if moving.api() < (1, 48) {
        return not_here("images are mounted since API 1.48");
    }
    let tool = moving.case.scope.pull(&Image::new().file("tool", b"works").build(), "tool");
    moving.run(json!({"HostConfig": {"Mounts": [{"Type": "image", "Source": tool.reference, "Target": "/image"}]}}));
    moving.recreate();
    assert_eq!(moving.exec("cat /image/tool"), "works");
}

#[test]
fn r43_volumes_of_another_container_stay_writable_when_it_mounts_them_read_only() {
    let moving = Moving::plain("r43-ro");
    let vb = moving.case.scope.volume("vb");
    let source = |mode: &str| json!({"HostConfig": {"Binds": [format!("{vb}:/vb:{mode}")]}});
    moving.run_other("src", source("rw"));
    moving.run(json!({"HostConfig": {"VolumesFrom": [moving.other("src")]}}));
    moving.engine().delete(&format!("/containers/{}?force=1", moving.other("src")));
    moving.run_other("src", source("ro"));
    moving.recreate();
    moving.exec("echo written > /vb/file");
}

#[test]
fn r43_volumes_of_another_container_stay_even_when_it_is_removed() {
    let moving = Moving::plain("r43");
    let vb = moving.case.scope.volume("vb");
    let source = json!({"Volumes": {"/va": {}}, "HostConfig": {"Binds": [format!("{vb}:/vb"), "/usr:/bound:ro"]}});
    moving.run_other("src", source.clone());
    let from = json!([format!("{}:ro", moving.other("src"))]);
    let own = moving.case.scope.volume("own");
    let before = moving.run(json!({"HostConfig": {"VolumesFrom": from, "Binds": [format!("{own}:/own")]}}));
    let bound = moving.exec("ls /bound");
    let same = |after: &Value, volumes_from: Value| {
        assert_eq!(volume_at(after, "/va"), volume_at(&before, "/va"));
        // Podman does not show what becomes of a source that is gone.
        if volumes_from == from || !moving.is_podman() {
            assert_eq!(moving.exec("ls /bound"), bound);
        } else {
            moving.assert_reported(&format!("folders of the machine that it has from {}", moving.other("src")));
        }
        assert_eq!(after["HostConfig"]["VolumesFrom"].as_array().cloned().unwrap_or_default(), *volumes_from.as_array().unwrap());
    };
    same(&moving.recreate(), from.clone());
    let src = format!("/containers/{}?force=1", moving.other("src"));
    moving.engine().delete(&src);
    moving.run_other("src", source);
    // Podman shows each volume that was taken among the binds, so the new source cannot change any.
    let still = if moving.is_podman() { from.clone() } else { json!([]) };
    same(&moving.recreate_as_it_is(options()), still);
    moving.engine().delete(&src);
    same(&moving.recreate_as_it_is(options()), json!([]));
}
