//! Effects become calls. Every variant is matched: what is not performed here does not compile.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use stackgate_core::{
    api::{PinnedS3, PinnedSource, S3Source},
    change::{Given, HmacKey},
    effect::{
        Access, Fact, ImageRef, Look, Mutation, Outcome, PlanOwner, Receipt, Refusal, RefusalKind, Scope,
        SetRef, ValueSource,
    },
    words::{ChangeSetArn, Env, StackId, StackKey, Uid},
};
use tokio::sync::Semaphore;

use super::{
    class::Class,
    failed::Failed,
    session::{Clients, Session},
    sessions::Sessions,
    source::Opened,
};

/// Who answers a look.
#[derive(Clone, Debug)]
pub enum Asked<'a> {
    /// AWS does.
    Aws(AwsLook<'a>),
    /// AWS has the archive; what it comes to for a Stage is computed.
    ReleaseId {
        /// The archive.
        source: &'a PinnedS3,
        /// How it is read.
        access: &'a Access,
        /// UID of the Stage.
        stage: &'a Uid,
        /// The CDK Stage.
        cdk_stage: Option<&'a str>,
        /// The parameter values that the Stage gives.
        given: &'a Given,
    },
    /// The API server does: a ConfigMap or Secret.
    Values(&'a ValueSource),
    /// The API server does: Stage or Bootstrap, AwsAccounts and Freezes, live.
    LiveGate {
        /// The object that stands before the gate.
        owner: &'a PlanOwner,
        /// Names of the AwsAccounts.
        accounts: &'a [String],
        /// Name of the plan.
        plan: &'a str,
    },
}

/// A look that AWS answers; see [`Look`].
#[derive(Clone, Debug)]
pub enum AwsLook<'a> {
    /// A stack by name.
    Stack(&'a StackKey, &'a Access),
    /// A change set.
    ChangeSet(&'a StackKey, &'a SetRef, &'a Access),
    /// What else a change set holds.
    SetContent(&'a StackKey, &'a ChangeSetArn, &'a BTreeMap<String, ChangeSetArn>, &'a Access),
    /// A template as it was submitted.
    Template(&'a StackId, &'a Access),
    /// The first failed resource.
    Failure(&'a StackId, &'a Access),
    /// Begins to detect drift.
    DetectDrift(&'a StackId, &'a Access),
    /// What came of detecting it.
    Drift(&'a StackId, Option<&'a str>, &'a Access),
    /// The bootstrap version in this parameter.
    Toolkit(&'a Env, &'a str, &'a Access),
    /// What a stack puts out.
    Outputs(&'a StackId, &'a Access),
    /// An image in its repository.
    Image(&'a ImageRef, &'a Access),
    /// The newest version of an object.
    Source(&'a S3Source, &'a Access),
    /// The archive in one version of an object.
    Bundle(&'a PinnedS3, &'a Access),
}

/// Sorts a look by who answers it.
#[must_use]
pub fn asked(look: &Look) -> Asked<'_> {
    Asked::Aws(match look {
        Look::Stack(key, access) => AwsLook::Stack(key, access),
        Look::ChangeSet(key, set, access) => AwsLook::ChangeSet(key, set, access),
        Look::SetContent(key, arn, nested, access) => AwsLook::SetContent(key, arn, nested, access),
        Look::Template(_, id, _, access) => AwsLook::Template(id, access),
        Look::Failure(_, id, access) => AwsLook::Failure(id, access),
        Look::DetectDrift(_, id, access) => AwsLook::DetectDrift(id, access),
        Look::Drift(_, id, detection, access) => AwsLook::Drift(id, detection.as_deref(), access),
        Look::Toolkit(env, parameter, access) => AwsLook::Toolkit(env, parameter, access),
        Look::Outputs(_, id, _, access) => AwsLook::Outputs(id, access),
        Look::Image(image, access) => AwsLook::Image(image, access),
        Look::Source(source, _, access) => AwsLook::Source(source, access),
        Look::Bundle(PinnedSource::S3(pinned), access) => AwsLook::Bundle(pinned, access),
        Look::ReleaseId { source: PinnedSource::S3(source), access, stage, cdk_stage, given } => {
            return Asked::ReleaseId { source, access, stage, cdk_stage: cdk_stage.as_deref(), given };
        }
        Look::Values(source) => return Asked::Values(source),
        Look::LiveGate { owner, accounts, plan } => {
            return Asked::LiveGate { owner, accounts, plan: &plan.name };
        }
    })
}

/// How many images are copied at once, by this process.
const PUSHES: usize = 2;

/// Performs effects in AWS.
#[derive(Clone, Debug)]
pub struct Aws {
    sessions: Arc<Sessions>,
    key: HmacKey,
    opened: Opened,
    /// Turns of those that copy images: each holds a part of one in memory, three times over.
    pushing: Arc<Semaphore>,
}

impl Aws {
    /// Performs through these sessions; `key` hides the values in change sets.
    #[must_use]
    pub fn new(sessions: Arc<Sessions>, key: HmacKey) -> Self {
        let pushing = Arc::new(Semaphore::new(PUSHES));
        Self { sessions, key, opened: Opened::default(), pushing }
    }

    /// Looks. Never [`Outcome::Unsure`]: no answer to a question is a refusal that passes.
    pub async fn look(&self, look: &AwsLook<'_>) -> Outcome {
        let access = look.access();
        let (session, clients) = match self.open(access, look.env()).await {
            Ok(opened) => opened,
            Err(outcome) => return outcome,
        };
        match self.ask(&clients, look).await {
            Ok(fact) => Outcome::Learnt(fact),
            Err(failed) => self.given_up(access, &session, failed).of_look(),
        }
    }

    async fn ask(&self, aws: &Clients, look: &AwsLook<'_>) -> Result<Fact, Failed> {
        Ok(match look {
            AwsLook::Stack(key, _) => Fact::Stack(aws.stack(key).await?),
            AwsLook::ChangeSet(key, set, _) => Fact::ChangeSet(aws.change_set(key, set, &self.key).await?),
            AwsLook::SetContent(key, arn, nested, _) => {
                Fact::SetContent(aws.set_content(key, arn, nested, &self.key).await?)
            }
            AwsLook::Template(id, _) => Fact::Template(aws.template(id).await?),
            AwsLook::Failure(id, _) => Fact::Failure(aws.first_failure(id).await?),
            AwsLook::DetectDrift(id, _) => Fact::DriftDetection(aws.detect_drift(id).await?),
            AwsLook::Drift(id, detection, _) => Fact::Drift(aws.drift(id, *detection).await?),
            AwsLook::Toolkit(_, parameter, _) => Fact::Toolkit(aws.toolkit_version(parameter).await?),
            AwsLook::Outputs(id, _) => Fact::Outputs(aws.outputs(id).await?),
            AwsLook::Image(image, _) => Fact::Image(aws.has_image(image).await?),
            AwsLook::Source(source, _) => Fact::Source(aws.source(source).await?),
            AwsLook::Bundle(pinned, _) => Fact::Bundle(aws.bundle(pinned, &self.opened).await?),
        })
    }

    /// Changes something, unless it is too late for that once a session is there. [`Outcome::Unsure`] when it may have been
    /// carried out without an answer.
    pub async fn mutate(&self, mutation: &Mutation, now: impl Fn() -> Timestamp) -> Outcome {
        // Before the session, which would grow old meanwhile.
        let _turn = match mutation {
            Mutation::PushImage(_) => self.pushing.acquire().await.ok(),
            Mutation::Publish(_)
            | Mutation::CreateChangeSet(_)
            | Mutation::Execute(..)
            | Mutation::DeleteChangeSet(..)
            | Mutation::Protect(..)
            | Mutation::DeleteStack(..) => None,
        };
        let access = access_of(mutation);
        let (session, clients) = match self.open(access, &access.env).await {
            Ok(opened) => opened,
            Err(outcome) => return outcome,
        };
        if mutation.is_over(now()) {
            let why = "the look that it rests on is too old by now".to_owned();
            return Outcome::Refused(Refusal { kind: RefusalKind::Conflict, message: why });
        }
        match change(&clients, mutation).await {
            Ok(receipt) => Outcome::Accepted(receipt),
            Err(failed) => self.given_up(access, &session, failed).of_mutation(),
        }
    }

    async fn open(&self, access: &Access, env: &Env) -> Result<(Arc<Session>, Clients), Outcome> {
        let session = self.sessions.get(access).await.map_err(Outcome::Refused)?;
        // An effect that names another account than its access does is a mistake that must not reach AWS.
        if *session.account() != env.account {
            let why = format!("the access is for {}, but the effect is in {env}", access.env);
            return Err(Failed::ours(RefusalKind::WrongAccount, why).of_look());
        }
        let clients = session.clients(&env.region);
        Ok((session, clients))
    }

    /// A session that AWS no longer takes is dropped, so that the next try makes a new one.
    fn given_up(&self, access: &Access, session: &Arc<Session>, failed: Failed) -> Failed {
        if failed.class() == Class::SessionLost {
            self.sessions.forget(access, session);
        }
        failed
    }
}

async fn change(aws: &Clients, mutation: &Mutation) -> Result<Receipt, Failed> {
    match mutation {
        Mutation::Publish(upload) => aws.publish(upload).await?,
        Mutation::PushImage(upload) => aws.push(upload).await?,
        Mutation::CreateChangeSet(wanted) => {
            let (arn, stack) = aws.create_change_set(wanted).await?;
            return Ok(Receipt::ChangeSet(arn, stack));
        }
        Mutation::Execute(key, arn, _) => aws.execute_change_set(key, arn.get()).await?,
        Mutation::DeleteChangeSet(key, arn, ..) => gone(aws.delete_change_set(key, arn).await)?,
        Mutation::Protect(_, id, on, _) => aws.protect_stack(id.get(), *on).await?,
        Mutation::DeleteStack(_, id, access) => {
            let role = access.scope.as_ref().map(|Scope::Deploy { execution_role, .. }| execution_role);
            gone(aws.delete_stack(id.get(), role).await)?;
        }
    }
    Ok(Receipt::Done)
}

/// What is not there any more need not be deleted.
fn gone(deleted: Result<(), Failed>) -> Result<(), Failed> {
    deleted.or_else(|failed| if failed.is_not_found() { Ok(()) } else { Err(failed) })
}

fn access_of(mutation: &Mutation) -> &Access {
    match mutation {
        Mutation::Publish(upload) => &upload.access,
        Mutation::PushImage(upload) => &upload.access,
        Mutation::CreateChangeSet(wanted) => &wanted.access,
        Mutation::Execute(_, _, access)
        | Mutation::DeleteChangeSet(.., access)
        | Mutation::DeleteStack(_, _, access)
        | Mutation::Protect(_, _, _, access) => access,
    }
}

impl AwsLook<'_> {
    fn access(&self) -> &Access {
        match self {
            Self::Stack(_, access)
            | Self::ChangeSet(_, _, access)
            | Self::SetContent(_, _, _, access)
            | Self::Template(_, access)
            | Self::Failure(_, access)
            | Self::DetectDrift(_, access)
            | Self::Drift(_, _, access)
            | Self::Toolkit(_, _, access)
            | Self::Outputs(_, access)
            | Self::Image(_, access)
            | Self::Source(_, access)
            | Self::Bundle(_, access) => access,
        }
    }

    fn env(&self) -> &Env {
        match self {
            Self::Stack(key, _) | Self::ChangeSet(key, _, _) | Self::SetContent(key, ..) => &key.env,
            Self::Toolkit(env, _, _) => env,
            Self::Image(image, _) => &image.env,
            Self::Template(_, access)
            | Self::Outputs(_, access)
            | Self::Failure(_, access)
            | Self::DetectDrift(_, access)
            | Self::Drift(_, _, access)
            | Self::Source(_, access)
            | Self::Bundle(_, access) => &access.env,
        }
    }
}
