//! From a release to a ChangePlan.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::ResourceExt;

use super::{
    Snapshot,
    adopt::{self, is_taken_over},
    carry::carried,
    fence::close,
    gate::not_as_written,
    given::{self, given},
    prepare::{assessed, missing_images, parameters, unpublished, wanted, wish, without_set},
    protect,
    remove::{Removals, removals},
    targets::{Target, Targets, bootstrapped, foreign_topics, targets},
};
use crate::{
    api::{
        CloseReason, Compared, Decided, DecisionSource, Identity, LABEL_STAGE, MOST_GROUPS, Opened,
        Operation, OwnedStack, PlannedAs, Proposal, ProposalKind, ProposedStack, Reason, ReleaseRef, Risk,
        RiskClass, risk_groups, whole_seconds,
    },
    bundle::{StackArtifact, defer},
    change::{
        Baseline, Given, StageNames, c1, c1_once_more, compare, console_url, count_changes, listed_changes,
        noted, shorten, shown_warnings, taken_over,
    },
    drive::Prepared,
    effect::{Effect, NewPlan, Record, baseline_of},
    gate::{Annotation, Decision, Ledger, PlanView, annotation_digest, owned_key, parse_annotation},
    hush::UNSHOWN,
    plan::{append, by_rule, next_order, opened_on},
    risk::Assessment,
    stack::StackRow,
    verdict::{Need, Verdict, ask, fold},
    words::{ChangeId, DecisionId, Digest, ReleaseId, StackKey, StageChangeId},
};

/// Plans the release: everything that has to be done before, and then the record.
pub(super) fn plan(s: &Snapshot<'_>, release: &ReleaseRef, now: Timestamp) -> Verdict {
    match targets(s, release, now) {
        Ok(targets) => plan_targets(s, release, &targets, now),
        Err(need) => fold(vec![need], Reason::Planning, "reading the release"),
    }
}

/// Opens the newest plan again for a release in which nothing differs for this stage, if that is so.
pub(super) fn same_for_this_stage(
    s: &Snapshot<'_>,
    newest: &PlanView,
    release: &ReleaseRef,
    now: Timestamp,
) -> Option<Verdict> {
    let targets = match targets(s, release, now) {
        Ok(t) => t,
        // Reading comes first; a release that cannot be used is told by planning it.
        Err(Need::Do(e)) => return Some(Verdict::act(Reason::Planning, "reading the release", vec![*e])),
        Err(Need::Wait(..) | Need::Stuck(..)) => return None,
    };
    let told = |t: &Target| {
        let stack =
            newest.proposal().stacks.iter().find(|p| p.key() == t.key && p.plan != PlannedAs::Unchanged);
        let warnings = || shown_warnings(sorted(t.artifact.warnings.iter()).into_iter());
        stack.is_none_or(|stack| warnings().iter().all(|w| stack.warnings.contains(w)))
    };
    if newest.proposal().a1.as_ref() != Some(&targets.a1) || !targets.list.iter().all(told) {
        return None;
    }
    let opened = Opened { stood: stood(s, None, &targets.a1), ..opened(s, release, &BTreeSet::new(), now) };
    let opened = opened_on(newest, opened, s.stage.metadata.annotations.as_ref());
    if !newest.takes_opening(&opened, &[]) {
        let why = "there is no room for another release in its ledger: the same change goes on in a plan of its own";
        return Some(close(s, newest, CloseReason::Superseded, why, false, now));
    }
    Some(reopen(s, newest, opened, Vec::new(), now))
}

fn plan_targets(s: &Snapshot<'_>, release: &ReleaseRef, targets: &Targets, now: Timestamp) -> Verdict {
    let doing = |needs| fold(needs, Reason::Planning, &format!("planning release {}", release.name));
    let needs: Vec<Need> = targets.list.iter().filter_map(|t| bootstrapped(s, t, now).err()).collect();
    if !needs.is_empty() {
        return doing(needs);
    }
    let owned = s.owned();
    let mut adopted = BTreeSet::new();
    let needs: Vec<Need> = targets
        .list
        .iter()
        .filter_map(|t| {
            let mut check = || {
                let wish = wish(s, t);
                let row = wish.fresh_row(now)?;
                if is_taken_over(s, t, row, owned.get(&t.key), now)? {
                    adopted.insert(t.key.clone());
                }
                parameters(t, row)?;
                if row.is_some_and(StackRow::is_remnant) { Ok(()) } else { wish.kind(row, now).map(drop) }
            };
            check().err()
        })
        .collect();
    if !needs.is_empty() {
        return doing(needs);
    }
    let deferred_stacks = match deferred_stacks(s, targets, &owned, now) {
        Ok(d) => d,
        Err(need) => return doing(vec![need]),
    };
    let mut needs = Vec::new();
    let mut prepared: Vec<(&Target, Prepared)> = Vec::new();
    for t in &targets.list {
        let wish = wish(s, t);
        let row = match wish.fresh_row(now) {
            Ok(row) => row,
            Err(need) => {
                needs.push(need);
                continue;
            }
        };
        if wish.is_unchanged(row, owned.get(&t.key)) {
            prepared.push((t, wish.unchanged(baseline_of(row))));
            continue;
        }
        let assets: Vec<Need> = missing_images(s, t, now).into_iter().chain(unpublished(s, t, now)).collect();
        if !assets.is_empty() {
            needs.extend(assets);
            continue;
        }
        let stack = if row.is_some_and(StackRow::is_remnant) {
            without_set(s, t, PlannedAs::Recreated, baseline_of(row), now)
        } else if deferred_stacks.contains(&t.key) {
            without_set(s, t, PlannedAs::Deferred, baseline_of(row), now)
        } else {
            let (quiet, known) =
                (given::repeats_unknown_value(s, t, row), given::may_be_told(s, t, row, now));
            parameters(t, row).and_then(|p| {
                wish.change_set(row, !known, |kind, name| wanted(s, t, p, quiet, kind, name), now)
            })
        };
        match stack {
            Ok(p) => prepared.push((t, p)),
            Err(need) => needs.push(need),
        }
    }
    if !needs.is_empty() {
        return doing(needs);
    }
    let mut planned = Vec::new();
    for (t, p) in prepared {
        let risks = match p.plan {
            PlannedAs::Unchanged | PlannedAs::Removed => Ok(Assessment::default()),
            PlannedAs::Prepared | PlannedAs::Deferred | PlannedAs::Recreated => assessed(s, t, &p, now),
        };
        match risks {
            Ok(risks) => {
                let (adopted, protection) = (adopted.contains(&t.key), protect::switched(s, t));
                planned.push(Planned { t, p, risks, adopted, protection });
            }
            Err(need) => needs.push(need),
        }
    }
    if !needs.is_empty() {
        return doing(needs);
    }
    let kept: Vec<&StackArtifact> = targets.list.iter().map(|t| &*t.artifact).collect();
    match removals(s, &kept, now) {
        Ok(removals) => record(s, release, targets, &planned, &removals, now),
        Err(needs) => doing(needs),
    }
}

fn deferred_stacks(
    s: &Snapshot<'_>,
    targets: &Targets,
    owned: &BTreeMap<StackKey, OwnedStack>,
    now: Timestamp,
) -> Result<BTreeSet<StackKey>, Need> {
    let mut deployed = BTreeMap::new();
    for t in &targets.list {
        let wish = wish(s, t);
        let Some(row) = wish.fresh_row(now)?.filter(|r| r.exists()) else { continue };
        let mut exports = row.exports.clone();
        // It is as wanted: what it does not export has a condition that does not hold, and waiting brings nothing.
        if wish.is_unchanged(Some(row), owned.get(&t.key)) {
            exports.extend(t.artifact.template.exports.literal.iter().cloned());
        }
        deployed.insert(t.key.clone(), exports);
    }
    let stacks: Vec<Arc<StackArtifact>> = targets.list.iter().map(|t| Arc::clone(&t.artifact)).collect();
    Ok(defer(&stacks, &deployed))
}

/// A stack that is planned, and what is dangerous about it.
pub(super) struct Planned<'a> {
    /// What is wanted.
    pub t: &'a Target,
    /// What would happen.
    pub p: Prepared,
    /// What is dangerous about it.
    pub risks: Assessment,
    /// Whether it is taken over.
    pub adopted: bool,
    /// Whether its termination protection is switched, and which way.
    pub protection: Option<bool>,
}

impl Planned<'_> {
    /// What the assembly warns of, where something changes.
    pub fn warnings(&self) -> impl Iterator<Item = &String> {
        self.t.artifact.warnings.iter().filter(|_| self.p.plan != PlannedAs::Unchanged)
    }

    /// What is told of it besides its change set.
    fn notes(&self) -> Vec<String> {
        protect::told(self.protection).into_iter().chain(self.warnings().cloned()).collect()
    }
}

fn record(
    s: &Snapshot<'_>,
    release: &ReleaseRef,
    targets: &Targets,
    planned: &[Planned<'_>],
    removals: &Removals,
    now: Timestamp,
) -> Verdict {
    let leaf = |x: &Planned<'_>| {
        let leaf = if x.adopted { taken_over(&x.p.leaf) } else { x.p.leaf };
        noted(&leaf, x.notes().iter().map(String::as_str))
    };
    let removed = removals.stacks.iter().map(|(stack, _)| (stack.key(), stack.leaf));
    let leaves: BTreeMap<StackKey, _> =
        planned.iter().map(|x| (x.t.key.clone(), leaf(x))).chain(removed).collect();
    let of = |id: &StageChangeId| s.plans.iter().find(|p| *p.id() == ChangeId::Stage(id.clone()));
    let mut id = c1(&s.uid, &targets.a1, &leaves);
    let mut last = None;
    while let Some(plan) = of(&id) {
        // Anybody can compute the next id, and put a plan there while the policies are away.
        last = if last.is_none() || plan.opening_is_proven { Some(plan) } else { last };
        id = c1_once_more(&id);
    }
    if let Some(plan) = last {
        let opened = Opened { stood: stood(s, None, &targets.a1), ..opened(s, release, &removals.gone, now) };
        let opened = opened_on(plan, opened, s.stage.metadata.annotations.as_ref());
        let own = DecisionId::Change(plan.id().clone());
        let carried = carried(s, planned, removals, &targets.a1).filter(|_| !plan.does_nothing());
        let carried = carried.map(|d| Decided { under: d.under.filter(|id| *id != own), ..d });
        let decisions: Vec<_> = plan.lacks(carried).collect();
        if plan.takes_opening(&opened, &decisions) {
            return reopen(s, plan, opened, decisions, now);
        }
    }
    let id = ChangeId::Stage(id);
    let new = open(s, release, targets, planned, removals, id, now);
    let need = match too_much(&new.proposal) {
        Some(what) => {
            let why = format!("the plan of release {} holds {what}: split the CDK Stage", release.name);
            Need::stuck(Reason::PlanFailed, why)
        }
        None => ask(s.facts, Effect::Record(Record::OpenPlan(Box::new(new))), now),
    };
    fold(vec![need], Reason::Planning, "writing the plan")
}

/// The most annotations that an opening says not to count (`Opened.stood`).
const MOST_STOOD: usize = 256;

/// Approvals on the Stage that nobody knows the age of, by digest. Of the change where it has no plan: that was deleted, with all that its
/// ledger said. Of the release whose plan was the last, and was rejected: that records none any more. And what other plans of this release
/// ignore.
fn stood(s: &Snapshot<'_>, change: Option<&ChangeId>, a1: &ReleaseId) -> Vec<Digest> {
    let rejected = s.newest().filter(|p| p.rejected().is_some());
    let is_undated = |d: &Decision| match (&d.id, rejected) {
        (DecisionId::Change(id), _) => change == Some(id),
        (DecisionId::Release(id), Some(last)) => {
            let recorded = d.recorded(DecisionSource::Stage, Identity::Unverified, last.id());
            last.proposal().a1.as_ref() == Some(id) && !s.plans.iter().any(|p| p.has_recorded(&recorded))
        }
        (DecisionId::Release(_), None) => false,
    };
    let is_ignored = |d: &Decision, digest: &Digest| {
        d.id == DecisionId::Release(a1.clone()) && s.plans.iter().any(|p| p.ignores(digest))
    };
    let said = s.stage.metadata.annotations.iter().flatten();
    said.filter_map(|(key, value)| match parse_annotation(key, value) {
        Some(Ok(Annotation::Decision(d))) => {
            let digest = annotation_digest(s.uid.as_str(), key, value);
            (is_undated(&d) || is_ignored(&d, &digest)).then_some(digest)
        }
        Some(Ok(Annotation::Report(_)) | Err(_)) | None => None,
    })
    .take(MOST_STOOD)
    .collect()
}

/// The largest proposal, in bytes: etcd takes 1.5 MiB, and the ledger needs room.
const LARGEST: usize = 1_000_000;

/// What a proposal holds more of than a plan takes. None of it is left out.
fn too_much(proposal: &Proposal) -> Option<String> {
    let kinds = risk_groups(&proposal.risks).len();
    if kinds > MOST_GROUPS {
        return Some(format!("{kinds} groups of risks, and a plan shows {MOST_GROUPS} at most"));
    }
    let bytes = serde_json::to_vec(proposal).map_or(0, |bytes| bytes.len());
    (bytes > LARGEST).then(|| format!("{bytes} bytes, and Kubernetes keeps {LARGEST} of them at most"))
}

fn open(
    s: &Snapshot<'_>,
    release: &ReleaseRef,
    targets: &Targets,
    planned: &[Planned<'_>],
    removals: &Removals,
    id: ChangeId,
    now: Timestamp,
) -> NewPlan {
    let stage = s.stage.name_any();
    let names = StageNames::of(
        s.stage.spec.cdk_stage.as_deref(),
        targets.list.iter().map(|t| (&*t.artifact, &t.names.qualifier)),
    );
    let removed = removals.stacks.iter().map(|(stack, _)| stack.clone());
    let stacks: Vec<ProposedStack> =
        planned.iter().map(|x| proposed(s, x, removals, &names, now)).chain(removed).collect();
    let nothing = stacks.iter().all(|p| p.is_left_alone() && !p.adopted);
    let opened =
        Opened { stood: stood(s, Some(&id), &targets.a1), ..opened(s, release, &removals.gone, now) };
    let parameters = opened.parameters;
    let mut ledger = Ledger::new(now).with(|e| e.opened = Some(opened));
    if nothing {
        ledger = ledger.with(|e| e.decided = Some(by_rule("nothing differs")));
    } else {
        ledger =
            carried(s, planned, removals, &targets.a1).fold(ledger, |l, d| l.with(|e| e.decided = Some(d)));
    }
    let name = format!("{stage}-{}", id.digits());
    let mut proposal = Proposal {
        kind: ProposalKind::Stage,
        name: stage.clone(),
        uid: s.uid.clone(),
        operation: if stacks.iter().any(|p| p.adopted) {
            Operation::Adopt
        } else if !removals.stacks.is_empty() {
            Operation::Prune
        } else {
            s.operation(release.digest, parameters)
        },
        id,
        release: Some(release.clone()),
        a1: Some(targets.a1.clone()),
        replaces: s.plans.iter().find(|p| p.is_complete()).and_then(|p| p.release.clone()),
        risks: risks(planned, removals),
        compared: None,
        stacks,
        unused_parameters: targets.unused.clone(),
        bootstrap: None,
        changed: None,
    };
    proposal.compared = compared(s, &proposal, release, parameters);
    shorten(&mut proposal.stacks);
    NewPlan {
        namespace: s.namespace.clone(),
        name,
        proposal,
        ledger: ledger.entries(),
        owner: ("Stage", stage.clone(), s.uid.clone()),
        label: (LABEL_STAGE, stage),
    }
}

/// How a plan compares with what the first upstream stage has executed and verified of the same release.
pub(super) fn compared(
    s: &Snapshot<'_>,
    proposal: &Proposal,
    release: &ReleaseRef,
    parameters: Option<Digest>,
) -> Option<Compared> {
    s.stage.spec.promote_from.iter().find_map(|named| {
        let upstream = s.upstreams.get(&named.name)?;
        let same = |p: &&Arc<PlanView>| p.release.as_ref().is_some_and(|r| r.digest == release.digest);
        upstream.plans.iter().filter(same).find_map(|p| {
            let time = p.verified_time(&upstream.checks, upstream.identity)?;
            Some(Compared {
                stage: named.name.clone(),
                plan: p.name.clone(),
                time: whole_seconds(time),
                differences: compare(proposal, p.proposal(), p.parameters != parameters),
            })
        })
    })
}

/// The risks of all stacks, the gravest first.
fn risks(planned: &[Planned<'_>], removals: &Removals) -> Vec<Risk> {
    let of = |x: &Planned<'_>| {
        let adopts = x.adopted.then(|| adopt::risk(x.t));
        let unprotects = (x.protection == Some(false)).then(|| protect::risk(x.t));
        adopts.into_iter().chain(unprotects).chain(x.risks.risks.iter().cloned()).collect::<Vec<_>>()
    };
    let removed = removals.stacks.iter().flat_map(|(_, risks)| risks.iter().cloned());
    let mut all: Vec<Risk> = planned.iter().flat_map(of).chain(removed).collect();
    let rank = |r: &Risk| RiskClass::ALL.iter().position(|c| *c == r.class);
    fn kind(r: &Risk) -> (&str, &str, &Option<String>, &str) {
        (&r.resource_type, &r.cause, &r.policy, &r.logical_id)
    }
    // Those that stand together in the plan come together.
    all.sort_by(|a, b| (rank(a), &a.stack).cmp(&(rank(b), &b.stack)).then_with(|| kind(a).cmp(&kind(b))));
    all
}

fn proposed(
    s: &Snapshot<'_>,
    planned: &Planned<'_>,
    removals: &Removals,
    names: &StageNames,
    now: Timestamp,
) -> ProposedStack {
    let Planned { t, p, risks, adopted, protection } = planned;
    let (baseline_stack_id, baseline_updated_time) = match &p.baseline {
        Baseline::None => (None, None),
        Baseline::Stack(id, at) => (Some(id.clone()), Some(MicroTime(*at))),
    };
    // Validations and hooks may repeat the values that they object to.
    let known = p.warnings.is_empty() || given::may_be_told(s, t, s.seen_row(&t.key), now);
    let said = |warning: &String| if known { s.facts.hush(warning.clone()) } else { UNSHOWN.to_owned() };
    ProposedStack {
        account: t.key.env.account.clone(),
        region: t.key.env.region.clone(),
        stack_name: t.key.name.clone(),
        qualifier: t.names.qualifier.clone(),
        artifact: t.artifact.id.clone(),
        after: removals.after(&t.artifact.id),
        plan: p.plan,
        review_stack_id: p
            .set
            .as_ref()
            .filter(|_| baseline_stack_id.is_none())
            .map(|set| set.stack_id.clone()),
        baseline_stack_id,
        adopted: *adopted,
        baseline_updated_time,
        termination_protection: t.artifact.termination_protection,
        switches_protection: protection.is_some(),
        foreign_topics: foreign_topics(&t.artifact),
        input: t.digest,
        leaf: p.leaf,
        sameness: Some(names.sameness(&t.artifact, p.plan, &p.changes, &p.warnings, &p.content.processed)),
        console_url: p.set.as_ref().map(|set| console_url(&set.arn, &set.stack_id)),
        // What is worst is told first, and nothing that the app says takes its place.
        warnings: shown_warnings(
            protect::told(*protection)
                .into_iter()
                .chain(p.warnings.iter().map(said).collect::<BTreeSet<_>>())
                .chain(sorted(planned.warnings()).into_iter().map(|warning| s.facts.hush(warning))),
        ),
        count: count_changes(&p.changes, &risks.code_only),
        changes: listed_changes(&p.changes, &risks.code_only),
        unlisted: 0,
    }
}

fn sorted<'a>(warnings: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    warnings.cloned().collect()
}

fn opened(s: &Snapshot<'_>, release: &ReleaseRef, gone: &BTreeSet<StackKey>, now: Timestamp) -> Opened {
    let given = given(s, now).ok();
    let secrets = given.as_ref().is_some_and(Given::has_secrets);
    let parameters = given.and_then(|g| given::digest(s, &g));
    let mut owned: BTreeMap<StackKey, OwnedStack> = s.owned();
    owned.retain(|key, _| !gone.contains(key));
    debug_assert!(owned.iter().all(|(k, o)| *k == owned_key(o)));
    Opened {
        order: next_order(&s.plans),
        release: Some(release.clone()),
        request: s.request(),
        cdk_stage: s.stage.spec.cdk_stage.clone(),
        parameters,
        secrets,
        owned: owned.into_values().collect(),
        owned_as_before: false,
        stood: Vec::new(),
    }
}

/// Opens a plan again: the same change as before, now for this release.
fn reopen(
    s: &Snapshot<'_>,
    plan: &PlanView,
    opened: Opened,
    decisions: Vec<Decided>,
    now: Timestamp,
) -> Verdict {
    if !plan.opening_is_proven {
        return not_as_written(s, plan);
    }
    let ledger = plan.ledger(now).with(|e| e.opened = Some(opened));
    let ledger = decisions.into_iter().fold(ledger, |l, d| l.with(|e| e.decided = Some(d)));
    append(s.facts, &s.namespace, plan, ledger, Reason::Planning, "opening the plan for this release", now)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A proposal with so many kinds of risks, each of so many resources.
    fn with_risks(kinds: usize, resources: usize) -> Proposal {
        let of_kind = |kind: usize| {
            let names: Vec<String> =
                (0..resources).map(|n| format!("Resource{n:04}OfKind{kind:04}")).collect();
            json!({ "class": "delete", "stack": "Store", "cause": format!("is removed ({kind})"), "resources": names })
        };
        let risks: Vec<_> = (0..kinds).map(of_kind).collect();
        serde_json::from_value(json!({
            "kind": "Stage", "name": "prod", "uid": "u", "operation": "Deploy", "id": format!("c1-{}", "1".repeat(40)),
            "risks": risks,
        }))
        .unwrap()
    }

    #[test]
    fn a_plan_takes_all_of_its_risks_or_is_not_made() {
        assert_eq!(too_much(&with_risks(2560, 1)), None);
        let kinds = too_much(&with_risks(2561, 1)).unwrap();
        assert_eq!(kinds, "2561 groups of risks, and a plan shows 2560 at most");
        let bytes = too_much(&with_risks(2560, 24)).unwrap();
        assert!(bytes.ends_with("bytes, and Kubernetes keeps 1000000 of them at most"), "{bytes}");
    }
}
