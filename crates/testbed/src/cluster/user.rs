//! The people and programs that may log in to the cluster.

use std::{fs::File, io::Read};

use anyhow::{Context, Result};

/// Somebody with a token for the API server. But for the administrator nobody has any rights at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum User {
    /// May do everything (`system:masters`).
    Admin,
    /// The service account `stackgate` in namespace `stackgate-system`.
    Controller,
    /// A person.
    Alice,
    /// A person.
    Bob,
    /// A person.
    Carol,
    /// A person.
    Dave,
    /// A person whose user name holds what annotations give a meaning to.
    Erin,
    /// The service account `kustomize-controller` in namespace `flux-system`.
    Flux,
    /// The service account `ci` in namespace `shop`.
    Robot,
}

impl User {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Admin,
        Self::Controller,
        Self::Alice,
        Self::Bob,
        Self::Carol,
        Self::Dave,
        Self::Erin,
        Self::Flux,
        Self::Robot,
    ];

    /// The user name that Kubernetes sees.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Controller => "system:serviceaccount:stackgate-system:stackgate",
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
            Self::Dave => "dave",
            Self::Erin => "erin;50%@corp",
            Self::Flux => "system:serviceaccount:flux-system:kustomize-controller",
            Self::Robot => "system:serviceaccount:shop:ci",
        }
    }

    fn groups(self) -> &'static str {
        match self {
            Self::Admin => "system:masters",
            Self::Controller => "system:serviceaccounts,system:serviceaccounts:stackgate-system",
            Self::Flux => "system:serviceaccounts,system:serviceaccounts:flux-system",
            Self::Robot => "system:serviceaccounts,system:serviceaccounts:shop",
            Self::Alice | Self::Bob | Self::Carol | Self::Dave | Self::Erin => "people",
        }
    }

    /// The name of the kubeconfig file.
    pub(super) fn file_name(self) -> &'static str {
        match self {
            Self::Admin => "admin.kubeconfig",
            Self::Controller => "controller.kubeconfig",
            Self::Alice => "alice.kubeconfig",
            Self::Bob => "bob.kubeconfig",
            Self::Carol => "carol.kubeconfig",
            Self::Dave => "dave.kubeconfig",
            Self::Erin => "erin.kubeconfig",
            Self::Flux => "flux.kubeconfig",
            Self::Robot => "robot.kubeconfig",
        }
    }

    /// A line of `--token-auth-file`: token, user, uid, groups.
    pub(super) fn token_line(self, token: &str) -> String {
        format!("{token},{name},{name},\"{groups}\"\n", name = self.name(), groups = self.groups())
    }
}

/// A token that nobody else on this machine can guess.
pub(super) fn random_token() -> Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("reading random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
