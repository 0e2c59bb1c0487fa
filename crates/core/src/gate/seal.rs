//! Seals: who may write to a plan can write into its ledger while the admission policies are away, so what a ledger says of who
//! decided is believed only where the controller itself has written it.

use std::{collections::BTreeSet, sync::Arc};

use jiff::SignedDuration;
use kube::Resource as _;

use super::{PlanView, Recorded};
use crate::{
    api::{ChangePlan, Identity, LedgerEntry, Proposal},
    change::HmacKey,
    words::Digest,
};

/// How much later than its first entries a plan may have been made. Nobody knows its UID when they are sealed: another one that
/// takes its place soon after would be believed, too.
const MADE_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// The plan whose ledger entries are written to. A plan that is made anew under the same name is another one.
#[derive(Clone, Copy, Debug)]
pub struct SealedFor<'a> {
    namespace: &'a str,
    name: &'a str,
    proposal: &'a Proposal,
    /// Empty: it is being made, and nobody knows its UID yet.
    uid: &'a str,
}

impl<'a> SealedFor<'a> {
    /// One that is being made.
    #[must_use]
    pub fn new_plan(namespace: &'a str, name: &'a str, proposal: &'a Proposal) -> Self {
        Self { namespace, name, proposal, uid: "" }
    }

    /// One that is there.
    #[must_use]
    pub fn plan(plan: &'a ChangePlan) -> Self {
        let meta = plan.meta();
        let text = |field: &'a Option<String>| field.as_deref().unwrap_or_default();
        Self {
            namespace: text(&meta.namespace),
            name: text(&meta.name),
            proposal: &plan.spec.proposal,
            uid: text(&meta.uid),
        }
    }
}

/// The entries as they are written to this plan. With the opening all that it proposes is sealed: people approve what they read there.
#[must_use]
pub fn sealed(entries: &[LedgerEntry], plan: SealedFor<'_>, key: &HmacKey) -> Vec<LedgerEntry> {
    entries.iter().map(|entry| LedgerEntry { seal: seal(entry, plan, key), ..entry.clone() }).collect()
}

/// What somebody else has written into a ledger that says what the plan is for, or how it stands: the places of it, of those that nothing
/// proves. Only where the controller has opened the plan by the key that it has: with another one, it may have written all of it.
fn forged(ledger: &[LedgerEntry], unproven: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut is_ours = false;
    let mut forged = BTreeSet::new();
    for (entry, place) in ledger.iter().zip(0_u32..) {
        if !unproven.contains(&place) {
            is_ours |= entry.opened.is_some();
        } else if is_ours && entry.decided.is_none() && entry.checked.is_none() {
            forged.insert(place);
        }
    }
    forged
}

/// Over the place of the entry and all that it says, as JSON: the form in which the API server keeps it.
fn seal(entry: &LedgerEntry, plan: SealedFor<'_>, key: &HmacKey) -> Option<Digest> {
    let bare = LedgerEntry { seal: None, ..entry.clone() };
    let text = serde_json::to_vec(&bare).ok()?;
    let SealedFor { namespace, name, proposal, uid } = plan;
    let proposed = match entry.opened {
        Some(_) => serde_json::to_vec(proposal).ok()?,
        None => Vec::new(),
    };
    Some(key.sign(&[b"ledger v4", namespace.as_bytes(), name.as_bytes(), uid.as_bytes(), &text, &proposed]))
}

impl PlanView {
    /// The same, where it is proven by nothing who decided what somebody else has written into the ledger.
    #[must_use]
    pub fn proven_by(self, key: &HmacKey) -> Self {
        let unproven = self.look_for_unproven(key);
        self.doubting(unproven)
    }

    /// The places of the entries that should be sealed and are not, or not by this key, for this plan and at this place.
    fn look_for_unproven(&self, key: &HmacKey) -> BTreeSet<u32> {
        let there = SealedFor::plan(&self.plan);
        let made = SealedFor { uid: "", ..there };
        let made_at = self.plan.metadata.creation_timestamp.as_ref().map(|t| t.0);
        let is_first = |entry: &LedgerEntry| {
            made_at.is_none_or(|at| at.duration_since(entry.time.0).abs() <= MADE_WITHIN)
        };
        let holds = |entry: &LedgerEntry, place: u32| {
            let is = |plan| entry.seal == seal(entry, plan, key);
            entry.seal.is_some() && entry.seq == place && (is(there) || (is_first(entry) && is(made)))
        };
        let ledger = self.plan.spec.ledger.iter().zip(0_u32..);
        ledger.filter(|(e, place)| !holds(e, *place)).map(|(_, place)| place).collect()
    }

    /// The places of what somebody else has written into the ledger, and what therefore says nothing here.
    #[must_use]
    pub fn forged(&self) -> BTreeSet<u32> {
        forged(&self.plan.spec.ledger, &self.unproven)
    }

    /// The same, where nothing proves who wrote the entries at these places. What was forged says nothing.
    #[must_use]
    pub fn doubting(mut self, unproven: BTreeSet<u32>) -> Self {
        if unproven.is_empty() {
            return self;
        }
        let forged = forged(&self.plan.spec.ledger, &unproven);
        if let Some(view) = Self::leaving_out(&self.plan, &forged).filter(|_| !forged.is_empty()) {
            self = view;
        }
        let doubt = |recorded: &mut Recorded| {
            if unproven.contains(&recorded.place) {
                recorded.decided.identity = Identity::Unverified;
            }
        };
        self.decisions.iter_mut().chain(&mut self.beforehand).for_each(doubt);
        let plan = Arc::clone(&self.plan);
        let all = || plan.spec.ledger.iter().zip(0_u32..);
        let places = || all().filter(|(_, place)| !forged.contains(place));
        // They count since the last claim. When that was which nothing proves to be the controller's, nobody knows.
        let reports = places().filter(|(_, place)| *place > self.claimed_place);
        let reports: Vec<_> =
            reports.filter_map(|(e, place)| Some((e.checked.clone()?, e.time.0, place))).collect();
        self.checks.clear();
        for (mut checked, at, place) in reports {
            let is_proven = !unproven.contains(&place);
            if !is_proven {
                checked.identity = Identity::Unverified;
            }
            self.hear(checked, at, is_proven);
        }
        let opened = places().filter(|(e, _)| e.opened.is_some()).last().map_or(0, |(_, place)| place);
        let claim = places().find(|(e, place)| *place > opened && e.claimed.is_some());
        self.claim_is_proven = claim.is_none_or(|(_, place)| !unproven.contains(&place));
        self.opening_is_proven = !unproven.contains(&opened);
        self.unproven = unproven;
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::ChangePlan;

    const KEY: [u8; 32] = [7; 32];

    /// A plan in which alice has approved and a check has passed, as the controller writes it.
    fn written(name: &str) -> ChangePlan {
        let entries: Vec<LedgerEntry> = serde_json::from_value(json!([
            { "seq": 0, "time": "2026-11-24T00:00:00Z", "opened": { "order": 1 } },
            { "seq": 1, "time": "2026-11-24T00:01:00Z", "decided": { "action": "Approve", "by": "alice",
                "identity": "Verified", "source": "ChangePlan", "slot": "", "acks": ["iam"],
                "since": "2026-11-24T00:00:59.25Z", "until": "2026-11-25T00:00:00Z" } },
            { "seq": 2, "time": "2026-11-24T00:02:00Z", "checked": { "name": "smoke", "result": "Passed",
                "by": "system:serviceaccount:ci:smoke", "identity": "Verified" } },
        ]))
        .unwrap();
        let key = HmacKey::new(KEY);
        let proposal = json!({ "kind": "Stage", "name": "prod", "uid": "5e5cda1a", "operation": "Deploy",
            "id": format!("c1-{}", "1".repeat(40)) });
        let spec = json!({ "proposal": proposal, "ledger": [] });
        let mut plan = ChangePlan::new(name, serde_json::from_value(spec).unwrap());
        plan.spec.ledger = sealed(&entries, SealedFor::new_plan("shop", name, &plan.spec.proposal), &key);
        plan.metadata.namespace = Some("shop".to_owned());
        plan
    }

    fn identities(plan: ChangePlan, key: [u8; 32]) -> [Identity; 2] {
        let view = PlanView::new(Arc::new(plan)).unwrap().proven_by(&HmacKey::new(key));
        [view.decisions[0].decided.identity, view.checks["smoke"].newest.identity]
    }

    #[test]
    fn what_the_controller_wrote_is_believed_also_after_the_api_server_kept_it() {
        let kept: ChangePlan =
            serde_json::from_value(serde_json::to_value(written("prod-1")).unwrap()).unwrap();
        assert_eq!(identities(kept, KEY), [Identity::Verified; 2]);
    }

    #[test]
    fn with_another_key_nothing_is_proven() {
        assert_eq!(identities(written("prod-1"), [8; 32]), [Identity::Unverified; 2]);
    }

    #[test]
    fn what_somebody_else_wrote_is_proven_by_nothing() {
        let unproven = |change: &dyn Fn(&mut Value)| {
            let mut plan = serde_json::to_value(written("prod-1")).unwrap();
            change(&mut plan);
            identities(serde_json::from_value(plan).unwrap(), KEY)[0]
        };
        assert_eq!(unproven(&|_| {}), Identity::Verified);
        let decided = "/spec/ledger/1/decided";
        for (field, value) in [
            ("by", json!("bob")),
            ("acks", json!(["iam", "delete"])),
            ("action", json!("Override")),
            ("until", json!("2027-11-25T00:00:00Z")),
        ] {
            let changed = unproven(&|plan| plan.pointer_mut(decided).unwrap()[field] = value.clone());
            assert_eq!(changed, Identity::Unverified, "{field}");
        }
        let unsealed = unproven(&|plan| {
            plan["spec"]["ledger"][1].as_object_mut().unwrap().remove("seal");
        });
        assert_eq!(unsealed, Identity::Unverified);
        let later = unproven(&|plan| plan["spec"]["ledger"][1]["time"] = json!("2026-11-25T00:00:00Z"));
        assert_eq!(later, Identity::Unverified);
        let elsewhere = unproven(&|plan| plan["metadata"]["name"] = json!("prod-2"));
        assert_eq!(elsewhere, Identity::Unverified);
    }

    /// The same plan as it is written once it is there.
    fn appended(uid: &str) -> ChangePlan {
        let mut plan = written("prod-1");
        plan.metadata.uid = Some(uid.to_owned());
        plan.spec.ledger = sealed(&plan.spec.ledger, SealedFor::plan(&plan), &HmacKey::new(KEY));
        plan
    }

    #[test]
    fn a_plan_that_is_made_anew_under_the_same_name_is_another_one() {
        assert_eq!(identities(appended("first"), KEY), [Identity::Verified; 2]);
        let mut again = appended("first");
        again.metadata.uid = Some("second".to_owned());
        assert_eq!(identities(again, KEY), [Identity::Unverified; 2]);
    }

    #[test]
    fn what_was_sealed_before_a_plan_was_there_proves_nothing_in_one_that_was_made_long_after() {
        let made = |minutes: i64| {
            let mut plan = written("prod-1");
            let at = plan.spec.ledger[0].time.0 + SignedDuration::from_mins(minutes);
            plan.metadata.uid = Some("first".to_owned());
            plan.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at));
            let view = PlanView::new(Arc::new(plan)).unwrap().proven_by(&HmacKey::new(KEY));
            (view.opening_is_proven, view.unproven.len())
        };
        assert_eq!(made(0), (true, 0));
        assert_eq!(made(30), (false, 3));
    }

    #[test]
    fn what_people_read_is_what_the_controller_wrote() {
        let mut plan = written("prod-1");
        let proven = |plan: &ChangePlan| {
            let view = PlanView::new(Arc::new(plan.clone())).unwrap();
            view.proven_by(&HmacKey::new(KEY)).opening_is_proven
        };
        assert!(proven(&plan));
        plan.spec.proposal.operation = crate::api::Operation::Rollback;
        assert!(!proven(&plan));
    }

    #[test]
    fn what_was_decided_once_is_not_decided_again_by_a_copy_of_it() {
        let mut plan = appended("first");
        let copy = plan.spec.ledger[1].clone();
        plan.spec.ledger.push(copy);
        let view = PlanView::new(Arc::new(plan)).unwrap().proven_by(&HmacKey::new(KEY));
        let known: Vec<Identity> = view.decisions.iter().map(|d| d.decided.identity).collect();
        assert_eq!(known, [Identity::Verified, Identity::Unverified]);
    }

    #[test]
    fn approvals_are_counted_at_the_time_of_a_claim_only_where_the_controller_has_claimed() {
        let claim: LedgerEntry = serde_json::from_value(
            json!({ "seq": 3, "time": "2026-11-24T01:00:00Z", "claimed": { "stacks": [] } }),
        )
        .unwrap();
        let now = "2026-11-30T00:00:00Z".parse().unwrap();
        let counted = |claim: LedgerEntry| {
            let mut plan = appended("first");
            plan.spec.ledger.push(claim);
            PlanView::new(Arc::new(plan)).unwrap().proven_by(&HmacKey::new(KEY)).counted_at(now)
        };
        assert_eq!(counted(claim.clone()), now);
        let plan = appended("first");
        let ours = sealed(std::slice::from_ref(&claim), SealedFor::plan(&plan), &HmacKey::new(KEY)).remove(0);
        assert_eq!(counted(ours), claim.time.0);
    }
}
