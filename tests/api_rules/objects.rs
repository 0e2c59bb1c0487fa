//! Objects that the API server accepts, to be spoilt.

use serde_json::{Value, json};

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "stackgate.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": name },
        "spec": spec,
    })
}

pub fn account() -> Value {
    object(
        "AwsAccount",
        "shop-prod",
        json!({
            "accountID": "333333333333",
            "regions": ["ap-southeast-2"],
            "bootstrapRoleChain": [
                { "roleARN": "arn:aws:iam::999999999999:role/hop" },
                { "roleARN": "arn:aws:iam::333333333333:role/OrganizationAccountAccessRole" },
            ],
            "allowedNamespaces": [{ "name": "shop", "qualifiers": ["acme"], "stackNames": ["Prod-*"] }],
        }),
    )
}

pub fn bootstrap() -> Value {
    object(
        "Bootstrap",
        "acme",
        json!({
            "qualifier": "acme",
            "toolkitStackName": "CDKToolkit-acme",
            "version": 33,
            "accounts": { "selector": { "matchLabels": { "tier": "workload" } } },
            "trustedAccounts": ["999999999999"],
            "cloudFormationExecutionPolicies": ["arn:aws:iam::aws:policy/AdministratorAccess"],
            "gate": { "requireApproval": "AnyChange" },
        }),
    )
}

pub fn assembly() -> Value {
    object(
        "CloudAssembly",
        "shop",
        json!({
            "source": {
                "s3": { "account": "build", "bucket": "shop-cdk-out", "key": "main.zip", "region": "ap-southeast-2" },
            },
            "interval": "5m",
        }),
    )
}

pub fn stage() -> Value {
    object(
        "Stage",
        "prod",
        json!({
            "assemblyRef": { "name": "shop" },
            "cdkStage": "Prod",
            "accounts": ["shop-prod"],
            "promoteFrom": [{ "name": "test" }],
            "gate": { "requireApproval": "AnyChange" },
        }),
    )
}

pub fn freeze() -> Value {
    object("Freeze", "inc-4711", json!({ "reason": "INC-4711" }))
}

pub fn plan() -> Value {
    object(
        "ChangePlan",
        "prod-0123",
        json!({
            "proposal": {
                "kind": "Stage",
                "name": "prod",
                "uid": "0d9c6c1e-0000-4000-8000-000000000001",
                "operation": "Deploy",
                "id": format!("c1-{}", "0".repeat(40)),
            },
            "ledger": [opened(0, 1), rejected(1, "alice")],
        }),
    )
}

pub fn opened(seq: u32, order: u64) -> Value {
    json!({ "seq": seq, "time": "2026-11-24T10:00:00Z", "opened": { "order": order } })
}

pub fn rejected(seq: u32, by: &str) -> Value {
    json!({
        "seq": seq,
        "time": "2026-11-24T10:05:00Z",
        "decided": {
            "action": "Reject", "by": by, "identity": "Unverified", "source": "ChangePlan", "slot": "",
        },
    })
}
