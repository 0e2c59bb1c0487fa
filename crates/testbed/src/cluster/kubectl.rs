//! The pinned kubectl, as one of the users.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::place;

/// Asks again and again until it is so: the API server tells nobody when it is. The pause is only for not asking without one.
fn within_a_minute(mut is_so: impl FnMut() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match is_so() {
            Ok(()) => return Ok(()),
            Err(e) if Instant::now() > deadline => return Err(e),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// kubectl with the credentials of one user.
#[derive(Debug, Clone)]
pub struct Kubectl {
    kubeconfig: PathBuf,
    cache: PathBuf,
}

/// What one run of kubectl said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubectlOutput {
    /// Whether it ended with status 0.
    pub ok: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Kubectl {
    pub(super) fn new(kubeconfig: PathBuf, dir: &Path) -> Self {
        Self { kubeconfig, cache: dir.join("kubectl-cache") }
    }

    /// The program itself.
    ///
    /// # Errors
    /// When `make setup` was not run.
    pub fn program() -> Result<PathBuf> {
        place::kubernetes_program("kubectl")
    }

    /// Runs it and returns what it printed.
    ///
    /// # Errors
    /// When it fails: with its own message.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        self.run_with(args, "")
    }

    /// `kubectl apply` of the objects in a YAML or JSON text.
    ///
    /// # Errors
    /// When it fails: with its own message.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        self.run_with(&["apply", "-f", "-"], manifests)
    }

    /// Waits until the API server serves every kind that is defined. `Established` comes a moment too early: the first calls may
    /// still be told that "storage is (re)initializing".
    ///
    /// # Errors
    /// When one is not served within a minute.
    pub fn wait_for_kinds(&self) -> Result<()> {
        self.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
        let names = self.run(&["get", "crd", "-o", "jsonpath={.items[*].metadata.name}"])?;
        let names = names.split_whitespace().collect::<Vec<_>>().join(",");
        within_a_minute(|| self.run(&["get", &names, "--all-namespaces", "-o", "name"]).map(drop))
    }

    /// Whether this Kubernetes has mutating policies.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn signs(&self) -> Result<bool> {
        let kinds = ["get", "--raw", "/apis/admissionregistration.k8s.io/v1"];
        Ok(self.run(&kinds)?.contains("mutatingadmissionpolicies"))
    }

    /// Waits until the policy that signs does it, where this Kubernetes has such policies. First the API server does not have it
    /// yet and lets everything through as it is; then, for a moment, it has it and does not know the kinds, and refuses all that
    /// it would look at.
    ///
    /// # Errors
    /// When nothing is signed within a minute.
    pub fn wait_for_signing(&self) -> Result<()> {
        if !self.signs()? {
            return Ok(());
        }
        let stage = json!({
            "apiVersion": "stackgate.dev/v1alpha1", "kind": "Stage",
            "metadata": { "name": "signed-by-nobody", "namespace": "default",
                "annotations": { "gate.stackgate.dev/approve": "c1-0000000000000000000000000000000000000000" } },
            "spec": { "assemblyRef": { "name": "none" }, "accounts": ["none"] }
        });
        within_a_minute(|| {
            let args = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
            let tried = self.output(&args, &stage.to_string())?;
            ensure!(
                tried.ok && tried.stdout.contains(";by="),
                "nothing is signed yet: {}{}",
                tried.stdout,
                tried.stderr
            );
            Ok(())
        })
    }

    fn run_with(&self, args: &[&str], input: &str) -> Result<String> {
        let output = self.output(args, input)?;
        if !output.ok {
            bail!("kubectl {}: {}", args.join(" "), output.stderr.trim());
        }
        Ok(output.stdout)
    }

    /// Runs it with something on its standard input and returns all it said, also when it fails.
    ///
    /// # Errors
    /// When it cannot be run at all.
    pub fn output(&self, args: &[&str], input: &str) -> Result<KubectlOutput> {
        let mut child = Command::new(place::kubernetes_program("kubectl")?)
            .args(args)
            .env_clear()
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", &self.cache)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting kubectl")?;
        let mut stdin = child.stdin.take().context("kubectl has no input")?;
        let output = thread::scope(|scope| {
            scope.spawn(move || {
                // It may end without having read all: its message says why.
                let _ = stdin.write_all(input.as_bytes());
            });
            child.wait_with_output()
        })
        .context("waiting for kubectl")?;
        Ok(KubectlOutput {
            ok: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}
