//! The binary `stackgate`.

use std::{io::Write as _, process::ExitCode};

use anyhow::{Result, anyhow};
use stackgate::{
    cli::{Cli, Command, PeopleCommand, Terminal},
    crds, run,
    telemetry::logs,
};

fn main() -> Result<ExitCode> {
    // Kubernetes and AWS clients share one; left to themselves, two of them may each expect another.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("a TLS provider was installed before"))?;
    match Cli::read().command {
        Command::People(command) => return people(*command),
        Command::Run(args) => {
            logs::start(args.log_format, &args.log_filter)?;
            let runtime = tokio::runtime::Runtime::new()?;
            let result = runtime.block_on(run::run(args));
            // A pass that was dropped may have left a blocking task: nobody waits for it.
            runtime.shutdown_background();
            result?;
        }
        Command::Crds { out: Some(folder) } => crds::write(&folder)?,
        Command::Crds { out: None } => std::io::stdout().write_all(crds::stream()?.as_bytes())?,
        Command::Version => writeln!(std::io::stdout(), "{}", env!("CARGO_PKG_VERSION"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Does what a person asked for: status 1 where that was refused or failed.
fn people(command: PeopleCommand) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(command.perform(&mut Terminal));
    runtime.shutdown_background();
    Ok(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fail) => {
            writeln!(std::io::stderr(), "error: {fail}")?;
            ExitCode::FAILURE
        }
    })
}
