use rstest::rstest;
use serde_json::json;

use super::*;
use crate::cli::view::fixtures::{decided, opened, plan, proposal, release, shown, stage};

const ALL: &[RiskClass] = &[RiskClass::Replace, RiskClass::MaybeReplace, RiskClass::Iam];

/// Somebody at a terminal with these answers.
struct Answers {
    answers: Vec<&'static str>,
    asked: Vec<String>,
}

impl Answers {
    fn of(answers: &[&'static str]) -> Self {
        Self { answers: answers.iter().rev().copied().collect(), asked: Vec::new() }
    }
}

impl Person for Answers {
    fn is_there(&self) -> bool {
        true
    }
    fn ask(&mut self, question: &str) -> std::io::Result<String> {
        self.asked.push(question.to_owned());
        Ok(self.answers.pop().unwrap().to_owned())
    }
}

/// A plan with `replace`, `maybe-replace` and `iam`, whose gate wants two people, approved so; seen by somebody who may acknowledge these.
fn sight(approvals: &[(&str, &[&str])], may: &[RiskClass]) -> Sight {
    let mut ledger = vec![opened("2026-11-24T09:00:00Z", 7, &release("1.4.2", 'a'))];
    ledger.extend(
        approvals.iter().map(|(by, acks)| decided("2026-11-24T10:05:00Z", "Approve", by, "Verified", acks)),
    );
    let view = plan(&proposal(), &ledger, json!({}));
    let report = shown(&view, &stage(json!({}), json!({})), &[], None);
    Sight {
        view,
        stage: None,
        gate: None,
        plans: Vec::new(),
        newer: None,
        may_ack: may.to_vec(),
        signs: true,
        report,
    }
}

fn approve(acks: Option<&[RiskClass]>) -> Wish {
    Wish { acks: acks.map(<[_]>::to_vec), ..Wish::of(Action::Approve, None) }
}

#[rstest]
#[case::what_was_said_yes_to(ALL, None, &["y", "n", "y"], "replace,iam")]
#[case::only_what_one_may(&[RiskClass::Iam], None, &["y"], "iam")]
#[case::given_and_the_others_asked_for(ALL, Some(&[RiskClass::Iam][..]), &["n", "y"], "maybe-replace,iam")]
#[case::not_one_of_them(ALL, Some(&[][..]), &[], "")]
#[case::no_to_all_and_signed_even_so(ALL, None, &["n", "n", "n", "y"], "")]
#[case::may_none_and_signs_even_so(&[], None, &["y"], "")]
#[case::what_the_plan_does_not_carry_says_nothing(&[], Some(&[RiskClass::Network][..]), &["y"], "")]
#[case::given_without_the_verb_the_api_server_says_so(&[], Some(&[RiskClass::Iam][..]), &[], "iam")]
fn each_signs_a_share(
    #[case] may: &[RiskClass],
    #[case] given: Option<&[RiskClass]>,
    #[case] answers: &[&'static str],
    #[case] acks: &str,
) {
    let sight = sight(&[], may);
    let mut person = Answers::of(answers);
    let signed = Share::of(&sight, &approve(given), "sam").acknowledge(&mut person).unwrap();
    assert_eq!(list(&signed), acks);
    assert!(person.answers.is_empty(), "{:?}", person.asked);
}

#[test]
fn nothing_is_signed_where_nothing_is_acknowledged_and_that_is_not_wanted() {
    let sight = sight(&[], &[RiskClass::Iam]);
    let mut person = Answers::of(&["n", "n"]);
    let fail = Share::of(&sight, &approve(None), "sam").acknowledge(&mut person).unwrap_err();
    assert!(fail.to_string().contains("acknowledged nothing"), "{fail}");
    let last = person.asked.last().unwrap();
    assert!(last.contains("needs replace,maybe-replace,iam from somebody. Sign without"), "{last}");
}

#[rstest]
#[case::nothing_said(ALL, None, false, Some("replace,maybe-replace,iam"))]
#[case::a_part_is_enough(ALL, Some(&[RiskClass::Iam][..]), true, Some("iam"))]
#[case::limited_to_what_one_may(&[RiskClass::Replace], None, false, Some("replace"))]
#[case::may_none(&[], None, false, Some("none"))]
#[case::none(ALL, Some(&[][..]), true, Some("none"))]
#[case::nothing_that_fits(ALL, Some(&[RiskClass::Network][..]), false, Some("replace,maybe-replace,iam"))]
fn what_a_command_line_has_to_say(
    #[case] may: &[RiskClass],
    #[case] given: Option<&[RiskClass]>,
    #[case] is_said: bool,
    #[case] proposed: Option<&str>,
) {
    let sight = sight(&[], may);
    let share = Share::of(&sight, &approve(given), "sam");
    assert_eq!((share.is_said(), share.proposed().as_deref()), (is_said, proposed));
}

#[test]
fn what_the_plan_does_not_carry_is_told() {
    let sight = sight(&[], ALL);
    let said = [RiskClass::Iam, RiskClass::Network];
    assert_eq!(Share::of(&sight, &approve(Some(&said)), "sam").absent, [RiskClass::Network]);
    assert_eq!(Share::of(&sight, &approve(None), "sam").absent, []);
}

#[test]
fn other_decisions_acknowledge_nothing() {
    let sight = sight(&[], ALL);
    let share = Share::of(&sight, &Wish::of(Action::Override, None), "sam");
    assert!(share.is_said() && share.proposed().is_none());
}

#[test]
fn an_own_acknowledgement_is_not_taken_back_unseen() {
    let sight = sight(&[("sam", &["iam"]), ("dora", &["replace", "maybe-replace"])], ALL);
    let share = Share::of(&sight, &approve(None), "sam");
    assert_eq!(share.taken_back(&[]), [RiskClass::Iam]);
    assert!(share.taken_back(&[RiskClass::Iam]).is_empty());
    assert_eq!(share.proposed().as_deref(), Some("iam"));
    let mut person = Answers::of(&["y"]);
    assert_eq!(share.acknowledge(&mut person).unwrap(), [RiskClass::Iam]);
    assert!(person.asked[0].contains("takes the place of your approval"), "{:?}", person.asked);
    // Those of others stay whatever somebody else signs.
    assert!(Share::of(&sight, &approve(Some(&[])), "rex").taken_back(&[]).is_empty());
}
