//! What differs between a plan and that of an upstream stage, in lines for people.

use std::collections::{BTreeMap, BTreeSet};

use super::warning::{LENGTH, cut, few};
use crate::api::{ChangeCount, PlannedAs, Proposal, ProposedStack, ResourceChange};

/// The most stacks of a plan whose names are tried as the key to how the names of two stages correspond.
const TRIED: usize = 8;

/// What a plan does otherwise than that of an upstream stage, apart from accounts, regions and names; at most 32 lines.
/// None: the same.
///
/// `values_differ`: whether the two Stages give other values to parameters. They are shown to nobody, and what they change may be told in no
/// other way.
#[must_use]
pub fn compare(this: &Proposal, upstream: &Proposal, values_differ: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if values_differ {
        lines.push(format!("the values that {} and {} give to parameters differ", this.name, upstream.name));
    }
    if this.operation != upstream.operation {
        lines.push(format!("{:?} here, {:?} in {}", this.operation, upstream.operation, upstream.name));
    }
    let partners = Partners::of(this, upstream);
    for (stack, other) in &partners.both {
        stack_lines(stack, other, &upstream.name, &mut lines);
    }
    let only = |stack: &ProposedStack, here: &str, there: &str| {
        format!("{}: {here} has this stack, {there} does not", stack.stack_name)
    };
    lines.extend(partners.here.iter().map(|s| only(s, &this.name, &upstream.name)));
    lines.extend(partners.there.iter().map(|s| only(s, &upstream.name, &this.name)));
    few(lines.iter().map(|l| cut(l, LENGTH)).collect())
}

/// The stacks of two plans that correspond, and those of either that have no partner.
struct Partners<'a> {
    both: Vec<(&'a ProposedStack, &'a ProposedStack)>,
    here: Vec<&'a ProposedStack>,
    there: Vec<&'a ProposedStack>,
}

impl<'a> Partners<'a> {
    fn of(this: &'a Proposal, upstream: &'a Proposal) -> Self {
        let mut all = Self {
            both: Vec::new(),
            here: this.stacks.iter().collect(),
            there: upstream.stacks.iter().collect(),
        };
        let first = correspondence(&all.here, &all.there, None);
        all.pair(|stack, other| other.stack_name.as_str() == translated(stack, &first));
        // The same words may be written otherwise in names that the app gives itself: `Prod-Api`, `shop-audit-prod`.
        loop {
            let more = correspondence(&all.here, &all.there, Some(&first));
            if !all.pair(|stack, other| other.stack_name.as_str() == translated(stack, &more)) {
                break;
            }
        }
        // What has another name and does exactly the same is the same.
        all.pair(|stack, other| stack.sameness.is_some() && stack.sameness == other.sameness);
        all
    }

    /// Pairs those that correspond; whether there were any.
    fn pair(&mut self, correspond: impl Fn(&ProposedStack, &ProposedStack) -> bool) -> bool {
        let before = self.both.len();
        for stack in std::mem::take(&mut self.here) {
            match self.there.iter().position(|other| correspond(stack, other)) {
                Some(place) => self.both.push((stack, self.there.remove(place))),
                None => self.here.push(stack),
            }
        }
        self.both.len() > before
    }
}

fn parts(name: &str) -> Vec<&str> {
    name.split('-').collect()
}

/// Words of names here, each with the word that stands in its place upstream.
type Words<'a> = BTreeMap<&'a str, &'a str>;

fn translated(stack: &ProposedStack, words: &Words<'_>) -> String {
    let part = |p: &str| words.get(p).map_or_else(|| p.to_owned(), |w| (*w).to_owned());
    parts(stack.stack_name.as_str()).into_iter().map(part).collect::<Vec<_>>().join("-")
}

/// The words in which the stack names of two stages differ, such as `Prod` and `Test`: those that make most names agree.
/// `like`: only such words that differ from these in nothing but capitals.
fn correspondence<'a>(
    this: &[&'a ProposedStack],
    upstream: &[&'a ProposedStack],
    like: Option<&Words<'_>>,
) -> Words<'a> {
    let there: BTreeSet<&'a str> = upstream.iter().map(|s| s.stack_name.as_str()).collect();
    let agree = |words: &Words<'_>| {
        let names: BTreeSet<String> = this.iter().map(|s| translated(s, words)).collect();
        names.iter().filter(|n| there.contains(n.as_str())).count()
    };
    let allowed = |words: &Words<'_>| {
        let known = |a: &str, b: &str| {
            like.is_none_or(|l| l.iter().any(|(x, y)| a.eq_ignore_ascii_case(x) && b.eq_ignore_ascii_case(y)))
        };
        words.iter().all(|(a, b)| known(a, b))
    };
    let mut best = Words::new();
    let mut most = agree(&best);
    for stack in this.iter().take(TRIED) {
        for other in &there {
            let Some(words) = difference(stack.stack_name.as_str(), other).filter(|w| allowed(w)) else {
                continue;
            };
            let n = agree(&words);
            if n > most || (n == most && n > 0 && words.len() < best.len()) {
                (best, most) = (words, n);
            }
        }
    }
    best
}

/// How one name becomes the other, word by word. Names that have no word in common have nothing to do with each other.
fn difference<'a>(name: &'a str, other: &'a str) -> Option<Words<'a>> {
    let (a, b) = (parts(name), parts(other));
    if a.len() != b.len() {
        return None;
    }
    let mut words = Words::new();
    let mut common = a.len() == 1;
    for (x, y) in a.into_iter().zip(b) {
        if x == y {
            common = true;
        } else if *words.entry(x).or_insert(y) != y {
            return None;
        }
    }
    common.then_some(words)
}

fn stack_lines(stack: &ProposedStack, other: &ProposedStack, upstream: &str, lines: &mut Vec<String>) {
    let name = &stack.stack_name;
    if let (Some(a), Some(b)) = (stack.sameness, other.sameness)
        && a == b
    {
        return;
    }
    let before = lines.len();
    if stack.plan != other.plan {
        lines.push(format!("{name}: {} here, {} in {upstream}", planned(stack.plan), planned(other.plan)));
    }
    lines.extend(resource_lines(stack, other, upstream).into_iter().map(|l| format!("{name}: {l}")));
    if lines.len() == before && stack.count != other.count {
        lines.push(format!("{name}: {} here, {} in {upstream}", counted(stack.count), counted(other.count)));
    }
    let alone = |these: &[String], those: &[String], place: &str| -> Vec<String> {
        these
            .iter()
            .filter(|w| !those.contains(w))
            .map(|w| format!("{name}: warning only in {place}: {w}"))
            .collect()
    };
    if stack.warnings != other.warnings {
        lines.extend(alone(&stack.warnings, &other.warnings, "this plan"));
        lines.extend(alone(&other.warnings, &stack.warnings, upstream));
    }
    if stack.termination_protection != other.termination_protection {
        lines.push(format!("{name}: termination protection is not that of {upstream}"));
    }
    if lines.len() > before {
        return;
    }
    if stack.plan == PlannedAs::Removed && other.plan == PlannedAs::Removed {
        return;
    }
    lines.push(match (stack.sameness, other.sameness) {
        (Some(_), Some(_)) => format!(
            "{name}: template, assets, tags, or which properties change and why, are not those of {upstream}"
        ),
        (None, _) | (_, None) => format!("{name}: cannot be compared, a plan is of a former version"),
    });
}

fn resource_lines(stack: &ProposedStack, other: &ProposedStack, upstream: &str) -> Vec<String> {
    let by_id = |s: &ProposedStack| -> BTreeMap<(String, String), ResourceChange> {
        let key = |c: &ResourceChange| (c.logical_id.clone(), c.resource_type.clone());
        s.changes.iter().map(|c| (key(c), c.clone())).collect()
    };
    let (here, there) = (by_id(stack), by_id(other));
    // A list that was cut says nothing of what is not in it.
    let cut = |s: &ProposedStack, list: &BTreeMap<_, _>| {
        let ChangeCount { add, modify, remove, replace, maybe_replace, code } = s.count;
        let all = add + modify + remove + replace + maybe_replace;
        usize::try_from(all.saturating_sub(code)).unwrap_or(usize::MAX) > list.len()
    };
    let (here_cut, there_cut) = (cut(stack, &here), cut(other, &there));
    let ids: BTreeSet<&(String, String)> = here.keys().chain(there.keys()).collect();
    ids.into_iter()
        .filter(|id| here.get(id) != there.get(id))
        .filter(|id| (here.contains_key(id) || !here_cut) && (there.contains_key(id) || !there_cut))
        .map(|id| {
            let (logical_id, resource_type) = id;
            let (a, b) = (told(here.get(id)), told(there.get(id)));
            format!("{logical_id} ({resource_type}): {a} here, {b} in {upstream}")
        })
        .collect()
}

fn told(change: Option<&ResourceChange>) -> String {
    match change {
        None => "no change".to_owned(),
        Some(c) => match &c.replacement {
            Some(r) => format!("{}, replacement {r},", c.action),
            None => c.action.clone(),
        },
    }
}

fn planned(plan: PlannedAs) -> &'static str {
    match plan {
        PlannedAs::Prepared => "a change set",
        PlannedAs::Deferred => "deferred",
        PlannedAs::Recreated => "made anew after a roll back",
        PlannedAs::Unchanged => "unchanged",
        PlannedAs::Removed => "deleted",
    }
}

fn counted(count: ChangeCount) -> String {
    let ChangeCount { add, modify, remove, replace, maybe_replace, code } = count;
    format!("+{add} ~{modify} -{remove}, {replace} replaced, {maybe_replace} perhaps, {code} with other code")
}
