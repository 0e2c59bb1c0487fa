//! Stacks of this stage that its release no longer has: retained, or deleted by a plan that says so.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::{
    Snapshot,
    execute::gate_stands,
    fence::found,
    order::Order,
    prepare::announced,
    targets::{access_to, allowed, deploy_access},
};
use crate::{
    api::{OwnedStack, PlannedAs, ProposedStack, Reason, Risk, RiskClass, Settled, SettledAs},
    bundle::{Origins, StackArtifact, Template, difference},
    change::{Baseline, count_changes, listed_changes, removed_leaf},
    drive::{Progress, fresh_row, in_progress, template_of, why_failed},
    effect::{Access, Confirmed, Effect, Look, Mutation, Seen, baseline_of},
    gate::PlanView,
    latch::live_since_version,
    risk::{Assessed, assess},
    stack::{Change, Removal, StackRow, StackStatus, removal},
    verdict::{Need, Step, ask},
    words::{StackKey, ToolkitNames},
};

/// How old a look may be that says that a stack is gone.
const GONE_FRESH: SignedDuration = SignedDuration::from_secs(5);

/// How long a deletion that looks as if it had failed is looked at before that is believed.
const FAILED_FOR: SignedDuration = SignedDuration::from_secs(30);

/// What is deleted with a release.
#[derive(Default)]
pub(super) struct Removals {
    /// The stacks, with what is dangerous about it.
    pub stacks: Vec<(ProposedStack, Vec<Risk>)>,
    /// Those that are gone already, so that they are ours no longer.
    pub gone: BTreeSet<StackKey>,
    /// Which stack waits for which, the others among them.
    order: Order,
}

impl Removals {
    /// The artifact ids of the stacks that a stack waits for.
    pub(super) fn after(&self, artifact: &str) -> Vec<String> {
        self.order.after(artifact)
    }
}

/// The stacks of ours that none of these is, and that a plan has told of.
pub(super) fn left_over<'a>(
    s: &'a Snapshot<'_>,
    kept: impl Fn(&StackKey) -> bool,
) -> impl Iterator<Item = (StackKey, OwnedStack, &'a ProposedStack)> {
    s.owned().into_iter().filter(move |(key, _)| !kept(key)).filter_map(|(key, owned)| {
        let told = told_of(s, &key)?;
        Some((key, owned, told))
    })
}

/// Whether stacks of ours are left that the newest plan does not speak of, and that shall not be.
pub(super) fn is_wanted(s: &Snapshot<'_>, newest: &PlanView) -> bool {
    let kept = |key: &StackKey| newest.proposal().stacks.iter().any(|p| p.key() == *key);
    s.stage.spec.removes() && left_over(s, kept).next().is_some()
}

/// What has to be deleted besides deploying these.
///
/// # Errors
/// What has to be looked at first, or why one cannot be deleted.
pub(super) fn removals(
    s: &Snapshot<'_>,
    kept: &[&StackArtifact],
    now: Timestamp,
) -> Result<Removals, Vec<Need>> {
    let mut out = Removals { order: among(kept), ..Removals::default() };
    if !s.stage.spec.removes() {
        return Ok(out);
    }
    let all: Vec<_> = left_over(s, |key| kept.iter().any(|a| a.key() == *key)).collect();
    let mut needs = Vec::new();
    for (key, owned, told) in &all {
        match removed(s, key, owned, told, now) {
            Ok(Some(stack)) => out.stacks.push(stack),
            Ok(None) => {
                out.gone.insert(key.clone());
            }
            Err(need) => needs.push(need),
        }
    }
    if !needs.is_empty() {
        return Err(needs);
    }
    line_up(s, kept, &all, &mut out);
    Ok(out)
}

/// The order of the assembly.
fn among(kept: &[&StackArtifact]) -> Order {
    let here: BTreeSet<&String> = kept.iter().map(|a| &a.id).collect();
    let after = |a: &&StackArtifact| a.dependencies.iter().filter(|d| here.contains(d)).cloned().collect();
    let list: Vec<(String, Vec<String>)> = kept.iter().map(|a| (a.id.clone(), after(a))).collect();
    Order::new(list.iter().map(|(id, after)| (id.as_str(), after.iter().map(String::as_str).collect())))
}

/// Who has come after a stack, perhaps since it imports from it, is changed or deleted before that one goes; and a stack that one which
/// goes has come after is changed when that one is gone: it may take away what was made for it alone. The rest is done before
/// anything is deleted.
fn line_up(
    s: &Snapshot<'_>,
    kept: &[&StackArtifact],
    all: &[(StackKey, OwnedStack, &ProposedStack)],
    out: &mut Removals,
) {
    let before: Vec<(&StackArtifact, Option<&ProposedStack>)> =
        kept.iter().map(|a| (*a, told_of(s, &a.key()))).collect();
    for (key, _, told) in all {
        let going = key.to_string();
        for (other, ..) in all.iter().filter(|(.., other)| other.after.contains(&told.artifact)) {
            out.order.wait(&going, &other.to_string());
        }
        for (artifact, then) in &before {
            let Some(then) = then else { continue };
            if told.after.contains(&then.artifact) {
                out.order.wait(&artifact.id, &going);
            }
            if then.after.contains(&told.artifact) {
                out.order.wait(&going, &artifact.id);
            }
        }
    }
    for (key, ..) in all {
        before.iter().for_each(|(artifact, _)| out.order.wait(&key.to_string(), &artifact.id));
    }
    for (stack, _) in &mut out.stacks {
        stack.after = out.order.after(&stack.artifact);
    }
}

/// What a plan has told of a stack last, before it left.
fn told_of<'a>(s: &'a Snapshot<'_>, key: &StackKey) -> Option<&'a ProposedStack> {
    let told = s.plans.iter().flat_map(|p| &p.proposal().stacks);
    told.filter(|p| p.plan != PlannedAs::Removed).find(|p| p.key() == *key)
}

/// `None`: it is gone already.
fn removed(
    s: &Snapshot<'_>,
    key: &StackKey,
    owned: &OwnedStack,
    told: &ProposedStack,
    now: Timestamp,
) -> Step<Option<(ProposedStack, Vec<Risk>)>> {
    let patterns =
        allowed(&s.stage, &s.namespace, &s.accounts, key, &told.qualifier).map_err(|(reason, why)| {
            Need::stuck(
                reason,
                format!("stack {key} has left the release and cannot be deleted (spec.removedStacks): {why}"),
            )
        })?;
    let names = ToolkitNames { qualifier: told.qualifier.clone(), env: key.env.clone() };
    let access = deploy_access(&names, &s.uid, patterns);
    let row = fresh_row(s.facts, key, &access, now)?;
    // One that never came to be holds nothing.
    let Some(row) = row.filter(|r| r.id == owned.stack_id && r.exists()) else { return Ok(None) };
    match removal(row.status) {
        Removal::Done => return Ok(None),
        Removal::Wait => {
            return Err(Need::Wait(
                Reason::StackBusy,
                format!(
                    "stack {key} is in {}: an operation that is not ours has to end before it is deleted",
                    row.status.as_str()
                ),
                now.saturating_add(SignedDuration::from_secs(15)).ok(),
            ));
        }
        Removal::Delete | Removal::Failed => {}
    }
    if row.protected {
        return Err(Need::Stuck(
            Reason::StackStuck,
            format!(
                "stack {key} has left the release and is protected against deletion: take the protection off, or keep the stack \
                 (spec.removedStacks: Retain)"
            ),
            now.saturating_add(SignedDuration::from_mins(1)).ok(),
        ));
    }
    proposed(s, key, told, row, &access, now).map(Some)
}

fn proposed(
    s: &Snapshot<'_>,
    key: &StackKey,
    told: &ProposedStack,
    row: &StackRow,
    access: &Access,
    now: Timestamp,
) -> Step<(ProposedStack, Vec<Risk>)> {
    let again = now.saturating_add(SignedDuration::from_secs(15)).ok();
    let unreadable = |why: String| {
        Need::Stuck(Reason::PlanFailed, format!("the deployed template of {key}: {why}"), again)
    };
    let old = template_of(s.facts, key, access, &baseline_of(Some(row)), now)?
        .ok_or_else(|| unreadable("there is none".to_owned()))?;
    let nothing = Template::parse(br#"{"Resources":{}}"#, key).map_err(|e| unreadable(e.to_string()))?;
    let diff = difference(Some(&old), &nothing);
    let artifact = key.to_string();
    let (no_paths, no_nested) = (BTreeMap::new(), BTreeMap::new());
    let risks = assess(&Assessed {
        stack: &artifact,
        old: Some(&old),
        new: &nothing,
        changes: None,
        construct_paths: &no_paths,
        given: &BTreeSet::new(),
        origins: &Origins::none(key),
        nested: &no_nested,
    });
    let leaf = removed_leaf(key, &baseline_of(Some(row)), &diff);
    let changes: Vec<Change> = diff.into_iter().map(announced).collect();
    let stack = ProposedStack {
        account: key.env.account.clone(),
        region: key.env.region.clone(),
        stack_name: key.name.clone(),
        qualifier: told.qualifier.clone(),
        artifact,
        after: Vec::new(),
        plan: PlannedAs::Removed,
        review_stack_id: None,
        baseline_stack_id: Some(row.id.clone()),
        adopted: false,
        baseline_updated_time: Some(MicroTime(row.updated)),
        termination_protection: None,
        switches_protection: false,
        foreign_topics: Vec::new(),
        input: leaf,
        leaf,
        sameness: None,
        console_url: None,
        warnings: Vec::new(),
        count: count_changes(&changes, &BTreeSet::new()),
        changes: listed_changes(&changes, &BTreeSet::new()),
        unlisted: 0,
    };
    let nested = old.resources.iter().filter(|(_, r)| r.resource_type == "AWS::CloudFormation::Stack");
    let unlisted = nested.map(|(id, r)| Risk {
        logical_id: id.clone(),
        resource_type: r.resource_type.clone(),
        ..Risk::of_stack(
            RiskClass::Opaque,
            &stack.artifact,
            "what the nested stack holds is deleted, too, and is not listed",
        )
    });
    let risks = risks.risks.iter().cloned().chain(unlisted).collect();
    Ok((stack, risks))
}

/// Deletes a stack of a claimed plan, once its turn has come, and sees it go.
pub(super) fn remove(
    s: &Snapshot<'_>,
    plan: &PlanView,
    stack: &ProposedStack,
    may_start: bool,
    now: Timestamp,
) -> Progress {
    let (key, access) = (stack.key(), access_to(s, stack));
    let Some(id) = &stack.baseline_stack_id else {
        return Progress::Stop(format!("the plan does not say which stack {key} is meant"));
    };
    let act = |effect| Progress::Need(ask(s.facts, effect, now));
    let look = || act(Effect::Look(Look::Stack(key.clone(), access.clone())));
    let settle = |outcome, status: StackStatus, at, why: Option<String>| {
        Progress::Settle(Box::new(Settled::of(&key, id.clone(), outcome, (status.as_str(), at), why)))
    };
    let (row, at) = match s.row(&key) {
        Seen::Unknown => return look(),
        Seen::Absent(at) => (None, *at),
        Seen::Present(row, at) => (Some(row).filter(|r| r.id == *id), *at),
    };
    // A look that is behind, or a page of a poll that is missing, is not enough.
    let gone = || match now.duration_since(at) <= GONE_FRESH && at > plan.claimed_time {
        true => settle(SettledAs::Succeeded, StackStatus::DeleteComplete, at, None),
        false => look(),
    };
    let Some(row) = row else { return gone() };
    let busy = || {
        let what = format!("stack {key} is in {}", row.status.as_str());
        Progress::Need(in_progress(s.facts, &key, &access, Reason::Executing, what, now))
    };
    // One of an earlier claim says nothing of this one.
    let begun = s.facts.deleted.get(id).filter(|since| **since >= plan.claimed_time);
    match (removal(row.status), begun) {
        (Removal::Done, _) => gone(),
        (Removal::Wait, _) => busy(),
        // An answer that is behind may show how an earlier try has ended.
        (Removal::Failed, Some(since)) if at > *since && now.duration_since(*since) < FAILED_FOR => busy(),
        // Seen after our call: so it is ours that has failed.
        (Removal::Failed, Some(since)) if at > *since => match why_failed(s.facts, &key, id, &access, now) {
            Err(need) => Progress::Need(need),
            Ok(why) => settle(SettledAs::Failed, row.status, row.updated, why),
        },
        // Accepted, and not seen yet.
        (Removal::Delete | Removal::Failed, Some(since)) if at <= *since => look(),
        (Removal::Delete | Removal::Failed, _) if !may_start => Progress::Idle,
        (Removal::Delete | Removal::Failed, _) => {
            if found(stack) != Baseline::Stack(row.id.clone(), row.updated) {
                return Progress::Stop(format!(
                    "stack {key} was changed by somebody else after the approval"
                ));
            }
            if row.protected {
                return Progress::Stop(format!(
                    "stack {key} was protected against deletion after the approval"
                ));
            }
            match gate_stands(s, plan, stack, now) {
                Err(need) => return Progress::Need(need),
                Ok(Some(stop)) => return Progress::Stop(stop),
                Ok(None) => {}
            }
            // What is decided has to rest on all that stands in the plan: there is no change set that could be withdrawn.
            match live_since_version(&s.owner(), plan, now) {
                Ok(live)
                    if live.plan.as_ref().is_some_and(|p| {
                        let version = plan.version();
                        (&p.resource_version, p.generation) == (&version.resource_version, version.generation)
                    }) => {}
                Ok(_) => {
                    let again = now.saturating_add(SignedDuration::from_secs(1)).ok();
                    let what = format!("plan {} has changed meanwhile", plan.name);
                    return Progress::Need(Need::Wait(Reason::Executing, what, again));
                }
                Err(need) => return Progress::Need(need),
            }
            match Confirmed::by_look(row.id.clone(), at, now) {
                Some(id) => act(Effect::Mutate(Mutation::DeleteStack(key, id, access))),
                None => look(),
            }
        }
    }
}
