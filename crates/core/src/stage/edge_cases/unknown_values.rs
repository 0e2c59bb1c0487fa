//! Secret values that a stack keeps and that a controller which has just started does not know: CloudFormation may repeat them.

use std::collections::BTreeSet;

use super::*;
use crate::{
    api::{ReleaseRef, Settled, SettledAs},
    bundle::{Bundle, File, Node, Tree, TreePath},
    change::Hidden,
    effect::{
        Access, Confirmed, Fact, Held, Mutation, Outcome, Refusal, RefusalKind, Seen, SetRef, ValueKind,
        ValueSource, WantedChangeSet,
    },
    facts::Looked,
    hush::UNSHOWN,
    stack::{ChangeSetRow, ChangeSetStatus, Drift, ExecutionStatus, FailedResource, StackRow, StackStatus},
    stage::{failure, given, plan::plan as planned},
};

const SECRET: &str = "TOPSECRETVALUE-8731";
const REFUSED: &str = "ValidationError: Parameter 'Pw' value 'TOPSECRETVALUE-8731' is not a valid Number";
const BUCKET: &str = "cdk-acme-assets-333333333333-eu-west-1";

/// The release: one stack with these parameters, and the one that every CDK template has.
fn bundle(parameters: &Value) -> Bundle {
    let role =
        |kind: &str| format!("arn:aws:iam::333333333333:role/cdk-acme-{kind}-role-333333333333-eu-west-1");
    let manifest = json!({ "version": "55.0.0", "artifacts": {
        "Store": { "type": "aws:cloudformation:stack", "environment": "aws://333333333333/eu-west-1",
            "dependencies": ["Store.assets"], "properties": {
                "templateFile": "Store.template.json", "stackName": "Store", "assumeRoleArn": role("deploy"),
                "cloudFormationExecutionRoleArn": role("cfn-exec"),
                "stackTemplateAssetObjectUrl": format!("s3://{BUCKET}/s.json") } },
        "Store.assets": { "type": "cdk:asset-manifest", "properties": { "file": "Store.assets.json" } }
    } });
    let mut template = json!({
        "Parameters": { "BootstrapVersion": {
            "Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/acme/version" } },
        "Resources": { "Q": { "Type": "AWS::SQS::Queue" } }
    });
    template["Parameters"].as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
    let assets = json!({ "version": "55.0.0", "files": { "s": {
        "source": { "path": "Store.template.json", "packaging": "file" },
        "destinations": { "d": { "bucketName": BUCKET, "objectKey": "s.json", "region": "eu-west-1",
            "assumeRoleArn": role("file-publishing") } } } } });
    let mut tree = Tree::default();
    for (name, json) in
        [("manifest.json", manifest), ("Store.template.json", template), ("Store.assets.json", assets)]
    {
        let file = File::new(json.to_string().into_bytes(), false);
        tree.insert(TreePath::parse(name).unwrap(), Node::File(file)).unwrap();
    }
    Bundle::open(tree).unwrap()
}

fn key() -> StackKey {
    plan(C1, A1, 1, &[]).spec.proposal.stacks[0].key()
}

/// What a deployment is about, and what happens before it.
#[derive(Clone)]
struct Story {
    /// What the stack has besides BootstrapVersion, and what of it CloudFormation masks.
    there: &'static [&'static str],
    masked: &'static [&'static str],
    /// What the new template declares besides it.
    declares: Value,
    /// What the Stage gives now, and whether the Secret has been read.
    gives: Value,
    is_read: bool,
    /// Whether the plan that is carried out was given a Secret.
    was_fed: bool,
}

fn from_secret() -> Value {
    json!([{ "name": "Pw", "valueFrom": { "secretKeyRef": { "name": "database", "key": "password" } } }])
}

impl Story {
    /// An editor has dropped a parameter that a Secret gave, and the release has made a number of it.
    fn dropped() -> Self {
        Self {
            there: &["Pw"],
            masked: &["Pw"],
            declares: json!({ "Pw": { "Type": "Number" } }),
            gives: json!([]),
            is_read: false,
            was_fed: true,
        }
    }

    fn case(&self) -> (Case, ReleaseRef) {
        let bundle = bundle(&self.declares);
        let mut release: ReleaseRef = serde_json::from_value(release()).unwrap();
        release.digest = bundle.release();
        let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
        let row = StackRow {
            id: ID.parse().unwrap(),
            status: StackStatus::UpdateComplete,
            updated: at(0),
            exports: BTreeSet::new(),
            parameters: names(self.there).into_iter().chain(["BootstrapVersion".to_owned()]).collect(),
            masked: names(self.masked),
            protected: false,
            drift: None,
            role: None,
            change_sets: None,
        };
        let case = Case::new(&[]).with(|c| {
            c.plans = vec![carried_out(C1, 1)];
            let opened = c.plans[0].spec.ledger[0].opened.as_mut().unwrap();
            opened.secrets = self.was_fed;
            opened.parameters = self.was_fed.then(|| Digest::of("what the Secret gave"));
            opened.owned = vec![crate::api::OwnedStack::of(&key(), ID.parse().unwrap())];
            seal(&mut c.plans[0]);
            c.parameters = self.gives.clone();
            c.facts.bundles.insert(release.source.clone(), Ok(Arc::new(bundle)));
            c.facts.learn_stack(&key(), Seen::Present(row, at(9)));
            c.facts
                .toolkits
                .insert((key().env, "/cdk-bootstrap/acme/version".to_owned()), Seen::Present(33, at(9)));
            if self.is_read {
                let source = ValueSource {
                    kind: ValueKind::Secret,
                    namespace: "shop".to_owned(),
                    name: "database".to_owned(),
                    keys: BTreeSet::from(["password".to_owned()]),
                };
                let values = [("password".to_owned(), Hidden::new(SECRET))].into();
                c.facts.values.insert(source, Seen::Present(Held { offered: true, values }, at(9)));
            }
        });
        (case, release)
    }
}

/// As [`Case::seen`], in an account that may be deployed to.
fn seen(case: &Case) -> Snapshot<'_> {
    let account: AwsAccount = serde_json::from_value(json!({
        "apiVersion": "stackgate.dev/v1alpha1", "kind": "AwsAccount", "metadata": { "name": "prod" },
        "spec": { "accountID": "333333333333", "regions": ["eu-west-1"],
            "allowedNamespaces": [{ "name": "shop", "qualifiers": ["acme"], "stackNames": ["*"] }] },
    }))
    .unwrap();
    let bootstrap: Bootstrap = serde_json::from_value(json!({
        "apiVersion": "stackgate.dev/v1alpha1", "kind": "Bootstrap", "metadata": { "name": "acme" },
        "spec": { "qualifier": "acme", "toolkitStackName": "CDKToolkit", "version": 33, "accounts": { "names": ["prod"] } },
    }))
    .unwrap();
    Snapshot {
        accounts: Accounts::new(vec![Arc::new(account)]),
        bootstraps: vec![Arc::new(bootstrap)],
        ..case.seen()
    }
}

/// What planning does or says next; what it publishes or looks for on the way is done, and found absent.
fn next(case: &mut Case, release: &ReleaseRef) -> Verdict {
    for _ in 0..9 {
        let verdict = planned(&seen(case), release, at(9));
        let effects = match &verdict.next {
            Next::Do(effects) => effects.clone(),
            Next::Wait(_) => return verdict,
        };
        for effect in effects {
            let outcome = match &effect {
                Effect::Mutate(Mutation::Publish(_)) => Outcome::Accepted(crate::effect::Receipt::Done),
                Effect::Look(Look::ChangeSet(..)) => Outcome::Learnt(Fact::ChangeSet(None)),
                Effect::Look(_) | Effect::Mutate(_) | Effect::Record(_) => return verdict,
            };
            case.facts.note(&effect, outcome, at(9), at(9));
        }
    }
    panic!("it goes on for ever")
}

fn call(verdict: &Verdict) -> WantedChangeSet {
    match &verdict.next {
        Next::Do(effects) => match effects.as_slice() {
            [Effect::Mutate(Mutation::CreateChangeSet(wanted))] => WantedChangeSet::clone(wanted),
            other => panic!("{other:?}"),
        },
        Next::Wait(_) => panic!("{verdict:?}"),
    }
}

/// What is remembered, and so logged, of what came of the call; and what the Stage then says.
fn answered(story: &Story, outcome: Outcome) -> (String, String) {
    let (mut case, release) = story.case();
    let effect = Effect::Mutate(Mutation::CreateChangeSet(Box::new(call(&next(&mut case, &release)))));
    let outcome = case.facts.hushed(&effect, outcome);
    let logged = match &outcome {
        Outcome::Refused(refusal) => refusal.message.clone(),
        Outcome::Unsure(why) => why.clone(),
        other => panic!("{other:?}"),
    };
    case.facts.note(&effect, outcome, at(9), at(9));
    // The look that an answer may ask for shows nothing.
    (logged, next(&mut case, &release).message)
}

fn refused(kind: RefusalKind, message: &str) -> Outcome {
    Outcome::Refused(Refusal { kind, message: message.to_owned() })
}

/// What the Stage says of a change set that has failed.
fn failed(story: &Story) -> String {
    let (mut case, release) = story.case();
    let wanted = call(&next(&mut case, &release));
    let row = ChangeSetRow {
        arn: format!("arn:aws:cloudformation:eu-west-1:333333333333:changeSet/{}/1", wanted.name)
            .parse()
            .unwrap(),
        name: wanted.name.clone(),
        stack_id: ID.parse().unwrap(),
        created: at(9),
        status: ChangeSetStatus::Failed,
        execution: ExecutionStatus::Unavailable,
        empty: false,
        reason: REFUSED.to_owned(),
        description: wanted.description,
        changes: Vec::new(),
        parameters: BTreeMap::new(),
        nested: BTreeMap::new(),
    };
    let looked = Looked { seen: Seen::Present(row, at(9)), times: 1 };
    case.facts.change_sets.insert((key(), SetRef::Name(wanted.name)), looked);
    next(&mut case, &release).message
}

#[test]
fn a_refusal_that_repeats_a_value_which_the_stack_keeps_is_not_shown() {
    for outcome in [refused(RefusalKind::Invalid, REFUSED), Outcome::Unsure(REFUSED.to_owned())] {
        let (logged, shown) = answered(&Story::dropped(), outcome);
        for text in [&logged, &shown] {
            assert!(!text.contains("SECRET") && text.contains(UNSHOWN), "{text}");
            assert!(text.contains("spec.parameters") && text.contains("CloudTrail"), "{text}");
        }
    }
}

#[test]
fn a_change_set_that_has_failed_over_such_a_value_does_not_say_so_either() {
    let shown = failed(&Story::dropped());
    assert!(!shown.contains("SECRET") && shown.contains(UNSHOWN), "{shown}");
    assert!(shown.contains("aws cloudformation describe-change-set --region eu-west-1"), "{shown}");
}

#[test]
fn what_says_nothing_of_parameters_is_shown_all_the_same() {
    let denied = "AccessDenied: not authorized to perform: cloudformation:CreateChangeSet";
    let (logged, shown) = answered(&Story::dropped(), refused(RefusalKind::Denied, denied));
    assert!(logged == denied && shown.contains(denied), "{logged} {shown}");
}

#[rstest]
#[case::its_only_parameter_is_the_bootstrap_version(Story {
    there: &[], masked: &[], declares: json!({}), was_fed: false, ..Story::dropped()
})]
#[case::so_it_is_where_a_secret_has_fed_others(Story {
    there: &[], masked: &[], declares: json!({}), ..Story::dropped()
})]
#[case::no_secret_ever_gave_any(Story { masked: &[], was_fed: false, ..Story::dropped() })]
fn what_can_hold_no_unknown_value_is_shown(#[case] story: Story) {
    let said = "ValidationError: Template error: no such thing";
    let (logged, shown) = answered(&story, refused(RefusalKind::Invalid, said));
    assert!(logged == said && shown.contains(said), "{logged} {shown}");
}

#[test]
fn a_value_that_is_known_is_taken_out() {
    let story = Story { gives: from_secret(), is_read: true, ..Story::dropped() };
    let (logged, shown) = answered(&story, refused(RefusalKind::Invalid, REFUSED));
    for text in [&logged, &shown] {
        assert!(text.contains("value '(hidden)' is not a valid Number"), "{text}");
    }
}

#[rstest]
// CloudFormation masks it, whoever gave it.
#[case::given_by_somebody_else(Story { was_fed: false, ..Story::dropped() })]
// A Secret for a parameter that shows its value.
#[case::not_masked(Story { masked: &[], ..Story::dropped() })]
#[case::declared_only_now(Story {
    masked: &[], was_fed: false, declares: json!({ "Pw": { "Type": "String", "NoEcho": true } }), ..Story::dropped()
})]
#[case::given_in_plain(Story {
    gives: json!([{ "name": "Pw", "value": "8731" }]), was_fed: false, ..Story::dropped()
})]
fn wherever_an_unknown_value_may_be_nothing_is_shown(#[case] story: Story) {
    let (logged, shown) = answered(&story, refused(RefusalKind::Invalid, REFUSED));
    assert!(!format!("{logged} {shown} {}", failed(&story)).contains("SECRET"), "{logged} {shown}");
}

/// A plan that kept the value was carried out, too: the Secret that gave it is two plans ago.
#[test]
fn a_value_is_unknown_however_long_ago_it_was_given() {
    let (case, _) = Story { masked: &[], ..Story::dropped() }.case();
    let case = case.with(|c| c.plans.push(carried_out(OTHER, 2)));
    let s = seen(&case);
    assert!(given::secrets_are_known(&s, None, at(9)).unwrap(), "as far as the last plan knows");
    assert!(given::keeps_unknown_value(&s, &key(), s.seen_row(&key())));
}

/// Also of a stack that is removed, of which no release says anything.
#[rstest]
#[case::that_is_masked(&["Pw"], true)]
#[case::that_is_not(&[], false)]
fn why_a_stack_failed_is_not_told_where_it_has_such_a_value(
    #[case] masked: &'static [&'static str],
    #[case] hides: bool,
) {
    let (case, _) = Story { masked, was_fed: false, ..Story::dropped() }.case();
    let case = case.with(|c| {
        let failed = FailedResource {
            logical_id: "Q".to_owned(),
            resource_type: "AWS::SQS::Queue".to_owned(),
            reason: "the words".to_owned(),
        };
        c.facts.failures.insert(ID.parse().unwrap(), Some(failed));
        c.facts.bundles.clear();
        for entry in &mut c.plans[0].spec.ledger {
            entry.opened.as_mut().unwrap().release = None;
        }
        seal(&mut c.plans[0]);
    });
    let s = seen(&case);
    let plan = s.newest().unwrap();
    let settled = Settled::of(&key(), ID.parse().unwrap(), SettledAs::Failed, ("DELETE_FAILED", at(9)), None);
    let told = failure::told(&s, plan, &plan.proposal().stacks[0], settled, at(9)).unwrap();
    let why = told.message.unwrap();
    assert_eq!((why.contains(UNSHOWN), why.contains("the words")), (hides, !hides), "{why}");
}

#[test]
fn an_execution_is_quiet_about_a_stack_with_masked_values_and_one_that_nobody_has_looked_at() {
    let (case, _) = Story::dropped().case();
    let arn = "arn:aws:cloudformation:eu-west-1:333333333333:changeSet/sg-0/1".parse().unwrap();
    let access = Access { env: key().env, roles: Vec::new(), session_name: String::new(), scope: None };
    let confirmed = Confirmed::by_look(arn, at(9), at(9)).unwrap();
    let execute = Effect::Mutate(Mutation::Execute(key(), confirmed, access));
    let (plain, _) = Story { masked: &[], ..Story::dropped() }.case();
    let unseen = Facts::default();
    for (facts, kind, is_shown) in [
        (&case.facts, RefusalKind::Invalid, false),
        (&unseen, RefusalKind::Invalid, false),
        (&case.facts, RefusalKind::Conflict, true),
        (&plain.facts, RefusalKind::Invalid, true),
    ] {
        match facts.hushed(&execute, refused(kind, "the words")) {
            Outcome::Refused(r) => assert_eq!(r.message == "the words", is_shown, "{kind:?} {}", r.message),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn why_drift_cannot_be_told_is_hushed_too() {
    let (case, _) = Story { gives: from_secret(), is_read: true, ..Story::dropped() }.case();
    let access = Access { env: key().env, roles: Vec::new(), session_name: String::new(), scope: None };
    let look = Effect::Look(Look::Drift(key(), ID.parse().unwrap(), None, access));
    let said = Outcome::Learnt(Fact::Drift(Some(Drift::Failed(format!("no {SECRET}")))));
    let outcome = case.facts.hushed(&look, said);
    assert!(
        matches!(&outcome, Outcome::Learnt(Fact::Drift(Some(Drift::Failed(why)))) if why == "no (hidden)"),
        "{outcome:?}"
    );
}
