//! The checks can fail: each deliberate defect of the protocol is found within a number of seeds.

use stackgate_sim::{many::many, protocol::Protocol, scenario::from_seed};

fn found(protocol: Protocol) {
    for from in (0..4_000).step_by(40) {
        let tally = many(from, from + 40, |seed| from_seed(seed, protocol));
        if let Some((seed, violation)) = tally.failures.first() {
            println!("{protocol:?}: seed {seed}: {violation}");
            return;
        }
    }
    panic!("{protocol:?} was not found in 4,000 schedules");
}

macro_rules! mutants {
    ($($name:ident = $mutant:ident,)+) => { $(#[test] fn $name() { found(Protocol::$mutant); })+ };
}

mutants! {
    no_claim = NoClaim,
    look_before_claim = LookBeforeClaim,
    no_fence = NoFence,
    approve_by_prefix = ApproveByPrefix,
    no_compare_and_swap = NoCompareAndSwap,
    fresh_names = FreshNames,
    forget_rejections = ForgetRejections,
    execute_by_name = ExecuteByName,
    baseline_left_out = BaselineLeftOut,
    early_success = EarlySuccess,
}
