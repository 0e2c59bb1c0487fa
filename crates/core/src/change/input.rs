//! What is asked of CloudFormation for one stack, and what a whole release comes to for a Stage.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Canonical, Given, GivenValue, Hidden, HmacKey,
    ids::{release_id, stack_key},
};
use crate::{
    api::BootstrapProposal,
    bundle::{Bundle, StackArtifact},
    words::{Digest, ReleaseId, RoleArn, StackKey, ToolkitNames, Uid},
};

/// The capabilities that the CDK CLI grants, for stacks of apps as for toolkit stacks (cdk.md 1.3, 3.4).
pub const CAPABILITIES: [&str; 3] = ["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"];

/// Everything that goes into the change-set call of one stack, and what it draws in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackInput {
    /// Where the stack lives.
    pub key: StackKey,
    /// The template's bytes.
    pub template: Digest,
    /// The key in the assets bucket that CloudFormation reads it from; absent where it comes with the call.
    pub template_key: Option<String>,
    /// The assets: key in the bucket, and the digest of their entries.
    pub assets: BTreeMap<String, Digest>,
    /// The images that the assembly carries: tag, and the digest of the manifest.
    pub images: BTreeMap<String, Digest>,
    /// Parameter values.
    pub parameters: BTreeMap<String, ParameterValue>,
    /// Stack tags.
    pub tags: BTreeMap<String, String>,
    /// Capabilities, as the CDK sends them.
    pub capabilities: BTreeSet<String>,
    /// The role that CloudFormation acts with; absent for toolkit stacks.
    pub role: Option<RoleArn>,
    /// SNS topics; absent leaves them alone.
    pub notification_arns: Option<Vec<String>>,
    /// Absent leaves it alone.
    pub termination_protection: Option<bool>,
    /// Whether resources with fixed names that are there already are taken over.
    pub import_existing: bool,
}

impl StackInput {
    /// What goes into the change-set call of a toolkit stack with this content.
    #[must_use]
    pub fn of_toolkit(key: &StackKey, content: &BootstrapProposal) -> Self {
        let plain = |(k, v): (&String, &String)| (k.clone(), ParameterValue::Plain(v.clone()));
        Self {
            key: key.clone(),
            template: content.template,
            template_key: None,
            assets: BTreeMap::new(),
            images: BTreeMap::new(),
            parameters: content.parameters.iter().map(plain).collect(),
            tags: BTreeMap::new(),
            capabilities: CAPABILITIES.iter().map(|c| (*c).to_owned()).collect(),
            role: None,
            notification_arns: None,
            termination_protection: None,
            import_existing: true,
        }
    }
}

/// The value of a parameter, as it goes into digests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParameterValue {
    /// Readable.
    Plain(String),
    /// Of a `NoEcho` parameter: an HMAC. The plain digest of a short secret could be guessed.
    Secret(Digest),
}

impl ParameterValue {
    /// The value as it goes into digests.
    #[must_use]
    pub fn of(name: &str, value: &str, no_echo: bool, key: &HmacKey) -> Self {
        if no_echo {
            Self::Secret(key.sign(&[b"parameter v1", name.as_bytes(), value.as_bytes()]))
        } else {
            Self::Plain(value.to_owned())
        }
    }
}

impl StackInput {
    /// What this stack of a CDK app comes to in the environment that these are the names of, with these parameter values.
    #[must_use]
    pub fn of(artifact: &StackArtifact, names: &ToolkitNames, given: &Given, key: &HmacKey) -> Self {
        Self {
            key: artifact.key(),
            template: artifact.template_file.digest(),
            template_key: Some(artifact.template_object.key.clone()),
            assets: artifact.assets.files.iter().map(|f| (f.destination.key.clone(), f.digest)).collect(),
            images: carried_images(artifact).map(|(tag, digest)| (tag.to_owned(), digest)).collect(),
            parameters: values_for(artifact, given)
                .into_iter()
                .map(|(name, v)| {
                    let hidden =
                        v.secret || artifact.template.parameters.get(name).is_some_and(|p| p.no_echo);
                    (name.clone(), ParameterValue::of(name, v.text.reveal(), hidden, key))
                })
                .collect(),
            tags: artifact.tags.clone(),
            capabilities: CAPABILITIES.iter().map(|c| (*c).to_owned()).collect(),
            role: Some(names.execution_role()),
            notification_arns: artifact.notification_arns.clone(),
            termination_protection: artifact.termination_protection,
            import_existing: false,
        }
    }

    /// The digest of all of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let Self {
            key,
            template,
            template_key,
            assets,
            images,
            parameters,
            tags,
            capabilities,
            role,
            notification_arns,
            termination_protection,
            import_existing,
        } = self;
        let pair = |c: Canonical, (k, v): (&String, &String)| c.text("key", k).text("value", v);
        let parameter = |c: Canonical, (k, v): (&String, &ParameterValue)| match v {
            ParameterValue::Plain(v) => c.text("key", k).text("value", v),
            ParameterValue::Secret(d) => c.text("key", k).bytes("secret", d.bytes()),
        };
        let c = stack_key(Canonical::new("stackgate stack input v2"), key)
            .bytes("template", template.bytes())
            .maybe("templateKey", template_key.as_deref())
            .list("assets", assets.iter(), |c, (k, d)| c.text("key", k).bytes("entries", d.bytes()))
            .list("parameters", parameters.iter(), parameter)
            .list("tags", tags.iter(), pair)
            .list("capabilities", capabilities.iter(), |c, v| c.text("capability", v))
            .maybe("role", role.as_ref().map(RoleArn::as_str))
            .maybe("terminationProtection", termination_protection.map(|b| if b { "true" } else { "false" }))
            .text("importExisting", if *import_existing { "true" } else { "false" });
        let c = match notification_arns {
            None => c.text("notificationARNs", "leave"),
            Some(l) => c.list("notificationARNs", l.iter(), |c, v| c.text("arn", v)),
        };
        // An input without images is what it was before there were any.
        if images.is_empty() {
            return c.digest();
        }
        c.list("images", images.iter(), |c, (tag, d)| c.text("tag", tag).bytes("manifest", d.bytes()))
            .digest()
    }
}

/// The images of a stack that the assembly carries, by tag.
pub(super) fn carried_images(artifact: &StackArtifact) -> impl Iterator<Item = (&str, Digest)> {
    let digest = |i: &crate::bundle::ImageAsset| i.carried.as_ref().map(|image| image.digest());
    artifact.assets.images.iter().filter_map(move |i| Some((i.destination.tag.as_str(), digest(i)?)))
}

/// The values for the parameters that a stack declares: what the Stage gives, else what the assembly does. What neither gives keeps
/// the value that the stack has, else the template's default.
#[must_use]
pub fn values_for<'a>(artifact: &'a StackArtifact, given: &Given) -> BTreeMap<&'a String, GivenValue> {
    let value = |name: &String| {
        let own = || {
            let text = artifact.parameters.get(name)?.as_str();
            Some(GivenValue { text: Hidden::new(text), secret: false })
        };
        given.value(&artifact.name, name).cloned().or_else(own)
    };
    artifact.template.parameters.keys().filter_map(|name| Some((name, value(name)?))).collect()
}

/// a1 of a release before it is planned: what it comes to for this Stage. `None`: it has no such CDK Stage, or one that
/// cannot be deployed; planning it says why.
#[must_use]
pub fn coming(
    bundle: &Bundle,
    stage: &Uid,
    cdk_stage: Option<&str>,
    given: &Given,
    key: &HmacKey,
) -> Option<ReleaseId> {
    let inputs = bundle.stage(cdk_stage).ok()?.stacks.iter().map(|artifact| {
        let stack = artifact.key();
        let names = ToolkitNames { qualifier: artifact.mentioned_qualifier()?, env: stack.env.clone() };
        Some((stack, StackInput::of(artifact, &names, given, key).digest()))
    });
    Some(release_id(stage, &inputs.collect::<Option<_>>()?))
}
