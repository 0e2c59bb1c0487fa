//! Twenty Stages deploy while something goes wrong all the time: the controller is killed fifty times, two of them work at once, the network
//! fails, the cluster restarts. What is there afterwards is what an undisturbed fleet leaves, and nothing was done twice.
//!
//! What is random is drawn from a seed, which every failure tells: `SURVIVAL_SEED=<seed>` draws the same again. The moments in which it hits
//! differ all the same, since the world has a clock of its own.

mod draw;
mod fleet;
mod ground;
mod killed;
mod left;
mod once;
mod paired;
mod rest;
mod restarted;
mod wired;

/// Figures for whoever runs it with `--nocapture`.
#[expect(clippy::print_stdout, reason = "it is what this is for")]
fn tell(line: &str) {
    println!("{line}");
}
