//! A container with dependents: others refer to it by its id.

use refit::container::{Recreation, RecreationResult};
use serde_json::{Value, json};

use super::Case;

/// A container whose namespaces and volume others use, and one that uses theirs.
pub struct Family<'a> {
    pub case: Case<'a>,
    members: &'static [&'static str],
    before: Vec<Value>,
}

/// Each refers to the first by its id, the last to the second.
pub const MEMBERS: &[&str] = &["", "-net", "-ns", "-volumes", "-net-of-net"];

impl Family<'static> {
    pub fn new(what: &str) -> Self {
        Self::of(what, MEMBERS)
    }

    /// Some of the members; the first is always one of them.
    pub fn of(what: &str, members: &'static [&'static str]) -> Self {
        let mut family = Self { before: Vec::new(), members, case: Case::new(what) };
        // Not on the default network: libnetwork of 20.10 deadlocks when many containers of one network come and go at once.
        let network = family.case.subnet("net").name;
        for member in members {
            let id = |of: &str| family.inspect(of)["Id"].as_str().unwrap().to_owned();
            let body = match *member {
                "" => json!({"Volumes": {"/shared": {}}, "HostConfig": {"IpcMode": "shareable", "NetworkMode": network}}),
                "-net" => json!({"Labels": {"own": "1"},
                    "HostConfig": {"NetworkMode": format!("container:{}", id("")), "RestartPolicy": {"Name": "always"}}}),
                "-ns" => {
                    let held = format!("container:{}", id(""));
                    json!({"HostConfig": {"PidMode": held, "IpcMode": held, "NetworkMode": network}})
                }
                "-volumes" => json!({"HostConfig": {"VolumesFrom": [id("")], "NetworkMode": network}}),
                _ => json!({"HostConfig": {"NetworkMode": format!("container:{}", id("-net"))}}),
            };
            family.run(member, body);
        }
        assert_eq!(family.exec("", "echo kept > /shared/file").0, 0);
        family.before = members.iter().map(|member| family.inspect(member)).collect();
        family
    }
}

impl Family<'_> {
    pub fn run(&self, member: &str, mut body: Value) {
        body["Image"] = self.case.image().into();
        body["StopTimeout"] = 1.into();
        self.case.lab.engine.run(&self.name(member), &body);
    }

    pub fn name(&self, member: &str) -> String {
        format!("{}{member}", self.case.name)
    }

    pub fn inspect(&self, member: &str) -> Value {
        self.case.inspect(&self.name(member))
    }

    pub fn exec(&self, member: &str, script: &str) -> (i64, String) {
        let done = self.case.lab.engine.exec(&self.name(member), &["sh", "-c", script]);
        (done.code, done.output.trim().to_owned())
    }

    /// In alphabetical order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.members.iter().map(|member| self.name(member)).collect();
        names.sort();
        names
    }

    pub fn before(&self, member: &str) -> &Value {
        &self.before[self.members.iter().position(|other| *other == member).unwrap()]
    }

    /// All of them run, refer to the container that has the name now, are in its namespaces, and there is no other container.
    pub fn assert_joined(&self, when: &str) {
        let mut names: Vec<String> = self.case.containers().into_iter().map(|(name, _)| name).collect();
        names.sort();
        assert_eq!(names, self.names(), "{when}");
        let held = json!(format!("container:{}", self.inspect("")["Id"].as_str().unwrap()));
        let in_first = |member: &str, kind: &str| {
            let namespace = |member: &str| self.exec(member, &format!("readlink /proc/self/ns/{kind}")).1;
            assert!(!namespace(member).is_empty() && namespace(member) == namespace(""), "{when}: {member} is not in its {kind}");
        };
        for member in self.members {
            let container = self.inspect(member);
            assert_eq!(container["State"]["Status"], "running", "{when}: {member}");
            let host_config = &container["HostConfig"];
            match *member {
                "-net" => {
                    assert_eq!(host_config["NetworkMode"], held, "{when}");
                    assert_eq!(host_config["RestartPolicy"]["Name"], "always", "{when}");
                    assert_eq!(container["Config"]["Labels"]["own"], "1", "{when}");
                    in_first(member, "net");
                }
                "-ns" => {
                    assert_eq!((&host_config["PidMode"], &host_config["IpcMode"]), (&held, &held), "{when}");
                    in_first(member, "pid");
                    in_first(member, "ipc");
                }
                "-net-of-net" => in_first(member, "net"),
                _ => assert_eq!(self.exec(member, "cat /shared/file"), (0, "kept".into()), "{when}: {member}"),
            }
        }
    }

    /// The same containers as before, as they were.
    pub fn assert_as_before(&self, when: &str) {
        for (member, before) in self.members.iter().zip(&self.before) {
            let after = self.inspect(member);
            for key in ["Id", "Config", "HostConfig"] {
                assert_eq!(after[key], before[key], "{when}: {member}");
            }
        }
        self.assert_joined(when);
    }

    /// All were replaced and refer to the new one, or all are as before.
    pub fn assert_all_or_none(&self, when: &str) {
        let is_old = self.inspect("")["Id"] == self.before[0]["Id"];
        for (member, before) in self.members.iter().zip(&self.before) {
            assert_eq!(self.inspect(member)["Id"] == before["Id"], is_old, "{when}: {member}");
        }
        self.case.assert_no_volume_left(when);
        if is_old { self.assert_as_before(when) } else { self.assert_joined(when) }
    }

    /// The results of the others, each of which is reported once.
    pub fn results(&self, report: &Recreation) -> Vec<RecreationResult> {
        let mut reported: Vec<String> = report.dependents.iter().map(|one| one.container.clone()).collect();
        reported.push(self.name(""));
        reported.sort();
        assert_eq!(reported, self.names());
        report.dependents.iter().map(|one| one.result).collect()
    }
}
