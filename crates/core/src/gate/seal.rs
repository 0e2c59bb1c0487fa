//! Seals: who may write to a plan can write into its ledger while the admission policies are away, so what a ledger says of who
//! decided is believed only where the controller itself has written it.

use super::{PlanView, Recorded};
use crate::{
    api::{Identity, LedgerEntry},
    change::HmacKey,
    words::Digest,
};

/// The entries as they are written to this plan: what says who decided or reported is sealed.
#[must_use]
pub fn sealed(entries: &[LedgerEntry], namespace: &str, plan: &str, key: &HmacKey) -> Vec<LedgerEntry> {
    let names_somebody = |entry: &LedgerEntry| entry.decided.is_some() || entry.checked.is_some();
    entries
        .iter()
        .map(|entry| {
            let seal = names_somebody(entry).then(|| seal(entry, namespace, plan, key)).flatten();
            LedgerEntry { seal, ..entry.clone() }
        })
        .collect()
}

/// Over the place of the entry and all that it says, as JSON: the form in which the API server keeps it.
fn seal(entry: &LedgerEntry, namespace: &str, plan: &str, key: &HmacKey) -> Option<Digest> {
    let bare = LedgerEntry { seal: None, ..entry.clone() };
    let text = serde_json::to_vec(&bare).ok()?;
    Some(key.sign(&[b"ledger", namespace.as_bytes(), plan.as_bytes(), &text]))
}

impl PlanView {
    /// The same, where it is proven by nothing who decided what somebody else has written into the ledger.
    #[must_use]
    pub fn proven_by(mut self, key: &HmacKey) -> Self {
        let namespace = self.plan.metadata.namespace.clone().unwrap_or_default();
        let holds = |entry: &LedgerEntry| {
            entry.seal.is_some() && entry.seal == seal(entry, &namespace, &self.name, key)
        };
        let forged: Vec<u32> = self
            .plan
            .spec
            .ledger
            .iter()
            .filter(|e| (e.decided.is_some() || e.checked.is_some()) && !holds(e))
            .map(|e| e.seq)
            .collect();
        if forged.is_empty() {
            return self;
        }
        let doubt = |recorded: &mut Recorded| {
            if forged.contains(&recorded.place) {
                recorded.decided.identity = Identity::Unverified;
            }
        };
        self.decisions.iter_mut().chain(&mut self.beforehand).for_each(doubt);
        let said = |name: &str| {
            let mut all = self.plan.spec.ledger.iter().rev();
            all.find(|e| e.checked.as_ref().is_some_and(|c| c.name == name)).map(|e| e.seq)
        };
        for (name, (checked, _)) in &mut self.checks {
            if said(name).is_some_and(|seq| forged.contains(&seq)) {
                checked.identity = Identity::Unverified;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
        let spec = json!({ "proposal": proposal, "ledger": sealed(&entries, "shop", name, &key) });
        let mut plan = ChangePlan::new(name, serde_json::from_value(spec).unwrap());
        plan.metadata.namespace = Some("shop".to_owned());
        plan
    }

    fn identities(plan: ChangePlan, key: [u8; 32]) -> [Identity; 2] {
        let view = PlanView::new(Arc::new(plan)).unwrap().proven_by(&HmacKey::new(key));
        [view.decisions[0].decided.identity, view.checks["smoke"].0.identity]
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
}
