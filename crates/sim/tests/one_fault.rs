//! The whole scenario, undisturbed and with every single fault at every effect.

use stackgate_core::effect::RefusalKind;
use stackgate_sim::{controller::Fault, many::many, run::run, scenario::with_one_fault};

/// A third of the time goes into memory, and this one spends half as much of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BUDGETS: [u32; 3] = [64, 3, 1];
const FAULTS: [Fault; 4] =
    [Fault::CrashBefore, Fault::CrashAfter, Fault::LostReply, Fault::Refused(RefusalKind::Unavailable)];

#[test]
fn every_fault_at_every_effect_comes_to_the_end_of_the_undisturbed_run() {
    for budget in BUDGETS {
        let calm =
            run(&with_one_fault(budget, None)).unwrap_or_else(|f| panic!("undisturbed: {}", f.violation));
        for fault in FAULTS {
            let tally = many(0, calm.effects, |k| with_one_fault(budget, Some((k, fault))));
            let first = tally.failures.first();
            assert!(first.is_none(), "budget {budget}, {fault:?} at effect {first:?}");
            println!("budget {budget}, {fault:?}: {} runs, {} effects", tally.runs, tally.effects);
        }
    }
}
