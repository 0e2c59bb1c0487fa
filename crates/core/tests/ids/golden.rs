//! Fixed inputs, fixed outputs. **None of these may ever change without a new version in the text that its digest begins
//! with** (`stackgate leaf v2` …): plans and approvals are kept under these ids, and mean what they meant when they were
//! given. Where a vector fails, either the change was not meant, or it needs a new version (docs/adr/0006).

use std::collections::BTreeMap;

use stackgate_core::{
    bundle::{DifferenceKind, ResourceDifference},
    change::{
        Baseline, HmacKey, b1, c1, change_set_name, create_token, deferred_leaf, execute_token, leaf,
        release_id, unchanged_leaf,
    },
};

use super::sample::{baseline, content, digest, hmac, input, key, set, uid, word};

/// Compares, and shows both when they differ.
fn is(actual: &impl ToString, expected: &str) {
    assert_eq!(actual.to_string(), expected, "see the head of this file");
}

#[test]
fn the_input_of_a_stack() {
    is(&input().digest().hex(), "0bb47d36ac2d400683be334f2754b4c130b299e427cd6f13d79af4b391f0bd28");
}

#[test]
fn a1() {
    let inputs = BTreeMap::from([(key("Prod-Api"), input().digest()), (key("Prod-Store"), digest("store"))]);
    is(&release_id(&uid(), &inputs), "a1-e7640d8b3bbcd83be25eb5a1493f42780b23f99e");
}

#[test]
fn leaves() {
    let (key, input) = (key("Prod-Api"), input().digest());
    is(
        &leaf(&key, &input, &baseline(), &set(), &content()).hex(),
        "467ec1c97d206fab6374d8857cf959591c55807d36d8ef54561f7ceeaa971684",
    );
    is(
        &leaf(&key, &input, &Baseline::None, &set(), &content()).hex(),
        "0f16e2d8974cd37e868825ba89d4a32cd2de84808910dcbd78fd2de96c4e1128",
    );
    is(
        &unchanged_leaf(&key, &input, &baseline()).hex(),
        "088d3721c34781a1a0b77e2442a81026a721acab1bf31fec1d73c58180027cb9",
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
        "24de0f06e6b9c05411da2a7e3b7f53b979b670a18cb6bef09665ce4b01d1eb72",
    );
}

#[test]
fn c1_of_two_stacks() {
    let release = release_id(&uid(), &BTreeMap::from([(key("Prod-Api"), input().digest())]));
    let leaves = BTreeMap::from([(key("Prod-Api"), digest("one")), (key("Prod-Store"), digest("two"))]);
    is(&c1(&uid(), &release, &leaves), "c1-e5d4bc558adf3b3ad901b1430cfcc8311b4178c1");
}

#[test]
fn b1_first_and_next() {
    let parameters = BTreeMap::from([("Qualifier".to_owned(), "acme".to_owned())]);
    let first = b1(&uid(), None, "CDKToolkit-acme", &digest("template"), &parameters);
    is(&first, "b1-ef5742645ed8cc6acd8f58911c9253384f78b116");
    let next = b1(&uid(), Some(&first), "CDKToolkit-acme", &digest("template"), &parameters);
    is(&next, "b1-7f68ed102360074cd155ee3505a87955ae8d4b9a");
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
