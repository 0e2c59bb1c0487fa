//! Whatever an approver would see otherwise changes the id, and nothing else does.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::Index};
use stackgate_core::{
    bundle::{DifferenceKind, ResourceDifference},
    change::{
        Baseline, ParameterValue, StackInput, b1, c1, change_set_name, deferred_leaf, leaf, noted,
        release_id, taken_over, unchanged_leaf,
    },
    stack::{Change, ChangeSetRow, ChangeSetStatus, ExecutionStatus, SetContent, ValueSource},
    words::{Digest, Env, StackKey, Uid},
};

use super::sample::{baseline, change, content, detail, digest, hmac, input, key, set, uid, word};

/// A value with one thing changed, and what that is.
type Mutants<T> = Vec<(String, T)>;

/// One mutant for each change listed, field by field. All fields have to stand here, or it does not compile.
macro_rules! mutants {
    ($type:ident of $base:expr => $($field:ident: [$(|$f:ident| $change:expr),* $(,)?],)+) => {{
        let base: $type = $base;
        let $type { $($field: _),+ } = &base;
        let mut list: Mutants<$type> = Vec::new();
        $($({
            let mut one = base.clone();
            {
                let $f = &mut one.$field;
                $change;
            }
            list.push((format!("{}.{}: {}", stringify!($type), stringify!($field), stringify!($change)), one));
        })*)+
        list
    }};
}

fn other(text: &mut String) {
    text.push('x');
}

fn keys() -> Mutants<StackKey> {
    let envs = mutants!(Env of key("Prod-Api").env =>
        account: [|f| *f = word("222222222222")],
        region: [|f| *f = word("eu-west-1")],
    );
    let mut list = mutants!(StackKey of key("Prod-Api") =>
        env: [],
        name: [|f| *f = word("Prod-Ap")],
    );
    list.extend(envs.into_iter().map(|(what, env)| (what, StackKey { env, ..key("Prod-Api") })));
    list
}

fn inputs() -> Mutants<StackInput> {
    let mut list = mutants!(StackInput of input() =>
        key: [],
        template: [|f| *f = digest("other template")],
        template_key: [|f| *f = None, |f| *f = Some("c0de.zip".to_owned())],
        assets: [
            |f| f.insert("more.zip".to_owned(), digest("code")),
            |f| f.remove("c0de.zip"),
            |f| f.insert("c0de.zip".to_owned(), digest("other code")),
        ],
        images: [
            |f| f.insert("f00".to_owned(), digest("image")),
            |f| f.insert("f00".to_owned(), digest("other image")),
            |f| f.insert("ba5".to_owned(), digest("image")),
        ],
        parameters: [
            |f| f.insert("Size".to_owned(), ParameterValue::Plain("4".to_owned())),
            |f| f.insert("Size".to_owned(), ParameterValue::of("Size", "3", true, &hmac())),
            |f| f.insert("Token".to_owned(), ParameterValue::of("Token", "hunter3", true, &hmac())),
            |f| f.insert("More".to_owned(), ParameterValue::Plain(String::new())),
            |f| f.remove("Size"),
        ],
        tags: [
            |f| f.insert("team".to_owned(), "web".to_owned()),
            |f| f.insert("tier".to_owned(), "shop".to_owned()),
            |f| f.clear(),
        ],
        capabilities: [|f| f.insert("CAPABILITY_IAM".to_owned()), |f| f.clear()],
        role: [
            |f| *f = None,
            |f| *f = Some(word("arn:aws:iam::333333333333:role/other")),
        ],
        notification_arns: [|f| *f = None, |f| *f = Some(vec![]), |f| f.iter_mut().flatten().for_each(other)],
        termination_protection: [|f| *f = None, |f| *f = Some(false)],
        import_existing: [|f| *f = true],
    );
    list.extend(keys().into_iter().map(|(what, key)| (what, StackInput { key, ..input() })));
    list
}

fn details() -> Mutants<ValueSource> {
    mutants!(ValueSource of detail("ImageId") =>
        attribute: [|f| other(f)],
        name: [|f| other(f), |f| f.clear()],
        requires_recreation: [|f| *f = "Always".to_owned()],
        evaluation: [|f| *f = "Dynamic".to_owned()],
        change_source: [|f| *f = "DirectModification".to_owned()],
        causing_entity: [|f| other(f), |f| f.clear()],
    )
}

fn changes(logical_id: &str) -> Mutants<Change> {
    let mut list = mutants!(Change of change(logical_id) =>
        logical_id: [|f| other(f)],
        resource_type: [|f| *f = "AWS::IAM::Role".to_owned()],
        action: [|f| *f = "Remove".to_owned()],
        replacement: [|f| *f = "True".to_owned(), |f| f.clear()],
        policy_action: [|f| *f = "ReplaceAndDelete".to_owned()],
        scope: [|f| f.remove("Tags"), |f| f.insert("Metadata".to_owned())],
        details: [|f| f.clear(), |f| f.insert(detail("More"))],
        values: [|f| *f = None, |f| *f = Some(digest("other values"))],
    );
    for (what, d) in details() {
        let mut one = change(logical_id);
        one.details.remove(&detail("ImageId"));
        one.details.insert(d);
        list.push((what, one));
    }
    list
}

/// Change lists with one change changed, taken away or added.
fn change_lists(of: &[Change]) -> Mutants<Vec<Change>> {
    let mut list = Vec::new();
    for (place, original) in of.iter().enumerate() {
        for (what, changed) in changes(&original.logical_id) {
            let resource_type = if what.starts_with("Change.resource_type") {
                changed.resource_type.clone()
            } else {
                original.resource_type.clone()
            };
            let mut all = of.to_vec();
            all[place] = Change { resource_type, ..changed };
            list.push((format!("{}: {what}", original.logical_id), all));
        }
        let mut fewer = of.to_vec();
        fewer.remove(place);
        list.push((format!("without {}", original.logical_id), fewer));
        let mut twice = of.to_vec();
        twice.push(original.clone());
        list.push((format!("{} twice", original.logical_id), twice));
    }
    list.push(("one more".to_owned(), of.iter().cloned().chain([change("More")]).collect()));
    list
}

fn sets() -> Mutants<ChangeSetRow> {
    let mut list = mutants!(ChangeSetRow of set() =>
        // Those of `looks_alike`.
        arn: [],
        name: [],
        stack_id: [],
        created: [],
        status: [],
        execution: [],
        empty: [],
        description: [],
        // Those that matter.
        reason: [|f| f.clear(), |f| other(f)],
        changes: [],
        parameters: [
            |f| f.insert("Vpc".to_owned(), digest("vpc-2")),
            |f| f.insert("Vpd".to_owned(), digest("vpc-1")),
            |f| f.remove("Vpc"),
        ],
        nested: [|f| f.clear()],
    );
    let lists = change_lists(&set().changes);
    list.extend(lists.into_iter().map(|(what, changes)| (what, ChangeSetRow { changes, ..set() })));
    list
}

fn contents() -> Mutants<SetContent> {
    let mut list = mutants!(SetContent of content() =>
        processed: [
            |f| f.insert(String::new(), digest("processed otherwise")),
            |f| f.insert("Net".to_owned(), digest("processed otherwise")),
            |f| f.insert("Net/More".to_owned(), digest("processed inside")),
            |f| f.remove("Net"),
        ],
        changes: [],
        parameters: [
            |f| f.insert("Net/Cidr".to_owned(), digest("0.0.0.0/0")),
            |f| f.clear(),
        ],
        warnings: [|f| f.clear(), |f| f.push("one more".to_owned()), |f| f.truncate(1)],
        // No part of what is approved.
        deployed: [],
    );
    let lists = change_lists(&content().changes);
    list.extend(lists.into_iter().map(|(what, changes)| (what, SetContent { changes, ..content() })));
    list
}

fn baselines() -> Mutants<Baseline> {
    let Baseline::Stack(id, at) = baseline() else { panic!("the sample has a baseline") };
    let later = at + jiff::SignedDuration::from_millis(1);
    let again = word("arn:aws:cloudformation:ap-southeast-2:333333333333:stack/Prod-Api/60");
    vec![
        ("no baseline".to_owned(), Baseline::None),
        ("updated a millisecond later".to_owned(), Baseline::Stack(id, later)),
        ("made again".to_owned(), Baseline::Stack(again, at)),
    ]
}

/// Every leaf that differs in one thing from that of the sample, which comes first.
fn leaves() -> Mutants<Digest> {
    let (key, input) = (key("Prod-Api"), input().digest());
    let of = |set: &ChangeSetRow, content: &SetContent| leaf(&key, &input, &baseline(), set, content);
    let mut all = vec![("the sample".to_owned(), of(&set(), &content()))];
    all.extend(sets().into_iter().map(|(what, s)| (what, of(&s, &content()))));
    all.extend(contents().into_iter().map(|(what, c)| (format!("inside: {what}"), of(&set(), &c))));
    all.extend(baselines().into_iter().map(|(what, b)| (what, leaf(&key, &input, &b, &set(), &content()))));
    all.extend(keys().into_iter().map(|(what, k)| (what, leaf(&k, &input, &baseline(), &set(), &content()))));
    all.push(("another input".to_owned(), leaf(&key, &digest("other"), &baseline(), &set(), &content())));
    all.push(("unchanged".to_owned(), unchanged_leaf(&key, &input, &baseline())));
    all.push(("deferred".to_owned(), deferred_leaf(&key, &input, &baseline(), &[])));
    all
}

/// No two of them are equal.
fn all_differ<T: Ord + std::fmt::Debug>(list: Mutants<T>) {
    let mut seen: BTreeMap<T, String> = BTreeMap::new();
    for (what, value) in list {
        if let Some(before) = seen.insert(value, what.clone()) {
            panic!("these have the same id: {before} | {what}");
        }
    }
}

#[test]
fn whatever_goes_into_the_call_changes_a1() {
    let mut list = vec![("the sample".to_owned(), input().digest())];
    list.extend(inputs().into_iter().map(|(what, i)| (what, i.digest())));
    let release = |d| release_id(&uid(), &BTreeMap::from([(key("Prod-Api"), d), (key("B"), digest("b"))]));
    all_differ(list.into_iter().map(|(what, d)| (what, release(d))).collect());
}

#[test]
fn whatever_an_approver_would_see_changes_the_leaf() {
    all_differ(leaves());
}

#[test]
fn whatever_an_approver_would_see_changes_c1() {
    let a1 = |d: &str| release_id(&uid(), &BTreeMap::from([(key("Prod-Api"), digest(d))]));
    let (first, second) = (digest("one"), digest("two"));
    let of =
        |leaves: &[(&str, Digest)]| c1(&uid(), &a1("a"), &leaves.iter().map(|(k, d)| (key(k), *d)).collect());
    let mut list: Mutants<_> = leaves()
        .into_iter()
        .map(|(what, leaf)| (what, of(&[("Prod-Api", leaf), ("Prod-Store", second)])))
        .collect();
    let both = BTreeMap::from([(key("Prod-Api"), first), (key("Prod-Store"), second)]);
    list.push(("another sample".to_owned(), c1(&uid(), &a1("a"), &both)));
    list.push(("the stacks swapped".to_owned(), of(&[("Prod-Api", second), ("Prod-Store", first)])));
    list.push((
        "a stack that is taken over".to_owned(),
        of(&[("Prod-Api", taken_over(&first)), ("Prod-Store", second)]),
    ));
    let notes = |lines: &[&str]| noted(&first, lines.iter().copied());
    for (what, lines) in [("a note", &["a"][..]), ("another note", &["b"]), ("two notes", &["a", "b"])] {
        list.push((what.to_owned(), of(&[("Prod-Api", notes(lines)), ("Prod-Store", second)])));
    }
    assert_eq!(notes(&[]), first, "nothing is told besides");
    list.push(("a stack less".to_owned(), of(&[("Prod-Api", first)])));
    list.push(("another release".to_owned(), c1(&uid(), &a1("b"), &both)));
    let stage = word("1f8fad5b-d9cb-469f-a165-70867728950e");
    list.push(("another stage".to_owned(), c1(&stage, &a1("a"), &both)));
    all_differ(list);
}

#[test]
fn a_difference_of_templates_changes_the_leaf_of_a_deferred_stack() {
    let one = ResourceDifference {
        logical_id: "Web".to_owned(),
        resource_type: "AWS::EC2::Instance".to_owned(),
        kind: DifferenceKind::Modify,
    };
    let mut list = mutants!(ResourceDifference of one.clone() =>
        logical_id: [|f| other(f)],
        resource_type: [|f| other(f)],
        kind: [|f| *f = DifferenceKind::Add, |f| *f = DifferenceKind::Remove],
    );
    list.push(("the sample".to_owned(), one));
    let of = |d: &[ResourceDifference]| deferred_leaf(&key("A"), &digest("i"), &baseline(), d);
    let mut leaves: Mutants<_> = list.into_iter().map(|(what, d)| (what, of(&[d]))).collect();
    leaves.push(("nothing".to_owned(), of(&[])));
    all_differ(leaves);
}

#[test]
fn a_bootstrap_and_a_change_set_are_named_by_all_that_makes_them() {
    let parameters = BTreeMap::from([("Qualifier".to_owned(), "acme".to_owned())]);
    let envs = ["aws://111111111111/eu-west-1", "aws://222222222222/eu-west-1"].map(word::<Env>);
    let of = |owner, last, name, template, parameters: &BTreeMap<String, String>, changed: &[Env]| {
        b1(&owner, last, name, &digest(template), parameters, changed.iter(), [].iter())
    };
    let (one, all) = (&envs[..1], &envs[..]);
    let first = of(uid(), None, "CDKToolkit", "t", &parameters, one);
    let made_anew = |changed: &[Env], made_anew: &[Env]| {
        b1(&uid(), None, "CDKToolkit", &digest("t"), &parameters, changed.iter(), made_anew.iter())
    };
    let uid2: Uid = word("1f8fad5b-d9cb-469f-a165-70867728950e");
    let more = BTreeMap::from([("Qualifier".to_owned(), "acm".to_owned())]);
    all_differ(vec![
        ("owner".to_owned(), of(uid2.clone(), None, "CDKToolkit", "t", &parameters, one)),
        ("before".to_owned(), of(uid(), Some(&first), "CDKToolkit", "t", &parameters, one)),
        ("name".to_owned(), of(uid(), None, "CDKToolkit-a", "t", &parameters, one)),
        ("template".to_owned(), of(uid(), None, "CDKToolkit", "u", &parameters, one)),
        ("parameter".to_owned(), of(uid(), None, "CDKToolkit", "t", &more, one)),
        ("one more environment".to_owned(), of(uid(), None, "CDKToolkit", "t", &parameters, all)),
        ("another environment".to_owned(), of(uid(), None, "CDKToolkit", "t", &parameters, &envs[1..])),
        ("none".to_owned(), of(uid(), None, "CDKToolkit", "t", &parameters, &[])),
        ("made anew, and not changed".to_owned(), made_anew(&[], one)),
        ("one more, which is made anew".to_owned(), made_anew(one, &envs[1..])),
        ("the sample".to_owned(), first),
    ]);
    let mut names = vec![
        ("the sample".to_owned(), change_set_name(&uid(), &digest("i"), &baseline())),
        ("owner".to_owned(), change_set_name(&uid2, &digest("i"), &baseline())),
        ("input".to_owned(), change_set_name(&uid(), &digest("j"), &baseline())),
    ];
    names.extend(baselines().into_iter().map(|(what, b)| (what, change_set_name(&uid(), &digest("i"), &b))));
    all_differ(names);
}

/// What is another one whenever the same change set is made again.
fn looks_alike() -> impl Strategy<Value = ChangeSetRow> {
    let id = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}";
    let executions = prop::sample::select(vec![ExecutionStatus::Available, ExecutionStatus::ExecuteComplete]);
    (id, id, 0_i64..2_000_000_000, executions, any::<bool>(), ".{0,40}").prop_map(
        |(one, two, at, execution, empty, description)| {
            let here = "arn:aws:cloudformation:ap-southeast-2:333333333333";
            ChangeSetRow {
                arn: word(&format!("{here}:changeSet/stackgate-{}/{one}", &two[..8])),
                name: word(&format!("stackgate-{}", &two[..8])),
                stack_id: word(&format!("{here}:stack/Prod-Api/{two}")),
                created: jiff::Timestamp::from_second(at).expect("a time"),
                status: ChangeSetStatus::CreateComplete,
                execution,
                empty,
                description,
                reason: format!("{} (Request ID: {one})", set().reason),
                nested: BTreeMap::from([(
                    "Net".to_owned(),
                    word(&format!("{here}:changeSet/stackgate-{}-Net/{two}", &two[..8])),
                )]),
                changes: set().changes,
                parameters: set().parameters,
            }
        },
    )
}

fn shuffled<T: Clone>(list: &[T], by: &[Index]) -> Vec<T> {
    let mut rest = list.to_vec();
    let mut out = Vec::new();
    for place in by.iter().chain(std::iter::repeat(&by[0])).take(list.len()) {
        out.push(rest.remove(place.index(rest.len())));
    }
    out
}

/// A leaf with the reason that `looks_alike` gives.
fn sample_leaf() -> Digest {
    let reason = format!("{} (Request ID: 1)", set().reason);
    leaf(&key("Prod-Api"), &input().digest(), &baseline(), &ChangeSetRow { reason, ..set() }, &content())
}

proptest! {
    // Beside an integration test there is no place to keep failures in.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn making_the_same_again_in_another_order_keeps_the_id(
        again in looks_alike(),
        order in prop::collection::vec(any::<Index>(), 4..8),
        metadata in any::<bool>(),
        twice in any::<bool>(),
    ) {
        let mut again = again;
        let mut inside = content();
        again.changes = shuffled(&again.changes, &order);
        inside.changes = shuffled(&inside.changes, &order);
        inside.warnings = shuffled(&inside.warnings, &order);
        if metadata {
            let version = Change { resource_type: "AWS::CDK::Metadata".to_owned(), ..change("CDKMetadata") };
            again.changes.insert(0, version.clone());
            inside.changes.push(Change { logical_id: "Net/CDKMetadata".to_owned(), ..version });
        }
        if twice {
            let more = inside.warnings.clone();
            inside.warnings.extend(more);
        }
        let is = leaf(&key("Prod-Api"), &input().digest(), &baseline(), &again, &inside);
        prop_assert_eq!(is, sample_leaf());
    }

    /// Two things changed at once are another change than either of them.
    #[test]
    fn two_differences_do_not_cancel_out(a in any::<Index>(), b in any::<Index>()) {
        let (sets, contents) = (sets(), contents());
        let (what, one) = &sets[a.index(sets.len())];
        let (and, two) = &contents[b.index(contents.len())];
        let of = |s: &ChangeSetRow, c: &SetContent| {
            leaf(&key("Prod-Api"), &input().digest(), &baseline(), s, c)
        };
        let ids = BTreeSet::from([
            of(one, two), of(one, &content()), of(&set(), two), of(&set(), &content()),
        ]);
        prop_assert_eq!(ids.len(), 4, "{} and {}", what, and);
    }

    /// Texts that run into one another are told apart by their lengths.
    #[test]
    fn moving_text_from_one_field_to_the_next_changes_the_id(cut in 1_usize..7) {
        let with = |action: &str, replacement: &str| {
            let changes = vec![Change {
                action: action.to_owned(),
                replacement: replacement.to_owned(),
                ..change("Web")
            }];
            leaf(&key("A"), &digest("i"), &baseline(), &ChangeSetRow { changes, ..set() }, &content())
        };
        prop_assert_ne!(with("Modify!", ""), with(&"Modify!"[..cut], &"Modify!"[cut..]));
    }
}
