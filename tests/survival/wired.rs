//! The network to AWS throttles, is slow, resets connections, and loses answers to what was done.

use std::time::Duration;

use anyhow::{Result, ensure};
use stackgate_testbed::{Fault, Hold, Proxy, Rule};

use crate::{
    draw::with_seed,
    fleet::Fleet,
    ground::{LATEST, ground},
    left::becomes_like,
    once::{Calls, nothing_twice},
};

/// Of a hundred calls: so many are throttled, reset before they arrive, reset when they have been answered, and slow.
const THROTTLED: u8 = 15;
const RESET: u8 = 5;
const LOST: u8 = 10;
const SLOW: u8 = 20;
const LATENCY: Duration = Duration::from_millis(200);

/// With these shares a call is made 1.4 times on average; whoever fails must not try for ever and a day, though.
const MOST_TIMES: usize = 4;

#[test]
fn a_bad_network_leaves_what_a_good_one_leaves() -> Result<()> {
    with_seed(survives_the_network)
}

fn survives_the_network(seed: u64) -> Result<()> {
    let mut ground = ground()?;
    let ground = &mut *ground;
    let (world, fleet) = (&mut ground.world, Fleet { name: "wired" });
    // A new one has no sessions, and looks for everything itself.
    world.controller()?.restart()?;
    disturb(&world.proxy, seed);
    let release = fleet.release(world, 1)?;
    fleet.arrive(world, &release, LATEST, drop)?;
    world.proxy.remove_rules();
    let calls = nothing_twice(world, fleet)?;
    becomes_like(world, fleet, &release, &ground.calm[0])?;
    crate::tell(&format!("seed {seed}: calls {calls:?}\n calm {:?}", ground.calls));
    let sum = |calls: &Calls| calls.values().sum::<usize>();
    ensure!(sum(&calls) <= MOST_TIMES * sum(&ground.calls), "{calls:?}\nbut calm {:?}", ground.calls);
    Ok(())
}

fn disturb(proxy: &Proxy, seed: u64) {
    let faults = ["cloudformation", "s3", "ssm", "sts"]
        .map(|service| (Rule::on_service(service, Fault::throttled(service)), THROTTLED))
        .into_iter()
        .chain([
            (Rule::on_any(Fault::Reset), RESET),
            (Rule::on_any(Fault::ResetReply), LOST),
            (Rule::on_any(Fault::HoldReply(Hold::For(LATENCY))), SLOW),
        ]);
    for (n, (rule, percent)) in (0_u64..).zip(faults) {
        // A seed for each: the same draw would give the calls that one rule leaves to the next one never or always.
        proxy.rule(rule.share(percent, seed.wrapping_add(n)).always());
    }
}
