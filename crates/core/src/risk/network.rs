//! Class `network`: something can be reached that could not be reached before, or nobody can tell.

use std::collections::BTreeSet;

use super::{
    behaviours::takes_more_unsigned,
    exposure::{Exposure, INTERNET, NO_AUTH, exposure},
    finding::Causes,
    moved::Moved,
    pair::{Pair, properties},
    reference::Reference,
    rules::Rule,
};
use crate::stack::{Change, ValueSource};

const RULE: &str = "a security group lets more through";
const BEHIND: &str = "what decides on its reach refers to something that changes";
const CONDITION: &str = "the condition that decides on its reach changes";
const UNSEEN: &str = "its reach is in no template that is known";
const LOOP: &str = "a loop decides what can be reached";
/// What only counts where something was there before: what a new resource joins or lacks, it never was without.
const FOR_OLD_ONLY: [&str; 1] = ["joins a security group"];

/// Why a resource can be reached by more than before; nothing if it cannot.
pub(super) fn network(pair: &Pair<'_>, moved: &Moved) -> Causes {
    let mut causes = Causes::new();
    if pair.is_unseen() {
        if pair.changes.iter().any(|c| unseen(c)) {
            causes.entry(UNSEEN).or_default();
        }
        return causes;
    }
    if pair.differs() && pair.is_loop() {
        causes.entry(LOOP).or_default();
    }
    let (before, after) = (exposure(pair.before()), exposure(pair.after()));
    if pair.after().is_some() || is_filter(&before) {
        causes.extend(after.facts.more_than(&before.facts).into_iter().map(|c| (c, BTreeSet::new())));
    }
    if pair.resource_type() == "AWS::CloudFront::Distribution"
        && takes_more_unsigned(properties(pair.before()), properties(pair.after()))
    {
        causes.entry(NO_AUTH).or_default();
    }
    let config = |resource| properties(resource).get("ResourcesVpcConfig");
    let may_differ = (before.has_unknown_callers || after.has_unknown_callers)
        && pair.after().is_some()
        && config(pair.before()) != config(pair.after());
    if may_differ || uncovered(&after.callers, &before.callers).is_some() {
        causes.entry(INTERNET).or_default();
    }
    if let Some(more) = uncovered(&after.rules, &before.rules) {
        causes.entry(RULE).or_default().extend(more);
    }
    if pair.before().is_none() {
        causes.retain(|cause, _| !FOR_OLD_ONLY.contains(cause));
        return causes;
    }
    if pair.after().is_none() || after.is_empty() {
        return causes;
    }
    if moved.condition_of(pair) {
        causes.entry(CONDITION).or_default();
    }
    let refers = after.facts.references(properties(pair.new)).iter().any(|r| moved.reference(r));
    if refers || pair.details().any(|d| tells(d, pair, &after, moved)) {
        causes.entry(BEHIND).or_default();
    }
    causes
}

/// The most comparisons of rules; security groups have at most 1,000 ("Amazon VPC quotas").
const MOST: usize = 4_000_000;

/// The rules that nothing of before covers, in a few words; none: all are covered.
fn uncovered(after: &[Rule], before: &[Rule]) -> Option<BTreeSet<String>> {
    if after == before {
        return None;
    }
    let few = after.len().saturating_mul(before.len()) <= MOST;
    let covered = |rule: &&Rule| few && before.iter().any(|wide| wide.covers(rule));
    let more: BTreeSet<String> = after.iter().filter(|rule| !covered(rule)).map(Rule::told).collect();
    (!more.is_empty()).then_some(more)
}

fn is_filter(before: &Exposure) -> bool {
    before.facts.guards.iter().any(|(cause, _)| *cause == "removes or changes what filters traffic")
}

/// What the change set lists and no template shows.
fn unseen(change: &Change) -> bool {
    let kind = change.resource_type.as_str();
    let about =
        ["Ingress", "Egress", "::SecurityGroup", "::Route", "::Url", "LoadBalancer", "::Listener", "Gateway"]
            .iter()
            .any(|word| kind.contains(word))
            || kind.starts_with("AWS::EC2::VPC")
            || kind.starts_with("AWS::EC2::NetworkAcl");
    let removed = change.action == "Remove";
    about && (!removed || kind.starts_with("AWS::EC2::NetworkAcl"))
}

/// Whether a line of the change list says that a value changes that the templates do not show.
fn tells(detail: &ValueSource, pair: &Pair<'_>, after: &Exposure, moved: &Moved) -> bool {
    if detail.attribute != "Properties" || !after.facts.come_from(&detail.name) {
        return false;
    }
    let cause = &detail.causing_entity;
    let reads = || cause.is_empty() || after.facts.may_read(properties(pair.new), &detail.name, cause);
    match detail.change_source.as_str() {
        "ResourceReference" | "ResourceAttribute" if !cause.is_empty() => {
            reads() && moved.reference(&Reference::named(&detail.causing_entity))
        }
        "DirectModification" | "" => {
            let references = after.facts.references_in(properties(pair.new), &detail.name);
            !pair.property_differs(&detail.name) || references.iter().any(|r| moved.doubts(r))
        }
        "ParameterReference" => reads(),
        _ => true,
    }
}
