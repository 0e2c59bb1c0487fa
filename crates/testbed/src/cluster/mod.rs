//! A Kubernetes API server with its etcd: no nodes, no controllers. Namespaces never finish deleting here, and owned objects
//! are not collected.

mod apiserver;
mod etcd;
mod kubectl;
mod user;

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use self::{apiserver::ApiServer, etcd::Etcd};
pub use self::{
    kubectl::{Kubectl, KubectlOutput},
    user::User,
};
use crate::{certificate, ready::with_free_ports};

/// A running cluster; everything of it lies in one folder.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    apiserver: ApiServer,
    _etcd: Etcd,
}

impl Cluster {
    /// Starts etcd and kube-apiserver on free ports of loopback and waits until the API server is ready (some 4 s).
    ///
    /// # Errors
    /// When a program is not there (`make setup` was not run) or does not get ready; with the end of its log.
    pub fn start(dir: &Path) -> Result<Self> {
        let etcd = with_free_ports("etcd", || Etcd::start(dir))?;
        let admin = user::random_token()?;
        let mut tokens = vec![(User::Admin, admin.clone())];
        for user in User::ALL {
            if user != User::Admin {
                tokens.push((user, user::random_token()?));
            }
        }
        let lines: String = tokens.iter().map(|(user, token)| user.token_line(token)).collect();
        certificate::write(&dir.join("tokens.csv"), &lines)?;
        apiserver::write_keys(dir)?;
        let apiserver = with_free_ports("kube-apiserver", || ApiServer::start(dir, etcd.endpoint(), &admin))?;
        for (user, token) in &tokens {
            let text = kubeconfig(&apiserver, *user, token);
            certificate::write(&dir.join(user.file_name()), &text)?;
        }
        Ok(Self { dir: dir.to_owned(), apiserver, _etcd: etcd })
    }

    /// The URL of the API server.
    #[must_use]
    pub fn url(&self) -> String {
        self.apiserver.url()
    }

    /// The kubeconfig file of a user. It stays valid over restarts.
    #[must_use]
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        self.dir.join(user.file_name())
    }

    /// kubectl as this user.
    #[must_use]
    pub fn kubectl(&self, user: User) -> Kubectl {
        Kubectl::new(self.kubeconfig(user), &self.dir)
    }

    /// Kills the API server. etcd, and so every object, stays.
    pub fn stop_apiserver(&mut self) {
        self.apiserver.stop();
    }

    /// Starts the API server again, at the same port, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get ready; with the end of its log.
    pub fn start_apiserver(&mut self) -> Result<()> {
        self.apiserver.start_again()
    }
}

/// A kubeconfig with one user. (JSON is YAML.)
fn kubeconfig(apiserver: &ApiServer, user: User, token: &str) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testbed",
        "contexts": [{ "name": "testbed", "context": { "cluster": "testbed", "user": user.name() } }],
        "clusters": [{
            "name": "testbed",
            "cluster": { "server": apiserver.url(), "certificate-authority": apiserver.authority() },
        }],
        "users": [{ "name": user.name(), "user": { "token": token } }],
    });
    format!("{config:#}\n")
}
