//! Why a call gave nothing, as far as the API server tells.

use kube::core::Status;

use crate::kube::client::CALL_TIMEOUT;

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no such object.
    #[error("not found: {0}")]
    NotFound(String),
    /// The object is another one now.
    #[error("it was changed meanwhile: {0}")]
    Conflict(String),
    /// Nobody is logged in.
    #[error("not logged in: {0}")]
    LoggedOut(String),
    /// Not allowed, or against a policy.
    #[error("{0}")]
    Denied(Denied),
    /// The API server does not take it.
    #[error("refused: {0}")]
    Invalid(String),
    /// No answer, or none that says whether it was done.
    #[error("Kubernetes could not be asked: {0}")]
    Unreachable(String),
}

/// Who said no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// RBAC, or whatever else authorises.
    #[error("{0}")]
    Rbac(String),
    /// An admission policy.
    #[error("{policy}: {message}")]
    Policy {
        /// Its name.
        policy: String,
        /// What it says.
        message: String,
    },
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => of_status(&status),
            other => Self::Unreachable(chain(&other)),
        }
    }
}

impl CallError {
    /// No answer in time.
    pub(super) fn no_reply() -> Self {
        Self::Unreachable(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))
    }
}

fn of_status(status: &Status) -> CallError {
    let message = if status.message.is_empty() {
        format!("{} {}", status.code, status.reason)
    } else {
        status.message.clone()
    };
    if let Some(denied) = by_policy(&message) {
        return CallError::Denied(denied);
    }
    match status.code {
        401 => CallError::LoggedOut(message),
        403 => CallError::Denied(Denied::Rbac(message)),
        404 => CallError::NotFound(message),
        409 => CallError::Conflict(message),
        400..=499 => CallError::Invalid(message),
        _ => CallError::Unreachable(message),
    }
}

/// `… ValidatingAdmissionPolicy 'x' with binding 'y' denied request: …`, whatever status code the policy chose.
fn by_policy(message: &str) -> Option<Denied> {
    let (_, rest) = message.split_once("ValidatingAdmissionPolicy '")?;
    let (policy, rest) = rest.split_once('\'')?;
    let (_, said) = rest.split_once("denied request: ")?;
    Some(Denied::Policy { policy: policy.to_owned(), message: said.to_owned() })
}

/// An error with what caused it: the first sentence alone mostly says no more than that a service failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u16, message: &str) -> CallError {
        kube::Error::Api(Status::failure(message, "x").with_code(code).boxed()).into()
    }

    #[test]
    fn a_policy_is_told_from_rbac_whatever_code_it_chose() {
        let text = "changeplans.stackgate.dev \"p\" is forbidden: ValidatingAdmissionPolicy 'decisions.stackgate.dev' with \
                    binding 'decisions.stackgate.dev' denied request: bob lacks the verb approve on stages/prod";
        let policy = Denied::Policy {
            policy: "decisions.stackgate.dev".to_owned(),
            message: "bob lacks the verb approve on stages/prod".to_owned(),
        };
        assert_eq!(said(403, text), CallError::Denied(policy.clone()));
        assert_eq!(said(422, text), CallError::Denied(policy));
        let rbac = "User \"bob\" cannot patch resource \"changeplans\"";
        assert_eq!(said(403, rbac), CallError::Denied(Denied::Rbac(rbac.to_owned())));
        assert_eq!(said(409, "x"), CallError::Conflict("x".to_owned()));
        assert_eq!(said(500, "x"), CallError::Unreachable("x".to_owned()));
    }
}
