//! What is changed in AWS.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Access, Confirmed, ImageRef};
use crate::{
    bundle::{CarriedImage, FileAsset},
    change::{Hidden, ParameterValue, StackInput},
    stack::ChangeSetKind,
    words::{BucketName, ChangeSetArn, ChangeSetName, Digest, RoleArn, StackId, StackKey},
};

/// A changing effect on AWS.
#[derive(Clone, PartialEq, Debug)]
pub enum Mutation {
    /// Puts an asset into the bucket unless the same entries lie there already.
    Publish(Box<Upload>),
    /// Copies an image into its repository unless the same lies there already.
    PushImage(Box<ImageUpload>),
    /// CreateChangeSet.
    CreateChangeSet(Box<WantedChangeSet>),
    /// ExecuteChangeSet, of one that a fresh look has confirmed.
    Execute(StackKey, Confirmed<ChangeSetArn>, Access),
    /// DeleteChangeSet, by ARN, and why: whoever asks for the same one later is told.
    DeleteChangeSet(StackKey, ChangeSetArn, String, Access),
    /// UpdateTerminationProtection, on or off.
    Protect(StackKey, Confirmed<StackId>, bool, Access),
    /// DeleteStack, of one that a fresh look has confirmed: in REVIEW_IN_PROGRESS without change sets, or what is left of a
    /// creation that was rolled back.
    DeleteStack(StackKey, Confirmed<StackId>, Access),
}

impl Mutation {
    /// Whether it must not be sent any more: there is no change set that could be withdrawn from whoever was held up between
    /// deciding and acting, and the look that it rests on is too old by now.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        match self {
            Self::DeleteStack(_, id, _) | Self::Protect(_, id, ..) => id.is_over(now),
            Self::Publish(_)
            | Self::PushImage(_)
            | Self::CreateChangeSet(_)
            | Self::Execute(..)
            | Self::DeleteChangeSet(..) => false,
        }
    }
}

/// An asset to be published.
#[derive(Clone, PartialEq, Debug)]
pub struct Upload {
    /// The bucket; its owner must be the account of `access`.
    pub bucket: BucketName,
    /// The key.
    pub key: String,
    /// The entries, and how they are packed.
    pub asset: FileAsset,
    /// How the bucket is reached.
    pub access: Access,
}

/// An image to be copied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageUpload {
    /// Where it goes.
    pub to: ImageRef,
    /// The asset, as the assembly shows it.
    pub asset: String,
    /// The image.
    pub image: Arc<CarriedImage>,
    /// How the repository is reached.
    pub access: Access,
}

/// A change set to be made.
#[derive(Clone, PartialEq, Debug)]
pub struct WantedChangeSet {
    /// The stack.
    pub key: StackKey,
    /// The change set's name.
    pub name: ChangeSetName,
    /// Whether there is a stack yet.
    pub kind: ChangeSetKind,
    /// Its description, with the proof that it is ours.
    pub description: String,
    /// The template.
    pub template: TemplateSource,
    /// Parameter values; an absent value means the one that the stack has.
    pub parameters: Vec<(String, Option<Hidden>)>,
    /// Stack tags.
    pub tags: Vec<(String, String)>,
    /// Capabilities.
    pub capabilities: Vec<String>,
    /// The role that CloudFormation acts with; absent only for toolkit stacks.
    pub role: Option<RoleArn>,
    /// SNS topics; absent leaves them alone.
    pub notification_arns: Option<Vec<String>>,
    /// Whether existing resources with fixed names are imported (toolkit stacks).
    pub import_existing: bool,
    /// The idempotency token.
    pub token: String,
    /// Whether an answer to it may repeat a secret value that is not known here, so that its words are not shown.
    pub quiet: bool,
    /// How the account is reached.
    pub access: Access,
}

impl WantedChangeSet {
    /// Whether the digest of this input covers the whole call. Both sides are taken apart: a new field of either has to be
    /// placed here.
    #[must_use]
    pub fn is_covered_by(&self, input: &StackInput) -> bool {
        let Self {
            key,
            // Derived from owner, input and baseline.
            name: _,
            kind: _,
            description: _,
            token: _,
            template,
            parameters,
            tags,
            capabilities,
            role,
            notification_arns,
            import_existing,
            // Of the answer, not of the call.
            quiet: _,
            // Who calls makes no difference to what CloudFormation does.
            access: _,
        } = self;
        let StackInput {
            key: of,
            template: digest,
            template_key,
            assets,
            // The template names them by their tags.
            images: _,
            parameters: values,
            tags: covered,
            capabilities: granted,
            role: passed,
            notification_arns: topics,
            // Set by a call of its own.
            termination_protection: _,
            import_existing: import,
        } = input;
        let same_template = match template {
            TemplateSource::Inline(text) => template_key.is_none() && Digest::of(text.as_bytes()) == *digest,
            TemplateSource::Bucket(_, object) => {
                template_key.as_ref() == Some(object) && assets.contains_key(object)
            }
        };
        let value = |(name, value): &(String, Option<Hidden>)| match (values.get(name), value) {
            (Some(ParameterValue::Plain(a)), Some(b)) => a == b.reveal(),
            (Some(ParameterValue::Secret(_)), Some(_)) => true,
            // Which parameters the stack has is said by the baseline, and what stands behind them by the change set.
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        key == of
            && same_template
            && parameters.iter().filter(|(_, v)| v.is_some()).count() == values.len()
            && parameters.iter().all(value)
            && tags.len() == covered.len()
            && tags.iter().all(|(k, v)| covered.get(k) == Some(v))
            && capabilities.len() == granted.len()
            && capabilities.iter().all(|c| granted.contains(c))
            && role == passed
            && notification_arns == topics
            && import_existing == import
    }
}

/// Where CloudFormation gets a template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TemplateSource {
    /// From the bucket of the environment, path style.
    Bucket(BucketName, String),
    /// From the call itself, at most 51,200 bytes.
    Inline(Arc<str>),
}
