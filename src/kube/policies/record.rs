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

/// Names the policies that it is for.
const FINGERPRINT: &str = "fingerprint";
/// The annotation with the number of [`Store::doubts`].
const DOUBTS: &str = "stackgate.dev/doubts";

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

/// What is kept there, as it was found.
pub(super) struct Kept(Option<ConfigMap>);

impl Store {
    pub(super) fn new(client: &Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client.clone(), namespace) }
    }

    /// How often what was kept has been thrown away. It counts as a change of the policies: whoever has looked before looks anew.
    pub(super) async fn doubts(&self) -> Result<u64, kube::Error> {
        Ok(self.api.get_metadata_opt(RECORD).await?.map_or(0, |map| doubts(&map.metadata)))
    }

    pub(super) async fn read(&self) -> Result<Kept, kube::Error> {
        self.api.get_opt(RECORD).await.map(Kept)
    }

    /// Keeps it in the place of what was found, if nobody has written meanwhile. If it is too much, nothing is kept, and `false` is told.
    pub(super) async fn write(
        &self,
        found: &Kept,
        fingerprint: Digest,
        annotations: &BTreeSet<Digest>,
    ) -> Result<bool, kube::Error> {
        let marks: BTreeSet<Mark> = annotations.iter().map(mark).collect();
        let fits = marks.len() <= MOST;
        let kept = if fits { &marks } else { &BTreeSet::new() };
        self.put(found, found.doubts(), Some(filled(fingerprint, kept, marks.len()))).await?;
        Ok(fits)
    }

    /// Throws away what is kept. What is annotated by now, and whatever comes until it is written anew, is proven by nothing.
    pub(super) async fn doubt(&self) -> Result<(), kube::Error> {
        let found = self.read().await?;
        if found.is_thrown_away() {
            // Nobody relies on it: that begins with a write.
            return Ok(());
        }
        self.put(&found, found.doubts().saturating_add(1), None).await
    }

    async fn put(&self, found: &Kept, doubts: u64, content: Option<ConfigMap>) -> Result<(), kube::Error> {
        let mut map = content.unwrap_or_default();
        map.metadata = ObjectMeta {
            name: Some(RECORD.to_owned()),
            annotations: Some([(DOUBTS.to_owned(), doubts.to_string())].into()),
            resource_version: found.0.as_ref().and_then(|m| m.metadata.resource_version.clone()),
            ..ObjectMeta::default()
        };
        match found.0 {
            Some(_) => self.api.replace(RECORD, &PostParams::default(), &map).await?,
            None => self.api.create(&PostParams::default(), &map).await?,
        };
        Ok(())
    }
}

impl Kept {
    pub(super) fn doubts(&self) -> u64 {
        self.0.as_ref().map_or(0, |map| doubts(&map.metadata))
    }

    /// What was annotated before, if these very policies were known to be in force. Under another fingerprint, or where somebody else
    /// has written, nothing of it counts.
    pub(super) fn before(&self, fingerprint: Digest) -> Option<BTreeSet<Mark>> {
        let map = self.0.as_ref()?;
        let data = map.data.as_ref()?;
        if data.get(FINGERPRINT)?.parse() != Ok(fingerprint) {
            return None;
        }
        let bytes =
            map.binary_data.as_ref().and_then(|all| all.get("before")).map_or(&[][..], |b| b.0.as_slice());
        let marks: Option<BTreeSet<Mark>> = bytes.chunks(KEPT).map(|chunk| chunk.try_into().ok()).collect();
        marks.filter(|marks| data.get("number").and_then(|n| n.parse().ok()) == Some(marks.len()))
    }

    /// Whoever relies on the policies has written for which: even where it was too much to be kept.
    fn is_thrown_away(&self) -> bool {
        let data = |map: &ConfigMap| map.data.as_ref().is_some_and(|data| data.contains_key(FINGERPRINT));
        self.0.as_ref().is_some_and(|map| !data(map))
    }
}

fn doubts(meta: &ObjectMeta) -> u64 {
    let said = meta.annotations.as_ref().and_then(|all| all.get(DOUBTS));
    said.and_then(|n| n.parse().ok()).unwrap_or_default()
}

/// The number is that of what should be kept: with fewer it does not count.
fn filled(fingerprint: Digest, marks: &BTreeSet<Mark>, number: usize) -> ConfigMap {
    ConfigMap {
        data: Some(BTreeMap::from([
            (FINGERPRINT.to_owned(), fingerprint.to_string()),
            ("number".to_owned(), number.to_string()),
        ])),
        binary_data: Some(BTreeMap::from([(
            "before".to_owned(),
            ByteString(marks.iter().flatten().copied().collect()),
        )])),
        ..ConfigMap::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(number: usize) -> BTreeSet<Mark> {
        (0..number).map(|n| mark(&Digest::of(n.to_string()))).collect()
    }

    fn kept(fingerprint: Digest, number: usize) -> ConfigMap {
        filled(fingerprint, &marks(number), number)
    }

    #[test]
    fn the_most_that_is_kept_fits() {
        let fingerprint = Digest::of("policies");
        for number in [0, 1, MOST] {
            let map = kept(fingerprint, number);
            let text: usize = map.data.iter().flatten().map(|(_, v)| v.len()).sum();
            let bytes: usize = map.binary_data.iter().flatten().map(|(_, v)| v.0.len()).sum();
            assert!(text + bytes <= 1 << 20, "{number}");
            assert_eq!(Kept(Some(map)).before(fingerprint), Some(marks(number)));
        }
    }

    #[test]
    fn what_somebody_else_wrote_counts_for_nothing() {
        let fingerprint = Digest::of("policies");
        let good = kept(fingerprint, 3);
        assert_eq!(Kept(Some(good.clone())).before(Digest::of("others")), None);
        let mut shorter = good.clone();
        shorter.binary_data = None;
        let mut torn = good.clone();
        torn.binary_data.iter_mut().flatten().for_each(|(_, v)| v.0.truncate(40));
        let mut uncounted = good;
        uncounted.data.iter_mut().for_each(|data| drop(data.remove("number")));
        for bad in [shorter, torn, uncounted] {
            assert_eq!(Kept(Some(bad)).before(fingerprint), None);
        }
        assert_eq!(Kept(None).before(fingerprint), None);
    }

    #[test]
    fn what_was_too_much_is_there_to_be_thrown_away() {
        let fingerprint = Digest::of("policies");
        let much = Kept(Some(filled(fingerprint, &BTreeSet::new(), MOST + 1)));
        assert!(!much.is_thrown_away() && much.before(fingerprint).is_none());
        // Nor is it known that nobody relies on what somebody has deleted.
        assert!(!Kept(None).is_thrown_away() && Kept(Some(ConfigMap::default())).is_thrown_away());
    }
}
