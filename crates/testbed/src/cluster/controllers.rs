//! kube-controller-manager with the few controllers that tests need. It works as in most clusters: each controller with a
//! service account of its own.

use std::{path::Path, time::Duration};

use anyhow::{Result, bail, ensure};

use crate::{
    certificate, place,
    process::{Launch, Process},
    ready::{self, NotReady},
};

/// Who it is to the API server. What it may do is built into Kubernetes.
pub(super) const NAME: &str = "system:kube-controller-manager";

/// Its line of `--token-auth-file`.
pub(super) fn token_line(token: &str) -> String {
    format!("{token},{NAME},{NAME},\"\"\n")
}

/// With two busy processors; idle it takes about 2 s.
const READY_WITHIN: Duration = Duration::from_secs(60);

const WANTED: &str = "clusterrole-aggregation-controller,garbage-collector-controller,namespace-controller,\
                      validatingadmissionpolicy-status-controller";

#[derive(Debug)]
pub(super) struct Controllers {
    _process: Process,
}

impl Controllers {
    pub(super) fn start(dir: &Path, kubeconfig: &str) -> Result<Self> {
        let file = dir.join("controllers.kubeconfig");
        certificate::write(&file, kubeconfig)?;
        let launch = Launch::new(
            "kube-controller-manager",
            place::controller_manager()?,
            dir.join("kube-controller-manager.log"),
        )
        .arg("--kubeconfig")
        .arg(&file)
        .args(["--controllers", WANTED])
        .arg("--use-service-account-credentials=true")
        .arg("--leader-elect=false")
        // No port: its log tells when it works.
        .arg("--secure-port=0");
        let mut process = Process::start(&launch)?;
        let log = process.log_path().to_owned();
        // The slowest of them; the others need not wait for anything.
        let works = || {
            ensure!(
                std::fs::read_to_string(&log)?.contains("roceeding to collect garbage"),
                "no garbage is collected yet"
            );
            Ok(())
        };
        match ready::wait(&mut process, READY_WITHIN, works) {
            Ok(()) => Ok(Self { _process: process }),
            Err(NotReady::PortTaken) => bail!("kube-controller-manager wants a port"),
            Err(NotReady::Failed(error)) => Err(error.context("starting kube-controller-manager")),
        }
    }
}
