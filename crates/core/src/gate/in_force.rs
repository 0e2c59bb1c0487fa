//! The gate in force: field by field the stricter of what the Stage or the Bootstrap says and of what each of its accounts demands.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use kube::ResourceExt;

use super::Tally;
use crate::api::{
    AwsAccount, Bootstrap, Gate, GateField, IdentityNeeded, Leftover, MinimumGate, Promotion,
    RequireApproval, RiskClass, Stage,
};

/// How long an approval counts where nobody says otherwise.
const APPROVAL_TTL: SignedDuration = SignedDuration::from_hours(72);
/// How long a plan waits where nobody says otherwise.
const PLAN_TTL: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A value, and the object that demands it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Such as `AwsAccount shop-prod`, with `(default)` where that does not say it; `spec.gate`, or `default`.
    pub source: String,
}

/// The gate that a change of a Stage or a Bootstrap has to pass.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InForce {
    /// Which changes need an approval.
    pub require_approval: Sourced<RequireApproval>,
    /// The classes that have to be acknowledged.
    pub require_ack: Sourced<BTreeSet<RiskClass>>,
    /// How many people have to approve.
    pub approvals: Sourced<u32>,
    /// Whose decisions count.
    pub identity: Sourced<IdentityNeeded>,
    /// How long an approval counts from when it was first seen.
    pub approval_ttl: Sourced<SignedDuration>,
    /// How long a plan waits for its approvals.
    pub plan_ttl: Sourced<SignedDuration>,
    /// Whether releases have to come from another stage.
    pub promotion: Sourced<Promotion>,
    /// What becomes of the stacks when the Stage is deleted.
    pub deletion_policy: Sourced<Leftover>,
    /// How long every upstream must have carried a release, at least.
    pub soak: Sourced<SignedDuration>,
    /// How long the one must that has to carry it longest.
    pub longest_soak: Sourced<SignedDuration>,
}

impl<T> Sourced<T> {
    fn of(said: Option<T>, default: T) -> Self {
        match said {
            Some(value) => Self { value, source: "spec.gate".to_owned() },
            None => Self { value: default, source: "default".to_owned() },
        }
    }

    /// Takes the demand of an account where that is the stricter one.
    fn demand(&mut self, said: Option<T>, by: &str, is_stricter: impl Fn(&T, &T) -> bool) {
        if let Some(value) = said.filter(|v| is_stricter(v, &self.value)) {
            *self = Self { value, source: by.to_owned() };
        }
    }
}

/// The gate of a Stage that deploys into these accounts.
#[must_use]
pub fn in_force<'a>(stage: &Stage, accounts: impl IntoIterator<Item = &'a AwsAccount>) -> InForce {
    let mut gate = of(stage.spec.gate.as_ref(), stage.spec.deletion_policy, accounts);
    for upstream in &stage.spec.promote_from {
        let by = format!("spec.promoteFrom {}", upstream.name);
        gate.longest_soak.demand(upstream.soak.as_ref().map(|s| s.get()), &by, |a, b| a > b);
    }
    gate
}

/// The gate of a Bootstrap that changes toolkit stacks in these accounts.
#[must_use]
pub fn in_force_for<'a>(
    bootstrap: &Bootstrap,
    accounts: impl IntoIterator<Item = &'a AwsAccount>,
) -> InForce {
    of(bootstrap.spec.gate.as_ref(), None, accounts)
}

fn of<'a>(
    own: Option<&Gate>,
    deletion_policy: Option<Leftover>,
    accounts: impl IntoIterator<Item = &'a AwsAccount>,
) -> InForce {
    let own = own.cloned().unwrap_or_default();
    let all = || RiskClass::ALL.into_iter().collect::<BTreeSet<_>>();
    let mut gate = InForce {
        require_approval: Sourced::of(own.require_approval, RequireApproval::default()),
        require_ack: Sourced::of(own.require_ack.map(|l| l.into_iter().collect()), all()),
        approvals: Sourced::of(own.approvals, 1),
        identity: Sourced::of(own.identity, IdentityNeeded::default()),
        approval_ttl: Sourced::of(own.approval_ttl.map(|s| s.get()), APPROVAL_TTL),
        plan_ttl: Sourced::of(own.plan_ttl.map(|s| s.get()), PLAN_TTL),
        promotion: Sourced::of(None, Promotion::default()),
        deletion_policy: match deletion_policy {
            Some(value) => Sourced { value, source: "spec.deletionPolicy".to_owned() },
            None => Sourced::of(None, Leftover::default()),
        },
        soak: Sourced::of(None, SignedDuration::ZERO),
        longest_soak: Sourced::of(None, SignedDuration::ZERO),
    };
    for account in accounts {
        let by = format!("AwsAccount {}", account.name_any());
        let MinimumGate {
            require_approval,
            require_ack,
            approvals,
            identity,
            approval_ttl,
            plan_ttl,
            promotion,
            deletion_policy,
            soak,
        } = account.spec.minimum_gate.clone().unwrap_or_default();
        // What an account does not say about these three it demands in full: deny by default.
        let as_far_as = |says: bool| if says { by.clone() } else { format!("{by} (default)") };
        let (approval, ack, leftover) = (
            as_far_as(require_approval.is_some()),
            as_far_as(require_ack.is_some()),
            as_far_as(deletion_policy.is_some()),
        );
        gate.require_approval.demand(
            Some(require_approval.unwrap_or(RequireApproval::AnyChange)),
            &approval,
            |a, b| a > b,
        );
        let demanded = require_ack.map_or_else(all, |l| l.into_iter().collect());
        if !demanded.is_subset(&gate.require_ack.value) {
            let Sourced { value, source } = &mut gate.require_ack;
            *source = if value.is_subset(&demanded) { ack } else { format!("{source}, {ack}") };
            value.extend(demanded);
        }
        let retains = |a: &Leftover, b: &Leftover| (*a, *b) == (Leftover::Retain, Leftover::Delete);
        gate.deletion_policy.demand(Some(deletion_policy.unwrap_or_default()), &leftover, retains);
        gate.approvals.demand(approvals, &by, |a, b| a > b);
        gate.identity.demand(identity, &by, |a, b| a > b);
        gate.approval_ttl.demand(approval_ttl.map(|s| s.get()), &by, |a, b| a < b);
        gate.plan_ttl.demand(plan_ttl.map(|s| s.get()), &by, |a, b| a < b);
        gate.promotion.demand(promotion, &by, |a, b| a > b);
        gate.soak.demand(soak.map(|s| s.get()), &by, |a, b| a > b);
    }
    gate.longest_soak.clone_from(&gate.soak);
    gate
}

impl InForce {
    /// Whether it stays shut while nothing proves who has decided.
    #[must_use]
    pub fn rests_on_policies(&self, tally: &Tally) -> bool {
        tally.by_rule.is_none() && self.identity.value == IdentityNeeded::Verified
    }

    /// The fields as a status shows them.
    #[must_use]
    pub fn shown(&self) -> Vec<GateField> {
        fn field<T>(name: &str, s: &Sourced<T>, value: String) -> GateField {
            // Each of many accounts may add a class.
            GateField { field: name.to_owned(), value, source: s.source.chars().take(320).collect() }
        }
        let classes: Vec<&str> = self.require_ack.value.iter().map(|c| c.as_str()).collect();
        let hours = |d: SignedDuration| format!("{d:#}").replace(' ', "");
        vec![
            field("requireApproval", &self.require_approval, format!("{:?}", self.require_approval.value)),
            field("requireAck", &self.require_ack, classes.join(",")),
            field("approvals", &self.approvals, self.approvals.value.to_string()),
            field("identity", &self.identity, format!("{:?}", self.identity.value)),
            field("approvalTTL", &self.approval_ttl, hours(self.approval_ttl.value)),
            field("planTTL", &self.plan_ttl, hours(self.plan_ttl.value)),
            field("promotion", &self.promotion, format!("{:?}", self.promotion.value)),
            field("deletionPolicy", &self.deletion_policy, format!("{:?}", self.deletion_policy.value)),
            field("soak", &self.longest_soak, hours(self.longest_soak.value)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Gate, StageSpec};

    fn stage(gate: serde_json::Value) -> Stage {
        let spec = serde_json::json!({
            "assemblyRef": { "name": "shop" }, "accounts": ["prod"], "gate": gate
        });
        let gate: Option<Gate> = serde_json::from_value(spec["gate"].clone()).unwrap();
        let mut spec: StageSpec = serde_json::from_value(spec).unwrap();
        spec.gate = gate;
        Stage::new("prod", spec)
    }

    fn account(minimum: serde_json::Value) -> AwsAccount {
        let mut spec = serde_json::json!({ "accountID": "333333333333", "regions": ["eu-west-1"] });
        if !minimum.is_null() {
            spec["minimumGate"] = minimum;
        }
        AwsAccount::new("prod", serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn without_a_word_from_anybody_any_change_and_every_risk_needs_a_person() {
        let gate = in_force(&stage(serde_json::Value::Null), [&account(serde_json::Value::Null)]);
        assert_eq!(gate.require_approval.value, RequireApproval::AnyChange);
        assert_eq!(gate.require_ack.value.len(), 7);
        assert_eq!(gate.identity.value, IdentityNeeded::Verified);
        assert_eq!((gate.approvals.value, gate.approvals.source.as_str()), (1, "default"));
        let values: Vec<String> =
            gate.shown().into_iter().map(|f| format!("{}={}", f.field, f.value)).collect();
        assert_eq!(values[4..6], ["approvalTTL=72h", "planTTL=168h"]);
    }

    #[test]
    fn a_stage_cannot_ask_for_less_than_its_account() {
        let loose = stage(
            serde_json::json!({ "requireApproval": "Never", "requireAck": [], "approvals": 1, "identity": "Any" }),
        );
        let gate = in_force(&loose, [&account(serde_json::Value::Null)]);
        assert_eq!(gate.require_approval.source, "AwsAccount prod (default)");
        assert_eq!(gate.require_approval.value, RequireApproval::AnyChange);
        assert_eq!(gate.require_ack.value.len(), 7);
        // An account that does not speak of identity leaves it to the Stage.
        assert_eq!(gate.identity.value, IdentityNeeded::Any);
    }

    #[test]
    fn the_stricter_of_two_accounts_counts_field_by_field() {
        let loose =
            account(serde_json::json!({ "requireApproval": "Never", "requireAck": [], "approvals": 2 }));
        let mut strict = account(serde_json::json!({
            "requireApproval": "OnRisk", "requireAck": ["iam"], "approvalTTL": "2h", "soak": "1h", "promotion": "Required"
        }));
        strict.metadata.name = Some("strict".to_owned());
        let gate = in_force(
            &stage(
                serde_json::json!({ "requireApproval": "Never", "requireAck": ["delete"], "approvalTTL": "5h" }),
            ),
            [&loose, &strict],
        );
        assert_eq!(gate.require_approval.value, RequireApproval::OnRisk);
        assert_eq!(gate.require_ack.value, BTreeSet::from([RiskClass::Delete, RiskClass::Iam]));
        assert_eq!((gate.approvals.value, gate.approvals.source.as_str()), (2, "AwsAccount prod"));
        assert_eq!(gate.approval_ttl.value, SignedDuration::from_hours(2));
        assert_eq!(gate.promotion.source, "AwsAccount strict");
        assert_eq!(gate.soak.value, SignedDuration::from_hours(1));
        assert_eq!(gate.require_ack.source, "spec.gate, AwsAccount strict");
    }

    #[test]
    fn the_soak_that_is_shown_is_that_of_the_upstream_which_has_to_carry_a_release_longest() {
        let mut stage = stage(serde_json::Value::Null);
        let upstreams =
            serde_json::json!([{ "name": "dev", "soak": "2h" }, { "name": "test", "soak": "30m" }]);
        stage.spec.promote_from = serde_json::from_value(upstreams).unwrap();
        let gate = in_force(&stage, [&account(serde_json::json!({ "soak": "1h" }))]);
        let soak = gate.shown().pop().unwrap();
        assert_eq!((soak.value.as_str(), soak.source.as_str()), ("2h", "spec.promoteFrom dev"));
        assert_eq!(
            (gate.soak.value, gate.soak.source.as_str()),
            (SignedDuration::from_hours(1), "AwsAccount prod")
        );
    }
}
