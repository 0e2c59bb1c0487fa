//! Publishing an asset: what lies under its key already must be the same, else nothing is deployed with it.

use std::sync::Arc;

use aws_sdk_s3::types::ChecksumMode;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use stackgate_core::{
    bundle::{Caps, Packaging},
    effect::{RefusalKind, Upload},
    words::Digest,
};

use super::{calls::Operation, class::Class, failed::Failed, session::Clients};

/// The size of an empty zip, which the CDK CLI takes for an upload that went wrong.
const EMPTY_ZIP: i64 = 22;

/// An object that lies under the key.
struct Found {
    size: i64,
    etag: Option<String>,
}

/// What is to be uploaded.
pub(super) struct Packed {
    /// The object's bytes.
    pub(super) bytes: Arc<[u8]>,
    /// Their SHA-256, as S3 writes it.
    pub(super) sha256: String,
}

impl Clients {
    /// Puts the asset into its bucket, unless the same lies there already.
    pub(super) async fn publish(&self, upload: &Upload) -> Result<(), Failed> {
        let packed = pack(upload).await?;
        let Some(found) = self.find(upload).await? else {
            return match self.put(upload, &packed, None).await {
                // Somebody was quicker.
                Err(failed) if failed.class() == Class::PreconditionFailed => {
                    self.compare(upload, &packed).await
                }
                other => other,
            };
        };
        if found.size == EMPTY_ZIP && packed.bytes.len() as i64 != EMPTY_ZIP {
            return self.replace_empty(upload, &packed, found).await;
        }
        self.compare(upload, &packed).await
    }

    /// Looks by listing, not by HEAD: S3 may remember for a while that a HEAD found nothing.
    async fn find(&self, upload: &Upload) -> Result<Option<Found>, Failed> {
        let call = self
            .s3
            .list_objects_v2()
            .bucket(upload.bucket.as_str())
            .prefix(&upload.key)
            .max_keys(1)
            .expected_bucket_owner(self.env.account.as_str())
            .send();
        let reply = self
            .calls
            .make(Operation::ListObjects, &self.env, call)
            .await
            .map_err(|f| self.explain_bucket(f, upload))?;
        // Keys are listed in order: the exact one comes before all that it begins.
        let object = reply.contents().first().filter(|o| o.key() == Some(upload.key.as_str()));
        Ok(object.map(|o| Found { size: o.size().unwrap_or_default(), etag: o.e_tag().map(str::to_owned) }))
    }

    /// Whether the object under the key is the same: by its checksum, else by its content.
    async fn compare(&self, upload: &Upload, packed: &Packed) -> Result<(), Failed> {
        let url = url(upload);
        let call = self
            .s3
            .head_object()
            .bucket(upload.bucket.as_str())
            .key(&upload.key)
            .checksum_mode(ChecksumMode::Enabled)
            .expected_bucket_owner(self.env.account.as_str())
            .send();
        let head = self.calls.make(Operation::HeadObject, &self.env, call).await;
        let head = head.map_err(|f| self.explain_bucket(f, upload))?;
        // A checksum of parts ends in `-<n>` and never equals a full one.
        if head.checksum_sha256() == Some(packed.sha256.as_str()) {
            return Ok(());
        }
        let size = head.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
        let may_be_same = match upload.asset.packaging {
            Packaging::File => size == packed.bytes.len() as u64,
            Packaging::Zip => size <= self.settings.object_bytes,
        };
        if may_be_same && self.holds_the_same(upload, &url).await? { Ok(()) } else { Err(taken(&url)) }
    }

    /// Downloads the object and compares bytes, or the entries of a zip: packers differ.
    async fn holds_the_same(&self, upload: &Upload, url: &str) -> Result<bool, Failed> {
        let call = self
            .s3
            .get_object()
            .bucket(upload.bucket.as_str())
            .key(&upload.key)
            .expected_bucket_owner(self.env.account.as_str())
            .send();
        let reply = self.calls.make(Operation::GetObject, &self.env, call).await;
        let reply = reply.map_err(|f| self.explain_bucket(f, upload))?;
        let Some(bytes) = self.download(reply.body, url).await? else { return Ok(false) };
        let content = upload.asset.content.clone();
        let compared = tokio::task::spawn_blocking(move || content.equals_object(&bytes, &Caps::default()));
        // What is no zip, or one that passes the caps, is not what we would put there.
        Ok(compared.await.map_err(|e| broke(url, &e))?.unwrap_or(false))
    }

    /// An empty zip is what a broken upload leaves: it counts as missing, as for the CDK CLI.
    async fn replace_empty(&self, upload: &Upload, packed: &Packed, found: Found) -> Result<(), Failed> {
        if upload.asset.packaging == Packaging::Zip && found.etag.is_some() {
            return match self.put(upload, packed, found.etag).await {
                Err(failed) if failed.class() == Class::PreconditionFailed => {
                    self.compare(upload, packed).await
                }
                other => other,
            };
        }
        self.compare(upload, packed).await
    }

    /// Says what a refusal by the bucket most often means.
    pub(super) fn explain_bucket(&self, failed: Failed, upload: &Upload) -> Failed {
        let (bucket, account) = (&upload.bucket, &self.env.account);
        match failed.class() {
            Class::Refused(RefusalKind::NotFound) => {
                failed.hint(&format!("no bucket named {bucket}. Is account {account} bootstrapped?"))
            }
            Class::Refused(RefusalKind::Denied) => failed.hint(&format!(
                "bucket {bucket} cannot be used, or does not belong to account {account}. Is account {account} \
                 bootstrapped?"
            )),
            Class::Refused(_) | Class::SessionLost | Class::PreconditionFailed | Class::NotSent | Class::Open => {
                failed
            }
        }
    }
}

/// Packs off the runtime's threads: a zip of some hundred megabytes takes seconds.
async fn pack(upload: &Upload) -> Result<Packed, Failed> {
    let content = upload.asset.content.clone();
    let packed = tokio::task::spawn_blocking(move || {
        content.object().map(|bytes| {
            let sha256 = BASE64_STANDARD.encode(Digest::of(&bytes).bytes());
            Packed { bytes, sha256 }
        })
    });
    packed.await.map_err(|e| broke(&url(upload), &e))?.map_err(|e| {
        Failed::ours(RefusalKind::Invalid, format!("asset {} cannot be packed: {e}", upload.asset.id))
    })
}

fn broke(url: &str, error: &tokio::task::JoinError) -> Failed {
    Failed::ours(RefusalKind::Unavailable, format!("the asset for {url} could not be read: {error}"))
}

fn url(upload: &Upload) -> String {
    format!("s3://{}/{}", upload.bucket, upload.key)
}

fn taken(url: &str) -> Failed {
    Failed::ours(
        RefusalKind::AssetKeyTaken,
        format!(
            "{url} holds something else than this asset. Find out who put it there; to deploy, delete it (with all \
             its versions) or synthesise again with another asset hash"
        ),
    )
}
