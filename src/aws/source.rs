//! An archive in S3: which version is the newest, and the assembly in one version.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use aws_smithy_types::byte_stream::ByteStream;
use stackgate_core::{
    api::{PinnedS3, S3Source},
    bundle::{Bundle, Caps, Tree},
    effect::{RefusalKind, SourceSeen},
    words::Digest,
};
use tokio::task::JoinError;

use super::{calls::Operation, class::Class, failed::Failed, session::Clients};

impl Clients {
    /// Looks at an object without fetching it. Its version is the reference that it can be fetched by again, so a
    /// bucket that gives it none keeps no versions.
    pub(super) async fn source(&self, source: &S3Source) -> Result<SourceSeen, Failed> {
        let S3Source { account: _, bucket, key, region: _, version_id } = source;
        let call = self
            .s3
            .head_object()
            .bucket(bucket.as_str())
            .key(key)
            .set_version_id(version_id.clone())
            .expected_bucket_owner(self.env.account.as_str())
            .send();
        match self.calls.make(Operation::HeadObject, &self.env, call).await {
            Ok(head) => Ok(match head.version_id() {
                None | Some("" | "null") => SourceSeen::Unversioned,
                Some(version) => SourceSeen::Version(version.to_owned()),
            }),
            Err(failed) if failed.is_not_found() => Ok(SourceSeen::Missing(match version_id {
                Some(version) => {
                    format!("s3://{bucket}/{key} has no version {version}, or there is no such bucket")
                }
                None => format!("s3://{bucket}/{key} is not there, or there is no such bucket"),
            })),
            Err(failed) => Err(self.explain_source(failed, &format!("s3://{bucket}/{key}"))),
        }
    }

    /// Fetches one version of an archive and opens it; an assembly that cannot be read is an answer, too.
    pub(super) async fn bundle(
        &self,
        pinned: &PinnedS3,
        opened: &Opened,
    ) -> Result<Result<Arc<Bundle>, String>, Failed> {
        let PinnedS3 { account: _, bucket, key, region: _, version_id } = pinned;
        let url = format!("s3://{bucket}/{key}");
        let call = self
            .s3
            .get_object()
            .bucket(bucket.as_str())
            .key(key)
            .version_id(version_id)
            .expected_bucket_owner(self.env.account.as_str())
            .send();
        let reply = match self.calls.make(Operation::GetObject, &self.env, call).await {
            Ok(reply) => reply,
            Err(failed) if failed.is_not_found() => {
                return Err(failed.hint(&format!("version {version_id} of {url} is no longer there")));
            }
            Err(failed) => return Err(self.explain_source(failed, &url)),
        };
        let Some(bytes) = self.download(reply.body, &url).await? else {
            let most = self.settings.object_bytes;
            return Ok(Err(format!("{url} has more than {most} bytes; an assembly may not be larger")));
        };
        let opened = opened.open(bytes).await;
        opened.map_err(|e| Failed::ours(RefusalKind::Unavailable, format!("{url} could not be opened: {e}")))
    }

    /// Reads a body to its end, at most as many bytes as the settings allow; nothing if there are more.
    pub(super) async fn download(&self, mut body: ByteStream, what: &str) -> Result<Option<Vec<u8>>, Failed> {
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|e| {
                Failed::ours(RefusalKind::Unavailable, format!("the download of {what} broke off: {e}"))
            })?;
            if (bytes.len() as u64).saturating_add(chunk.len() as u64) > self.settings.object_bytes {
                return Ok(None);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }

    /// S3 says 403 for many things that are not there; say so.
    fn explain_source(&self, failed: Failed, url: &str) -> Failed {
        if failed.class() == Class::Refused(RefusalKind::Denied) {
            return failed.hint(&format!(
                "{url} may not be read: the bucket must belong to account {} and the controller needs \
                 s3:GetObjectVersion on the object and s3:ListBucket on the bucket",
                self.env.account
            ));
        }
        if failed.is_other_region() {
            return failed.into_kind(RefusalKind::Invalid).hint(&format!(
                "the bucket of {url} lies in another region than {}: set source.s3.region",
                self.env.region
            ));
        }
        failed
    }
}

/// The assemblies that somebody holds, by the digest of their archive: equal archives are unpacked once.
#[derive(Clone, Debug, Default)]
pub(super) struct Opened(Arc<tokio::sync::Mutex<BTreeMap<Digest, Weak<Bundle>>>>);

impl Opened {
    /// Opens an archive; one at a time, since each may unpack to half a gigabyte.
    async fn open(&self, bytes: Vec<u8>) -> Result<Result<Arc<Bundle>, String>, JoinError> {
        let mut known = Arc::clone(&self.0).lock_owned().await;
        tokio::task::spawn_blocking(move || {
            known.retain(|_, bundle| bundle.strong_count() > 0);
            let digest = Digest::of(&bytes);
            if let Some(bundle) = known.get(&digest).and_then(Weak::upgrade) {
                return Ok(bundle);
            }
            let bundle = open(&bytes)?;
            known.insert(digest, Arc::downgrade(&bundle));
            Ok(bundle)
        })
        .await
    }
}

fn open(bytes: &[u8]) -> Result<Arc<Bundle>, String> {
    let tree = Tree::read_archive(bytes, &Caps::default()).map_err(|e| e.to_string())?;
    Bundle::open(tree).map(Arc::new).map_err(|e| e.to_string())
}
