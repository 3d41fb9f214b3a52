//! The downtime in a report is the time between the engine's events.

use std::time::Duration;

use refit::container::RecreateOptions;
use refit_lab::{Image, Lab};
use serde_json::json;

use super::connected::refit;

#[tokio::test(flavor = "multi_thread")]
async fn the_downtime_is_the_time_from_the_event_die_to_the_event_start() {
    let lab = Lab::get();
    let scope = lab.scope("downtime");
    let image = scope.pull(&Image::new().build(), "t");
    let (refit, name) = (refit().await, scope.name("c"));
    let options = RecreateOptions { settle: Duration::from_millis(300), allow_lossy: true, ..RecreateOptions::default() };
    let mut nearest = f64::MAX;
    // The engine writes the two times, and then sends the events: on a busy machine later.
    for _ in 0..5 {
        let body = json!({"Image": image.reference, "Cmd": ["sh", "-c", "trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.05; done"]});
        lab.engine.run(&name, &body);
        let since = lab.engine.now();
        let report = refit.recreate_container(name.as_str(), options.clone()).await.unwrap();
        let events = lab.engine.events_since(&since, &scope.name);
        let at = |action: &str, id: &str| {
            let found = events.iter().find(|event| event["Action"] == action && event["Actor"]["ID"] == id);
            found.unwrap_or_else(|| panic!("no event {action} of {id}"))["timeNano"].as_f64().unwrap() / 1e6
        };
        let felt = at("start", report.new_id.as_deref().unwrap()) - at("die", &report.old_id);
        nearest = nearest.min((felt - report.downtime_ms.unwrap() as f64).abs());
        lab.engine.delete(&format!("/containers/{name}?force=true"));
    }
    assert!(nearest < 100.0, "{nearest} ms beside the events");
}
