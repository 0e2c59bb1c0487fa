//! For each rule of the schemas an object that keeps it and objects that break it.

use serde_json::{Value, json};

use crate::objects::{account, assembly, bootstrap, freeze, opened, plan, rejected, stage};

/// One rule, tried on creating (`before` absent) or on changing `before`.
pub struct Case {
    /// What is refused, for people who read a failure.
    pub name: &'static str,
    /// What the API server says when it is broken; for a CEL rule its message.
    pub says: &'static str,
    /// The object as it is in the cluster.
    pub before: Option<Value>,
    /// Accepted.
    pub good: Value,
    /// Refused.
    pub bad: Vec<Value>,
}

/// The object with something else at these JSON pointers; `null` removes.
fn with(mut object: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = object.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            parent.remove(field).unwrap();
        } else {
            parent.insert(field.to_owned(), value.clone());
        }
    }
    object
}

fn on_create(name: &'static str, says: &'static str, good: Value, bad: Vec<Value>) -> Case {
    Case { name, says, before: None, good, bad }
}

fn on_change(name: &'static str, says: &'static str, before: Value, good: Value, bad: Vec<Value>) -> Case {
    Case { name, says, before: Some(before), good, bad }
}

pub fn cases() -> Vec<Case> {
    [accounts(), bootstraps(), assemblies(), stages(), plans(), freezes()].into_iter().flatten().collect()
}

fn accounts() -> Vec<Case> {
    let chain = |roles: Value| with(account(), &[("/spec/bootstrapRoleChain", roles)]);
    let role = |id: &str| json!({ "roleARN": format!("arn:aws:iam::{id}:role/access") });
    vec![
        on_change(
            "the account id of an AwsAccount is changed",
            "accountID is immutable",
            with(account(), &[("/spec/bootstrapRoleChain", Value::Null)]),
            with(account(), &[("/spec/regions", json!(["eu-west-1"]))]),
            vec![with(
                account(),
                &[("/spec/bootstrapRoleChain", Value::Null), ("/spec/accountID", json!("444444444444"))],
            )],
        ),
        on_create(
            "the last role of the chain lies elsewhere",
            "the last role of bootstrapRoleChain must lie in accountID",
            chain(json!([role("999999999999"), role("333333333333")])),
            vec![
                chain(json!([role("333333333333"), role("999999999999")])),
                chain(json!([role("999999999999")])),
            ],
        ),
        on_create(
            "the chain is empty",
            "spec.bootstrapRoleChain",
            with(account(), &[("/spec/bootstrapRoleChain", Value::Null)]),
            vec![chain(json!([]))],
        ),
    ]
}

fn bootstraps() -> Vec<Case> {
    let accounts = |a: Value| with(bootstrap(), &[("/spec/accounts", a)]);
    vec![
        on_change(
            "the qualifier is changed",
            "qualifier is immutable",
            bootstrap(),
            with(bootstrap(), &[("/spec/trustedAccounts", json!([]))]),
            vec![with(bootstrap(), &[("/spec/qualifier", json!("other"))])],
        ),
        on_change(
            "the toolkit stack is renamed",
            "toolkitStackName is immutable",
            bootstrap(),
            with(bootstrap(), &[("/spec/trustedAccountsForLookup", json!(["888888888888"]))]),
            vec![with(bootstrap(), &[("/spec/toolkitStackName", json!("CDKToolkit"))])],
        ),
        on_create(
            "a version that cannot be made",
            "version: this version of Stackgate makes toolkit stacks of version 33; mode: Observe takes older ones",
            with(bootstrap(), &[("/spec/version", json!(21)), ("/spec/mode", json!("Observe"))]),
            vec![
                with(bootstrap(), &[("/spec/version", json!(21))]),
                with(bootstrap(), &[("/spec/version", json!(21)), ("/spec/mode", json!("Manage"))]),
            ],
        ),
        on_create(
            "a mode that there is not",
            "spec.mode",
            with(bootstrap(), &[("/spec/mode", json!("Observe"))]),
            vec![with(bootstrap(), &[("/spec/mode", json!("observe"))])],
        ),
        on_create(
            "accounts are trusted without saying what they may do",
            "trustedAccounts needs cloudFormationExecutionPolicies: say what trusted accounts may do",
            with(
                bootstrap(),
                &[
                    ("/spec/trustedAccounts", Value::Null),
                    ("/spec/cloudFormationExecutionPolicies", Value::Null),
                ],
            ),
            vec![
                with(bootstrap(), &[("/spec/cloudFormationExecutionPolicies", Value::Null)]),
                with(bootstrap(), &[("/spec/cloudFormationExecutionPolicies", json!([]))]),
            ],
        ),
        on_create(
            "accounts are selected in both ways or in none",
            "exactly one of names and selector",
            accounts(json!({ "names": ["shop-dev"] })),
            vec![
                accounts(json!({})),
                accounts(json!({ "names": ["a"], "selector": { "matchLabels": { "tier": "workload" } } })),
            ],
        ),
        on_create(
            "the selector is empty",
            "spec.accounts.selector",
            accounts(json!({ "selector": { "matchLabels": { "tier": "workload" } } })),
            vec![accounts(json!({ "selector": {} })), accounts(json!({ "selector": { "matchLabels": {} } }))],
        ),
        on_create(
            "a list of names is empty",
            "spec.accounts.names",
            accounts(json!({ "names": ["a"] })),
            vec![accounts(json!({ "names": [] }))],
        ),
        on_create(
            "the name is too long",
            "the name of a Bootstrap has at most 50 characters: it becomes part of plan names and a label of plans",
            with(bootstrap(), &[("/metadata/name", json!("a".repeat(50)))]),
            vec![with(bootstrap(), &[("/metadata/name", json!("a".repeat(51)))])],
        ),
    ]
}

fn assemblies() -> Vec<Case> {
    let s3 = assembly()["spec"]["source"]["s3"].clone();
    let source = |s: Value| with(assembly(), &[("/spec/source", s)]);
    vec![on_create(
        "there is not exactly one source",
        "spec.source",
        source(json!({ "s3": s3 })),
        vec![
            source(json!({})),
            source(json!({ "ftp": {} })),
            with(assembly(), &[("/spec/source", Value::Null)]),
        ],
    )]
}

fn stages() -> Vec<Case> {
    let named = |name: &str| with(stage(), &[("/metadata/name", json!(name))]);
    let parameter = |p: Value| with(stage(), &[("/spec/parameters", json!([p]))]);
    let at = json!({ "name": "settings", "key": "size" });
    vec![
        on_create(
            "the name is too long or has dots",
            "the name of a Stage has at most 50 characters and no dots: it becomes part of plan names",
            named(&"a".repeat(50)),
            vec![named(&"a".repeat(51)), named("a.b")],
        ),
        on_create(
            "the name is like that of a plan",
            "the name of a Stage does not end like that of a plan, in the 40 digits of an id",
            named(&format!("a-{}", "0".repeat(39))),
            vec![named(&format!("a-{}", "0a".repeat(20)))],
        ),
        on_create(
            "a parameter has no value, or two",
            "give either value or valueFrom",
            parameter(json!({ "name": "Shop-Db:Size", "value": "" })),
            vec![
                parameter(json!({ "name": "Size" })),
                parameter(
                    json!({ "name": "Size", "value": "1", "valueFrom": { "configMapKeyRef": at.clone() } }),
                ),
            ],
        ),
        on_create(
            "a value lies nowhere, or in two places",
            "give either configMapKeyRef or secretKeyRef",
            parameter(json!({ "name": "Size", "valueFrom": { "secretKeyRef": at.clone() } })),
            vec![
                parameter(json!({ "name": "Size", "valueFrom": {} })),
                parameter(
                    json!({ "name": "Size", "valueFrom": { "secretKeyRef": at.clone(), "configMapKeyRef": at } }),
                ),
            ],
        ),
        on_create(
            "a parameter has a name that no template can have",
            "spec.parameters",
            parameter(json!({ "name": "Size", "value": "1" })),
            vec![
                parameter(json!({ "name": "a:b:c", "value": "1" })),
                parameter(json!({ "name": "si-ze", "value": "1" })),
                parameter(json!({ "name": ":Size", "value": "1" })),
            ],
        ),
    ]
}

fn freezes() -> Vec<Case> {
    let weekly = json!({ "cron": "0 15 * * FRI", "duration": "66h", "timeZone": "Australia/Sydney" });
    let times =
        |start: Value, end: Value| with(freeze(), &[("/spec/startTime", start), ("/spec/endTime", end)]);
    let scheduled = with(freeze(), &[("/spec/schedule", weekly.clone())]);
    vec![
        on_create(
            "a schedule and times",
            "a schedule takes the place of startTime and endTime",
            scheduled.clone(),
            vec![
                with(scheduled.clone(), &[("/spec/endTime", json!("2026-12-24T06:00:00Z"))]),
                with(scheduled.clone(), &[("/spec/startTime", json!("2026-12-24T06:00:00Z"))]),
            ],
        ),
        on_create(
            "it lasts for no time",
            "a duration of nothing freezes nothing",
            scheduled.clone(),
            vec![with(scheduled.clone(), &[("/spec/schedule/duration", json!("0h0m"))])],
        ),
        on_create(
            "it ends before it begins",
            "startTime must be before endTime",
            times(json!("2026-12-24T06:00:00Z"), json!("2026-12-24T07:00:00+00:00")),
            vec![
                times(json!("2026-12-24T06:00:00Z"), json!("2026-12-24T06:00:00Z")),
                times(json!("2026-12-24T06:00:00Z"), json!("2026-12-24T06:30:00+02:00")),
            ],
        ),
    ]
}

fn plans() -> Vec<Case> {
    let ledger = |l: Value| with(plan(), &[("/spec/ledger", l)]);
    vec![
        on_change(
            "the proposal is changed",
            "the proposal is immutable",
            plan(),
            ledger(json!([opened(0, 1), rejected(1, "alice"), opened(2, 2)])),
            vec![
                with(plan(), &[("/spec/proposal/id", json!(format!("c1-{}", "1".repeat(40))))]),
                with(plan(), &[("/spec/proposal/a1", json!(format!("a1-{}", "1".repeat(40))))]),
            ],
        ),
        on_change(
            "the ledger is rewritten",
            "the ledger is append-only",
            plan(),
            ledger(json!([opened(0, 1), rejected(1, "alice"), rejected(2, "bob")])),
            vec![
                ledger(json!([])),
                ledger(json!([opened(0, 1)])),
                ledger(json!([rejected(1, "alice")])),
                ledger(json!([rejected(1, "alice"), opened(0, 1)])),
                ledger(json!([opened(0, 1), rejected(1, "bob")])),
                ledger(json!([opened(0, 1), opened(2, 2), rejected(1, "alice")])),
            ],
        ),
        on_change(
            "the ledger is dropped",
            "the ledger cannot be dropped",
            plan(),
            plan(),
            vec![with(plan(), &[("/spec/ledger", Value::Null)])],
        ),
        on_change(
            "the proposal is dropped",
            "spec.proposal",
            plan(),
            plan(),
            vec![with(plan(), &[("/spec/proposal", Value::Null)])],
        ),
    ]
}
