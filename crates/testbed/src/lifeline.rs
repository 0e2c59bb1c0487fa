//! What makes sure that nothing is left behind: a small shell that outlives this process by a moment.
//!
//! It is told every process group before the program in it runs, and hears of our end because its standard input closes;
//! that happens after a panic and after SIGKILL, too. (A parent-death signal would not do: it follows the thread, and needs
//! unsafe code or Linux.)

use std::{
    io::Write,
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
};

use anyhow::{Context, Result, anyhow};

use crate::place;

/// The pipe to the shell. Only the end of the process closes it.
pub(crate) struct Lifeline(Mutex<ChildStdin>);

/// The lifeline of this process, started at the first use.
pub(crate) fn lifeline() -> Result<&'static Lifeline> {
    static LIFELINE: LazyLock<Result<Lifeline, String>> =
        LazyLock::new(|| Lifeline::start().map_err(|error| format!("{error:#}")));
    LIFELINE.as_ref().map_err(|error| anyhow!("{error}"))
}

impl Lifeline {
    fn start() -> Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", include_str!("lifeline.sh"), "lifeline"]);
        if !place::keep() {
            shell.arg(place::run_dir());
        }
        let mut child = shell
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting the shell that stops what is left at the end")?;
        let pipe = child.stdin.take().context("the shell that stops what is left has no input")?;
        Ok(Self(Mutex::new(pipe)))
    }

    /// From now on the group is killed when this process ends.
    pub(crate) fn tie(&self, group: u32) -> Result<()> {
        self.tell('+', group)
    }

    /// The group has ended; its number may come to mean something else.
    pub(crate) fn untie(&self, group: u32) -> Result<()> {
        self.tell('-', group)
    }

    fn tell(&self, sign: char, group: u32) -> Result<()> {
        let mut pipe = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One write per line: short ones into a pipe are whole or not at all.
        pipe.write_all(format!("{sign} {group}\n").as_bytes())
            .context("the shell that stops what is left has gone")
    }
}
