//! Every call to AWS: counted, logged, and its failure put into our words.

use std::future::Future;

use aws_sdk_sts::{error::SdkError, operation::RequestId};
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use stackgate_core::words::Env;

use super::failed::Failed;

macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $service:literal $name:literal,)+) => {
        /// An operation of an AWS service, as metrics and logs name it.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Operation { $($(#[$doc])* $variant,)+ }
        impl Operation {
            /// The service's short name.
            #[must_use]
            pub fn service(self) -> &'static str {
                match self { $(Self::$variant => $service,)+ }
            }
            /// Whether it changes something in an account.
            #[must_use]
            pub fn changes(self) -> bool {
                let reads = ["Assume", "Batch", "Get", "Describe", "Detect", "List", "Head"];
                !reads.iter().any(|verb| self.name().starts_with(verb))
            }
            /// The operation's name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

operations! {
    /// Assumes a role.
    AssumeRole = "sts" "AssumeRole",
    /// Tells the account of the base credentials.
    GetCallerIdentity = "sts" "GetCallerIdentity",
    /// Reads one stack by name.
    DescribeStack = "cloudformation" "DescribeStacks",
    /// Reads a page of all stacks of a region, for all that wait there.
    PollStacks = "cloudformation" "DescribeStacksPoll",
    /// Counts the change sets of a stack.
    ListChangeSets = "cloudformation" "ListChangeSets",
    /// Reads a page of a change set.
    DescribeChangeSet = "cloudformation" "DescribeChangeSet",
    /// Makes a change set.
    CreateChangeSet = "cloudformation" "CreateChangeSet",
    /// Runs a change set.
    ExecuteChangeSet = "cloudformation" "ExecuteChangeSet",
    /// Deletes a change set.
    DeleteChangeSet = "cloudformation" "DeleteChangeSet",
    /// Deletes a stack.
    DeleteStack = "cloudformation" "DeleteStack",
    /// Protects a stack against deletion.
    UpdateTerminationProtection = "cloudformation" "UpdateTerminationProtection",
    /// Begins to compare the resources of a stack with its template.
    DetectStackDrift = "cloudformation" "DetectStackDrift",
    /// Tells whether that has come to its end.
    DescribeStackDriftDetectionStatus = "cloudformation" "DescribeStackDriftDetectionStatus",
    /// Reads a page of the resources that differ.
    DescribeStackResourceDrifts = "cloudformation" "DescribeStackResourceDrifts",
    /// Reads a template.
    GetTemplate = "cloudformation" "GetTemplate",
    /// Reads a page of what validations and hooks found in a change set.
    DescribeEvents = "cloudformation" "DescribeEvents",
    /// Reads a page of the results of hooks on a change set.
    ListHookResults = "cloudformation" "ListHookResults",
    /// Reads a page of events.
    DescribeStackEvents = "cloudformation" "DescribeStackEvents",
    /// Looks for a container image.
    DescribeImages = "ecr" "DescribeImages",
    /// Reads the manifest of a container image.
    BatchGetImage = "ecr" "BatchGetImage",
    /// Asks which blobs a repository holds.
    BatchCheckLayerAvailability = "ecr" "BatchCheckLayerAvailability",
    /// Begins to upload a blob.
    InitiateLayerUpload = "ecr" "InitiateLayerUpload",
    /// Uploads a part of a blob.
    UploadLayerPart = "ecr" "UploadLayerPart",
    /// Ends the upload of a blob.
    CompleteLayerUpload = "ecr" "CompleteLayerUpload",
    /// Puts the manifest of a container image into a repository.
    PutImage = "ecr" "PutImage",
    /// Reads a parameter.
    GetParameter = "ssm" "GetParameter",
    /// Looks for an object.
    ListObjects = "s3" "ListObjectsV2",
    /// Reads what is known of an object.
    HeadObject = "s3" "HeadObject",
    /// Downloads an object.
    GetObject = "s3" "GetObject",
    /// Uploads an object.
    PutObject = "s3" "PutObject",
    /// Reads how a bucket encrypts.
    GetBucketEncryption = "s3" "GetBucketEncryption",
}

/// What came of a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CallOutcome {
    /// It was answered.
    Ok,
    /// It was answered by an error.
    Refused,
    /// There were too many calls.
    Throttled,
    /// There was no answer, or one that leaves things open.
    Unsure,
}

impl CallOutcome {
    /// The label's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Unsure => "unsure",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    service: &'static str,
    operation: &'static str,
    account: String,
    region: String,
    outcome: &'static str,
}

/// Counts calls: `stackgate_aws_requests_total`. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub struct Calls(Family<Labels, Counter>);

impl Calls {
    /// Makes the counter, and registers it in a registry whose names begin with `stackgate_`.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        let calls = Self::default();
        registry.register("aws_requests", "Calls to AWS by what came of them", calls.0.clone());
        calls
    }

    /// How many calls of this kind came out so.
    #[must_use]
    pub fn count(&self, operation: Operation, env: &Env, outcome: CallOutcome) -> u64 {
        self.0.get(&labels(operation, env, outcome)).map_or(0, |c| c.get())
    }

    /// Makes a call, counts and logs it.
    pub(super) async fn make<T, E>(
        &self,
        operation: Operation,
        env: &Env,
        call: impl Future<Output = Result<T, SdkError<E, Response>>>,
    ) -> Result<T, Failed>
    where
        T: RequestId,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = call.await;
        let name = operation.name();
        let (account, region) = (env.account.as_str(), env.region.as_str());
        let (outcome, result) = match answer {
            Ok(output) => {
                let request_id = output.request_id();
                if operation.changes() {
                    tracing::info!(operation = name, account, region, request_id, "AWS accepted");
                } else {
                    tracing::debug!(operation = name, account, region, request_id, "AWS answered");
                }
                (CallOutcome::Ok, Ok(output))
            }
            Err(error) => {
                let failed = Failed::of(name, &error);
                // Not its words: they may hold secrets, which are taken out of them later.
                let (code, request_id) = (failed.code(), error.request_id());
                tracing::debug!(operation = name, account, region, code, request_id, "AWS call failed");
                (failed.outcome(), Err(failed))
            }
        };
        self.0.get_or_create(&labels(operation, env, outcome)).inc();
        result
    }
}

fn labels(operation: Operation, env: &Env, outcome: CallOutcome) -> Labels {
    Labels {
        service: operation.service(),
        operation: operation.name(),
        account: env.account.as_str().to_owned(),
        region: env.region.as_str().to_owned(),
        outcome: outcome.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_under_the_documented_name() {
        let mut registry = Registry::default();
        let calls = Calls::new(&mut registry);
        let env = Env { account: "111111111111".parse().unwrap(), region: "ap-southeast-2".parse().unwrap() };
        calls.0.get_or_create(&labels(Operation::PutObject, &env, CallOutcome::Ok)).inc();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains(
            "aws_requests_total{service=\"s3\",operation=\"PutObject\",account=\"111111111111\",\
             region=\"ap-southeast-2\",outcome=\"ok\"} 1"
        ));
        assert_eq!(calls.count(Operation::PutObject, &env, CallOutcome::Ok), 1);
        assert_eq!(calls.count(Operation::PutObject, &env, CallOutcome::Refused), 0);
    }
}
