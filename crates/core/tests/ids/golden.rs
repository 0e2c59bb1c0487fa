//! Fixed inputs, fixed outputs. **None of these may ever change without a new version in the text that its digest begins
//! with** (`stackgate leaf v2` …): plans and approvals are kept under these ids, and mean what they meant when they were
//! given. Where a vector fails, either the change was not meant, or it needs a new version (docs/adr/0006).

use std::collections::BTreeMap;

use stackgate_core::{
    bundle::{DifferenceKind, ResourceDifference},
    change::{
        Baseline, Given, GivenValue, Hidden, HmacKey, b1, c1, c1_once_more, change_set_name, create_token,
        deferred_leaf, execute_token, leaf, noted, release_id, removed_leaf, taken_over, unchanged_leaf,
    },
};

use super::sample::{baseline, content, digest, hmac, input, key, set, uid, word};

/// Compares, and shows both when they differ.
fn is(actual: &impl ToString, expected: &str) {
    assert_eq!(actual.to_string(), expected, "see the head of this file");
}

#[test]
fn the_input_of_a_stack() {
    is(&input().digest().hex(), "6a95c0612c436c5fea0f88cfe88c10d4985b8f05fa4be5b5767b3b11a46611c6");
}

#[test]
fn the_input_of_a_stack_with_an_image() {
    let mut input = input();
    input.images.insert("f00".to_owned(), digest("image"));
    is(&input.digest().hex(), "b5117f7fc92520923bd1be90d17ca5bf42030ce881cd0265ad8e9f90536ada08");
}

#[test]
fn a1() {
    let inputs = BTreeMap::from([(key("Prod-Api"), input().digest()), (key("Prod-Store"), digest("store"))]);
    is(&release_id(&uid(), &inputs), "a1-af52ffcaca38f0c7242cb972783a447d1a5e4802");
}

#[test]
fn leaves() {
    let (key, input) = (key("Prod-Api"), input().digest());
    is(
        &leaf(&key, &input, &baseline(), &set(), &content()).hex(),
        "8cfd4a6f0534e80b0a2cf9a211ca786d75db689f80c61e24f0830c2556d35043",
    );
    is(
        &leaf(&key, &input, &Baseline::None, &set(), &content()).hex(),
        "0c1faed377c0b3dc94b4bac1acec901b6cf280f80856f14aefacbc35f943ae91",
    );
    is(
        &unchanged_leaf(&key, &input, &baseline()).hex(),
        "a33b8eb3eb9862b94b64b7dbbc8a23c8467638bb088857d697dd32f7a809b6e7",
    );
    let difference = [
        ResourceDifference {
            logical_id: "Web".to_owned(),
            resource_type: "AWS::EC2::Instance".to_owned(),
            kind: DifferenceKind::Modify,
        },
        ResourceDifference {
            logical_id: "Role".to_owned(),
            resource_type: "AWS::IAM::Role".to_owned(),
            kind: DifferenceKind::Add,
        },
    ];
    is(
        &deferred_leaf(&key, &input, &baseline(), &difference).hex(),
        "494065a03319f56ad78a2bdd6d467248ba39b51c5f7dc4c1d861abdcc00631dd",
    );
    is(
        &removed_leaf(&key, &baseline(), &difference).hex(),
        "9107b5dc1f2f79aac2b749762a22e57618a14285ec9fad8cd7f895fb44c607ba",
    );
}

#[test]
fn leaves_with_what_else_a_plan_tells() {
    let leaf = digest("leaf");
    is(&taken_over(&leaf).hex(), "b770232fb15a8160b2e3679c00c18fea80a5ac15bac75b45f3586cbeb7908e6e");
    is(&noted(&leaf, [].into_iter()).hex(), &leaf.hex());
    is(
        &noted(&leaf, ["a warning", "termination protection is switched off"].into_iter()).hex(),
        "a3f8853aef9618a4db99ec68a023806bf2d5afdb664e8112b35d9cc4976ea050",
    );
}

#[test]
fn the_values_that_a_stage_gives() {
    let value = |text: &str, secret: bool| GivenValue { text: Hidden::new(text), secret };
    let given: Given = [
        ("Size".to_owned(), value("small", false)),
        ("Prod-Api:Password".to_owned(), value("hunter2", true)),
    ]
    .into_iter()
    .collect();
    is(
        &given.digest(&hmac()).map(|d| d.hex()).unwrap_or_default(),
        "e29a8d69759c4cd53c02abf9382bd78f1f489e88a3f01aed7fea023aa43cb1a1",
    );
    assert_eq!(Given::default().digest(&hmac()), None);
}

#[test]
fn c1_of_two_stacks() {
    let release = release_id(&uid(), &BTreeMap::from([(key("Prod-Api"), input().digest())]));
    let leaves = BTreeMap::from([(key("Prod-Api"), digest("one")), (key("Prod-Store"), digest("two"))]);
    let id = c1(&uid(), &release, &leaves);
    is(&id, "c1-2d6cba9f753c9e59bff7a3a4117f08e709c5f774");
    is(&c1_once_more(&id), "c1-1633bea7d7c9d8c1ad24c67750fc126921799dd8");
}

#[test]
fn b1_first_and_next() {
    let parameters = BTreeMap::from([("Qualifier".to_owned(), "acme".to_owned())]);
    let first = b1(&uid(), None, "CDKToolkit-acme", &digest("template"), &parameters, [].iter(), [].iter());
    is(&first, "b1-51be9474a3a6e25b5eae3ac5ab2e7c6bf2843d8e");
    let (changed, made_anew) =
        ([key("A").env], [word::<stackgate_core::words::Env>("aws://222222222222/eu-west-1")]);
    let (changed, made_anew) = (changed.iter(), made_anew.iter());
    let next =
        b1(&uid(), Some(&first), "CDKToolkit-acme", &digest("template"), &parameters, changed, made_anew);
    is(&next, "b1-a267f8d4340dad5cbd45e1e7d77b379432b18f94");
}

#[test]
fn names_and_tokens() {
    let name = change_set_name(&uid(), &digest("input"), &baseline());
    is(&name, "stackgate-729c4e280fd1cf1a2043a94f361fba3c");
    is(
        &change_set_name(&uid(), &digest("input"), &Baseline::None),
        "stackgate-b170ec80c3633872e862f70365819205",
    );
    is(&create_token(&name), "create-38a3f26488bc48ad5f124b0f903023af54549a33");
    let arn = word("arn:aws:cloudformation:ap-southeast-2:333333333333:changeSet/stackgate-1/a");
    is(&execute_token(&arn), "execute-d7a04f27350cee091ec963a4e71bb9f57b28f0ea");
}

#[test]
fn the_proof_that_a_change_set_is_ours() {
    let description = hmac().description("shop/prod", "stackgate-1", &digest("input"));
    is(
        &description,
        "Stackgate: shop/prod proof=2f4d22b390473fabb9886c4c637e6cfd66c0f9581df4a8554a0b68803162cbaf",
    );
    assert!(hmac().proves(&description, "stackgate-1", &digest("input")));
    assert!(!hmac().proves(&description, "stackgate-2", &digest("input")));
    assert!(!hmac().proves(&description, "stackgate-1", &digest("other")));
    assert!(!HmacKey::new([8; 32]).proves(&description, "stackgate-1", &digest("input")));
}
