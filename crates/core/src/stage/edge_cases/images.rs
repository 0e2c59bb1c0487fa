//! Images that a stack needs: copied where the assembly carries them, looked for and awaited where it does not.

use super::*;
use crate::{
    bundle::carried_tests::stack,
    change::Given,
    effect::{Mutation, Outcome, Receipt, Refusal, RefusalKind},
    stage::{prepare::missing_images, targets},
    verdict::Need,
};

/// What is needed for a stack with an image of these layers, or one that is not carried.
fn needed(case: &Case, layers: Option<&[&str]>, minutes: i64) -> Option<Need> {
    let (seen, artifact) = (case.seen(), stack(layers));
    let acme = "acme".parse().unwrap();
    let target = targets::make(&seen, &artifact, &Given::default(), artifact.key(), acme, Vec::new());
    missing_images(&seen, &target, at(minutes)).pop()
}

fn pushes(need: Option<Need>) -> Effect {
    match need {
        Some(Need::Do(effect)) if matches!(*effect, Effect::Mutate(Mutation::PushImage(_))) => *effect,
        other => panic!("{other:?}"),
    }
}

fn came(facts: &mut Facts, effect: &Effect, outcome: Outcome) {
    facts.note(effect, outcome, at(0), at(0));
}

#[test]
fn what_is_carried_is_copied_once_with_the_role_that_pushes() {
    let mut case = Case::new(&[]);
    let push = pushes(needed(&case, Some(&["a"]), 0));
    let Effect::Mutate(Mutation::PushImage(upload)) = &push else { panic!("{push:?}") };
    assert_eq!(
        (upload.to.repository.as_str(), upload.to.tag.as_str(), upload.asset.as_str()),
        ("cdk-acme-container-assets-333333333333-ap-southeast-2", "f00", "Prod/Data/Image")
    );
    let role = upload.access.roles.last().unwrap();
    assert!(role.as_str().contains("role/cdk-acme-image-publishing-role-"), "{role}");
    came(&mut case.facts, &push, Outcome::Accepted(Receipt::Done));
    assert!(needed(&case, Some(&["a"]), 0).is_none());
    assert_ne!(pushes(needed(&case, Some(&["b"]), 0)), push, "another image is another one to copy");
}

#[test]
fn a_copy_whose_reply_is_lost_is_made_again() {
    let mut case = Case::new(&[]);
    let push = pushes(needed(&case, Some(&["a"]), 0));
    came(&mut case.facts, &push, Outcome::Unsure("no answer".to_owned()));
    assert!(matches!(needed(&case, Some(&["a"]), 0), Some(Need::Wait(Reason::Retrying, ..))));
    assert_eq!(pushes(needed(&case, Some(&["a"]), 1)), push);
}

#[test]
fn another_image_under_the_tag_stalls_the_stage() {
    let mut case = Case::new(&[]);
    let push = pushes(needed(&case, Some(&["a"]), 0));
    let refusal = Refusal { kind: RefusalKind::AssetKeyTaken, message: "another image".to_owned() };
    came(&mut case.facts, &push, Outcome::Refused(refusal));
    match needed(&case, Some(&["a"]), 0) {
        Some(Need::Stuck(Reason::AssetKeyTaken, message, Some(_))) => {
            assert!(message.contains("container-assets-333333333333-ap-southeast-2:f00"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_carried_is_looked_for() {
    match needed(&Case::new(&[]), None, 0) {
        Some(Need::Do(effect)) => assert!(matches!(*effect, Effect::Look(Look::Image(..))), "{effect:?}"),
        other => panic!("{other:?}"),
    }
}
