//! A program of the testbed, running in a process group of its own.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::lifeline::{Lifeline, lifeline};

/// What to start, and how. The environment starts out empty but for `PATH`.
#[derive(Debug, Clone)]
pub struct Launch {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    log: PathBuf,
}

impl Launch {
    /// The program with a name for messages; both of its outputs are appended to `log`.
    pub fn new(name: &str, program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        let path = ("PATH".into(), std::env::var_os("PATH").unwrap_or_default());
        Self {
            name: name.to_owned(),
            program: program.into(),
            args: Vec::new(),
            env: vec![path],
            log: log.into(),
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets one environment variable; a later value wins.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}

/// A running program. Killed, with its whole process group, when this is dropped or when our own process ends in any way.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    tied: bool,
}

impl Process {
    /// Starts the program.
    ///
    /// # Errors
    /// When the log cannot be opened or no process be made. A program that cannot be executed shows as one that ended at once.
    pub fn start(launch: &Launch) -> Result<Self> {
        let lifeline = lifeline()?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(&launch.log)
            .with_context(|| format!("opening the log {}", launch.log.display()))?;
        // The program begins only when a line comes, that is, when the lifeline knows its group.
        let child = Command::new("/bin/sh")
            .args(["-c", r#"read -r _ && exec "$@" </dev/null"#, &launch.name])
            .arg(&launch.program)
            .args(&launch.args)
            .env_clear()
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().context("duplicating the log")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", launch.name))?;
        let mut process = Self { name: launch.name.clone(), child, log: launch.log.clone(), tied: true };
        process.release(lifeline).with_context(|| format!("starting {}", launch.name))?;
        Ok(process)
    }

    fn release(&mut self, lifeline: &Lifeline) -> Result<()> {
        lifeline.tie(self.child.id())?;
        let mut start = self.child.stdin.take().context("no pipe to it")?;
        start.write_all(b"go\n").context("it ended at once")
    }

    /// The process id, which is its group's, too.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The log file, of this and of earlier starts.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// The whole log so far; empty when it cannot be read.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The last lines of the log, for messages.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
    }

    /// How it ended, or nothing while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Stops it by SIGKILL, with everything it started, and waits for its end.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.signal_group(Signal::KILL);
            let _ = self.child.wait(); // killed: it ends
        }
        if self.tied
            && let Ok(lifeline) = lifeline()
        {
            self.tied = false; // once: the number may soon be another's
            let _ = lifeline.untie(self.child.id()); // fails only when the shell is gone, and then there is nothing to tell
        }
    }

    /// Asks it to end by SIGTERM and waits; returns how long that took.
    ///
    /// # Errors
    /// When it still runs after `within`. It is killed then.
    pub fn terminate(&mut self, within: Duration) -> Result<Duration> {
        let asked = Instant::now();
        if self.ended().is_none()
            && let Some(pid) = self.pid()
        {
            // It may end in this very moment by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        while self.ended().is_none() {
            if asked.elapsed() > within {
                self.kill();
                bail!(
                    "{} still ran {within:?} after SIGTERM; the end of its log:\n{}",
                    self.name,
                    self.log_tail(20)
                );
            }
            thread::sleep(Duration::from_millis(5));
        }
        let took = asked.elapsed();
        self.kill(); // unties it
        Ok(took)
    }

    /// Freezes it by SIGSTOP: its connections stay open and nothing answers.
    pub fn pause(&mut self) {
        self.signal_group(Signal::STOP);
    }

    /// Lets it go on after [`Process::pause`].
    pub fn resume(&mut self) {
        self.signal_group(Signal::CONT);
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Only while the child is not waited for: until then its number belongs to it.
    fn signal_group(&mut self, signal: Signal) {
        if self.ended().is_none()
            && let Some(pid) = self.pid()
        {
            let _ = kill_process_group(pid, signal); // gone in this moment: as good
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
