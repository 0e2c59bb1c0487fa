//! Since when the policies are in force, and what was annotated before: kept where a restart does not lose it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use stackgate_core::words::Digest;

/// The ConfigMap in the controller's namespace.
pub const RECORD: &str = "stackgate-policies";

/// Where it is kept.
pub(super) struct Store {
    api: Api<ConfigMap>,
}

impl Store {
    pub(super) fn new(client: &Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client.clone(), namespace) }
    }

    /// What was annotated before, if these very policies were known to be in force.
    pub(super) async fn read(&self, fingerprint: Digest) -> Result<Option<BTreeSet<Digest>>, kube::Error> {
        let Some(map) = self.api.get_opt(RECORD).await? else { return Ok(None) };
        let data = map.data.unwrap_or_default();
        if data.get("fingerprint").and_then(|f| f.parse().ok()) != Some(fingerprint) {
            return Ok(None);
        }
        let words = data.get("before").map(String::as_str).unwrap_or_default().split_whitespace();
        // One that cannot be read: somebody has written here. Then nothing of it counts.
        Ok(words.map(|w| w.parse().ok()).collect())
    }

    pub(super) async fn write(
        &self,
        fingerprint: Digest,
        before: &BTreeSet<Digest>,
    ) -> Result<(), kube::Error> {
        let words: Vec<String> = before.iter().map(ToString::to_string).collect();
        let data = BTreeMap::from([
            ("fingerprint".to_owned(), fingerprint.to_string()),
            ("before".to_owned(), words.join("\n")),
        ]);
        let old = self.api.get_opt(RECORD).await?;
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(RECORD.to_owned()),
                resource_version: old.as_ref().and_then(|m| m.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            data: Some(data),
            ..ConfigMap::default()
        };
        match old {
            Some(_) => self.api.replace(RECORD, &PostParams::default(), &map).await?,
            None => self.api.create(&PostParams::default(), &map).await?,
        };
        Ok(())
    }
}
