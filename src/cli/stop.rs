//! `reject`, `revoke`, `retry`: decisions that acknowledge nothing.

use clap::Args;
use stackgate_core::api::Action;

use super::{
    args::{DecideArgs, KubeArgs, reason},
    decide::{Wish, decide},
    desk::{Desk, Person},
    fail::Fail,
};

/// What `reject` is told.
#[derive(Args, Clone, Debug)]
pub struct RejectArgs {
    /// What is decided on.
    #[command(flatten)]
    pub decide: DecideArgs,
    /// Why.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// Which cluster.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// What `revoke` and `retry` are told.
#[derive(Args, Clone, Debug)]
pub struct PlainArgs {
    /// What is decided on.
    #[command(flatten)]
    pub decide: DecideArgs,
    /// Why.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    /// Which cluster.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// Runs `reject`.
///
/// # Errors
/// When it is refused.
pub async fn reject(args: RejectArgs, person: &mut impl Person) -> Result<(), Fail> {
    let desk = Desk::open(&args.kube).await?;
    decide(&desk, person, &args.decide, &Wish::of(Action::Reject, Some(args.reason))).await
}

/// Runs `revoke`.
///
/// # Errors
/// When it is refused.
pub async fn revoke(args: PlainArgs, person: &mut impl Person) -> Result<(), Fail> {
    let desk = Desk::open(&args.kube).await?;
    decide(&desk, person, &args.decide, &Wish::of(Action::Revoke, args.reason)).await
}

/// Runs `retry`.
///
/// # Errors
/// When it is refused.
pub async fn retry(args: PlainArgs, person: &mut impl Person) -> Result<(), Fail> {
    let desk = Desk::open(&args.kube).await?;
    decide(&desk, person, &args.decide, &Wish::of(Action::Retry, args.reason)).await
}
