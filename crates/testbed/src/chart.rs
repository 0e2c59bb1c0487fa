//! `charts/stackgate`, rendered by the pinned helm.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::place;

/// A rendering of the chart: release `stackgate` in namespace `stackgate-system`, the default values but for those that are set.
#[derive(Debug, Clone)]
pub struct Chart {
    kubernetes: String,
    sets: Vec<String>,
    only: Vec<String>,
}

impl Chart {
    /// For a version of Kubernetes, such as `1.37`.
    #[must_use]
    pub fn new(kubernetes: &str) -> Self {
        Self { kubernetes: kubernetes.to_owned(), sets: Vec::new(), only: Vec::new() }
    }

    /// Sets a value by a JSON text, as `--set-json` of helm takes it: `policies.gitDecisions="Allow"`.
    #[must_use]
    pub fn set(mut self, value: &str) -> Self {
        self.sets.push(value.to_owned());
        self
    }

    /// Renders this template and no others but those that are named likewise: `templates/rbac.yaml`.
    #[must_use]
    pub fn only(mut self, template: &str) -> Self {
        self.only.push(template.to_owned());
        self
    }

    /// The manifests.
    ///
    /// # Errors
    /// When helm is not there (`make setup` was not run), or refuses: with its own message.
    pub fn render(&self) -> Result<String> {
        let mut command = helm()?;
        command.args(["template", "stackgate"]).arg(Self::folder()).args([
            "--namespace",
            "stackgate-system",
            "--kube-version",
            &self.kubernetes,
        ]);
        for value in &self.sets {
            command.args(["--set-json", value]);
        }
        for template in &self.only {
            command.args(["--show-only", template]);
        }
        run(command)
    }

    /// Installs it into a cluster, or upgrades what is installed. Waits for nothing: no pod runs here.
    ///
    /// # Errors
    /// When helm refuses: with its own message.
    pub fn install(&self, kubeconfig: &Path) -> Result<String> {
        let mut command = helm()?;
        command
            .args(["upgrade", "--install", "stackgate"])
            .arg(Self::folder())
            .args(["--namespace", "stackgate-system", "--create-namespace"])
            // Objects that kubectl has made or changed in between are taken over.
            .args([
                "--server-side=true",
                "--force-conflicts",
                "--take-ownership",
                "--reset-values",
                "--kubeconfig",
            ])
            .arg(kubeconfig);
        for value in &self.sets {
            command.args(["--set-json", value]);
        }
        run(command)
    }

    /// Runs a line of a page as it is typed in the repository, by the helm that `tools/setup` built. No word of it may hold a space.
    ///
    /// # Errors
    /// When it is no command of helm, or helm refuses: with its own message.
    pub fn typed(line: &str, kubeconfig: &Path) -> Result<String> {
        let words = line.strip_prefix("helm ").with_context(|| format!("no command of helm: {line}"))?;
        let mut command = helm()?;
        command.args(words.split_whitespace()).current_dir(place::repository()).env("KUBECONFIG", kubeconfig);
        run(command)
    }

    /// Removes what was installed.
    ///
    /// # Errors
    /// When helm refuses: with its own message.
    pub fn uninstall(kubeconfig: &Path) -> Result<String> {
        let mut command = helm()?;
        command
            .args(["uninstall", "stackgate", "--namespace", "stackgate-system", "--kubeconfig"])
            .arg(kubeconfig);
        run(command)
    }

    /// `helm lint` of it.
    ///
    /// # Errors
    /// When helm finds something: with its own message.
    pub fn lint(&self) -> Result<String> {
        let mut command = helm()?;
        command.args(["lint", "--strict", "--kube-version", &self.kubernetes]).arg(Self::folder());
        run(command)
    }

    /// Where it lies.
    #[must_use]
    pub fn folder() -> PathBuf {
        place::repository().join("charts/stackgate")
    }
}

/// helm without anything of the user's: neither plugins nor repositories nor a cluster.
fn helm() -> Result<Command> {
    let mut command = Command::new(place::helm()?);
    let nowhere = place::run_dir().join("helm");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &nowhere)
        .env("HELM_CACHE_HOME", nowhere.join("cache"))
        .env("HELM_CONFIG_HOME", nowhere.join("config"))
        .env("HELM_DATA_HOME", nowhere.join("data"))
        .stdin(Stdio::null());
    Ok(command)
}

fn run(mut command: Command) -> Result<String> {
    let output = command.output().context("starting helm")?;
    if !output.status.success() {
        bail!("helm: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
