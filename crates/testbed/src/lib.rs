//! The outside world of tests and the demo: a real Kubernetes API server, an AWS emulator in its strict profile, a TLS proxy
//! between the two sides that records and disturbs, and the controller as a process of its own. Development only.
//!
//! Nothing that is started here outlives the process that started it, however that ends: see [`Process`].
//! The calls block; they may be made from async tests, too, since nothing here runs on the caller's runtime.

mod aws;
mod certificate;
mod chart;
mod cluster;
mod controller;
mod emulator;
mod lifeline;
mod place;
mod port;
mod process;
mod proxy;
mod ready;
pub mod scenario;
mod started;

pub use aws::{Aws, CallFailed, Keys};
pub use certificate::Certificate;
pub use chart::Chart;
pub use cluster::{Audited, Cluster, Kubectl, KubectlOutput, User};
pub use controller::{Controller, ControllerLaunch};
pub use emulator::Emulator;
pub use place::{cdk_dir, fresh_dir, kubernetes_program, repository, target_dir};
pub use process::{Launch, Process};
pub use proxy::{
    Actor, Call, CallKind, Counts, Exchange, Fault, Hold, Proxy, Reply, Rule, RuleHandle, Upstream,
};
pub use started::Started;
