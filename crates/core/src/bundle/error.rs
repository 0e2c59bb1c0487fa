//! Why an assembly, or one CDK Stage of it, cannot be deployed.

use super::{
    entries::ContentError,
    image::ImageError,
    path::{BadPath, TreePath},
    template::TemplateError,
};
use crate::words::{BadWord, BucketName, Env};

/// Why an assembly, or one CDK Stage of it, cannot be deployed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// A file that the assembly refers to is not in it.
    #[error("{path} is not in the assembly, but {named_by} refers to it; ship the whole cdk.out")]
    MissingFile {
        /// The file or directory.
        path: TreePath,
        /// Who names it.
        named_by: String,
    },
    /// A file is no JSON, or names a key twice.
    #[error("{path} is not valid JSON: {why}")]
    BadJson {
        /// The file.
        path: TreePath,
        /// The parser's words.
        why: String,
    },
    /// A file is JSON, but not what it should be.
    #[error("{path} is not as CDK writes it: {why}")]
    Malformed {
        /// The file.
        path: TreePath,
        /// What is wrong.
        why: String,
    },
    /// The schema of the assembly is newer than this program reads.
    #[error(
        "{path} has cloud assembly schema {found}, but this version of Stackgate reads up to {supported}; \
         upgrade Stackgate or synthesise with an older CDK"
    )]
    SchemaTooNew {
        /// The file.
        path: TreePath,
        /// The version in the file.
        found: String,
        /// The highest major version that is read.
        supported: u32,
    },
    /// Context was missing at synthesis: templates hold dummy values.
    #[error(
        "{path} misses context ({}): the templates hold dummy values; run cdk synth with access to the accounts \
         and commit cdk.context.json",
        keys.join(", ")
    )]
    MissingContext {
        /// The manifest.
        path: TreePath,
        /// The context keys.
        keys: Vec<String>,
    },
    /// A validation report says that the synthesis failed.
    #[error("{path} says that the validation of the templates failed; correct the app and synthesise again")]
    ValidationFailed {
        /// The report.
        path: TreePath,
    },
    /// The app added errors while it was synthesised.
    #[error("stack {stack} was synthesised with errors: {}", messages.join("; "))]
    SynthesisErrors {
        /// The stack's display name.
        stack: String,
        /// The messages, with their construct paths.
        messages: Vec<String>,
    },
    /// The assembly holds no CDK Stage of that name.
    #[error("the assembly holds no {}; it holds: {}", asked_for(asked), list(available))]
    NoSuchCdkStage {
        /// What was asked for; empty for the stacks at the root.
        asked: String,
        /// The display paths that there are.
        available: Vec<String>,
    },
    /// The stack says not where it belongs.
    #[error(
        "stack {stack} has the environment {environment:?}; give the CDK Stage or stack an explicit \
         env: {{ account, region }}"
    )]
    UnknownEnvironment {
        /// The stack's display name.
        stack: String,
        /// The environment as written.
        environment: String,
    },
    /// A value of a stack is not the word it should be.
    #[error("stack {stack}, {field}: {source}")]
    BadWord {
        /// The stack's display name.
        stack: String,
        /// The field of the manifest.
        field: &'static str,
        /// The word's rule.
        source: BadWord,
    },
    /// The stack was synthesised by another synthesizer than the default one.
    #[error(
        "stack {stack} has no {field}: it was not synthesised by DefaultStackSynthesizer (CliCredentials, Bootstrapless \
         and Legacy synthesizers are not supported)"
    )]
    OtherSynthesizer {
        /// The stack's display name.
        stack: String,
        /// The first missing field.
        field: &'static str,
    },
    /// The stack has a tag that only the tools may set.
    #[error(
        "stack {stack} has the reserved tag {tag:?}; tags under stackgate.dev/ and aws-cdk: are not for apps"
    )]
    ReservedTag {
        /// The stack's display name.
        stack: String,
        /// The tag's key.
        tag: String,
    },
    /// An asset is built by a command of the assembly.
    #[error(
        "asset {asset} of {path} is made by a command (executable); Stackgate runs no commands of an assembly"
    )]
    ExecutableAsset {
        /// The asset manifest.
        path: TreePath,
        /// The asset's id.
        asset: String,
    },
    /// An asset that the stack uses goes to another environment only.
    #[error(
        "stack {stack} uses the asset {asset}, which its asset manifest does not offer for {env}; where the App gives one \
         synthesizer object to all stacks, set the context key @aws-cdk/core:bootstrapQualifier instead"
    )]
    ForeignAsset {
        /// The asset's id.
        asset: String,
        /// The stack's display name.
        stack: String,
        /// The stack's environment.
        env: Env,
    },
    /// Two different contents would be published under one key.
    #[error("stack {stack} publishes two different contents as s3://{bucket}/{key}")]
    KeyTakenTwice {
        /// The display name of the stack that comes second.
        stack: String,
        /// The bucket.
        bucket: BucketName,
        /// The key.
        key: String,
    },
    /// Two different images would be pushed under one tag.
    #[error("stack {stack} carries another image for tag {tag} of {repository} than a stack before it")]
    TagTakenTwice {
        /// The display name of the stack that comes second.
        stack: String,
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// The template that CloudFormation would read is not the one that the assembly shows.
    #[error(
        "stack {stack}: its template is to be read from s3://{bucket}/{key}, where {template} is not published: what runs \
         would not be what was read and approved"
    )]
    TemplateNotPublished {
        /// The stack's display name.
        stack: String,
        /// The template in the assembly.
        template: TreePath,
        /// The bucket.
        bucket: BucketName,
        /// The key.
        key: String,
    },
    /// A template draws something in that the release does not publish.
    #[error(
        "stack {stack}: {what}, which no stack of this CDK Stage publishes as an asset: what lies there could be changed \
         after the approval"
    )]
    DrawnIn {
        /// The stack's display name.
        stack: String,
        /// Which resource draws in what.
        what: String,
    },
    /// A path in a manifest leads out of the assembly.
    #[error("{named_by}: {source}")]
    Path {
        /// Who names it.
        named_by: String,
        /// The path's rule.
        source: BadPath,
    },
    /// The files of an asset cannot be read.
    #[error("asset {asset}: {source}")]
    Content {
        /// The asset's id.
        asset: String,
        /// What is wrong with it.
        source: ContentError,
    },
    /// The image of an asset lies in the assembly, and cannot be copied.
    #[error("image asset {asset}, {path}: {source}")]
    Image {
        /// The asset, as the assembly shows it.
        asset: String,
        /// The directory or tar file that holds the image.
        path: TreePath,
        /// What is wrong with it.
        source: ImageError,
    },
    /// A template cannot be read.
    #[error("template {path}: {source}")]
    Template {
        /// The template's file.
        path: TreePath,
        /// What is wrong with it.
        source: TemplateError,
    },
    /// Stacks depend on each other in a circle.
    #[error("stacks depend on each other in a circle: {}", stacks.join(", "))]
    DependencyCycle {
        /// Display names of the stacks in it, and of those that wait for them.
        stacks: Vec<String>,
    },
    /// Two stacks of one CDK Stage would be the same stack in AWS.
    #[error("stacks {first} and {second} are both {key}; give one of them another stackName")]
    SameStack {
        /// One display name.
        first: String,
        /// The other.
        second: String,
        /// Account, region and name.
        key: String,
    },
}

fn asked_for(stage: &str) -> String {
    if stage.is_empty() {
        "stacks at its root (spec.cdkStage is not set)".to_owned()
    } else {
        format!("CDK Stage {stage:?}")
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
