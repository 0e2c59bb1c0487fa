//! One change, with every field filled.

use std::collections::{BTreeMap, BTreeSet};

use stackgate_core::{
    change::{Baseline, HmacKey, ParameterValue, StackInput},
    stack::{Change, ChangeSetRow, ChangeSetStatus, ExecutionStatus, SetContent, ValueSource},
    words::{Digest, Env, StackKey, ToolkitNames, Uid},
};

pub fn word<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is no such word"))
}

pub fn env() -> Env {
    Env { account: word("333333333333"), region: word("ap-southeast-2") }
}

pub fn key(name: &str) -> StackKey {
    StackKey { env: env(), name: word(name) }
}

pub fn uid() -> Uid {
    word("0f8fad5b-d9cb-469f-a165-70867728950e")
}

pub fn hmac() -> HmacKey {
    HmacKey::new([7; 32])
}

pub fn digest(text: &str) -> Digest {
    Digest::of(text)
}

fn texts<const N: usize>(list: [&str; N]) -> BTreeSet<String> {
    list.into_iter().map(str::to_owned).collect()
}

pub fn input() -> StackInput {
    let names = ToolkitNames { qualifier: word("acme"), env: env() };
    StackInput {
        key: key("Prod-Api"),
        template: digest("template"),
        template_key: Some("t.json".to_owned()),
        assets: BTreeMap::from([("c0de.zip".to_owned(), digest("code")), ("t.json".to_owned(), digest("t"))]),
        images: BTreeMap::new(),
        parameters: BTreeMap::from([
            ("Size".to_owned(), ParameterValue::of("Size", "3", false, &hmac())),
            ("Token".to_owned(), ParameterValue::of("Token", "hunter2", true, &hmac())),
        ]),
        tags: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
        capabilities: texts(["CAPABILITY_AUTO_EXPAND", "CAPABILITY_NAMED_IAM"]),
        role: Some(names.execution_role()),
        notification_arns: Some(vec!["arn:aws:sns:ap-southeast-2:333333333333:ops".to_owned()]),
        termination_protection: Some(true),
        import_existing: false,
    }
}

pub fn baseline() -> Baseline {
    Baseline::Stack(
        word("arn:aws:cloudformation:ap-southeast-2:333333333333:stack/Prod-Api/5f"),
        word("2026-11-24T06:00:00.123Z"),
    )
}

pub fn detail(name: &str) -> ValueSource {
    ValueSource {
        attribute: "Properties".to_owned(),
        name: name.to_owned(),
        requires_recreation: "Never".to_owned(),
        evaluation: "Static".to_owned(),
        change_source: "ParameterReference".to_owned(),
        causing_entity: "Size".to_owned(),
    }
}

pub fn change(logical_id: &str) -> Change {
    Change {
        logical_id: logical_id.to_owned(),
        resource_type: "AWS::EC2::Instance".to_owned(),
        action: "Modify".to_owned(),
        replacement: "Conditional".to_owned(),
        policy_action: "ReplaceAndRetain".to_owned(),
        scope: texts(["Properties", "Tags"]),
        details: [detail("InstanceType"), detail("ImageId")].into_iter().collect(),
        values: Some(digest("values")),
    }
}

pub fn set() -> ChangeSetRow {
    ChangeSetRow {
        arn: word("arn:aws:cloudformation:ap-southeast-2:333333333333:changeSet/stackgate-1/a"),
        name: word("stackgate-1"),
        stack_id: word("arn:aws:cloudformation:ap-southeast-2:333333333333:stack/Prod-Api/5f"),
        created: word("2026-11-25T06:00:00Z"),
        status: ChangeSetStatus::CreateComplete,
        execution: ExecutionStatus::Available,
        empty: false,
        reason: "[WARN] some values are left out".to_owned(),
        description: "Stackgate: shop/prod proof=0".to_owned(),
        changes: vec![
            change("Web"),
            Change { resource_type: "AWS::CloudFormation::Stack".to_owned(), ..change("Net") },
        ],
        parameters: BTreeMap::from([
            ("BootstrapVersion".to_owned(), digest("33")),
            ("Vpc".to_owned(), digest("vpc-1")),
        ]),
        nested: BTreeMap::from([(
            "Net".to_owned(),
            word("arn:aws:cloudformation:ap-southeast-2:333333333333:changeSet/stackgate-1-Net/b"),
        )]),
    }
}

pub fn content() -> SetContent {
    SetContent {
        processed: BTreeMap::from([
            (String::new(), digest("processed")),
            ("Net".to_owned(), digest("processed inside")),
        ]),
        changes: vec![change("Net/Rule"), change("Net/Subnet")],
        parameters: BTreeMap::from([("Net/Cidr".to_owned(), digest("10.0.0.0/8"))]),
        warnings: vec![
            "hook Shop::Net::Check (WARN): open to the world".to_owned(),
            "validation NAME_CONFLICT (WARN): Web".to_owned(),
        ],
        deployed: BTreeMap::new(),
    }
}
