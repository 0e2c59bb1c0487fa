//! Short stories with every pair of faults: a crash, a lost reply or a refusal while the controller gets over another one.

use stackgate_core::effect::RefusalKind;
use stackgate_sim::{controller::Fault, many::many, people::Chapter, run::run, scenario::with_faults};

/// A third of the time goes into memory, and this one spends half as much of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Each leaves something else behind: something that is forgotten, something that is not known of, a refusal that is remembered. A crash
/// before an effect leaves what one after the effect before it leaves.
const FAULTS: [Fault; 3] = [Fault::CrashAfter, Fault::LostReply, Fault::Refused(RefusalKind::Unavailable)];

/// Which two faults come at which two effects: the pair with this number.
fn pair(faults: &[Fault], effects: u64, number: u64) -> [(u64, Fault); 2] {
    let kinds = faults.len() as u64;
    let (first, rest) = (number % kinds, number / kinds);
    let (second, places) = (rest % kinds, rest / kinds);
    let at =
        |n: u64| usize::try_from(n).ok().and_then(|n| faults.get(n)).copied().unwrap_or(Fault::CrashAfter);
    [(places / effects, at(first)), (places % effects, at(second))]
}

#[test]
fn every_pair_of_faults_comes_to_the_end_of_the_undisturbed_run() {
    let chapters = [Chapter { release: 0, rejected: None }];
    for (what, stages, faults) in
        [("a first release", 1, &FAULTS[..]), ("one that is promoted", 2, &FAULTS[..1])]
    {
        let calm = run(&with_faults(stages, &chapters, Vec::new()));
        let calm = calm.unwrap_or_else(|f| panic!("{what}, undisturbed: {}", f.violation));
        let pairs = calm.effects * calm.effects * (faults.len() * faults.len()) as u64;
        let tally = many(0, pairs, |n| {
            let [first, second] = pair(faults, calm.effects, n);
            // The other half is the same.
            let strikes = if first.0 < second.0 { vec![first, second] } else { vec![first] };
            with_faults(stages, &chapters, strikes)
        });
        let first = tally.failures.first();
        assert!(
            first.is_none(),
            "{what}: {:?}: {first:?}",
            first.map(|(n, _)| pair(faults, calm.effects, *n))
        );
        println!("{what}: {} effects, {} runs, {} effects in all", calm.effects, tally.runs, tally.effects);
    }
}
