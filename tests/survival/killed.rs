//! The controller is killed fifty times while two releases go out.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use stackgate_testbed::{Controller, Fault, Hold, Proxy, Rule};

use crate::{
    draw::{Draw, with_seed},
    fleet::Fleet,
    ground::{LATEST, ground},
    left::becomes_like,
    once::nothing_twice,
};

const KILLS_PER_RELEASE: usize = 25;

/// What a kill comes after: a call that the controller makes in each part of its work.
const AFTER: [(&str, &str); 8] = [
    ("sts", "AssumeRole"),
    ("s3", "GetObject"),
    ("s3", "PutObject"),
    ("cloudformation", "CreateChangeSet"),
    ("cloudformation", "DescribeChangeSet"),
    ("cloudformation", "ExecuteChangeSet"),
    ("cloudformation", "ExecuteChangeSet"),
    ("cloudformation", "DescribeStacks"),
];
/// How long the call is held on its way there or back: killed meanwhile, a controller never hears of it; held for longer than the next one
/// takes to start, it arrives while that one works.
const HELD: [Duration; 3] = [Duration::ZERO, Duration::from_millis(300), Duration::from_millis(1500)];
const MOST_AFTER: Duration = Duration::from_millis(400);
/// A call that has not come by then is not going to: all is done that needs it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What one kill hit.
#[derive(Debug, Default)]
struct Hits {
    /// The controller had begun to work: it had called AWS.
    working: usize,
    /// Some Stage had not deployed the release yet.
    busy: usize,
    /// The call that it was to come after had come.
    aimed: usize,
}

#[test]
fn fifty_kills_leave_what_a_calm_life_leaves() -> Result<()> {
    with_seed(survives_kills)
}

fn survives_kills(seed: u64) -> Result<()> {
    let mut ground = ground()?;
    let ground = &mut *ground;
    let fleet = Fleet { name: "killed" };
    let mut draw = Draw::new(seed);
    let mut hits = Hits::default();
    for number in [1, 2] {
        let mut controller = ground.world.controller.take().context("no controller")?;
        let world = &ground.world;
        let open = AtomicUsize::new(usize::MAX);
        let (arrived, killed) = thread::scope(|scope| {
            let killing = scope.spawn(|| {
                (0..KILLS_PER_RELEASE)
                    .try_for_each(|_| kill(&world.proxy, &mut controller, &mut draw, &open, &mut hits))
            });
            let arrived = fleet.release(world, number).and_then(|release| {
                fleet.arrive(world, &release, LATEST, |n| open.store(n, Relaxed)).map(|()| release)
            });
            (arrived, killing.join().map_err(|_| anyhow!("the thread that kills has panicked")))
        });
        let log = controller.log_tail(30);
        ground.world.controller = Some(controller);
        killed??;
        let release =
            arrived.with_context(|| format!("after {hits:?}; the controller's log ends:\n{log}"))?;
        // The last kill may have come after the last Stage arrived: that must change nothing.
        fleet.arrive(&ground.world, &release, LATEST, drop)?;
        let calm = &ground.calm[usize::from(number) - 1];
        becomes_like(&ground.world, fleet, &release, calm).with_context(|| format!("release {number}"))?;
        let calls = nothing_twice(&ground.world, fleet)?;
        crate::tell(&format!("seed {seed}, release {number}: {hits:?}, calls {calls:?}"));
    }
    let all = 2 * KILLS_PER_RELEASE;
    ensure!(hits.working >= all * 9 / 10, "too many kills hit a controller that had not begun: {hits:?}");
    ensure!(hits.busy >= all / 4, "too many kills came when all was done: {hits:?}");
    Ok(())
}

/// Kills the controller in a moment that is drawn, and starts it again at once.
fn kill(
    proxy: &Proxy,
    controller: &mut Controller,
    draw: &mut Draw,
    open: &AtomicUsize,
    hits: &mut Hits,
) -> Result<()> {
    // A controller that calls AWS has read the cluster, and leads.
    let begun = proxy.rule(Rule::on_any(Fault::HoldReply(Hold::For(Duration::ZERO))));
    if begun.wait_for_hits(1, PATIENCE * 5).is_ok() {
        hits.working += 1;
    }
    begun.remove();
    let (service, operation) = draw.one_of(&AFTER);
    let held = Hold::For(draw.one_of(&HELD));
    let fault = if draw.below(2) == 0 { Fault::HoldRequest(held) } else { Fault::HoldReply(held) };
    let call = proxy.rule(Rule::on(service, operation, fault));
    if call.wait_for_hits(1, PATIENCE).is_ok() {
        hits.aimed += 1;
    } else {
        call.remove();
    }
    // Not for anything to happen: it dies at a moment that nobody has chosen.
    thread::sleep(draw.moment(MOST_AFTER));
    if open.load(Relaxed) > 0 {
        hits.busy += 1;
    }
    // What the rule holds stays held: whoever has died does not take its calls back.
    controller.restart()
}
