//! A container image without Docker: what `docker save` would write of one.

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{QUALIFIER, REGION};

/// An image of one layer.
#[derive(Debug, Clone)]
pub struct SavedImage {
    /// The layer.
    pub layer: Vec<u8>,
    /// The config.
    pub config: Vec<u8>,
}

impl SavedImage {
    /// An image whose layer holds a text; another text makes another image.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let layer = text.as_bytes().to_vec();
        let config = json!({ "architecture": "amd64", "os": "linux", "config": { "Cmd": ["/app"] },
            "rootfs": { "type": "layers", "diff_ids": [sha256(&layer)] } });
        Self { layer, config: config.to_string().into_bytes() }
    }

    /// The tar file.
    ///
    /// # Errors
    /// When it cannot be packed.
    pub fn tar(&self) -> Result<Vec<u8>> {
        let list = json!([{ "Config": "config.json", "RepoTags": ["app:1"], "Layers": ["a/layer.tar"] }]);
        let list = list.to_string().into_bytes();
        let mut tar = tar::Builder::new(Vec::new());
        for (path, bytes) in
            [("a/layer.tar", &self.layer), ("config.json", &self.config), ("manifest.json", &list)]
        {
            let mut header = tar::Header::new_gnu();
            header.set_size(u64::try_from(bytes.len())?);
            header.set_mode(0o644);
            header.set_mtime(0);
            tar.append_data(&mut header, path, bytes.as_slice())?;
        }
        Ok(tar.into_inner()?)
    }

    /// The digests of layer and config, as repositories write them.
    #[must_use]
    pub fn digests(&self) -> [String; 2] {
        [sha256(&self.layer), sha256(&self.config)]
    }
}

/// An image asset of an account, as an asset manifest names it.
#[must_use]
pub fn image_asset(name: &str, account: &str, tag: &str, source: &Value) -> Value {
    let role = format!(
        "arn:${{AWS::Partition}}:iam::{account}:role/cdk-{QUALIFIER}-image-publishing-role-{account}-{REGION}"
    );
    json!({ "displayName": name, "source": source, "destinations": { "here": {
        "repositoryName": format!("cdk-{QUALIFIER}-container-assets-{account}-{REGION}"),
        "imageTag": tag, "assumeRoleArn": role } } })
}

fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
