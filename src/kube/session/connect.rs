//! A connection as kubectl would make it.

use std::path::PathBuf;

use axum::http::{HeaderValue, header::USER_AGENT};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use super::Session;
use crate::kube::client::CALL_TIMEOUT;

/// What kubectl's flags of the same names say; absent: what the kubeconfig says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file.
    pub kubeconfig: Option<PathBuf>,
    /// Its context.
    pub context: Option<String>,
    /// Its cluster.
    pub cluster: Option<String>,
    /// Its user.
    pub user: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// The user to act as.
    pub act_as: Option<String>,
    /// The groups to act as.
    pub act_as_groups: Vec<String>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig is missing, unreadable, or lacks what was named.
    #[error(
        "the kubeconfig cannot be used: {0}; see `kubectl config view`, or name one by --kubeconfig or KUBECONFIG"
    )]
    Kubeconfig(#[source] Box<kube::config::KubeconfigError>),
    /// Groups without a user.
    #[error("--as-group needs --as: name the user to act as, too")]
    GroupsWithoutUser,
    /// What it says cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Client(#[source] Box<kube::Error>),
}

impl Session {
    /// Connects. Sends nothing yet.
    ///
    /// # Errors
    /// When the kubeconfig is missing or wrong.
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        let bad = |e| ConnectError::Kubeconfig(Box::new(e));
        let names = KubeConfigOptions {
            context: options.context.clone(),
            cluster: options.cluster.clone(),
            user: options.user.clone(),
        };
        let is_named = options.kubeconfig.is_some() || options.context.is_some();
        let file = match &options.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let loaded = match file {
            Ok(file) => Config::from_custom_kubeconfig(file, &names).await,
            Err(error) => Err(error),
        };
        let config = match loaded {
            Ok(config) => config,
            Err(error) if is_named => return Err(bad(error)),
            // In a pod there is none: a job that reports uses its service account.
            Err(error) => Config::incluster().map_err(|_| bad(error))?,
        };
        Self::from_config(config, options)
    }

    fn from_config(mut config: Config, options: &Options) -> Result<Self, ConnectError> {
        if options.act_as.is_none() && !options.act_as_groups.is_empty() {
            return Err(ConnectError::GroupsWithoutUser);
        }
        if let Some(user) = &options.act_as {
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups =
                (!options.act_as_groups.is_empty()).then(|| options.act_as_groups.clone());
        }
        // A repeated write would hide a lost reply.
        config.default_retry = false;
        config.read_timeout = Some(CALL_TIMEOUT);
        config.reset_reader_on_write = true;
        let agent = concat!("stackgate/", env!("CARGO_PKG_VERSION"));
        config.headers.push((USER_AGENT, HeaderValue::from_static(agent)));
        let namespace = options.namespace.as_ref().unwrap_or(&config.default_namespace).as_str().into();
        let client = Client::try_from(config).map_err(|e| ConnectError::Client(Box::new(e)))?;
        Ok(Self { client, namespace })
    }
}
