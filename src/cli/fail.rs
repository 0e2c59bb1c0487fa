//! Why a command did not do what it was asked for: one line, which says what to do.

use std::fmt;

use super::view::Text;
use crate::kube::session::{CallError, ConnectError};

/// Why a command failed. Ends the process with status 1; a command line that cannot be read ends it with 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fail(Text);

impl Fail {
    /// With this line.
    pub fn new(line: impl AsRef<str>) -> Self {
        Self(line.into())
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Fail {}

impl From<ConnectError> for Fail {
    fn from(error: ConnectError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<CallError> for Fail {
    fn from(error: CallError) -> Self {
        Self::new(match error {
            CallError::LoggedOut(why) => {
                format!(
                    "Kubernetes does not know you ({why}): log in as your cluster wants it; `kubectl auth whoami` tells"
                )
            }
            CallError::Denied(denied) => {
                format!(
                    "you may not do this ({denied}): ask whoever manages RoleBindings there for the ClusterRole stackgate-viewer or -approver"
                )
            }
            CallError::Unreachable(_)
            | CallError::NotFound(_)
            | CallError::Conflict(_)
            | CallError::Invalid(_) => error.to_string(),
        })
    }
}

impl From<std::io::Error> for Fail {
    fn from(error: std::io::Error) -> Self {
        Self::new(format!("nothing can be read or shown: {error}"))
    }
}

impl From<serde_json::Error> for Fail {
    fn from(error: serde_json::Error) -> Self {
        Self::new(format!("it cannot be written as JSON: {error}"))
    }
}
