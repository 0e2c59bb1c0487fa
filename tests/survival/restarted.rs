//! The API server and etcd are killed and started again while a release goes out.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use stackgate_testbed::{Fault, Hold, Rule, scenario::World};

use crate::{
    draw::{Draw, with_seed},
    fleet::Fleet,
    ground::{Ground, LATEST, ground},
    left::becomes_like,
    once::nothing_twice,
};

/// What is killed, and in which order.
#[derive(Debug, Clone, Copy)]
enum Restart {
    ApiServer,
    Etcd,
    Both,
}

const RESTARTS: [Restart; 4] = [Restart::ApiServer, Restart::Etcd, Restart::Both, Restart::Etcd];
/// A restart comes when so many more stacks were executed at most; a fleet has 27.
const STACKS_BETWEEN: u64 = 6;
const MOST_AFTER: Duration = Duration::from_millis(400);

#[test]
fn a_cluster_that_restarts_leaves_what_one_that_stays_leaves() -> Result<()> {
    with_seed(|seed| survives_restarts(&mut *ground()?, seed))
}

fn survives_restarts(ground: &mut Ground, seed: u64) -> Result<()> {
    let (world, fleet, mut draw) = (&mut ground.world, Fleet { name: "restarted" }, Draw::new(seed));
    let executed =
        Rule::on("cloudformation", "ExecuteChangeSet", Fault::HoldReply(Hold::For(Duration::ZERO)));
    let executed = world.proxy.rule(executed.always());
    let mut restarts = RESTARTS.iter();
    let mut next = 1 + draw.below(STACKS_BETWEEN);
    let release = fleet.release(world, 1)?;
    let (end, mut signed) = (Instant::now() + LATEST, BTreeSet::new());
    loop {
        // A leader that could not renew ends, and whoever runs it starts it again.
        if !world.controller()?.is_running() {
            world.controller()?.restart()?;
        }
        let missing = fleet.missing(world, &release, &mut signed);
        let due = executed.hits() as u64 >= next;
        match restarts.as_slice().first().copied().filter(|_| due) {
            Some(restart) => {
                restarts.next();
                next += 1 + draw.below(STACKS_BETWEEN);
                // Not for anything to happen: it dies at a moment that nobody has chosen.
                thread::sleep(draw.moment(MOST_AFTER));
                restart.perform(world)?;
            }
            None if missing.as_ref().is_ok_and(Vec::is_empty) => break,
            None => thread::sleep(Duration::from_millis(100)),
        }
        if Instant::now() > end {
            // An error is that of an API server that is not there yet.
            let missing = missing?;
            let one = missing.first().map_or_else(String::new, ToString::to_string);
            bail!("{} Stages have not arrived, among them:\n{one}", missing.len());
        }
    }
    executed.remove();
    ensure!(restarts.as_slice().is_empty(), "all was done before {restarts:?}");
    let calls = nothing_twice(world, fleet)?;
    becomes_like(world, fleet, &release, &ground.calm[0])?;
    crate::tell(&format!("seed {seed}: calls {calls:?}\n calm {:?}", ground.calls));
    Ok(())
}

impl Restart {
    fn perform(self, world: &mut World) -> Result<()> {
        match self {
            Self::ApiServer => {
                world.cluster.stop_apiserver();
                world.cluster.start_apiserver()
            }
            Self::Etcd => world.cluster.restart_etcd(),
            Self::Both => {
                world.cluster.stop_apiserver();
                world.cluster.restart_etcd()?;
                world.cluster.start_apiserver()
            }
        }
    }
}
