//! `history`: the last plans of a Stage, who decided on them and how they came out.

use clap::Args;

use super::{
    args::{KubeArgs, ListOutput},
    desk::Desk,
    fail::Fail,
    view::{history as model, json, standing},
};

/// What `history` is told.
#[derive(Args, Clone, Debug)]
pub struct HistoryArgs {
    /// The Stage.
    #[arg(value_name = "STAGE")]
    pub stage: String,
    /// How many, newest first.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// How they are shown.
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: ListOutput,
    /// Which cluster.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// Runs it.
///
/// # Errors
/// When the Stage is not there, or its plans cannot be read.
pub async fn history(args: HistoryArgs) -> Result<(), Fail> {
    let desk = Desk::open(&args.kube).await?;
    let stage = desk.stage(&args.stage).await?;
    let plans = desk.plans_of(&stage).await?;
    // Of what has ended the record says all; what waits stands before the gate.
    let gate = desk.gate(&stage).await?.map(|(gate, _)| gate);
    let now = desk.now();
    let state = |view: &_| standing(view, Some(&stage), gate.as_ref(), None, now).state;
    let newest = plans.iter().map(|plan| &**plan).take(usize::try_from(args.limit).unwrap_or(usize::MAX));
    let history = model(newest, state);
    if history.items.is_empty() && args.output == ListOutput::Text {
        return desk.say(&format!("Stage {} has had no plan yet\n", args.stage));
    }
    desk.say(&match args.output {
        ListOutput::Text => history.text(),
        ListOutput::Json => json(&history)?,
    })
}
