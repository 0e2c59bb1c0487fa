//! The controller (or any binary) as a process of its own, pointed at the testbed.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, ensure};

use crate::{
    place,
    process::{Launch, Process},
};

/// How the controller is started. Its environment holds what is set here and nothing of the caller's but `PATH`.
#[derive(Debug, Clone)]
pub struct ControllerLaunch {
    launch: Launch,
}

impl ControllerLaunch {
    /// The given binary (tests pass `env!("CARGO_BIN_EXE_stackgate")`), else `CARGO_BIN_EXE_stackgate` of the environment, else
    /// the debug build. Logs go to `controller.log` in `dir`.
    ///
    /// # Errors
    /// When the binary is not there.
    pub fn new(binary: Option<&Path>, dir: &Path) -> Result<Self> {
        let binary = binary
            .map(Path::to_owned)
            .or_else(|| env::var_os("CARGO_BIN_EXE_stackgate").map(PathBuf::from))
            .unwrap_or_else(|| place::target_dir().join("debug/stackgate"));
        ensure!(binary.exists(), "{} is not there: run `cargo build` first", binary.display());
        let launch = Launch::new("controller", binary, dir.join("controller.log"))
            .env("HOME", dir)
            // No credentials but the ones given below.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("RUST_BACKTRACE", "1");
        Ok(Self { launch })
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.launch = self.launch.arg(arg);
        self
    }

    /// Sets an environment variable; a later value wins.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.launch = self.launch.env(name, value.as_ref());
        self
    }

    /// The Kubernetes side: whose credentials it has.
    #[must_use]
    pub fn kubeconfig(self, file: &Path) -> Self {
        self.env("KUBECONFIG", file)
    }

    /// The AWS side: where it is, and what it trusts.
    #[must_use]
    pub fn aws(self, endpoint: &str, trust: &Path, region: &str) -> Self {
        self.env("AWS_ENDPOINT_URL", endpoint)
            .env("SSL_CERT_FILE", trust)
            .env("AWS_CA_BUNDLE", trust)
            .env("AWS_REGION", region)
    }

    /// The base credentials.
    #[must_use]
    pub fn credentials(self, access_key_id: &str, secret_access_key: &str) -> Self {
        self.env("AWS_ACCESS_KEY_ID", access_key_id).env("AWS_SECRET_ACCESS_KEY", secret_access_key)
    }
}

/// A controller that was started; it may be running or not.
#[derive(Debug)]
pub struct Controller {
    launch: ControllerLaunch,
    process: Process,
}

impl Controller {
    /// Starts it. Does not wait for anything: what ready means is the binary's own matter.
    ///
    /// # Errors
    /// When no process can be made.
    pub fn start(launch: ControllerLaunch) -> Result<Self> {
        let process = Process::start(&launch.launch)?;
        Ok(Self { launch, process })
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it by SIGKILL, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks it to end by SIGTERM; returns how long that took.
    ///
    /// # Errors
    /// When it still runs after `within`. It is killed then.
    pub fn terminate(&mut self, within: Duration) -> Result<Duration> {
        self.process.terminate(within)
    }

    /// Freezes it by SIGSTOP, as a machine that hangs would.
    pub fn pause(&mut self) {
        self.process.pause();
    }

    /// Lets it go on after [`Controller::pause`].
    pub fn resume(&mut self) {
        self.process.resume();
    }

    /// Kills it if it still runs and starts it anew in the same way; the log goes on.
    ///
    /// # Errors
    /// When no process can be made.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill();
        self.process = Process::start(&self.launch.launch)?;
        Ok(())
    }

    /// Everything it has logged, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The end of its log, for messages.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        self.process.log_tail(lines)
    }
}
