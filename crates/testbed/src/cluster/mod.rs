//! A Kubernetes API server with its etcd: no nodes. Only where [`Cluster::start_controllers`] was called do namespaces finish
//! deleting and owned objects get collected.

mod apiserver;
mod audit;
mod controllers;
mod etcd;
mod kubectl;
mod shell;
mod user;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use self::{apiserver::ApiServer, controllers::Controllers, etcd::Etcd};
pub use self::{
    audit::Audited,
    kubectl::{Kubectl, KubectlOutput},
    user::User,
};
use crate::{certificate, ready::with_free_ports};

/// A running cluster; everything of it lies in one folder.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    // Before the API server: what is dropped first ends first, without complaints in its log.
    controllers: Option<Controllers>,
    controllers_token: String,
    apiserver: ApiServer,
    etcd: Etcd,
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
        let controllers_token = user::random_token()?;
        let mut lines: String = tokens.iter().map(|(user, token)| user.token_line(token)).collect();
        lines.push_str(&controllers::token_line(&controllers_token));
        certificate::write(&dir.join("tokens.csv"), &lines)?;
        apiserver::write_keys(dir)?;
        audit::write_policy(dir)?;
        let apiserver = with_free_ports("kube-apiserver", || ApiServer::start(dir, etcd.endpoint(), &admin))?;
        for (user, token) in &tokens {
            let text = kubeconfig(&apiserver, user.name(), token);
            certificate::write(&dir.join(user.file_name()), &text)?;
        }
        Ok(Self { dir: dir.to_owned(), controllers: None, controllers_token, apiserver, etcd })
    }

    /// Starts the controllers of Kubernetes that collect garbage, delete the contents of namespaces and check the types in policies.
    /// Kinds that are defined afterwards are collected only after half a minute.
    ///
    /// # Errors
    /// When kube-controller-manager is not there (`make setup` was not run) or does not get ready; with the end of its log.
    pub fn start_controllers(&mut self) -> Result<()> {
        let text = kubeconfig(&self.apiserver, controllers::NAME, &self.controllers_token);
        self.controllers = Some(Controllers::start(&self.dir, &text)?);
        Ok(())
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

    /// The version of Kubernetes, such as `1.37.2`.
    ///
    /// # Errors
    /// When the API server does not say.
    pub fn version(&self) -> Result<String> {
        let said = self.kubectl(User::Admin).run(&["get", "--raw", "/version"])?;
        let version: serde_json::Value = serde_json::from_str(&said)?;
        let text = version["gitVersion"].as_str().context("no version")?;
        Ok(text.trim_start_matches('v').to_owned())
    }

    /// Whether the API server knows the policies that sign for people: from Kubernetes 1.36 on.
    ///
    /// # Errors
    /// When it does not say.
    pub fn signs(&self) -> Result<bool> {
        self.kubectl(User::Admin).signs()
    }

    /// What the audit log holds: all requests of the controller, and everybody's for our kinds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn audited(&self) -> Result<Vec<Audited>> {
        audit::read(&self.dir)
    }

    /// Kills the API server. etcd, and so every object, stays.
    pub fn stop_apiserver(&mut self) {
        self.apiserver.stop();
    }

    /// Kills etcd under the API server, and starts it again on the same data.
    ///
    /// # Errors
    /// When it does not get ready; with the end of its log.
    pub fn restart_etcd(&mut self) -> Result<()> {
        self.etcd.restart()
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
fn kubeconfig(apiserver: &ApiServer, user: &str, token: &str) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testbed",
        "contexts": [{ "name": "testbed", "context": { "cluster": "testbed", "user": user } }],
        "clusters": [{
            "name": "testbed",
            "cluster": { "server": apiserver.url(), "certificate-authority": apiserver.authority() },
        }],
        "users": [{ "name": user, "user": { "token": token } }],
    });
    format!("{config:#}\n")
}
