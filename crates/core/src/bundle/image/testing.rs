//! Small images of the forms that others write, for the tests of this subject.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    bundle::{File, Node, Tree, TreePath},
    words::Digest,
};

pub(in super::super) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(in super::super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(in super::super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(in super::super) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The files of an image, by path.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Files(pub(in super::super) BTreeMap<String, Vec<u8>>);

impl Files {
    /// An OCI image layout with one image of these layers.
    pub(in super::super) fn layout(layers: &[&str]) -> Self {
        let mut files = Self::default();
        let image = files.image(layers);
        files.names(&json!([image]));
        files
    }

    /// Writes `oci-layout` and `index.json`.
    pub(in super::super) fn names(&mut self, images: &Value) {
        self.json("oci-layout", &json!({"imageLayoutVersion": "1.0.0"}));
        self.json("index.json", &json!({"schemaVersion": 2, "manifests": images}));
    }

    pub(in super::super) fn json(&mut self, path: &str, json: &Value) {
        self.0.insert(path.to_owned(), json.to_string().into_bytes());
    }

    /// Adds a blob; returns its descriptor.
    pub(in super::super) fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        self.0.insert(format!("blobs/sha256/{}", digest.hex()), bytes.to_vec());
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()})
    }

    pub(in super::super) fn document(&mut self, media_type: &str, json: &Value) -> Value {
        self.blob(media_type, json.to_string().as_bytes())
    }

    /// The manifest of an image of these layers, whose blobs are added.
    pub(in super::super) fn manifest(&mut self, layers: &[&str]) -> Value {
        let config = config(layers);
        let config = self.blob(CONFIG, config.as_bytes());
        let layers: Vec<Value> = layers.iter().map(|text| self.blob(LAYER, text.as_bytes())).collect();
        json!({"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": layers})
    }

    /// Adds an image; returns the descriptor of its manifest.
    pub(in super::super) fn image(&mut self, layers: &[&str]) -> Value {
        let manifest = self.manifest(layers);
        self.document(IMAGE, &manifest)
    }

    /// A list as `docker save` writes it, beside the files that it names.
    pub(in super::super) fn saved(layers: &[&str]) -> Self {
        let mut files = Self::default();
        files.0.insert("c0f1.json".to_owned(), config(layers).into_bytes());
        let names: Vec<String> = (0..layers.len()).map(|n| format!("{n}/layer.tar")).collect();
        for (name, layer) in names.iter().zip(layers) {
            files.0.insert(name.clone(), layer.as_bytes().to_vec());
        }
        let list = json!([{"Config": "c0f1.json", "RepoTags": ["app:1"], "Layers": names}]);
        files.json("manifest.json", &list);
        files
    }

    pub(in super::super) fn tar(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, bytes) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, bytes.as_slice()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    /// Adds them to a tree, below a directory.
    pub(in super::super) fn into_tree(self, tree: &mut Tree, dir: &str) {
        for (path, bytes) in self.0 {
            let path = TreePath::parse(&format!("{dir}/{path}")).unwrap();
            tree.insert(path, Node::File(File::new(bytes, false))).unwrap();
        }
    }
}

/// The config of an image of these layers.
pub(in super::super) fn config(layers: &[&str]) -> String {
    let ids: Vec<String> = layers.iter().map(|text| format!("\"{}\"", Digest::of(text))).collect();
    let ids = ids.join(",");
    format!(r#"{{"architecture":"arm64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{ids}]}}}}"#)
}
