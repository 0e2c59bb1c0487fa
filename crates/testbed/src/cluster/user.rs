//! The people and programs that may log in to the cluster.

use std::{fs::File, io::Read};

use anyhow::{Context, Result};

/// Somebody with a token for the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum User {
    /// May do everything (`system:masters`).
    Admin,
    /// The service account `stackgate` in namespace `stackgate-system`: may do what its RBAC objects say, nothing at first.
    Controller,
    /// A person without any rights at first.
    Alice,
    /// Another person without any rights at first.
    Bob,
}

impl User {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Controller, Self::Alice, Self::Bob];

    /// The user name that Kubernetes sees.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Controller => "system:serviceaccount:stackgate-system:stackgate",
            Self::Alice => "alice",
            Self::Bob => "bob",
        }
    }

    fn groups(self) -> &'static str {
        match self {
            Self::Admin => "system:masters",
            Self::Controller => "system:serviceaccounts,system:serviceaccounts:stackgate-system",
            Self::Alice | Self::Bob => "people",
        }
    }

    /// The name of the kubeconfig file.
    pub(super) fn file_name(self) -> &'static str {
        match self {
            Self::Admin => "admin.kubeconfig",
            Self::Controller => "controller.kubeconfig",
            Self::Alice => "alice.kubeconfig",
            Self::Bob => "bob.kubeconfig",
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
