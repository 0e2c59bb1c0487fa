//! Stackgate's adapters and loop: Kubernetes, AWS, the queue of passes and what operators see. What is decided is decided
//! in `stackgate-core`.

pub mod aws;
pub mod cli;
pub mod clock;
pub mod crds;
pub mod kube;
pub mod pass;
pub mod queue;
pub mod run;
pub mod shutdown;
pub mod telemetry;
