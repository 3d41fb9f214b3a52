//! A newer engine than there is: the lab's own, with the API versions and the answers that moby's changelog of the API tells of 1.52 to 1.54.
//!
//! Requests go on in the newest version that the engine behind speaks. What only the newer engine does cannot be shown so: that `connect` applies a
//! MAC address (1.54), for one.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use super::fault::Canned;
use super::framer::Head;
use crate::address::Address;
use crate::http::{Request, Response, send};

type Version = (u32, u32);

const PATIENCE: Duration = Duration::from_secs(60);

/// Of `NetworkSettings`, gone at 1.52.
const OF_THE_BRIDGE: [&str; 14] = [
    "Bridge",
    "HairpinMode",
    "LinkLocalIPv6Address",
    "LinkLocalIPv6PrefixLen",
    "SecondaryIPAddresses",
    "SecondaryIPv6Addresses",
    "EndpointID",
    "Gateway",
    "GlobalIPv6Address",
    "GlobalIPv6PrefixLen",
    "IPAddress",
    "IPPrefixLen",
    "IPv6Gateway",
    "MacAddress",
];

/// Of an image, left out where they are empty from 1.52 on.
const OF_AN_IMAGE: [&str; 4] = ["Parent", "Comment", "DockerVersion", "Author"];
const OF_ITS_CONFIG: [&str; 8] = ["Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "User", "Volumes", "WorkingDir"];

/// What is answered in the place of the engine.
#[derive(Debug)]
pub(super) struct Face {
    newest: Version,
    oldest: Version,
    behind: Version,
    /// `Identity` of an image, by its id.
    origins: Mutex<HashMap<String, Value>>,
}

impl Face {
    pub(super) fn new(oldest: Version, newest: Version, behind: Version) -> Self {
        Self { newest, oldest, behind, origins: Mutex::default() }
    }

    pub(super) fn set_origin(&self, image: &str, identity: Value) {
        self.origins.lock().unwrap().insert(image.to_owned(), identity);
    }

    /// The head as the engine behind takes it.
    pub(super) fn request(&self, head: &Head) -> Vec<u8> {
        let (version, path) = versioned(head.word(1));
        let Some(version) = version else { return head.bytes.clone() };
        let text = String::from_utf8_lossy(&head.bytes);
        text.replacen(&format!("/v{}.{}{path}", version.0, version.1), &self.at_engine(version, path), 1).into_bytes()
    }

    /// The answer to a request for a document that is another one in these versions, and the refusal of a version.
    pub(super) fn answer(&self, target: &Address, head: &Head) -> Option<Canned> {
        let (version, path) = versioned(head.word(1));
        let (name, method) = (path.split('?').next().unwrap_or_default(), head.word(0));
        if let Some(version) = version.filter(|version| *version > self.newest || *version < self.oldest) {
            let (what, limit) = if version > self.newest { ("new. Maximum", self.newest) } else { ("old. Minimum", self.oldest) };
            let words =
                format!("client version {}.{} is too {what} supported API version is {}.{}", version.0, version.1, limit.0, limit.1);
            return Some(Canned::message(400, &words));
        }
        let asked = version.unwrap_or(self.newest);
        let is_changed = matches!(name, "/_ping" | "/version") || asked >= (1, 52) && is_document(name);
        if !is_changed || !matches!(method, "GET" | "HEAD") {
            return None;
        }
        let at_engine = self.at_engine(version.unwrap_or(self.behind), path);
        let request = Request { method, path: &at_engine, headers: &[], body: b"", timeout: PATIENCE };
        let answered = send(target, &request).ok()?;
        Some(self.changed(name, asked, &answered))
    }

    fn changed(&self, name: &str, asked: Version, answered: &Response) -> Canned {
        let dated = |canned: Canned| match answered.headers.get("date") {
            Some(date) => canned.header("Date", date),
            None => canned,
        };
        let newest = format!("{}.{}", self.newest.0, self.newest.1);
        if name == "/_ping" {
            return dated(Canned::text(answered.status, "text/plain", &answered.text()).header("Api-Version", &newest));
        }
        if answered.status != 200 {
            return dated(Canned::json(answered.status, &answered.json()));
        }
        if name == "/events" {
            let events = serde_json::Deserializer::from_slice(&answered.body).into_iter::<Value>().filter_map(Result::ok);
            let lines: String = events.map(|event| without(event, &["status", "id", "from"]).to_string() + "\n").collect();
            return dated(Canned::text(200, "application/json", &lines));
        }
        let mut document = answered.json();
        match name {
            "/version" => {
                document["ApiVersion"] = json!(newest);
                document["MinAPIVersion"] = json!(format!("{}.{}", self.oldest.0, self.oldest.1));
            }
            "/info" => document = without(document, &["KernelMemoryTCP"]),
            "/system/df" => document = json!({"VolumeUsage": {"Items": document["Volumes"]}}),
            _ if name.starts_with("/containers/") => container(&mut document),
            _ => self.image(&mut document, asked),
        }
        dated(Canned::json(200, &document))
    }

    fn image(&self, image: &mut Value, asked: Version) {
        let empty = |value: &Value| value.is_null() || *value == json!("") || *value == json!([]) || *value == json!({});
        if let Some(fields) = image.as_object_mut() {
            fields.retain(|key, value| !(OF_AN_IMAGE.contains(&key.as_str()) && empty(value)));
        }
        if let Some(fields) = image["Config"].as_object_mut() {
            fields.retain(|key, value| !(OF_ITS_CONFIG.contains(&key.as_str()) && empty(value)));
        }
        let origin = self.origins.lock().unwrap().get(image["Id"].as_str().unwrap_or_default()).cloned();
        if let Some(origin) = origin.filter(|_| asked >= (1, 53)) {
            image["Identity"] = origin;
        }
    }

    fn at_engine(&self, version: Version, path: &str) -> String {
        let version = version.min(self.behind);
        format!("/v{}.{}{path}", version.0, version.1)
    }
}

fn is_document(name: &str) -> bool {
    let inspected = ["/containers/", "/images/"].iter().any(|noun| name.starts_with(noun) && name.ends_with("/json"));
    inspected && name != "/containers/json" && name != "/images/json" || matches!(name, "/events" | "/info" | "/system/df")
}

fn container(container: &mut Value) {
    container["Config"] = without(container["Config"].take(), &["MacAddress"]);
    if container["Config"]["OnBuild"].is_null() {
        container["Config"] = without(container["Config"].take(), &["OnBuild"]);
    }
    container["HostConfig"] = without(container["HostConfig"].take(), &["KernelMemoryTCP"]);
    container["NetworkSettings"] = without(container["NetworkSettings"].take(), &OF_THE_BRIDGE);
}

fn without(mut value: Value, keys: &[&str]) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|key, _| !keys.contains(&key.as_str()));
    }
    value
}

/// `/v1.54/x` as (1, 54) and `/x`.
fn versioned(path: &str) -> (Option<Version>, &str) {
    let read = || {
        let (version, _) = path.strip_prefix("/v")?.split_once('/')?;
        let (major, minor) = version.split_once('.')?;
        Some(((major.parse().ok()?, minor.parse().ok()?), &path[2 + version.len()..]))
    };
    read().map_or((None, path), |(version, rest): (Version, _)| (Some(version), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_on_in_the_version_of_the_engine_behind() {
        let face = Face::new((1, 44), (1, 54), (1, 51));
        let sent = |line: &str| {
            let head = Head::take(&mut format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()).unwrap().unwrap();
            String::from_utf8(face.request(&head)).unwrap().lines().next().unwrap().to_owned()
        };
        assert_eq!(sent("GET /v1.54/containers/json?all=1"), "GET /v1.51/containers/json?all=1 HTTP/1.1");
        assert_eq!(sent("POST /v1.45/images/create"), "POST /v1.45/images/create HTTP/1.1");
        assert_eq!(sent("GET /_ping"), "GET /_ping HTTP/1.1");
    }

    #[test]
    fn an_inspect_of_1_52_has_no_mac_address_and_none_of_the_old_fields() {
        let mut inspect = json!({"Config": {"MacAddress": "02:00:00:00:00:29", "OnBuild": null, "User": ""}, "HostConfig": {"KernelMemoryTCP": 0},
            "NetworkSettings": {"IPAddress": "10.0.0.2", "Networks": {"n": {"MacAddress": "02:00:00:00:00:29"}}}});
        container(&mut inspect);
        let expected =
            json!({"Config": {"User": ""}, "HostConfig": {}, "NetworkSettings": {"Networks": {"n": {"MacAddress": "02:00:00:00:00:29"}}}});
        assert_eq!(inspect, expected);
    }
}
