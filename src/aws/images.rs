//! Container images: whether one lies in its repository.

use aws_sdk_ecr::types::ImageIdentifier;
use stackgate_core::effect::ImageRef;

use super::{calls::Operation, failed::Failed, session::Clients};

impl Clients {
    /// Whether the repository holds the tag. A repository that is not there holds none.
    pub(super) async fn has_image(&self, image: &ImageRef) -> Result<bool, Failed> {
        let id = ImageIdentifier::builder().image_tag(&image.tag).build();
        let call = self.ecr.describe_images().repository_name(&image.repository).image_ids(id).send();
        match self.calls.make(Operation::DescribeImages, &self.env, call).await {
            // Some answer with an empty list where AWS says ImageNotFoundException.
            Ok(reply) => Ok(!reply.image_details().is_empty()),
            Err(failed) if failed.is_not_found() => Ok(false),
            Err(failed) => Err(failed),
        }
    }
}
