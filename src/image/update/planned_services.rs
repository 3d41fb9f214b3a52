//! The services of a swarm that have the image of a plan.

use serde_json::Value;

use crate::engine::api::{services, system};
use crate::json::{is_true, text};
use crate::reference::Reference;
use crate::{Refit, Result};

impl Refit {
    /// Their names; none where the engine manages no swarm. `info` is the engine's, where it was read: it saves the request.
    pub(super) async fn services_of(&self, image: &str, info: Option<&Value>) -> Result<Vec<String>> {
        let reference = Reference::parse(image)?;
        if self.shared.engine.facts().await?.podman() {
            return Ok(Vec::new());
        }
        let read;
        let info = match info {
            Some(info) => info,
            None => {
                read = system::info(&self.shared.engine).await?;
                &read
            }
        };
        if !is_true(info, "/Swarm/ControlAvailable") {
            return Ok(Vec::new());
        }
        let all = services::list(&self.shared.engine).await?;
        let own = all.iter().filter(|service| has(service, &reference)).map(|service| text(service, "/Spec/Name").to_owned());
        let mut names: Vec<String> = own.collect();
        names.sort();
        Ok(names)
    }
}

/// Whether a service has this reference; the digest to which the engine has pinned a tag says nothing else.
fn has(service: &Value, reference: &Reference) -> bool {
    let Ok(own) = Reference::parse(text(service, "/Spec/TaskTemplate/ContainerSpec/Image")) else { return false };
    let by_digest = || own.digest() == reference.digest();
    own.name() == reference.name() && own.tag() == reference.tag() && (own.tag().is_some() || by_digest())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_service_has_the_reference_of_its_tag() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (own, asked, expected) in [
            (format!("app:1@{digest}"), "app:1".to_owned(), true),
            (format!("docker.io/library/app@{digest}"), "app".to_owned(), false),
            ("app".to_owned(), "docker.io/library/app:latest".to_owned(), true),
            (format!("app:1@{digest}"), "app:2".to_owned(), false),
            (format!("app@{digest}"), format!("app@{digest}"), true),
            (String::new(), "app".to_owned(), false),
        ] {
            let service = json!({"Spec": {"TaskTemplate": {"ContainerSpec": {"Image": own}}}});
            assert_eq!(has(&service, &Reference::parse(&asked).unwrap()), expected, "{own} {asked}");
        }
    }
}
