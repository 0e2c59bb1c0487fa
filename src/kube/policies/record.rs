//! Since when the policies are in force, and what was annotated before: kept where a restart does not lose it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{ByteString, api::core::v1::ConfigMap};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use stackgate_core::words::Digest;

/// The ConfigMap in the controller's namespace.
pub const RECORD: &str = "stackgate-policies";
/// How many annotations it holds. The values of a ConfigMap take 1 MiB at most; some of it is the fingerprint's.
pub const MOST: usize = 65_000;

/// So much of a digest is kept. Two annotations with one mark would both count as unproven, never the other way round: that takes no
/// more than being rare by chance, and 16 bytes are more than anybody could aim at.
const KEPT: usize = 16;
/// An annotation, shortened.
pub(super) type Mark = [u8; KEPT];

/// The mark of an annotation.
pub(super) fn mark(annotation: &Digest) -> Mark {
    let mut mark = [0; KEPT];
    mark.iter_mut().zip(annotation.bytes()).for_each(|(to, from)| *to = *from);
    mark
}

/// Where it is kept.
pub(super) struct Store {
    api: Api<ConfigMap>,
}

impl Store {
    pub(super) fn new(client: &Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client.clone(), namespace) }
    }

    /// What was annotated before, if these very policies were known to be in force.
    pub(super) async fn read(&self, fingerprint: Digest) -> Result<Option<BTreeSet<Mark>>, kube::Error> {
        Ok(self.api.get_opt(RECORD).await?.and_then(|map| before(&map, fingerprint)))
    }

    /// Keeps it, if it is not too much: then nothing is kept, and `false` is told.
    pub(super) async fn write(
        &self,
        fingerprint: Digest,
        annotations: &BTreeSet<Digest>,
    ) -> Result<bool, kube::Error> {
        let marks: BTreeSet<Mark> = annotations.iter().map(mark).collect();
        if marks.len() > MOST {
            return Ok(false);
        }
        let old = self.api.get_opt(RECORD).await?;
        let mut map = filled(fingerprint, &marks);
        map.metadata.resource_version = old.as_ref().and_then(|m| m.metadata.resource_version.clone());
        match old {
            Some(_) => self.api.replace(RECORD, &PostParams::default(), &map).await?,
            None => self.api.create(&PostParams::default(), &map).await?,
        };
        Ok(true)
    }
}

fn filled(fingerprint: Digest, marks: &BTreeSet<Mark>) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(RECORD.to_owned()), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([
            ("fingerprint".to_owned(), fingerprint.to_string()),
            // So that none at all is told from what is not there.
            ("number".to_owned(), marks.len().to_string()),
        ])),
        binary_data: Some(BTreeMap::from([(
            "before".to_owned(),
            ByteString(marks.iter().flatten().copied().collect()),
        )])),
        ..ConfigMap::default()
    }
}

/// What is kept there. Under another fingerprint, or where somebody else has written, nothing of it counts.
fn before(map: &ConfigMap, fingerprint: Digest) -> Option<BTreeSet<Mark>> {
    let data = map.data.as_ref()?;
    if data.get("fingerprint")?.parse() != Ok(fingerprint) {
        return None;
    }
    let bytes =
        map.binary_data.as_ref().and_then(|all| all.get("before")).map_or(&[][..], |b| b.0.as_slice());
    let marks: Option<BTreeSet<Mark>> = bytes.chunks(KEPT).map(|chunk| chunk.try_into().ok()).collect();
    marks.filter(|marks| data.get("number").and_then(|n| n.parse().ok()) == Some(marks.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(number: usize) -> BTreeSet<Mark> {
        (0..number).map(|n| mark(&Digest::of(n.to_string()))).collect()
    }

    #[test]
    fn the_most_that_is_kept_fits() {
        let fingerprint = Digest::of("policies");
        for number in [0, 1, MOST] {
            let map = filled(fingerprint, &marks(number));
            assert_eq!(before(&map, fingerprint), Some(marks(number)));
            let text: usize = map.data.iter().flatten().map(|(_, v)| v.len()).sum();
            let bytes: usize = map.binary_data.iter().flatten().map(|(_, v)| v.0.len()).sum();
            assert!(text + bytes <= 1 << 20, "{number}");
        }
    }

    #[test]
    fn what_somebody_else_wrote_counts_for_nothing() {
        let fingerprint = Digest::of("policies");
        let good = filled(fingerprint, &marks(3));
        assert_eq!(before(&good, Digest::of("others")), None);
        let mut shorter = good.clone();
        shorter.binary_data = None;
        assert_eq!(before(&shorter, fingerprint), None);
        let mut torn = good.clone();
        torn.binary_data.iter_mut().flatten().for_each(|(_, v)| v.0.truncate(40));
        assert_eq!(before(&torn, fingerprint), None);
        let mut uncounted = good;
        uncounted.data.iter_mut().for_each(|data| drop(data.remove("number")));
        assert_eq!(before(&uncounted, fingerprint), None);
    }
}
