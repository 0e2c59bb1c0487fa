//! Who reports a check, and whose report counts.

use super::*;
use crate::api::{Checked, Identity, IdentityNeeded};

/// What is recorded of a report on a plan that was carried out, where the policies are in force.
fn recorded(value: &str) -> Vec<Checked> {
    let case = Case::new(&[])
        .with(|c| c.plans = vec![carried_out(C1, 1)])
        .on_plan("gate.stackgate.dev/check.smoke", &format!("{C1};{value}"))
        .looked();
    let mut s = case.seen();
    let checks = serde_json::from_value(json!([{ "name": "smoke" }])).unwrap();
    Arc::make_mut(&mut s.stage).spec.checks = checks;
    let verdict = latched(&s, at(9));
    verdict.map(entries).unwrap_or_default().into_iter().filter_map(|e| e.checked).collect()
}

#[rstest]
#[case::a_service_account("system:serviceaccount:shop:ci")]
#[case::a_person("alice")]
#[case::an_administrator("system:admin")]
fn a_gate_that_wants_proof_believes_a_report_of(#[case] by: &str) {
    let list = recorded(&format!("result=passed;by={by}"));
    let [checked] = list.as_slice() else { panic!("{list:?}") };
    assert_eq!((checked.by.as_str(), checked.identity), (by, Identity::Verified));
    let mut plan = carried_out(C1, 1);
    let entry = json!({ "seq": 1, "time": at(1).to_string(), "checked": checked });
    plan.spec.ledger.push(serde_json::from_value(entry).unwrap());
    let view = PlanView::new(Arc::new(plan)).unwrap();
    assert!(view.check("smoke", IdentityNeeded::Verified).is_some());
}

/// What is recorded of a report that stands on a plan which was reported on like this before it was deployed anew.
fn recorded_anew(before: &str, stands: &str) -> Vec<Checked> {
    let said: Checked = serde_json::from_value(
        json!({ "name": "smoke", "result": before, "by": "ci", "identity": "Verified", "reason": "run 1" }),
    )
    .unwrap();
    let ledger = [claim(), succeeded(), json!({ "checked": said }), reopened(2), claim(), succeeded()];
    let case =
        Case::new(&ledger).on_plan("gate.stackgate.dev/check.smoke", &format!("{C1};{stands}")).looked();
    let mut s = case.seen();
    Arc::make_mut(&mut s.stage).spec.checks = serde_json::from_value(json!([{ "name": "smoke" }])).unwrap();
    let verdict = latched(&s, at(9));
    verdict.map(entries).unwrap_or_default().into_iter().filter_map(|e| e.checked).collect()
}

#[rstest]
#[case::that_it_passed("Passed", "result=passed;by=ci;reason=run 1", 0)]
#[case::that_it_failed("Failed", "result=failed;by=ci;reason=run 1", 0)]
#[case::in_other_words("Passed", "result=passed;by=ci;reason=run 2", 1)]
#[case::otherwise("Passed", "result=failed;by=ci;reason=run 1", 1)]
fn a_report_on_the_deployment_before_says_nothing_of_this_one(
    #[case] before: &str,
    #[case] stands: &str,
    #[case] heard: usize,
) {
    assert_eq!(recorded_anew(before, stands).len(), heard);
}

#[test]
fn nobody_reports_in_the_name_of_the_rules() {
    assert!(recorded("result=passed;by=system:auto").is_empty());
}
