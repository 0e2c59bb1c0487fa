//! The command line: the controller, and what people do with plans. The binary is a plugin of kubectl, too: named
//! `kubectl-stackgate` it answers to `kubectl stackgate`.

mod approve;
mod args;
mod decide;
mod desk;
mod fail;
mod gate;
mod history;
mod invoked;
mod look;
mod named;
mod past;
mod plan;
mod rollback;
mod run_args;
mod slot;
mod status;
mod stop;
mod values;
pub mod view;

use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use self::{
    args::KubeArgs,
    desk::{Person, Terminal},
    fail::Fail,
    invoked::Invoked,
    run_args::RunArgs,
};

/// CDK bootstrap and approval-gated promotion of CDK stages, as a Kubernetes controller.
#[derive(Parser, Debug)]
#[command(name = "stackgate", version, propagate_version = true)]
pub struct Cli {
    /// Flags of kubectl that stand before the command.
    #[command(flatten)]
    pub before: KubeArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// What people do.
    #[command(flatten)]
    People(Box<PeopleCommand>),
    /// Runs the controller until SIGTERM or SIGINT.
    Run(RunArgs),
    /// Prints the CustomResourceDefinitions as YAML.
    Crds {
        /// Writes one file for each into this folder instead.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Prints the version.
    Version,
}

/// What people do with Stages and plans.
#[derive(Subcommand, Clone, Debug)]
pub enum PeopleCommand {
    /// Shows Stages: what is deployed, what waits, for whom, how risky, and what to type next.
    Status(status::StatusArgs),
    /// Shows a plan: what changes, what is dangerous, who has decided, what is missing.
    Plan(plan::PlanArgs),
    /// Lets a plan run: shows it, asks for each class of risk, signs with your name.
    Approve(approve::ApproveArgs),
    /// Never lets this change run, nor an equal one. Final: go on with a new release.
    Reject(stop::RejectArgs),
    /// Takes your own approval back, before the plan begins to run.
    Revoke(stop::PlainArgs),
    /// Plans anew what was tried and rolled back; approvals count on if nothing else has changed.
    Retry(stop::PlainArgs),
    /// Lets a plan run in spite of freezes, and with one approval where more are asked for. Needs the verb `override`, and leaves a
    /// trace. The plan needs an approval besides.
    Override(approve::OverrideArgs),
    /// Shows the last plans of a Stage: release, who decided, how it came out.
    History(history::HistoryArgs),
    /// Pins a Stage to an earlier release, until `--unpin`. The change is planned, and stands before the gate.
    Rollback(rollback::RollbackArgs),
}

impl Cli {
    /// Reads the command line of this process; a wrong one ends it with status 2.
    #[must_use]
    pub fn read() -> Self {
        let program = Invoked::here(&KubeArgs::default()).program();
        let mut command = Self::command().bin_name(program);
        let read =
            command.try_get_matches_from_mut(std::env::args_os()).and_then(|m| Self::from_arg_matches(&m));
        match read.map(Self::settled) {
            Ok(Ok(cli)) => cli,
            Ok(Err(what)) => command.error(clap::error::ErrorKind::ArgumentConflict, what).exit(),
            Err(error) => error.exit(),
        }
    }

    /// The flags before the command go to the command, where it knows any.
    fn settled(mut self) -> Result<Self, &'static str> {
        let before = std::mem::take(&mut self.before);
        match &mut self.command {
            Command::People(people) => {
                let kube = people.kube();
                *kube = std::mem::take(kube).or(before);
            }
            Command::Run(_) | Command::Crds { .. } | Command::Version if before != KubeArgs::default() => {
                return Err(
                    "flags of kubectl before the command are for commands of people; `run` has its own after it",
                );
            }
            Command::Run(_) | Command::Crds { .. } | Command::Version => {}
        }
        Ok(self)
    }
}

impl PeopleCommand {
    fn kube(&mut self) -> &mut KubeArgs {
        match self {
            Self::Status(a) => &mut a.kube,
            Self::Plan(a) => &mut a.kube,
            Self::Approve(a) => &mut a.kube,
            Self::Reject(a) => &mut a.kube,
            Self::Revoke(a) => &mut a.kube,
            Self::Retry(a) => &mut a.kube,
            Self::Override(a) => &mut a.kube,
            Self::History(a) => &mut a.kube,
            Self::Rollback(a) => &mut a.kube,
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When it is refused, or fails: in one line, with what to do.
    pub async fn perform(self, person: &mut impl Person) -> Result<(), Fail> {
        match self {
            Self::Status(a) => status::status(a).await,
            Self::Plan(a) => plan::plan(a).await,
            Self::Approve(a) => approve::approve(a, person).await,
            Self::Reject(a) => stop::reject(a, person).await,
            Self::Revoke(a) => stop::revoke(a, person).await,
            Self::Retry(a) => stop::retry(a, person).await,
            Self::Override(a) => approve::override_(a, person).await,
            Self::History(a) => history::history(a).await,
            Self::Rollback(a) => rollback::rollback(a, person).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::{Cli, Command, PeopleCommand};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_of_kubectl_stand_before_or_after_the_command() {
        let namespace = |line: &[&str]| {
            let cli = Cli::try_parse_from(line).unwrap().settled().unwrap();
            let Command::People(command) = cli.command else { panic!("{line:?}") };
            let PeopleCommand::Plan(args) = *command else { panic!("{line:?}") };
            (args.kube.namespace, args.kube.context)
        };
        let shop = (Some("shop".to_owned()), Some("eu".to_owned()));
        assert_eq!(namespace(&["stackgate", "-n", "shop", "--context=eu", "plan", "prod"]), shop);
        assert_eq!(namespace(&["stackgate", "--context", "eu", "plan", "prod", "--namespace=shop"]), shop);
        let run = Cli::try_parse_from(["stackgate", "-n", "shop", "run"]).unwrap().settled();
        assert!(run.is_err());
        assert!(Cli::try_parse_from(["stackgate", "run", "--namespace", "ours"]).unwrap().settled().is_ok());
    }

    #[test]
    fn a_reject_needs_a_reason_and_a_risk_its_name() {
        let fails = |line: &[&str]| Cli::try_parse_from(line).is_err();
        assert!(fails(&["stackgate", "reject", "prod"]));
        assert!(fails(&["stackgate", "approve", "prod", "--ack", "everything"]));
        assert!(fails(&["stackgate", "approve", "prod", "--slot", "Alice"]));
        assert!(fails(&["stackgate", "approve", "prod", "--reason", "a;by=bob"]));
        assert!(fails(&["stackgate", "approve", "prod", "--id", "c1-3f9c"]));
        assert!(!fails(&["stackgate", "approve", "prod", "--ack", "iam,replace", "--until", "8h"]));
    }
}
