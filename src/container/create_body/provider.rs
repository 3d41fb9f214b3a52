//! A container whose provider is gone, because something else has created that again: it is attached to the container that has the provider's
//! place now, where the caller or its own labels say which one that is.
//!
//! Rules: docs/recreate.md, section 2.3.

use std::collections::BTreeSet;

use serde_json::Value;

use super::host_config::providers;
use super::value::text;
use super::volumes_from::named;

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
/// `vpn:service_started:true,db:service_healthy:false`: a service, its condition, and whether its restart restarts this one too.
const DEPENDS_ON: &str = "com.docker.compose.depends_on";

/// Who says which container has a provider's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedBy {
    Caller,
    Labels,
}

/// The id of a provider that is gone; `None` when all are there, or several are gone.
pub(crate) fn gone_provider<'a>(container: &'a Value, containers: &[Value]) -> Option<&'a str> {
    let gone: BTreeSet<&str> = providers(container).map(|(_, id)| id).filter(|id| named(containers, id).is_none()).collect();
    gone.first().copied().filter(|_| gone.len() == 1)
}

/// The container in the place of a provider that is gone, as its labels have it. Compose writes no provider's name into a container, but the services that
/// it depends on: the one that it is restarted with, which a provider always is, or the only one.
pub(crate) fn provider_by_labels<'a>(container: &Value, containers: &'a [Value]) -> Option<&'a Value> {
    let label = |container: &'a Value, label: &str| container["Config"]["Labels"][label].as_str().filter(|value| !value.is_empty());
    let own = |label: &str| container["Config"]["Labels"][label].as_str().filter(|value| !value.is_empty());
    let (project, services) = (own(PROJECT)?, own(DEPENDS_ON)?);
    let services: Vec<(&str, bool)> =
        services.split(',').map(|service| (service.split(':').next().unwrap_or_default(), service.ends_with(":true"))).collect();
    let of = |restarts: Option<bool>| {
        let is_wanted = |service: &str| services.iter().any(|(name, own)| *name == service && restarts.is_none_or(|wanted| wanted == *own));
        let mut found = containers.iter().filter(|other| {
            text(other, "Id") != text(container, "Id")
                && label(other, PROJECT) == Some(project)
                && label(other, SERVICE).is_some_and(is_wanted)
                && providers(other).next().is_none()
        });
        found.next().filter(|_| found.next().is_none())
    };
    of(Some(true)).or_else(|| of(None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_labels_of_compose_say_which_container_has_the_providers_place() {
        let gone = "0123456789ab".repeat(5);
        let service = |id: &str, project: &str, service: &str| json!({"Id": id, "Name": format!("/{id}"), "Config": {"Labels": {PROJECT: project, SERVICE: service}}});
        let dependent = |depends_on: &str| {
            json!({"Id": "own", "Name": "/own", "HostConfig": {"NetworkMode": format!("container:{gone}")},
                "Config": {"Labels": {PROJECT: "p", SERVICE: "web", DEPENDS_ON: depends_on}}})
        };
        let (vpn, db, other) = (service("vpn1", "p", "vpn"), service("db1", "p", "db"), service("vpn2", "q", "vpn"));
        let there = json!({"Id": gone, "Name": "/vpn1"});
        let all = || vec![vpn.clone(), db.clone(), other.clone()];
        let cases = [
            ("the only service", dependent("vpn:service_started:false"), all(), Some("vpn1")),
            ("the one with which it is restarted", dependent("db:service_healthy:false,vpn:service_started:true"), all(), Some("vpn1")),
            ("one of two", dependent("db:service_healthy:false,vpn:service_started:false"), all(), None),
            ("no service that is there", dependent("cache:service_started:true"), all(), None),
            ("no label", dependent(""), all(), None),
            ("two of one service", dependent("vpn:service_started:true"), vec![vpn.clone(), service("vpn3", "p", "vpn")], None),
            ("a provider that is there", dependent("vpn:service_started:true"), vec![vpn.clone(), there], None),
        ];
        for (case, dependent, containers, expected) in cases {
            let found = gone_provider(&dependent, &containers).and_then(|_| provider_by_labels(&dependent, &containers));
            assert_eq!(found.map(|new| text(new, "Id")), expected, "{case}");
            assert!(gone_provider(&dependent, &containers).is_none_or(|id| id == gone), "{case}");
        }
    }
}
