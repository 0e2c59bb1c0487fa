//! What Argo CD, kstatus and Flux make of our objects. `crates/core` records objects in every phase, tools/health (Go, with the
//! code of Argo CD's Lua, kstatus and Flux) holds them against `expected.yaml`, and what users read and apply is made from it.
//!
//! `UPDATE_HEALTH=1 cargo test -p stackgate-core --test health` writes what is out of step.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod argocd_cm;
mod docs;
mod evaluated;
mod in_step;
mod record;
mod world;
