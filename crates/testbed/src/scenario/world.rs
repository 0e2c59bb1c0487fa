//! Everything that the scenario needs, started and seeded; and the controller in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{BUCKET, CdkOut, REGION, SHOP, SYSTEM, Target, seed};
use crate::{
    Aws, Cluster, Controller, ControllerLaunch, Emulator, Keys, Kubectl, Proxy, User, fresh_dir,
    place::repository,
};

/// What may differ between worlds.
#[derive(Debug, Clone, Default)]
pub struct WorldOptions {
    /// The controller's binary; absent: see [`ControllerLaunch::new`].
    pub binary: Option<PathBuf>,
    /// The accounts that let the controller in.
    pub accounts: Vec<String>,
    /// Buckets besides [`BUCKET`] that the controller may read: name, and whether it keeps versions.
    pub buckets: Vec<(String, bool)>,
    /// Whether the admission policies and roles of the chart are installed, and the controller knows them.
    pub policies: bool,
}

/// A cluster with our definitions and rights, an AWS with a user for the controller, and the controller once it is started.
#[derive(Debug)]
pub struct World {
    /// The folder of logs and credentials.
    pub dir: PathBuf,
    /// The cluster.
    pub cluster: Cluster,
    /// AWS.
    pub emulator: Emulator,
    /// What the controller's AWS calls go through.
    pub proxy: Proxy,
    /// Our own calls to AWS, past the proxy.
    pub aws: Aws,
    /// The controller's AWS credentials.
    pub keys: Keys,
    /// The controller, once started.
    pub controller: Option<Controller>,
    binary: Option<PathBuf>,
    policies: bool,
    /// Whether the API server knows policies that sign for people.
    pub signs: bool,
}

impl World {
    /// Starts everything but the controller (about 6 s).
    ///
    /// # Errors
    /// When a part does not start, or refuses its seed.
    pub fn start(options: WorldOptions) -> Result<Self> {
        let dir = fresh_dir("world")?;
        let cluster = Cluster::start(&dir)?;
        let emulator = Emulator::start(&dir)?;
        let proxy = Proxy::start(&dir, &emulator)?;
        let aws = Aws::start(&emulator.endpoint(), emulator.authority(), REGION)?;

        let more: Vec<&str> = options.buckets.iter().map(|(name, _)| name.as_str()).collect();
        let keys = seed::controller_user(&aws, &more)?;
        for account in &options.accounts {
            seed::way_in(&aws, account, super::BUILD)?;
        }
        seed::bucket(&aws, BUCKET, true)?;
        for (name, versioned) in &options.buckets {
            seed::bucket(&aws, name, *versioned)?;
        }
        let WorldOptions { binary, policies, .. } = options;
        let signs = cluster.signs()?;
        let world =
            Self { dir, cluster, emulator, proxy, aws, keys, controller: None, binary, policies, signs };
        world.define()?;
        Ok(world)
    }

    /// Where the CDK CLI finds AWS, with the controller's keys.
    #[must_use]
    pub fn target(&self) -> Target {
        Target {
            endpoint: self.emulator.endpoint(),
            trust: self.emulator.authority().to_owned(),
            keys: self.keys.clone(),
        }
    }

    /// Applies the definitions, the controller's rights and its namespace.
    fn define(&self) -> Result<()> {
        let kubectl = self.kubectl();
        let file = |name: &str| repository().join(name).display().to_string();
        kubectl.run(&["apply", "--server-side", "-f", &file("crds")])?;
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": SYSTEM } });
        kubectl.apply(&namespace.to_string())?;
        kubectl.run(&["apply", "-f", &file("deploy/rbac.yaml")])?;
        kubectl.wait_for_kinds()?;
        if self.policies {
            for manifest in self.policy_files().into_iter().chain(["deploy/roles.yaml"]) {
                kubectl.run(&["apply", "-f", &file(manifest)])?;
            }
            kubectl.wait_for_signing()?;
        }
        Ok(())
    }

    /// The manifests of the policies that this Kubernetes knows.
    #[must_use]
    pub fn policy_files(&self) -> Vec<&'static str> {
        if self.signs {
            vec!["deploy/policies.yaml", "deploy/sign.yaml"]
        } else {
            vec!["deploy/policies.yaml"]
        }
    }

    /// Whether people have to sign: the policies demand it, and the API server does not do it for them.
    pub(super) fn by_hand(&self) -> bool {
        self.policies && !self.signs
    }

    /// kubectl as the administrator.
    #[must_use]
    pub fn kubectl(&self) -> Kubectl {
        self.cluster.kubectl(User::Admin)
    }

    /// How the controller is started here: its own Kubernetes user, its own AWS user, all AWS calls through the proxy.
    ///
    /// # Errors
    /// When its binary is not there.
    pub fn launch(&self) -> Result<ControllerLaunch> {
        let log_filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
        let launch = ControllerLaunch::new(self.binary.as_deref(), &self.dir)?;
        let launch = if self.policies {
            let files =
                self.policy_files().into_iter().map(|file| repository().join(file).with_extension("sha256"));
            let digests = files.map(std::fs::read_to_string).collect::<Result<String, _>>()?;
            launch.env("STACKGATE_POLICIES_DIGESTS", digests)
        } else {
            launch
        };
        Ok(launch
            .env("RUST_LOG", log_filter)
            .arg("run")
            .arg("--health-address=127.0.0.1:0")
            .arg("--log-format=text")
            // One name over all starts, as a pod has: a new start need not wait for its own Lease to run out.
            .arg("--identity=testbed")
            .kubeconfig(&self.cluster.kubeconfig(User::Controller))
            .aws(&self.proxy.endpoint(), self.proxy.bundle(), REGION)
            .credentials(&self.keys.access_key_id, &self.keys.secret_access_key))
    }

    /// Starts the controller.
    ///
    /// # Errors
    /// When no process can be made.
    pub fn start_controller(&mut self) -> Result<()> {
        let launch = self.launch()?;
        self.controller = Some(Controller::start(launch)?);
        Ok(())
    }

    /// The controller.
    ///
    /// # Errors
    /// When it was not started.
    pub fn controller(&mut self) -> Result<&mut Controller> {
        self.controller.as_mut().context("the controller was not started")
    }

    /// `kubectl apply -f` of files or folders of the repository.
    ///
    /// # Errors
    /// When kubectl fails.
    pub fn apply_files(&self, files: &[&Path]) -> Result<String> {
        let paths: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let mut args = vec!["apply"];
        for path in &paths {
            args.extend(["-f", path]);
        }
        self.kubectl().run(&args)
    }

    /// Uploads an archive to the bucket of the assemblies; returns its version.
    ///
    /// # Errors
    /// When it cannot be packed, or AWS refuses.
    pub fn upload(&self, key: &str, assembly: &CdkOut) -> Result<String> {
        let version = self.aws.put_object(super::BUILD, BUCKET, key, &assembly.pack()?)?;
        ensure!(!version.is_empty(), "bucket {BUCKET} keeps no versions");
        Ok(version)
    }

    /// Asks a CloudAssembly to look at its source now; returns the command.
    ///
    /// # Errors
    /// When kubectl fails.
    pub fn look_again(&self, namespace: &str, assembly: &str) -> Result<Vec<String>> {
        let annotation = format!("stackgate.dev/requestedAt={}", jiff::Timestamp::now());
        let command =
            ["-n", namespace, "annotate", "--overwrite", "cdkout", assembly, &annotation].map(str::to_owned);
        self.decide(&command)?;
        Ok(command.to_vec())
    }

    /// The folder of the example's manifests, and its namespace.
    #[must_use]
    pub fn manifests() -> (PathBuf, &'static str) {
        (super::shop().join("k8s"), SHOP)
    }
}
