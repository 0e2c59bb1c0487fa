//! An image that a release carries: copied before its plan, whatever goes wrong, and never over another.

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::{effect::RefusalKind, words::Digest};
use stackgate_sim::{
    bundle::{CARRYING, stacks},
    controller::Fault,
    people::newest,
    run::{Run, Setting},
    scenario::first_release,
};

use super::story::*;

/// The digest of the image that a release carries.
fn image(release: usize) -> Digest {
    let stacks = stacks(&CARRYING[release], "Dev");
    let mut images = stacks.iter().flat_map(|s| &s.assets.images);
    images.find_map(|i| i.carried.as_ref()).expect("an image").digest()
}

/// The images that lie in repositories.
fn copied(run: &mut Run) -> Vec<Digest> {
    run.world().images.values().copied().collect()
}

fn releases(run: &mut Run, release: usize) {
    run.world().source.push(Arc::clone(&CARRYING[release]));
    run.alone(SignedDuration::from_mins(6)).unwrap();
}

#[test]
fn an_image_is_copied_whatever_happens_on_the_way() {
    let faults =
        [Fault::CrashBefore, Fault::CrashAfter, Fault::LostReply, Fault::Refused(RefusalKind::Unavailable)];
    let mut calm = Run::new(&first_release(1));
    releases(&mut calm, 0);
    for (n, fault) in (0..calm.effects()).flat_map(|n| faults.map(|fault| (n, fault))) {
        let mut run = Run::new(&Setting { strikes: vec![(n, fault)], ..first_release(1) });
        releases(&mut run, 0);
        assert_eq!(copied(&mut run), [image(0)], "{fault:?} at effect {n}");
        let plan = newest(run.world(), DEV).expect("a plan");
        approve(&mut run, &plan);
        run.alone(SignedDuration::from_mins(5)).unwrap();
        assert_eq!(state(&mut run), "UpToDate", "{fault:?} at effect {n}");
    }
}

#[test]
fn another_image_under_the_tag_of_an_approved_one_is_neither_copied_nor_deployed() {
    let mut run = Run::new(&first_release(1));
    releases(&mut run, 0);
    let first = newest(run.world(), DEV).expect("a plan");
    approve(&mut run, &first);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_ne!(image(0), image(1));
    releases(&mut run, 1);
    assert_eq!(copied(&mut run), [image(0)]);
    let newest = newest(run.world(), DEV).expect("a plan");
    assert_eq!(newest.id(), first.id(), "there is no plan of it");
    let stalled = status(&mut run).conditions.into_iter().find(|c| c.type_ == "Stalled").expect("it stalls");
    assert_eq!((stalled.status.as_str(), stalled.reason.as_str()), ("True", "AssetKeyTaken"));
    // Somebody tidies the repository: what is copied now is what the next plan is about.
    run.world().images.clear();
    run.alone(SignedDuration::from_mins(10)).unwrap();
    assert_eq!(copied(&mut run), [image(1)]);
}
