//! The gate in force: from the objects, or from what the status of the Stage says of it.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use stackgate_core::{
    api::{Bootstrap, GateField, IdentityNeeded, Leftover, Promotion, RequireApproval, RiskClass, Stage},
    gate::{InForce, Sourced},
};

/// Reads `status.effectiveGate`. `None`: it is not there yet, or a newer version wrote it.
#[must_use]
pub fn from_status(stage: &Stage) -> Option<InForce> {
    read_all(&stage.status.as_ref()?.effective_gate)
}

/// The same of a Bootstrap.
#[must_use]
pub fn from_bootstrap(bootstrap: &Bootstrap) -> Option<InForce> {
    read_all(&bootstrap.status.as_ref()?.effective_gate)
}

fn read_all(fields: &[GateField]) -> Option<InForce> {
    Some(InForce {
        require_approval: read(fields, "requireApproval", |v| match v {
            "Never" => Some(RequireApproval::Never),
            "OnRisk" => Some(RequireApproval::OnRisk),
            "AnyChange" => Some(RequireApproval::AnyChange),
            _ => None,
        })?,
        require_ack: read(fields, "requireAck", classes)?,
        approvals: read(fields, "approvals", |v| v.parse().ok())?,
        identity: read(fields, "identity", |v| match v {
            "Any" => Some(IdentityNeeded::Any),
            "Verified" => Some(IdentityNeeded::Verified),
            _ => None,
        })?,
        approval_ttl: read(fields, "approvalTTL", span)?,
        plan_ttl: read(fields, "planTTL", span)?,
        promotion: read(fields, "promotion", |v| match v {
            "Optional" => Some(Promotion::Optional),
            "Required" => Some(Promotion::Required),
            _ => None,
        })?,
        deletion_policy: read(fields, "deletionPolicy", |v| match v {
            "Retain" => Some(Leftover::Retain),
            "Delete" => Some(Leftover::Delete),
            _ => None,
        })?,
        soak: read(fields, "soak", span)?,
        longest_soak: read(fields, "soak", span)?,
    })
}

fn read<T>(fields: &[GateField], name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Sourced<T>> {
    let field = fields.iter().find(|f| f.field == name)?;
    Some(Sourced { value: parse(&field.value)?, source: field.source.clone() })
}

fn classes(text: &str) -> Option<BTreeSet<RiskClass>> {
    text.split(',').filter(|c| !c.is_empty()).map(|c| c.parse().ok()).collect()
}

fn span(text: &str) -> Option<SignedDuration> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;
    use stackgate_core::{
        api::{AwsAccount, StageStatus},
        gate::in_force,
    };

    use super::*;

    #[rstest]
    #[case::default(json!({}), json!({}))]
    #[case::loose(json!({ "requireApproval": "OnRisk", "requireAck": [], "identity": "Any" }), json!({ "requireApproval": "Never", "requireAck": [] }))]
    #[case::strict(
        json!({ "approvals": 2, "approvalTTL": "1h30m", "planTTL": "200h" }),
        json!({ "requireAck": ["iam", "maybe-replace"], "promotion": "Required", "soak": "45m" })
    )]
    fn what_the_status_shows_is_read_back(#[case] own: serde_json::Value, #[case] least: serde_json::Value) {
        let spec = json!({ "assemblyRef": { "name": "shop" }, "accounts": ["prod"], "gate": own });
        let mut stage = Stage::new("prod", serde_json::from_value(spec).unwrap());
        let spec = json!({ "accountID": "333333333333", "regions": ["eu-west-1"], "minimumGate": least });
        let gate = in_force(&stage, [&AwsAccount::new("prod", serde_json::from_value(spec).unwrap())]);
        assert_eq!(from_status(&stage), None);
        stage.status = Some(StageStatus { effective_gate: gate.shown(), ..StageStatus::default() });
        assert_eq!(from_status(&stage), Some(gate));
    }
}
