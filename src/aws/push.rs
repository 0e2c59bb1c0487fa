//! Copying an image: the blobs that the repository lacks, one part at a time, then the manifest under the tag. What lies under the tag
//! already must be the same image, else nothing is deployed with it.

use aws_sdk_ecr::types::{ImageIdentifier, LayerAvailability};
use aws_smithy_types::Blob as Bytes;
use stackgate_core::{
    bundle::{Blob, ImageManifest, ManifestKind},
    effect::{ImageUpload, RefusalKind},
};

use super::{calls::Operation, class::Class, failed::Failed, session::Clients};

/// The most blobs that one call may ask for (BatchCheckLayerAvailability).
const BLOBS_A_CALL: usize = 100;
/// The most bytes that are sent at once, whatever ECR would take: a part is in memory as bytes, as base64 and as JSON.
const MOST_PART: usize = 64 << 20;

/// What lies under the tag.
enum Tagged {
    Nothing,
    TheSame,
    /// An image with this digest.
    Another(String),
}

impl Clients {
    /// Copies the image into its repository, unless it lies there already.
    pub(super) async fn push(&self, upload: &ImageUpload) -> Result<(), Failed> {
        match self.tagged(upload).await? {
            Tagged::TheSame => return Ok(()),
            Tagged::Another(digest) => return Err(taken(upload, &digest)),
            Tagged::Nothing => {}
        }
        for blobs in upload.image.blobs().chunks(BLOBS_A_CALL) {
            for blob in self.missing(upload, blobs).await? {
                self.upload(upload, blob).await?;
            }
        }
        for part in upload.image.parts() {
            self.put_image(upload, part, None).await?;
        }
        match self.put_image(upload, upload.image.top(), Some(&upload.to.tag)).await {
            // Somebody was quicker.
            Err(failed) if failed.class() == Class::Refused(RefusalKind::AlreadyExists) => {
                match self.tagged(upload).await? {
                    Tagged::TheSame => Ok(()),
                    Tagged::Another(digest) => Err(taken(upload, &digest)),
                    Tagged::Nothing => Err(failed),
                }
            }
            put => put,
        }
    }

    /// What lies under the tag: by its digest, else by its config. Whoever pushed the same image packed its layers in their own way.
    async fn tagged(&self, upload: &ImageUpload) -> Result<Tagged, Failed> {
        let id = ImageIdentifier::builder().image_tag(&upload.to.tag).build();
        let call = self.ecr.describe_images().repository_name(&upload.to.repository).image_ids(id).send();
        let reply = match self.calls.make(Operation::DescribeImages, &self.env, call).await {
            Ok(reply) => reply,
            Err(failed) if failed.code() == Some("ImageNotFoundException") => return Ok(Tagged::Nothing),
            Err(failed) => return Err(self.explain_repository(failed, upload)),
        };
        // Some answer with an empty list where AWS says ImageNotFoundException.
        let Some(found) = reply.image_details().first() else { return Ok(Tagged::Nothing) };
        let digest = found.image_digest().unwrap_or_default();
        if digest == upload.image.digest().to_string() {
            return Ok(Tagged::TheSame);
        }
        let call = self
            .ecr
            .batch_get_image()
            .repository_name(&upload.to.repository)
            .image_ids(ImageIdentifier::builder().image_digest(digest).build())
            .accepted_media_types(ManifestKind::Image.media_type())
            .accepted_media_types(ManifestKind::DockerImage.media_type())
            .send();
        let reply = self.calls.make(Operation::BatchGetImage, &self.env, call).await;
        let reply = reply.map_err(|f| self.explain_repository(f, upload))?;
        let manifest = reply.images().first().and_then(|image| image.image_manifest());
        Ok(if manifest.is_some_and(|text| upload.image.is_stored_as(text)) {
            Tagged::TheSame
        } else {
            Tagged::Another(digest.to_owned())
        })
    }

    /// Those of the blobs that the repository lacks.
    async fn missing<'a>(&self, upload: &ImageUpload, blobs: &'a [Blob]) -> Result<Vec<&'a Blob>, Failed> {
        let digests = blobs.iter().map(|blob| blob.digest().to_string()).collect();
        let call = self
            .ecr
            .batch_check_layer_availability()
            .repository_name(&upload.to.repository)
            .set_layer_digests(Some(digests))
            .send();
        let reply = self.calls.make(Operation::BatchCheckLayerAvailability, &self.env, call).await;
        let reply = reply.map_err(|f| self.explain_repository(f, upload))?;
        let is_there = |blob: &&Blob| {
            let digest = blob.digest().to_string();
            reply.layers().iter().any(|layer| {
                layer.layer_digest() == Some(digest.as_str())
                    && layer.layer_availability() == Some(&LayerAvailability::Available)
            })
        };
        Ok(blobs.iter().filter(|blob| !is_there(blob)).collect())
    }

    /// Uploads a blob in parts of the size that ECR asks for.
    async fn upload(&self, upload: &ImageUpload, blob: &Blob) -> Result<(), Failed> {
        let repository = &upload.to.repository;
        let call = self.ecr_write.initiate_layer_upload().repository_name(repository).send();
        let begun = self.calls.make(Operation::InitiateLayerUpload, &self.env, call).await;
        let begun = begun.map_err(|f| self.explain_repository(f, upload))?;
        let size = begun.part_size().and_then(|size| usize::try_from(size).ok()).unwrap_or(MOST_PART);
        let mut first = 0;
        for part in blob.bytes().chunks(size.clamp(1, MOST_PART)) {
            let next = first + part.len() as i64;
            let call = self
                .ecr_write
                .upload_layer_part()
                .repository_name(repository)
                .set_upload_id(begun.upload_id().map(str::to_owned))
                .part_first_byte(first)
                .part_last_byte(next - 1)
                .layer_part_blob(Bytes::new(part));
            let call = call.customize().config_override(self.limits(part.len())).send();
            self.calls.make(Operation::UploadLayerPart, &self.env, call).await?;
            first = next;
        }
        let call = self
            .ecr_write
            .complete_layer_upload()
            .repository_name(repository)
            .set_upload_id(begun.upload_id().map(str::to_owned))
            .layer_digests(blob.digest().to_string());
        let call = call.customize().config_override(self.limits(blob.bytes().len())).send();
        match self.calls.make(Operation::CompleteLayerUpload, &self.env, call).await {
            // Whatever uploaded it, its digest is that of the bytes.
            Err(failed) if failed.code() == Some("LayerAlreadyExistsException") => Ok(()),
            ended => ended.map(drop),
        }
    }

    async fn put_image(
        &self,
        upload: &ImageUpload,
        manifest: &ImageManifest,
        tag: Option<&str>,
    ) -> Result<(), Failed> {
        let call = self
            .ecr_write
            .put_image()
            .repository_name(&upload.to.repository)
            .image_manifest(&*manifest.text)
            .image_manifest_media_type(manifest.kind.media_type())
            .image_digest(manifest.digest.to_string())
            .set_image_tag(tag.map(str::to_owned))
            .send();
        match self.calls.make(Operation::PutImage, &self.env, call).await {
            // The same manifest under the same tag.
            Err(failed) if failed.code() == Some("ImageAlreadyExistsException") => Ok(()),
            put => put.map(drop),
        }
    }

    fn limits(&self, bytes: usize) -> aws_sdk_ecr::config::Builder {
        aws_sdk_ecr::config::Builder::new().timeout_config(self.settings.upload_timeouts(bytes as u64))
    }

    fn explain_repository(&self, failed: Failed, upload: &ImageUpload) -> Failed {
        if !failed.is_not_found() {
            return failed;
        }
        let (repository, account) = (&upload.to.repository, &self.env.account);
        failed.hint(&format!("no repository named {repository}. Is account {account} bootstrapped?"))
    }
}

fn taken(upload: &ImageUpload, digest: &str) -> Failed {
    let ImageUpload { to, asset, image, access: _ } = upload;
    Failed::ours(
        RefusalKind::AssetKeyTaken,
        format!(
            "{}:{} in {} holds another image ({digest}) than the one that the assembly carries for {asset} ({}). Find out who \
             pushed it; to deploy, delete it there, or synthesise again with another asset hash",
            to.repository,
            to.tag,
            to.env,
            image.digest()
        ),
    )
}
