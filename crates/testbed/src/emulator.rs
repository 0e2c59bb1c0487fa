//! The AWS emulator in its strict profile: TLS, checked signatures, trust policies and user policies in force.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    certificate::{self, Certificate},
    place,
    port::free_port,
    process::{Launch, Process},
    ready::{HealthPage, NotReady, with_free_ports},
};

/// A running emulator. A 12-digit access key id acts as the root user of that account, with any secret.
#[derive(Debug)]
pub struct Emulator {
    port: u16,
    authority: PathBuf,
    process: Process,
}

impl Emulator {
    /// Starts it on a free port of loopback, with its state below `dir`, and waits until it is healthy (about 1 s).
    ///
    /// # Errors
    /// When it is not installed (`make setup` was not run) or does not get healthy; with the end of its log.
    pub fn start(dir: &Path) -> Result<Self> {
        let tls = Certificate::write(dir, "emulator")?;
        for folder in ["state", "tmp"] {
            fs::create_dir_all(dir.join(folder))
                .with_context(|| format!("making {folder} of the emulator"))?;
        }
        with_free_ports("the AWS emulator", || Self::launch(dir, &tls))
    }

    fn launch(dir: &Path, tls: &Certificate) -> Result<Self, NotReady> {
        let port = free_port()?;
        let launch =
            Launch::new("emulator", place::emulator_python()?, dir.join(format!("emulator-{port}.log")))
                .args(["-m", "ministack"])
                .env("GATEWAY_PORT", port.to_string())
                .env("BIND_HOST", "127.0.0.1")
                .env("MINISTACK_REGION", "ap-southeast-2")
                .env("AUTH", "true")
                .env("USE_SSL", "1")
                .env("MINISTACK_SSL_CERT", &tls.chain)
                .env("MINISTACK_SSL_KEY", &tls.key)
                .env("STATE_DIR", dir.join("state"))
                .env("TMPDIR", dir.join("tmp"))
                .env("HOME", dir)
                .env("IOT_MTLS_ENABLED", "0")
                .env("SFTP_ENABLED", "0");
        let page = HealthPage {
            port,
            path: "/_ministack/health",
            bearer: None,
            tls: Arc::new(certificate::client_trusting(&tls.authority)?),
        };
        let mut process = Process::start(&launch)?;
        page.wait(&mut process, Duration::from_secs(60))?;
        Ok(Self { port, authority: tls.authority.clone(), process })
    }

    /// Host and port, as in a URL.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What `AWS_ENDPOINT_URL` is set to for clients that go past the proxy.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.host_and_port())
    }

    /// PEM file that a client trusts: `SSL_CERT_FILE` for the Rust SDK, `AWS_CA_BUNDLE` for the CDK CLI and Python.
    #[must_use]
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// Freezes it: connections are accepted by the system, and nothing answers.
    pub fn pause(&mut self) {
        self.process.pause();
    }

    /// Lets it go on after [`Emulator::pause`].
    pub fn resume(&mut self) {
        self.process.resume();
    }

    /// The end of its log, for messages.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        self.process.log_tail(lines)
    }
}
