//! kube-apiserver on loopback, with RBAC, authentication by token file and verified TLS.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use rcgen::KeyPair;

use super::audit;
use crate::{
    certificate::{self, Certificate},
    place,
    port::free_port,
    process::{Launch, Process},
    ready::{HealthPage, NotReady},
};

/// With two busy processors; idle it takes about 4 s.
const READY_WITHIN: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(super) struct ApiServer {
    port: u16,
    authority: PathBuf,
    admin_token: String,
    launch: Launch,
    process: Option<Process>,
}

/// The key that service account tokens are signed and checked with.
pub(super) fn write_keys(dir: &Path) -> Result<()> {
    let key = KeyPair::generate().context("making the key for service accounts")?;
    certificate::write(&dir.join("service-account.key"), &key.serialize_pem())?;
    certificate::write(&dir.join("service-account.pub"), &key.public_key_pem())
}

impl ApiServer {
    pub(super) fn start(dir: &Path, etcd: String, admin_token: &str) -> Result<Self, NotReady> {
        let port = free_port()?;
        let tls = Certificate::write(dir, "apiserver")?;
        let file = |name: &str| dir.join(name).into_os_string();
        let log = dir.join(format!("kube-apiserver-{port}.log"));
        let launch = Launch::new("kube-apiserver", place::kubernetes_program("kube-apiserver")?, log)
            .args(["--bind-address", "127.0.0.1", "--secure-port", &port.to_string()])
            .args(["--etcd-servers", &etcd])
            .arg("--tls-cert-file")
            .arg(&tls.chain)
            .arg("--tls-private-key-file")
            .arg(&tls.key)
            .args(["--cert-dir".into(), file("apiserver-certs")])
            .args(["--token-auth-file".into(), file("tokens.csv")])
            .args(["--service-account-key-file".into(), file("service-account.pub")])
            .args(["--service-account-signing-key-file".into(), file("service-account.key")])
            .args(["--service-account-issuer", "https://testbed.stackgate.dev"])
            .args(["--authorization-mode", "RBAC", "--anonymous-auth=false"])
            // Nobody makes the default service accounts here, and no pod runs.
            .args(["--disable-admission-plugins", "ServiceAccount"])
            // A loopback address is refused as the endpoint of the kubernetes service.
            .args(["--endpoint-reconciler-type", "none", "--service-cluster-ip-range", "10.0.0.0/24"])
            .arg("--audit-policy-file")
            .arg(audit::policy_file(dir))
            .arg("--audit-log-path")
            .arg(audit::log_file(dir))
            // Lets a restart take the port while old connections linger.
            .args(["--permit-address-sharing", "--profiling=false"]);
        let mut server = Self {
            port,
            authority: tls.authority,
            admin_token: admin_token.to_owned(),
            launch,
            process: None,
        };
        server.launch()?;
        Ok(server)
    }

    fn launch(&mut self) -> Result<(), NotReady> {
        let page = HealthPage {
            port: self.port,
            path: "/readyz",
            bearer: Some(self.admin_token.clone()),
            tls: Arc::new(certificate::client_trusting(&self.authority)?),
        };
        let process = self.process.insert(Process::start(&self.launch)?);
        page.wait(process, READY_WITHIN)
    }

    pub(super) fn start_again(&mut self) -> Result<()> {
        self.launch().map_err(|why| match why {
            NotReady::PortTaken => anyhow!("port {} was taken while kube-apiserver was down", self.port),
            NotReady::Failed(error) => error.context("starting kube-apiserver again"),
        })
    }

    pub(super) fn stop(&mut self) {
        self.process = None; // dropped: killed and waited for
    }

    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// PEM of what a client trusts.
    pub(super) fn authority(&self) -> &Path {
        &self.authority
    }
}
