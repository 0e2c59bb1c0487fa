//! The binary `stackgate`.

use std::io::Write as _;

use anyhow::{Result, anyhow};
use clap::Parser as _;
use stackgate::{
    cli::{Cli, Command},
    crds, run,
    telemetry::logs,
};

fn main() -> Result<()> {
    // Kubernetes and AWS clients share one; left to themselves, two of them may each expect another.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("a TLS provider was installed before"))?;
    match Cli::parse().command {
        Command::Run(args) => {
            logs::start(args.log_format, &args.log_filter)?;
            let runtime = tokio::runtime::Runtime::new()?;
            let result = runtime.block_on(run::run(args));
            // A pass that was dropped may have left a blocking task: nobody waits for it.
            runtime.shutdown_background();
            result
        }
        Command::Crds { out: Some(folder) } => Ok(crds::write(&folder)?),
        Command::Crds { out: None } => Ok(std::io::stdout().write_all(crds::stream()?.as_bytes())?),
        Command::Version => Ok(writeln!(std::io::stdout(), "{}", env!("CARGO_PKG_VERSION"))?),
    }
}
