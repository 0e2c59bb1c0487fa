//! The upload itself: encrypted as the bucket demands, with a checksum, and never over something else.

use aws_sdk_s3::{
    operation::put_object::builders::PutObjectFluentBuilder,
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ServerSideEncryption},
};
use stackgate_core::{
    bundle::Packaging,
    effect::{RefusalKind, Upload},
};

use super::{calls::Operation, class::Class, failed::Failed, publish::Packed, session::Clients};

impl Clients {
    /// Uploads, only if nothing is there, or only over the object with this ETag.
    pub(super) async fn put(
        &self,
        upload: &Upload,
        packed: &Packed,
        over: Option<String>,
    ) -> Result<(), Failed> {
        let size = packed.bytes.len() as u64;
        let put = self
            .s3_write
            .put_object()
            .bucket(upload.bucket.as_str())
            .key(&upload.key)
            .expected_bucket_owner(self.env.account.as_str())
            .content_type(content_type(upload))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(&packed.sha256)
            .body(ByteStream::from(packed.bytes.to_vec()));
        let put = match over {
            None => put.if_none_match("*"),
            Some(etag) => put.if_match(etag),
        };
        let put = self.encrypted(put, upload).await?;
        let limits = aws_sdk_s3::config::Builder::new().timeout_config(self.settings.upload_timeouts(size));
        let call = put.customize().config_override(limits).send();
        let put = self.calls.make(Operation::PutObject, &self.env, call).await;
        put.map(drop).map_err(|f| self.explain_bucket(f, upload))
    }

    /// Names the bucket's own encryption in the call: some organisations deny uploads that name none.
    async fn encrypted(
        &self,
        put: PutObjectFluentBuilder,
        upload: &Upload,
    ) -> Result<PutObjectFluentBuilder, Failed> {
        let call = self
            .s3
            .get_bucket_encryption()
            .bucket(upload.bucket.as_str())
            .expected_bucket_owner(self.env.account.as_str())
            .send();
        let reply = match self.calls.make(Operation::GetBucketEncryption, &self.env, call).await {
            Ok(reply) => reply,
            Err(failed) if failed.code() == Some("ServerSideEncryptionConfigurationNotFoundError") => {
                return Ok(put);
            }
            // Not being told is no reason not to try; the bucket decides.
            Err(failed) if failed.class() == Class::Refused(RefusalKind::Denied) => return Ok(put),
            Err(failed) => return Err(self.explain_bucket(failed, upload)),
        };
        let default = reply
            .server_side_encryption_configuration()
            .and_then(|c| c.rules().first())
            .and_then(|r| r.apply_server_side_encryption_by_default());
        Ok(match default {
            None => put,
            Some(d) if *d.sse_algorithm() == ServerSideEncryption::Aes256 => {
                put.server_side_encryption(ServerSideEncryption::Aes256)
            }
            Some(d) => put
                .server_side_encryption(d.sse_algorithm().clone())
                .set_ssekms_key_id(d.kms_master_key_id().map(str::to_owned)),
        })
    }
}

fn content_type(upload: &Upload) -> &'static str {
    if upload.asset.packaging == Packaging::Zip {
        return "application/zip";
    }
    match upload.key.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json") => "application/json",
        Some("yaml" | "yml") => "text/yaml",
        Some("zip" | "jar") => "application/zip",
        Some("html") => "text/html",
        Some("txt") => "text/plain",
        Some("js" | "mjs") => "text/javascript",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some(_) | None => "application/octet-stream",
    }
}
