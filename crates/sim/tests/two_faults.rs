//! Short stories with every pair of faults: a crash, a lost reply or a refusal while the controller gets over another one.

use stackgate_core::effect::RefusalKind;
use stackgate_sim::{controller::Fault, many::many, people::Chapter, run::run, scenario::with_faults};

/// A third of the time goes into memory, and this one spends half as much of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Each leaves something else behind: nothing, something that is forgotten, something that is not known of. A refusal leaves what the first
/// one leaves, and is remembered.
const FAULTS: [Fault; 3] = [Fault::CrashAfter, Fault::LostReply, Fault::Refused(RefusalKind::Unavailable)];

fn chapter(release: usize, rejected: Option<usize>) -> Chapter {
    Chapter { release, rejected }
}

/// Which two faults come at which two effects: the pair with this number.
fn pair(effects: u64, number: u64) -> Vec<(u64, Fault)> {
    let faults = FAULTS.len() as u64;
    let (first, rest) = (number % faults, number / faults);
    let (second, places) = (rest % faults, rest / faults);
    let at = |n: u64| FAULTS[usize::try_from(n).expect("one of a few")];
    vec![(places / effects, at(first)), (places % effects, at(second))]
}

#[test]
fn every_pair_of_faults_comes_to_the_end_of_the_undisturbed_run() {
    let stories: [(&str, usize, Vec<Chapter>); 3] = [
        ("a first release", 1, vec![chapter(0, None)]),
        (
            "a release that is rejected, and another one",
            1,
            vec![chapter(0, None), chapter(1, Some(0)), chapter(3, None)],
        ),
        ("a release that is promoted", 2, vec![chapter(0, None)]),
    ];
    for (what, stages, chapters) in stories {
        let calm = run(&with_faults(stages, &chapters, Vec::new()));
        let calm = calm.unwrap_or_else(|f| panic!("{what}, undisturbed: {}", f.violation));
        let pairs = calm.effects * calm.effects * (FAULTS.len() * FAULTS.len()) as u64;
        // The earlier effect first: the other half is the same.
        let setting = |n| with_faults(stages, &chapters, pair(calm.effects, n));
        let tally = many(0, pairs, |n| {
            let setting = setting(n);
            let is_second = setting.strikes[0].0 >= setting.strikes[1].0;
            if is_second { with_faults(stages, &chapters, setting.strikes[..1].to_vec()) } else { setting }
        });
        let first = tally.failures.first();
        assert!(first.is_none(), "{what}: {:?}: {first:?}", first.map(|(n, _)| pair(calm.effects, *n)));
        println!("{what}: {} effects, {} runs, {} effects in all", calm.effects, tally.runs, tally.effects);
    }
}
