//! An image as `docker save` writes it, for `POST /images/load`.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::json;
use tar::{Builder, Header};

use super::{Artifact, Blob, Compression};

impl Artifact {
    /// The archive of one image under names such as `name:tag`.
    pub fn archive(&self, names: &[&str]) -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, bytes).unwrap();
        };
        let (config, layers) = self.blobs.split_first().expect("an index has no archive of this kind");
        let config_name = format!("{}.json", &config.digest[7..]);
        let layer_names: Vec<_> = layers.iter().map(|layer| format!("{}/layer.tar", &layer.diff_id[7..])).collect();
        let manifest = json!([{ "Config": config_name, "RepoTags": names, "Layers": layer_names }]);
        add("manifest.json", manifest.to_string().as_bytes());
        add(&config_name, &config.bytes);
        for (name, layer) in layer_names.iter().zip(layers) {
            add(name, &unpacked(layer));
        }
        tar.into_inner().unwrap()
    }
}

fn unpacked(layer: &Blob) -> Vec<u8> {
    if layer.compression == Compression::Plain {
        return layer.bytes.to_vec();
    }
    let mut bytes = Vec::new();
    GzDecoder::new(&layer.bytes[..]).read_to_end(&mut bytes).unwrap();
    bytes
}
