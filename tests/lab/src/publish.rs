//! `lab publish` and `lab clean`: images for what is not written in Rust, the demo and the tests of the bindings.

use serde_json::{Value, json};

use crate::digest::{sha256, unique};
use crate::image::Image;
use crate::lab::Lab;
use crate::up::{Ours, clean};

pub(crate) const USAGE: &str = "lab publish --repo R --tag T [OPTION…]
                  publishes a busybox image and prints {reference, digest, image_id}
                  --version V, --env K=V, --label K=V, --cmd JSON, --entrypoint JSON, --expose PORT/tcp, --volume PATH,
                  --healthcheck JSON, --platform OS/ARCH, --random-mb N (bytes that do not shrink),
                  --salt WORD (the same words and salt: the same image; without it each is another)
lab clean NAME    removes every container, volume, network and image that has NAME (refit-…) in its own";

/// Publishes one image as the words describe it.
pub(crate) fn publish(words: &[&str]) -> i32 {
    match parse(words) {
        Ok(wanted) => {
            let artifact = wanted.image.build();
            let published = Lab::get().registry.publish(&artifact, &wanted.repository, &wanted.tag);
            let answer = json!({ "reference": published.reference, "digest": published.digest, "image_id": published.config_digest });
            println!("{answer}");
            0
        }
        Err(message) => refuse(&message),
    }
}

/// Removes what has the name in its own. A name of somebody else's is refused: the engine may be the user's.
pub(crate) fn clean_named(name: &str) -> i32 {
    if !name.starts_with("refit-") || name.len() < "refit-x-y".len() {
        return refuse("clean: NAME has to begin with refit- and say more");
    }
    clean(&Lab::get().engine, Ours::Named(name));
    0
}

fn refuse(message: &str) -> i32 {
    eprintln!("lab: {message}\n{USAGE}");
    2
}

#[derive(Debug)]
struct Wanted {
    repository: String,
    tag: String,
    image: Image,
}

fn parse(words: &[&str]) -> Result<Wanted, String> {
    let (mut repository, mut tag, mut megabytes, mut salt, mut image) = (None, None, None, unique(), Image::new());
    for pair in words.chunks(2) {
        let [option, value] = *pair else {
            return Err(format!("{} needs a value", pair[0]));
        };
        match option {
            "--repo" => repository = Some(value.to_owned()),
            "--tag" => tag = Some(value.to_owned()),
            "--salt" => value.clone_into(&mut salt),
            "--random-mb" => megabytes = Some(value.parse::<usize>().map_err(|_| format!("{option} {value}: not a number"))?),
            _ => image = describe(image, option, value)?,
        }
    }
    let (repository, tag) = (repository.ok_or("publish needs --repo")?, tag.ok_or("publish needs --tag")?);
    if let Some(megabytes) = megabytes {
        // Other bytes for each salt, or the engine would have the layer of the image before.
        let seed = u64::from_str_radix(&sha256(salt.as_bytes())[7..23], 16).map_err(|error| error.to_string())?;
        image = image.random_layer(megabytes << 20, seed);
    }
    Ok(Wanted { repository, tag, image: image.salt(&salt) })
}

fn describe(image: Image, option: &str, value: &str) -> Result<Image, String> {
    let pair = || value.split_once('=').ok_or_else(|| format!("{option} {value}: no '='"));
    let parsed = || serde_json::from_str::<Value>(value).map_err(|error| format!("{option} {value}: {error}"));
    Ok(match option {
        "--version" => image.version(value),
        "--env" => {
            let (name, value) = pair()?;
            image.env(name, value)
        }
        "--label" => {
            let (name, value) = pair()?;
            image.label(name, value)
        }
        "--cmd" => image.config("Cmd", parsed()?),
        "--entrypoint" => image.config("Entrypoint", parsed()?),
        "--healthcheck" => image.config("Healthcheck", parsed()?),
        "--expose" => image.expose(value),
        "--volume" => image.volume(value),
        "--platform" => image.platform(value),
        _ => return Err(format!("publish knows no {option}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_describe_an_image() {
        let words = "--repo r/x --tag 1 --version 2.0 --env A=b=c --cmd [\"true\"] --expose 80/tcp --label k=v --salt s";
        let wanted = parse(&words.split(' ').collect::<Vec<_>>()).unwrap();
        assert_eq!((wanted.repository.as_str(), wanted.tag.as_str()), ("r/x", "1"));
        let config = wanted.image.build().config_json()["config"].clone();
        assert_eq!(config["Env"], json!(["PATH=/bin", "A=b=c"]));
        assert_eq!(config["Cmd"], json!(["true"]));
        assert_eq!(config["ExposedPorts"], json!({ "80/tcp": {} }));
        assert_eq!(config["Labels"], json!({ "org.opencontainers.image.version": "2.0", "k": "v" }));
    }

    #[test]
    fn invalid_words_are_refused() {
        for (words, message) in [
            ("--tag 1", "publish needs --repo"),
            ("--repo r", "publish needs --tag"),
            ("--repo", "--repo needs a value"),
            ("--repo r --tag 1 --env A", "--env A: no '='"),
            ("--repo r --tag 1 --random-mb x", "--random-mb x: not a number"),
            ("--repo r --tag 1 --colour red", "publish knows no --colour"),
        ] {
            assert_eq!(parse(&words.split(' ').collect::<Vec<_>>()).unwrap_err(), message);
        }
    }
}
