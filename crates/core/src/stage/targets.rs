//! What a release means for this stage: which stacks, where, reached how, and whether all of that is allowed.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{Snapshot, given::given};
use crate::{
    account::{Accounts, may_deploy, reaches_beyond},
    api::{
        AssemblySource, AwsAccount, Beyond, Bootstrap, PinnedSource, ProposedStack, Reason, ReleaseRef,
        S3Source, Stage,
    },
    assembly::source_access,
    bundle::{Bundle, BundleError, CdkStage, StackArtifact, check_computed},
    change::{Given, Hidden, StackInput, release_id, values_for},
    effect::{Access, Effect, Look, POLL_SESSION, Pace, Scope, Seen, Watched, session_name},
    verdict::{Need, Step, ask},
    words::{Digest, Qualifier, ReleaseId, RoleArn, StackKey, ToolkitNames, Uid},
};

/// How old a look at the bootstrap version may be.
const TOOLKIT_FRESH: SignedDuration = SignedDuration::from_secs(60);
/// How long an environment is believed not to be bootstrapped.
const NOT_THERE_FRESH: SignedDuration = SignedDuration::from_secs(5);

/// One stack that the release wants.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The artifact.
    pub artifact: Arc<StackArtifact>,
    /// Where it lives.
    pub key: StackKey,
    /// The computed names of its environment.
    pub names: ToolkitNames,
    /// How CloudFormation is called.
    pub access: Access,
    /// Everything that goes into the change-set call.
    pub input: StackInput,
    /// The digest of it.
    pub digest: Digest,
    /// Values for its parameters.
    pub values: BTreeMap<String, Hidden>,
}

impl Target {
    /// How assets are uploaded.
    pub fn publishing(&self) -> Access {
        self.with_role(self.names.file_publishing_role())
    }

    /// How images are copied.
    pub fn pushing(&self) -> Access {
        self.with_role(self.names.image_publishing_role())
    }

    /// How images are looked for: not with the role that pushes.
    pub fn images(&self) -> Access {
        self.with_role(self.names.lookup_role())
    }

    fn with_role(&self, role: RoleArn) -> Access {
        Access { roles: vec![role], scope: None, ..self.access.clone() }
    }
}

/// A release, as this stage would deploy it.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    /// The stacks, in an order that their dependencies allow.
    pub list: Vec<Target>,
    /// The id of the release for this stage.
    pub a1: ReleaseId,
    /// Parameters that the stage gives and none of the stacks declares.
    pub unused: Vec<String>,
}

/// Reads the release and checks it against everything that limits this stage.
pub(super) fn targets(s: &Snapshot<'_>, release: &ReleaseRef, now: Timestamp) -> Step<Targets> {
    let bundle = bundle(s, release, now)?;
    let cdk_stage = bundle.stage(s.stage.spec.cdk_stage.as_deref()).map_err(|e| match &e {
        BundleError::NoSuchCdkStage { .. } => Need::stuck(Reason::NoSuchCdkStage, e.to_string()),
        _ => Need::stuck(Reason::InvalidAssembly, e.to_string()),
    })?;
    let CdkStage { stacks, .. } = cdk_stage;
    let given = given(s, now)?;
    let list: Vec<Target> = stacks.iter().map(|a| target(s, a, &given)).collect::<Step<_>>()?;
    let a1 = release_id(&s.uid, &list.iter().map(|t| (t.key.clone(), t.digest)).collect::<BTreeMap<_, _>>());
    let unused = given.unused(stacks).map(str::to_owned).collect();
    Ok(Targets { list, a1, unused })
}

/// The bundle of a release, fetched by its pinned reference and held against its digest.
fn bundle(s: &Snapshot<'_>, release: &ReleaseRef, now: Timestamp) -> Step<Arc<Bundle>> {
    match s.facts.bundles.get(&release.source) {
        Some(Ok(b)) if b.release() == release.digest => return Ok(Arc::clone(b)),
        Some(Ok(b)) => {
            return Err(Need::stuck(
                Reason::InvalidAssembly,
                format!("the pinned source holds release {}, not {}", b.release().short(12), release.name),
            ));
        }
        Some(Err(why)) => return Err(Need::stuck(Reason::InvalidAssembly, why.clone())),
        None => {}
    }
    Err(ask(s.facts, Effect::Look(Look::Bundle(release.source.clone(), access_to_source(s, release)?)), now)
        .told_as(Reason::CallRefused, Reason::SourceFailed))
}

/// How the archive of a release is read.
pub(super) fn access_to_source(s: &Snapshot<'_>, release: &ReleaseRef) -> Step<Access> {
    let PinnedSource::S3(p) = &release.source;
    let source = S3Source {
        account: p.account.clone(),
        bucket: p.bucket.clone(),
        key: p.key.clone(),
        region: p.region.clone(),
        version_id: Some(p.version_id.clone()),
    };
    let AssemblySource::S3(source) = AssemblySource::S3(source);
    source_access(&s.accounts, &s.namespace, &source, &s.uid)
}

fn target(s: &Snapshot<'_>, artifact: &Arc<StackArtifact>, given: &Given) -> Step<Target> {
    let refuse = |reason, message: String| Err(Need::stuck(reason, message));
    let key = artifact.key();
    let Some(qualifier) = artifact.mentioned_qualifier() else {
        return refuse(
            Reason::RoleNotComputed,
            format!(
                "stack {}: deploy role {} is none that cdk bootstrap makes",
                key.name, artifact.deploy_role
            ),
        );
    };
    let patterns = allowed(&s.stage, &s.namespace, &s.accounts, &key, &qualifier)
        .map_err(|(reason, message)| Need::stuck(reason, message))?;
    if !s.bootstraps.iter().any(|b| covers(s, b, &key, &qualifier)) {
        return refuse(
            Reason::NotBootstrapped,
            format!("no Bootstrap with qualifier {qualifier} covers {}: add the account to one", key.env),
        );
    }
    if let Err(e) = check_computed(artifact, &qualifier) {
        return refuse(Reason::RoleNotComputed, e.to_string());
    }
    if s.bootstraps.iter().any(|b| b.spec.toolkit_stack_name == key.name) {
        return refuse(
            Reason::AccountNotAllowed,
            format!("stack name {} is that of a toolkit stack", key.name),
        );
    }
    let topics = foreign_topics(artifact);
    if let Some(message) = reaches_too_far(s, &s.stage, &s.accounts, &key, &topics) {
        return refuse(Reason::AccountNotAllowed, message);
    }
    if let Some(t) = artifact.template.transforms.iter().find(|t| !t.starts_with("AWS::")) {
        return refuse(
            Reason::InvalidAssembly,
            format!("stack {}: transform {t} would run before anybody has approved it", key.name),
        );
    }
    if let Some(tag) = artifact.tags.keys().find(|t| t.starts_with("aws:") || t.starts_with("stackgate.dev/"))
    {
        return refuse(Reason::InvalidAssembly, format!("stack {}: tag {tag} is reserved", key.name));
    }
    Ok(make(s, artifact, given, key, qualifier, patterns))
}

/// The topics of other accounts that a stack would send its events to.
pub(super) fn foreign_topics(artifact: &StackArtifact) -> Vec<String> {
    let id = artifact.env.account.as_str();
    let topics = artifact.notification_arns.iter().flatten();
    topics.filter(|arn| arn.split(':').nth(4) != Some(id)).cloned().collect()
}

/// Why a stack reaches further beyond its account than the account lets this namespace.
pub(super) fn reaches_too_far(
    s: &Snapshot<'_>,
    stage: &Stage,
    accounts: &Accounts,
    key: &StackKey,
    foreign_topics: &[String],
) -> Option<String> {
    let id = &key.env.account;
    let may = |what: Beyond| {
        let of_this = |a: &&AwsAccount| a.spec.account_id == *id;
        accounts.named(&stage.spec.accounts).filter(of_this).any(|a| reaches_beyond(a, &s.namespace, what))
    };
    let trusts = |b: &&Arc<Bootstrap>| {
        let others = || accounts.selected(&b.spec.accounts).iter().any(|a| a.spec.account_id != *id);
        b.spec.trusted_accounts.contains(id) && others()
    };
    if let Some(bootstrap) = s.bootstraps.iter().find(trusts).filter(|_| !may(Beyond::TrustedAccount)) {
        return Some(format!(
            "stack {}: Bootstrap {} makes other accounts trust account {id}, so that what is deployed there could deploy to them: ask \
             the owner of the AwsAccount for `allow: [TrustedAccount]` in allowedNamespaces",
            key.name,
            bootstrap.name_any()
        ));
    }
    let foreign = foreign_topics.first().filter(|_| !may(Beyond::ForeignTopics))?;
    Some(format!(
        "stack {}: it would send its events to {foreign}, which is not in account {id}: ask the owner of the AwsAccount for \
         `allow: [ForeignTopics]` in allowedNamespaces",
        key.name
    ))
}

/// Puts together what is allowed.
pub(super) fn make(
    s: &Snapshot<'_>,
    artifact: &Arc<StackArtifact>,
    given: &Given,
    key: StackKey,
    qualifier: Qualifier,
    stack_names: Vec<String>,
) -> Target {
    let names = ToolkitNames { qualifier, env: key.env.clone() };
    let input = StackInput::of(artifact, &names, given, &s.installation.key);
    let values = values_for(artifact, given).into_iter().map(|(name, v)| (name.clone(), v.text)).collect();
    Target {
        access: deploy_access(&names, &s.uid, stack_names),
        digest: input.digest(),
        input,
        values,
        names,
        key,
        artifact: Arc::clone(artifact),
    }
}

/// How CloudFormation is called for a stage in one environment.
pub(super) fn deploy_access(names: &ToolkitNames, owner: &Uid, stack_names: Vec<String>) -> Access {
    Access {
        env: names.env.clone(),
        roles: vec![names.deploy_role()],
        session_name: session_name(owner),
        scope: Some(Scope::Deploy {
            stack_names,
            execution_role: names.execution_role(),
            bucket: names.bucket(),
            version_parameter: names.version_parameter(),
        }),
    }
}

/// Whether the stage, and the account that it points to, allow this stack; the granted name patterns.
pub(super) fn allowed(
    stage: &Stage,
    namespace: &str,
    accounts: &Accounts,
    key: &StackKey,
    qualifier: &Qualifier,
) -> Result<Vec<String>, (Reason, String)> {
    let not_allowed = |e: crate::account::NotAllowed| {
        let reason = match e {
            crate::account::NotAllowed::Duplicate(..) => Reason::DuplicateAccountID,
            _ => Reason::AccountNotAllowed,
        };
        (reason, e.to_string())
    };
    let account: Option<&AwsAccount> =
        accounts.with_id(&key.env.account, &stage.spec.accounts).map_err(not_allowed)?;
    let Some(account) = account else {
        return Err((
            Reason::AccountNotAllowed,
            format!(
                "stack {} goes to account {}, which is none of spec.accounts ({})",
                key.name,
                key.env.account,
                stage.spec.accounts.join(", ")
            ),
        ));
    };
    may_deploy(account, namespace, &key.env, qualifier, &key.name)
        .map(<[String]>::to_vec)
        .map_err(not_allowed)
}

fn covers(s: &Snapshot<'_>, bootstrap: &Bootstrap, key: &StackKey, qualifier: &Qualifier) -> bool {
    bootstrap.spec.qualifier == *qualifier
        && bootstrap.metadata.deletion_timestamp.is_none()
        && s.accounts
            .selected(&bootstrap.spec.accounts)
            .iter()
            .any(|a| a.spec.account_id == key.env.account && a.spec.regions.contains(&key.env.region))
}

/// Whether the environment of a stack carries the bootstrap version that the stack needs.
pub(super) fn bootstrapped(s: &Snapshot<'_>, t: &Target, now: Timestamp) -> Step<()> {
    let needed = t.artifact.requires_bootstrap_version.unwrap_or(0);
    let env = &t.key.env;
    let look = Effect::Look(Look::Toolkit(env.clone(), t.names.version_parameter(), t.access.clone()));
    let again = now.saturating_add(NOT_THERE_FRESH).ok();
    match s.facts.toolkits.get(&(env.clone(), t.names.version_parameter())) {
        Some(Seen::Present(found, _)) if *found >= needed => Ok(()),
        Some(Seen::Present(found, at)) if now.duration_since(*at) < TOOLKIT_FRESH => Err(Need::Stuck(
            Reason::NotBootstrapped,
            format!(
                "{env} has bootstrap version {found}, the stack needs {needed}: synthesise with an older CDK, or bootstrap with a newer \
                 `cdk bootstrap` and use a Bootstrap of mode Observe"
            ),
            again,
        )),
        Some(Seen::Absent(at)) if now.duration_since(*at) < NOT_THERE_FRESH => Err(Need::Wait(
            Reason::NotBootstrapped,
            format!("{env} has no SSM parameter {}: it is not bootstrapped yet", t.names.version_parameter()),
            again,
        )),
        _ => Err(match ask(s.facts, look, now) {
            // Before it is bootstrapped, an environment has no deploy role that could be assumed.
            Need::Stuck(Reason::AccessDenied, m, at) => Need::Wait(
                Reason::NotBootstrapped,
                format!(
                    "{env} is not bootstrapped with qualifier {}, or does not trust us: {m}",
                    t.names.qualifier
                ),
                at,
            ),
            other => other,
        }),
    }
}

/// A stack of a plan, for the poll of its region, which reads with the lookup role.
pub(super) fn watched(stack: &ProposedStack, pace: Pace) -> Watched {
    Watched { key: stack.key(), pace, access: access_to_look(stack) }
}

/// Reads with the lookup role.
pub(super) fn access_to_look(stack: &ProposedStack) -> Access {
    let env = stack.key().env;
    let names = ToolkitNames { qualifier: stack.qualifier.clone(), env: env.clone() };
    Access { env, roles: vec![names.lookup_role()], session_name: POLL_SESSION.to_owned(), scope: None }
}

/// The access to a stack of a plan, without its release. While the grant stands it is the same session as for planning;
/// afterwards it reaches this one stack only, so that what we left there can still be tidied.
pub(super) fn access_to(s: &Snapshot<'_>, stack: &ProposedStack) -> Access {
    let key = stack.key();
    let patterns = allowed(&s.stage, &s.namespace, &s.accounts, &key, &stack.qualifier)
        .unwrap_or_else(|_| vec![key.name.to_string()]);
    deploy_access(&ToolkitNames { qualifier: stack.qualifier.clone(), env: key.env }, &s.uid, patterns)
}
