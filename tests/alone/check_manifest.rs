//! A manifest of a million entries that are empty costs no more memory than a large one that is sound.

use refit::image::{CheckOptions, CheckState};
use refit_lab::{Answer, LyingRegistry};

use super::connected::refit;
use super::log::peak;

/// What refit may take for it, in KiB.
const LIMIT: usize = 15 * 1024;

#[tokio::test]
async fn a_million_empty_entries_take_at_most_15_mib() {
    let refit = refit().await;
    for (before, entry, after) in [
        (r#"{"schemaVersion":2,"layers":["#, "{}", "]}"),
        (r#"{"schemaVersion":2,"manifests":["#, "[]", "]}"),
        (r#"{"schemaVersion":2,"manifests":["#, r#""""#, "]}"),
        (r#"{"schemaVersion":2,"layers":["#, "0", "]}"),
    ] {
        let body = format!("{before}{}{after}", vec![entry; 1_000_000].join(","));
        let length = body.len();
        // The server is in this process too: what it sends is made before, and its copies of it are counted apart.
        let answer = Answer::typed(200, "application/vnd.oci.image.manifest.v1+json", body.as_bytes());
        drop(body);
        let registry = LyingRegistry::start(move |asked| if asked.method == "HEAD" { Answer::status(405) } else { answer.clone() });
        let image = format!("{}/app:t", registry.host);
        let (outcome, more) = peak(async { refit.check_update(image, CheckOptions::default()).await }).await;
        let check = outcome.expect_err("no manifest").report.expect("a check");
        assert_eq!(check.state, CheckState::BadResponse, "{entry}: {check:#?}");
        let copied = length / 1024;
        assert!(more < LIMIT + copied, "{entry}: {more} KiB more, {copied} of them in the server");
    }
}
