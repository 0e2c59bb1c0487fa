//! An emulator behind a recording proxy, a bootstrapped account, and the adapter that acts in it.

use std::{fs, sync::Arc};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use stackgate::aws::{Asked, Aws, Calls, Sessions, Settings, asked};
use stackgate_core::{
    change::HmacKey,
    effect::{Access, Confirmed, Look, Mutation, Outcome, Refusal, Scope},
    words::{Env, RoleArn, StackKey, ToolkitNames},
};
use stackgate_testbed::{Emulator, Proxy, fresh_dir};

/// The controller's account.
pub(crate) const BUILD: &str = "999999999999";
/// The account that is deployed into.
pub(crate) const DEV: &str = "111111111111";
/// An account between the two.
pub(crate) const HUB: &str = "888888888888";
const REGION: &str = "ap-southeast-2";

pub(crate) struct World {
    pub(crate) proxy: Proxy,
    pub(crate) calls: Calls,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) aws: Aws,
    base: SdkConfig,
    _emulator: Emulator,
}

impl World {
    /// Starts it, with `DEV` bootstrapped by roles, bucket and parameter as the CDK names them.
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    /// As [`World::start`], with other time limits.
    pub(crate) async fn with(settings: Settings) -> Self {
        let dir = fresh_dir("aws").unwrap();
        let emulator = Emulator::start(&dir).unwrap();
        let proxy = Proxy::start(&dir, &emulator).unwrap();
        let base = config(&proxy);
        let calls = Calls::new(&mut Registry::default());
        let sessions = Arc::new(Sessions::new(as_account(&base, BUILD), settings, calls.clone()));
        let aws = Aws::new(sessions.clone(), HmacKey::new([7; 32]));
        let world = Self { proxy, calls, sessions, aws, base, _emulator: emulator };
        world.stack(DEV, "Toolkit", &toolkit()).await;
        world.proxy.clear();
        world
    }

    /// Clients that act as an account's administrator, past the adapter.
    pub(crate) fn admin(&self, account: &str) -> SdkConfig {
        as_account(&self.base, account)
    }

    pub(crate) fn s3(&self, account: &str) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.admin(account)).force_path_style(true).build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// Creates a stack, past the adapter.
    pub(crate) async fn stack(&self, account: &str, name: &str, template: &Value) {
        let client = aws_sdk_cloudformation::Client::new(&self.admin(account));
        let create = client.create_stack().stack_name(name).template_body(template.to_string());
        create.capabilities("CAPABILITY_NAMED_IAM".into()).send().await.unwrap();
        for _ in 0..100 {
            let reply = client.describe_stacks().stack_name(name).send().await.unwrap();
            let status = reply.stacks()[0].stack_status().unwrap().as_str().to_owned();
            if status == "CREATE_COMPLETE" {
                return;
            }
            assert_eq!(status, "CREATE_IN_PROGRESS");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("stack {name} was not created");
    }

    pub(crate) async fn look(&self, look: Look) -> Outcome {
        match asked(&look) {
            Asked::Aws(look) => self.aws.look(&look).await,
            Asked::LiveGate { .. } | Asked::ReleaseId { .. } | Asked::Values(_) => panic!("not for AWS"),
        }
    }

    pub(crate) async fn mutate(&self, mutation: Mutation) -> Outcome {
        self.aws.mutate(&mutation, jiff::Timestamp::now).await
    }
}

fn config(proxy: &Proxy) -> SdkConfig {
    let trust = TrustStore::empty().with_pem_certificate(fs::read(proxy.bundle()).unwrap());
    let tls = TlsContext::builder().with_trust_store(trust).build().unwrap();
    let http =
        Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls).build_https();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .endpoint_url(proxy.endpoint())
        .region(Region::new(REGION))
        .retry_config(RetryConfig::standard())
        .build()
}

fn as_account(base: &SdkConfig, account: &str) -> SdkConfig {
    let credentials = Credentials::new(account, "test", None, None, "test");
    base.to_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build()
}

pub(crate) fn env(account: &str) -> Env {
    Env { account: account.parse().unwrap(), region: REGION.parse().unwrap() }
}

pub(crate) fn names() -> ToolkitNames {
    ToolkitNames { qualifier: "acme".parse().unwrap(), env: env(DEV) }
}

pub(crate) fn key(name: &str) -> StackKey {
    StackKey { env: env(DEV), name: name.parse().unwrap() }
}

pub(crate) fn access(account: &str, roles: &[RoleArn]) -> Access {
    Access {
        env: env(account),
        roles: roles.to_vec(),
        session_name: "sg-0123456789abcdef".to_owned(),
        scope: None,
    }
}

/// The deploy role, narrowed to stacks whose names begin with `Dev-`.
pub(crate) fn deploy() -> Access {
    let names = names();
    let scope = Scope::Deploy {
        stack_names: vec!["Dev-*".to_owned()],
        execution_role: names.execution_role(),
        bucket: names.bucket(),
        version_parameter: names.version_parameter(),
    };
    Access { scope: Some(scope), ..access(DEV, &[names.deploy_role()]) }
}

/// A value that counts as just looked at.
pub(crate) fn confirmed<T>(value: T) -> Confirmed<T> {
    let now = jiff::Timestamp::now();
    Confirmed::by_look(value, now, now).unwrap()
}

pub(crate) fn refusal(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// The role's own part of its name.
fn name(role: &RoleArn) -> &str {
    role.as_str().rsplit('/').next().unwrap()
}

/// A role that an account may assume, or a service, with all rights on these services.
pub(crate) fn role(name: &str, principal: &Value, actions: &[&str]) -> Value {
    let allow = |rest: Value| {
        let mut statement = json!({"Effect": "Allow"});
        statement.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({"Version": "2012-10-17", "Statement": [statement]})
    };
    json!({"Type": "AWS::IAM::Role", "Properties": {
        "RoleName": name,
        "AssumeRolePolicyDocument": allow(json!({"Principal": principal, "Action": "sts:AssumeRole"})),
        "Policies": [{"PolicyName": "p", "PolicyDocument": allow(json!({"Action": actions, "Resource": "*"}))}],
    }})
}

fn toolkit() -> Value {
    let names = names();
    let build = json!({"AWS": format!("arn:aws:iam::{BUILD}:root")});
    let service = json!({"Service": "cloudformation.amazonaws.com"});
    let deploy = ["cloudformation:*", "iam:PassRole", "ssm:GetParameter", "s3:GetObject*", "s3:List*"];
    // Those that bootstrapping gives.
    let push = [
        "ecr:PutImage",
        "ecr:InitiateLayerUpload",
        "ecr:UploadLayerPart",
        "ecr:CompleteLayerUpload",
        "ecr:BatchCheckLayerAvailability",
        "ecr:DescribeRepositories",
        "ecr:DescribeImages",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    ];
    json!({"Resources": {
        "Deploy": role(name(&names.deploy_role()), &build, &deploy),
        "Exec": role(name(&names.execution_role()), &service, &["*"]),
        "Publish": role(name(&names.file_publishing_role()), &build, &["s3:*"]),
        "Lookup": role(name(&names.lookup_role()), &build, &["cloudformation:Describe*", "cloudformation:Detect*", "s3:GetObject*"]),
        "Push": role(name(&names.image_publishing_role()), &build, &push),
        "Repository": {"Type": "AWS::ECR::Repository", "Properties": {
            "RepositoryName": names.repository(), "ImageTagMutability": "IMMUTABLE"}},
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {
            "BucketName": names.bucket().as_str(), "VersioningConfiguration": {"Status": "Enabled"}}},
        "Version": {"Type": "AWS::SSM::Parameter", "Properties": {
            "Name": names.version_parameter(), "Type": "String", "Value": "33"}},
    }})
}
