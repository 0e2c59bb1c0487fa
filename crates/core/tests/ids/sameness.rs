//! Two stages of one CDK app: when do they do the same, and what is said where they do not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use stackgate_core::{
    api::{ChangeCount, Operation, PlannedAs, Proposal, ProposalKind, ProposedStack, ResourceChange},
    bundle::{Bundle, File, Node, StackArtifact, Tree, TreePath},
    change::{StageNames, compare, count_changes, listed_changes},
    stack::Change,
    words::{ChangeId, Digest, Qualifier},
};

use super::sample::{change, digest, uid, word};

/// A CDK Stage, and where it is deployed.
#[derive(Clone, Copy)]
struct Place {
    stage: &'static str,
    account: &'static str,
    region: &'static str,
    qualifier: &'static str,
    /// A name that the app gives to one stack itself.
    audit: &'static str,
}

const TEST: Place = Place {
    stage: "Test",
    account: "222222222222",
    region: "ap-southeast-2",
    qualifier: "acme",
    audit: "shop-audit-test",
};
const PROD: Place = Place {
    stage: "Prod",
    account: "333333333333",
    region: "eu-west-1",
    qualifier: "shop",
    audit: "shop-audit-prod",
};

impl Place {
    fn bucket(&self) -> String {
        format!("cdk-{}-assets-{}-{}", self.qualifier, self.account, self.region)
    }

    fn role(&self, kind: &str) -> String {
        let Self { account, region, qualifier, .. } = self;
        format!("arn:${{AWS::Partition}}:iam::{account}:role/cdk-{qualifier}-{kind}-role-{account}-{region}")
    }

    fn stack(&self, id: &str, path: &str, name: &str) -> Value {
        json!({
            "type": "aws:cloudformation:stack",
            "environment": format!("aws://{}/{}", self.account, self.region),
            "displayName": format!("{}/{path}", self.stage),
            "dependencies": [format!("{id}.assets")],
            "properties": {
                "templateFile": format!("{id}.template.json"), "stackName": name,
                "tags": {"stage": self.stage, "team": "shop"},
                "assumeRoleArn": self.role("deploy"),
                "cloudFormationExecutionRoleArn": self.role("cfn-exec"),
                "stackTemplateAssetObjectUrl": format!("s3://{}/{id}.json", self.bucket()),
                "bootstrapStackVersionSsmParameter": format!("/cdk-bootstrap/{}/version", self.qualifier),
            }
        })
    }

    fn asset(&self, path: &str, packaging: &str, key: &str) -> Value {
        json!({"source": {"path": path, "packaging": packaging}, "destinations": {"here": {
            "bucketName": self.bucket(), "objectKey": key, "region": self.region,
            "assumeRoleArn": self.role("file-publishing")}}})
    }

    /// The template of the stack Store, as the CDK writes one.
    fn store(&self) -> Value {
        let Self { stage, account, region, qualifier, .. } = self;
        json!({
            "Resources": {
                "OrdersA9B65338": {"Type": "AWS::S3::Bucket",
                    "Metadata": {"aws:cdk:path": format!("{stage}/Store/Orders/Resource")}},
                "Reader": {"Type": "AWS::Lambda::Function", "Properties": {
                    "Code": {"S3Bucket": self.bucket(), "S3Key": "c0de.zip"},
                    "Environment": {"Variables": {
                        "QUEUE": format!("arn:aws:sqs:{region}:{account}:orders"),
                        "ZONE": format!("{region}a"),
                        "LATEST": "Testing is not a stage, 2222222222223 no account"}}},
                    "Metadata": {"aws:asset:path": format!("asset.{stage}"), "Tuned": true}},
                "Net": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": {"Fn::Join": ["", [
                    format!("https://s3.{region}."), {"Ref": "AWS::URLSuffix"},
                    format!("/{}/{}.json", self.bucket(), self.net_key())]]}}},
                "CDKMetadata": {"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": format!("v2:{stage}")}},
            },
            "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>",
                "Default": format!("/cdk-bootstrap/{qualifier}/version")}},
            "Outputs": {"O": {"Value": {"Ref": "OrdersA9B65338"},
                "Export": {"Name": format!("{stage}-Store:ExportsOutputRefOrders")}}},
        })
    }

    /// The key of the nested template is the hash of its text, which names the stage.
    fn net_key(&self) -> String {
        Digest::of(self.net().to_string()).hex()
    }

    fn net(&self) -> Value {
        json!({"Resources": {"Rule": {"Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {"CidrIp": "10.0.0.0/8", "Description": format!("of {}-Store", self.stage)},
            "Metadata": {"aws:cdk:path": format!("{}/Store/Net/Rule", self.stage)}}}})
    }

    fn api(&self) -> Value {
        json!({"Resources": {"Endpoint": {"Type": "AWS::SSM::Parameter", "Properties": {
            "Name": format!("/shop/{}-Api/endpoint", self.stage), "Type": "String",
            "Value": {"Fn::ImportValue": format!("{}-Store:ExportsOutputRefOrders", self.stage)}}}}})
    }

    fn audit(&self) -> Value {
        json!({"Resources": {"Log": {"Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": format!("/audit/{}", self.audit)}}}})
    }

    /// The files of the stage, with the template of Store and its nested one as they are given.
    fn files(&self, store: &Value, net: &Value, code: &str) -> Vec<(String, String)> {
        let dir = format!("assembly-{}", self.stage);
        let ids = ["Store", "Api", "Audit"].map(|s| format!("{}{s}", self.stage));
        let names = [format!("{}-Store", self.stage), format!("{}-Api", self.stage), self.audit.to_owned()];
        let templates = [store.clone(), self.api(), self.audit()];
        let mut artifacts = serde_json::Map::new();
        let mut files = vec![
            (format!("{dir}/net.json"), net.to_string()),
            (format!("asset.{}/index.mjs", self.stage), code.to_owned()),
        ];
        for ((id, name), (path, template)) in
            ids.iter().zip(names).zip(["Store", "Api", "Audit"].into_iter().zip(templates))
        {
            artifacts.insert(id.clone(), self.stack(id, path, &name));
            artifacts.insert(
                format!("{id}.assets"),
                json!({"type": "cdk:asset-manifest", "properties": {"file": format!("{id}.assets.json")}}),
            );
            let mut list =
                json!({"t": self.asset(&format!("{id}.template.json"), "file", &format!("{id}.json"))});
            if path == "Store" {
                list["code"] = self.asset(&format!("../asset.{}", self.stage), "zip", "c0de.zip");
                list["net"] = self.asset("net.json", "file", &format!("{}.json", self.net_key()));
            }
            files.push((
                format!("{dir}/{id}.assets.json"),
                json!({"version": "55.0.0", "files": list}).to_string(),
            ));
            files.push((format!("{dir}/{id}.template.json"), template.to_string()));
        }
        files.push((
            format!("{dir}/manifest.json"),
            json!({"version": "55.0.0", "artifacts": artifacts}).to_string(),
        ));
        files
    }

    fn stacks(&self, files: Vec<(String, String)>) -> Vec<std::sync::Arc<StackArtifact>> {
        let nested = json!({"type": "cdk:cloud-assembly", "properties": {
            "directoryName": format!("assembly-{}", self.stage), "displayName": self.stage}});
        let root = json!({"version": "55.0.0", "artifacts": {format!("assembly-{}", self.stage): nested}});
        let mut tree = Tree::default();
        for (name, text) in files.into_iter().chain([("manifest.json".to_owned(), root.to_string())]) {
            let path = TreePath::parse(&name).expect("a path");
            tree.insert(path, Node::File(File::new(text.into_bytes(), false))).expect("a new path");
        }
        let bundle = Bundle::open(tree).expect("an assembly");
        bundle.stage(Some(self.stage)).expect("the stage").stacks.clone()
    }

    fn as_it_is(&self) -> Vec<std::sync::Arc<StackArtifact>> {
        self.stacks(self.files(&self.store(), &self.net(), "v1"))
    }

    fn plan(&self, stacks: &[std::sync::Arc<StackArtifact>], changes: &[(&str, Vec<Change>)]) -> Proposal {
        let qualifier: Qualifier = word(self.qualifier);
        let names = StageNames::of(Some(self.stage), stacks.iter().map(|s| (&**s, &qualifier)));
        let proposed = |s: &std::sync::Arc<StackArtifact>| {
            let path = s.display_name.split('/').next_back().unwrap_or_default();
            let list = changes.iter().find(|(p, _)| *p == path).map(|(_, c)| c.clone()).unwrap_or_default();
            let plan = if list.is_empty() { PlannedAs::Unchanged } else { PlannedAs::Prepared };
            ProposedStack {
                account: s.env.account.clone(),
                region: s.env.region.clone(),
                stack_name: s.name.clone(),
                qualifier: qualifier.clone(),
                artifact: s.id.clone(),
                after: Vec::new(),
                plan,
                baseline_stack_id: None,
                review_stack_id: None,
                adopted: false,
                baseline_updated_time: None,
                termination_protection: s.termination_protection,
                switches_protection: false,
                foreign_topics: Vec::new(),
                input: digest("input"),
                leaf: digest("leaf"),
                sameness: Some(names.sameness(s, plan, &list, &[], &BTreeMap::new())),
                console_url: None,
                warnings: Vec::new(),
                count: count_changes(&list, &BTreeSet::new()),
                changes: listed_changes(&list, &BTreeSet::new()),
                unlisted: 0,
            }
        };
        Proposal {
            kind: ProposalKind::Stage,
            name: self.stage.to_lowercase(),
            uid: uid(),
            operation: Operation::Deploy,
            id: ChangeId::Stage(word(&format!("c1-{}", "0".repeat(40)))),
            release: None,
            a1: None,
            replaces: None,
            risks: Vec::new(),
            compared: None,
            stacks: stacks.iter().map(proposed).collect(),
            unused_parameters: Vec::new(),
            bootstrap: None,
            changed: None,
        }
    }
}

fn with_cause(logical_id: &str, cause: &str) -> Change {
    let mut one = change(logical_id);
    one.details = one
        .details
        .into_iter()
        .map(|mut d| {
            cause.clone_into(&mut d.causing_entity);
            d
        })
        .collect();
    one
}

/// What both stages are to do.
fn usual(place: &Place) -> Vec<(&'static str, Vec<Change>)> {
    let mut other_values = change("OrdersA9B65338");
    other_values.values = Some(digest(place.account));
    vec![
        ("Store", vec![other_values, change("Net/Rule")]),
        ("Api", vec![with_cause("Endpoint", &format!("{}-Store:ExportsOutputRefOrders", place.stage))]),
    ]
}

#[test]
fn two_stages_that_do_the_same_are_the_same() {
    let test = TEST.plan(&TEST.as_it_is(), &usual(&TEST));
    let prod = PROD.plan(&PROD.as_it_is(), &usual(&PROD));
    // Plans of two versions of the controller are compared, too: see the head of golden.rs.
    let digests: Vec<String> = prod.stacks.iter().filter_map(|s| Some(s.sameness?.hex())).collect();
    assert_eq!(
        digests,
        [
            "e5e06b2112d763f5f409c234da743aed0d06d5bb245afec63bcdb578e0349bb8",
            "85627c0fe5118b419f1f119cce29cfca294eec9cbd1904637d43c933c8b05a2c",
            "3002a7f665104ec5a800a8f53d3f3663928ca1f188b8c350ebbc1b95a03a28ea"
        ]
    );
    for (a, b) in test.stacks.iter().zip(&prod.stacks) {
        assert_eq!(a.sameness, b.sameness, "{} and {}", a.stack_name, b.stack_name);
    }
    assert_eq!(compare(&prod, &test, false), Vec::<String>::new());
    let again = TEST.plan(&TEST.as_it_is(), &usual(&TEST));
    assert_eq!(compare(&again, &test, false), Vec::<String>::new());
}

/// Whether Store of the two stages is the same when that of Prod is changed so.
fn same_with(change: impl FnOnce(&mut Value, &mut Value, &mut String)) -> Vec<String> {
    let test = TEST.plan(&TEST.as_it_is(), &usual(&TEST));
    let (mut store, mut net, mut code) = (PROD.store(), PROD.net(), "v1".to_owned());
    change(&mut store, &mut net, &mut code);
    let prod = PROD.plan(&PROD.stacks(PROD.files(&store, &net, &code)), &usual(&PROD));
    compare(&prod, &test, false)
}

const OTHERWISE: &str =
    "Prod-Store: template, assets, tags, or which properties change and why, are not those of test";

#[test]
fn a_difference_in_template_asset_or_nested_template_is_told() {
    assert_eq!(
        same_with(|store, _, _| store["Resources"]["Reader"]["Properties"]["MemorySize"] = json!(512)),
        [OTHERWISE]
    );
    assert_eq!(
        same_with(|store, _, _| store["Resources"]["Reader"]["Metadata"]["Tuned"] = json!(1)),
        [OTHERWISE]
    );
    assert_eq!(
        same_with(|_, net, _| net["Resources"]["Rule"]["Properties"]["CidrIp"] = json!("0.0.0.0/0")),
        [OTHERWISE]
    );
    assert_eq!(same_with(|_, _, code| *code = "v2".to_owned()), [OTHERWISE]);
    let queue = |account: &str| json!(format!("arn:aws:sqs:eu-west-1:{account}:orders"));
    let set = |account: &'static str| {
        same_with(move |store, _, _| {
            let function = &mut store["Resources"]["Reader"]["Properties"];
            function["Environment"]["Variables"]["QUEUE"] = queue(account);
        })
    };
    assert_eq!(set("333333333333"), Vec::<String>::new());
    // The account of somebody else is no name of the stage.
    assert_eq!(set("444444444444"), [OTHERWISE]);
}

/// What is said where the stack Store of both stages is changed so, each in its own words.
fn both_with(change: impl Fn(&Place, &mut Value)) -> Vec<String> {
    let [test, prod] = [TEST, PROD].map(|place| {
        let mut store = place.store();
        change(&place, &mut store);
        place.plan(&place.stacks(place.files(&store, &place.net(), "v1")), &usual(&place))
    });
    compare(&prod, &test, false)
}

#[test]
fn names_in_keys_are_names_unless_two_would_fall_together() {
    let by_account = |place: &Place, store: &mut Value| {
        store["Mappings"] = json!({ "Sizes": { place.account: { "size": "s" } } });
    };
    assert_eq!(both_with(by_account), Vec::<String>::new());
    let together = |place: &Place, store: &mut Value| {
        store["Mappings"] =
            json!({ "Sizes": { place.account: { "size": "s" }, "<account 0>": { "size": "m" } } });
    };
    assert_eq!(both_with(together), [OTHERWISE]);
}

#[test]
fn a_part_of_a_longer_word_is_no_name() {
    let said = |before: &'static str, behind: &'static str| {
        both_with(move |place, store| {
            store["Description"] = json!(format!("{before}{}{behind}", place.region));
        })
    };
    assert_eq!(said("at ", "a"), Vec::<String>::new());
    for (before, behind) in [("x", ""), ("", "0"), ("x", "0")] {
        assert_eq!(said(before, behind), [OTHERWISE], "{before}…{behind}");
    }
}

#[test]
fn one_stack_of_a_stage_is_not_another() {
    let from = |other: &str| {
        let test = TEST.plan(&TEST.as_it_is(), &usual(&TEST));
        let mut files = PROD.files(&PROD.store(), &PROD.net(), "v1");
        for (name, text) in files.iter_mut().filter(|(name, _)| name.ends_with("ProdApi.template.json")) {
            assert!(text.contains("Prod-Store:"), "{name}");
            *text = text.replace("Prod-Store:", &format!("{other}:"));
        }
        compare(&PROD.plan(&PROD.stacks(files), &usual(&PROD)), &test, false)
    };
    assert_eq!(from("Prod-Store"), Vec::<String>::new());
    let told = "Prod-Api: template, assets, tags, or which properties change and why, are not those of test";
    assert_eq!(from("Prod-Api"), [told]);
}

#[test]
fn what_a_transform_of_others_has_made_counts_and_that_of_a_self_contained_one_does_not() {
    let same = |transform: &str| {
        let mut store = PROD.store();
        store["Transform"] = json!(transform);
        let stacks = PROD.stacks(PROD.files(&store, &PROD.net(), "v1"));
        let qualifier: Qualifier = word(PROD.qualifier);
        let names = StageNames::of(Some(PROD.stage), stacks.iter().map(|s| (&**s, &qualifier)));
        let store = stacks.iter().find(|s| s.name.as_str() == "Prod-Store").expect("Store");
        let with = |made: &str| {
            let processed = BTreeMap::from([(String::new(), digest(made))]);
            names.sameness(store, PlannedAs::Prepared, &[], &[], &processed)
        };
        with("this") == with("that")
    };
    assert!(same("AWS::LanguageExtensions"));
    assert!(!same("AWS::Include"));
}

#[test]
fn what_the_cdk_notes_makes_no_difference() {
    let none = Vec::<String>::new();
    assert_eq!(
        same_with(|s, _, _| s["Resources"]["CDKMetadata"]["Properties"]["Analytics"] = json!("x")),
        none
    );
    assert_eq!(
        same_with(|s, _, _| s["Resources"]["OrdersA9B65338"]["Metadata"]["aws:cdk:path"] = json!("x")),
        none
    );
}

#[test]
fn resources_that_change_otherwise_are_told() {
    let test = TEST.plan(&TEST.as_it_is(), &usual(&TEST));
    let mut changes = usual(&PROD);
    let mut bucket = change("OrdersA9B65338");
    bucket.replacement = "True".to_owned();
    let mut gone = change("Old");
    (gone.action, gone.replacement) = ("Remove".to_owned(), String::new());
    changes[0].1 = vec![bucket, gone];
    changes.push(("Audit", vec![change("Log")]));
    let prod = PROD.plan(&PROD.as_it_is(), &changes);
    let lines: BTreeSet<String> = compare(&prod, &test, false).into_iter().collect();
    assert_eq!(
        lines,
        [
            "Prod-Store: Net/Rule (AWS::EC2::Instance): no change here, Modify, replacement Conditional, in test",
            "Prod-Store: Old (AWS::EC2::Instance): Remove here, no change in test",
            "Prod-Store: OrdersA9B65338 (AWS::EC2::Instance): Modify, replacement True, here, \
             Modify, replacement Conditional, in test",
            "shop-audit-prod: a change set here, unchanged in test",
            "shop-audit-prod: Log (AWS::EC2::Instance): Modify, replacement Conditional, here, no change in test",
        ]
        .into_iter()
        .map(str::to_owned)
        .collect()
    );
}

#[test]
fn stacks_of_one_stage_alone_warnings_and_operations_are_told() {
    let mut test = TEST.plan(&TEST.as_it_is(), &usual(&TEST));
    let mut prod = PROD.plan(&PROD.as_it_is(), &usual(&PROD));
    prod.operation = Operation::Rollback;
    prod.stacks.retain(|s| !s.stack_name.as_str().ends_with("Api"));
    let mut more = test.stacks[0].clone();
    more.stack_name = word("Test-More");
    more.sameness = Some(digest("more"));
    test.stacks.push(more);
    for stack in &mut prod.stacks {
        if stack.stack_name.as_str() == "Prod-Store" {
            stack.warnings = vec!["hook H (WARN): open".to_owned()];
            stack.sameness = Some(digest("with a warning"));
        }
    }
    assert_eq!(
        compare(&prod, &test, false),
        [
            "Rollback here, Deploy in test",
            "Prod-Store: warning only in this plan: hook H (WARN): open",
            "Test-Api: test has this stack, prod does not",
            "Test-More: test has this stack, prod does not",
        ]
    );
    prod.stacks.iter_mut().for_each(|s| s.sameness = None);
    let old = "shop-audit-prod: cannot be compared, a plan is of a former version".to_owned();
    assert!(compare(&prod, &test, false).contains(&old), "{:?}", compare(&prod, &test, false));
}

#[test]
fn a_list_that_was_cut_is_compared_by_its_numbers() {
    let mut test = TEST.plan(&TEST.as_it_is(), &usual(&TEST));
    let mut prod = PROD.plan(&PROD.as_it_is(), &usual(&PROD));
    let place = prod.stacks.iter().position(|s| s.stack_name.as_str() == "Prod-Store").expect("Store");
    let many = |n: u32| -> (ChangeCount, Vec<ResourceChange>) {
        let list = (0..200)
            .map(|i| ResourceChange {
                logical_id: format!("R{}", i + n),
                resource_type: "AWS::SNS::Topic".to_owned(),
                action: "Add".to_owned(),
                replacement: None,
            })
            .collect();
        (ChangeCount { add: 300 + n, ..ChangeCount::default() }, list)
    };
    (prod.stacks[place].count, prod.stacks[place].changes) = many(1);
    (test.stacks[place].count, test.stacks[place].changes) = many(0);
    prod.stacks[place].sameness = Some(digest("p"));
    test.stacks[place].sameness = Some(digest("t"));
    assert_eq!(
        compare(&prod, &test, false),
        ["Prod-Store: +301 ~0 -0, 0 replaced, 0 perhaps, 0 with other code here, \
          +300 ~0 -0, 0 replaced, 0 perhaps, 0 with other code in test"]
    );
}

#[test]
fn many_differences_are_cut_to_32_lines() {
    let changes = |place: &Place, action: &str| {
        let list = (0..40)
            .map(|i| Change { action: action.to_owned(), ..change(&format!("R{i:02}")) })
            .collect::<Vec<_>>();
        place.plan(&place.as_it_is(), &[("Store", list)])
    };
    let lines = compare(&changes(&PROD, "Add"), &changes(&TEST, "Modify"), false);
    assert_eq!((lines.len(), lines[31].as_str()), (32, "… and 9 more"));
}
