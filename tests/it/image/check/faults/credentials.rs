//! C40: credentials, from docker's file and from the caller.

use refit::image::CheckState;
use refit::{Code, ConnectOptions, CredentialUse, Refit};
use refit_lab::{Answer, Image, Lab, LyingRegistry};
use serde_json::json;

use super::{check, connect, is_error, login};

#[tokio::test]
async fn c40_credentials_come_from_docker_or_from_the_caller() {
    let artifact = Image::scratch().build();
    let registry = LyingRegistry::start(move |asked| match asked.header("authorization") {
        // refit:REFIT-SECRET
        "Basic cmVmaXQ6UkVGSVQtU0VDUkVU" => Answer::manifest(&artifact),
        _ => Answer::ask_for_login(),
    });
    let image = format!("{}/app:t", registry.host);
    let checked = check(&connect(login(&registry.host, "refit", "REFIT-SECRET")).await, &image).await;
    assert_eq!((checked.state, checked.credential), (CheckState::NotLocal, Some(CredentialUse::Used)));
    let rejected = check(&connect(login(&registry.host, "refit", "REFIT-SECRET-OLD")).await, &image).await;
    is_error("rejected", &rejected, CheckState::Unauthorized, Code::Unauthorized);
    assert_eq!((rejected.credential, rejected.notes[0].code.as_str()), (Some(CredentialUse::Rejected), "credential_rejected"));

    let folder = std::env::temp_dir().join(format!("refit-c40-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = json!({"auths": {format!("https://{}/v1/", registry.host): {"auth": "cmVmaXQ6UkVGSVQtU0VDUkVU"}}});
    std::fs::write(folder.join("config.json"), file.to_string()).unwrap();
    let options = ConnectOptions { host: Some(Lab::get().engine.host()), docker_config: Some(folder.clone()), ..ConnectOptions::default() };
    let refit = Refit::connect(options).await.unwrap();
    let from_file = check(&refit, &image).await;
    assert_eq!((from_file.state, from_file.credential), (CheckState::NotLocal, Some(CredentialUse::Used)));
    std::fs::remove_dir_all(folder).unwrap();
    let shown = format!("{checked:?} {rejected:?} {from_file:?} {refit:?} {}", serde_json::to_string(&rejected).unwrap());
    for secret in ["REFIT-SECRET", "UkVGSVQtU0VDUkVU"] {
        assert!(!shown.contains(secret), "a secret is shown");
    }
}
