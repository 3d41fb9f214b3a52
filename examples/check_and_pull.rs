//! Is there a newer image? Then pull it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::ops::ControlFlow;

use refit::image::{CheckOptions, CheckState, PullOptions};
use refit::{ConnectOptions, Refit};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let image = std::env::args().nth(1).unwrap_or("alpine".into());
    let refit = Refit::connect(ConnectOptions::default()).await?;
    let check = refit.check_update(&image, CheckOptions::default()).await?;
    println!("{image}: {:?}, {} requests to the registry", check.state, check.requests);
    if matches!(check.state, CheckState::UpdateAvailable | CheckState::NotLocal) {
        let pulled = refit
            .pull(&image, PullOptions::default())
            .on_progress(|progress| {
                eprintln!("{} {:>4} ‰", progress.phase, progress.permille);
                ControlFlow::Continue(())
            })
            .await?;
        println!("pulled {}", pulled.after.id);
    }
    Ok(())
}
