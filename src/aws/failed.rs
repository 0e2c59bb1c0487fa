//! Why a call failed, in our words: by the code of the error, by its message only where AWS gives no code.

use std::{error::Error, io};

use aws_sdk_sts::{error::SdkError, operation::RequestId};
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use stackgate_core::effect::{Outcome, Refusal, RefusalKind};

use super::{
    calls::CallOutcome,
    class::{Class, class_of},
};

/// The most characters of a message.
const MESSAGE: usize = 1000;

/// A failed call.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    class: Class,
    code: Option<String>,
    /// The HTTP status, where there was an answer.
    status: Option<u16>,
    message: String,
}

impl Failed {
    /// Reads the error of the SDK.
    pub(super) fn of<E>(operation: &str, error: &SdkError<E, Response>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let (class, what) = if let SdkError::ServiceError(e) = error {
            let status = e.raw().status().as_u16();
            let (code, text) = (e.err().code(), e.err().message());
            let what = match (code, text) {
                (Some(c), Some(t)) => format!("{c}: {t}"),
                (Some(c), None) => format!("{c} (HTTP {status})"),
                (None, _) => format!("HTTP {status}"),
            };
            (class_of(code, text.unwrap_or_default(), status), what)
        } else if let SdkError::ConstructionFailure(_) = error {
            (Class::Refused(RefusalKind::Invalid), chain(error))
        } else if never_connected(error) {
            (Class::NotSent, chain(error))
        } else {
            // A timeout, a broken connection, or an answer that cannot be read: none of them tells.
            (Class::Open, chain(error))
        };
        let id = error.request_id().map(|id| format!(" (request id {id})")).unwrap_or_default();
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code).map(str::to_owned);
        let status = error.raw_response().map(|r| r.status().as_u16());
        // The request id is what people ask for: cut the text before it, not the id.
        let room = MESSAGE.saturating_sub(operation.len() + 2 + id.len());
        let what: String = what.chars().take(room).collect();
        Self { class, code, status, message: format!("{operation}: {what}{id}") }
    }

    /// A failure that we found out ourselves.
    pub(super) fn ours(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { class: Class::Refused(kind), code: None, status: None, message: cut(&message.into()) }
    }

    /// An answer that cannot be read: it does not tell whether anything was carried out.
    pub(super) fn unread(message: impl Into<String>) -> Self {
        Self { class: Class::Open, code: None, status: None, message: cut(&message.into()) }
    }

    pub(super) fn class(&self) -> Class {
        self.class
    }

    /// The error code of AWS.
    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Whether the service does not know the operation at all. AWS always names a code; what answers with a failure of the server
    /// and names none, again at every try, is something else that speaks its protocol as far as it goes.
    pub(super) fn is_unknown_operation(&self) -> bool {
        let said = matches!(
            self.code(),
            Some("InvalidAction" | "UnknownOperationException" | "UnknownOperation" | "NotImplemented")
        );
        said || self.status == Some(501) || (self.status == Some(500) && self.code.is_none())
    }

    /// Whether a bucket was asked for in a region that it does not lie in.
    pub(super) fn is_other_region(&self) -> bool {
        self.status == Some(301)
            || matches!(self.code(), Some("PermanentRedirect" | "AuthorizationHeaderMalformed"))
    }

    /// Whether the thing that was asked for is not there.
    pub(super) fn is_not_found(&self) -> bool {
        self.class == Class::Refused(RefusalKind::NotFound)
    }

    /// Puts a hint for people before what AWS said.
    pub(super) fn hint(mut self, hint: &str) -> Self {
        self.message = cut(&format!("{hint}; {}", self.message));
        self
    }

    /// Takes it for another kind of refusal.
    pub(super) fn into_kind(mut self, kind: RefusalKind) -> Self {
        self.class = Class::Refused(kind);
        self
    }

    /// How it is counted.
    pub(super) fn outcome(&self) -> CallOutcome {
        match self.class {
            Class::Refused(RefusalKind::Throttled) => CallOutcome::Throttled,
            Class::Refused(_) | Class::SessionLost | Class::PreconditionFailed => CallOutcome::Refused,
            Class::NotSent | Class::Open => CallOutcome::Unsure,
        }
    }

    /// The refusal that a reading call ends with.
    pub(super) fn refusal(self) -> Refusal {
        let kind = match self.class {
            Class::Refused(kind) => kind,
            Class::PreconditionFailed => RefusalKind::Conflict,
            Class::SessionLost | Class::NotSent | Class::Open => RefusalKind::Unavailable,
        };
        Refusal { kind, message: self.message }
    }

    /// What came of a look.
    pub(super) fn of_look(self) -> Outcome {
        Outcome::Refused(self.refusal())
    }

    /// What came of a mutation: without an answer it may have been carried out.
    pub(super) fn of_mutation(self) -> Outcome {
        match self.class {
            Class::Open => Outcome::Unsure(self.message),
            Class::Refused(_) | Class::SessionLost | Class::PreconditionFailed | Class::NotSent => {
                Outcome::Refused(self.refusal())
            }
        }
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::ours(refusal.kind, refusal.message)
    }
}

/// Cuts a message after 1,000 characters.
pub(super) fn cut(message: &str) -> String {
    message.chars().take(MESSAGE).collect()
}

/// Whether no connection was made. What is not certain counts as sent.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut next = error.source();
    while let Some(e) = next {
        if let Some(io) = e.downcast_ref::<io::Error>() {
            return matches!(
                io.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::AddrNotAvailable
            );
        }
        next = e.source();
    }
    false
}

/// The messages of an error and its causes, each once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(e) = next {
        let part = e.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        next = e.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_failure_is_unsure_for_mutations_and_unavailable_for_looks() {
        let failed = Failed { class: Class::Open, code: None, status: None, message: "no answer".to_owned() };
        assert!(matches!(failed.clone().of_mutation(), Outcome::Unsure(_)));
        let Outcome::Refused(refusal) = failed.of_look() else { panic!("a look is refused") };
        assert_eq!(refusal.kind, RefusalKind::Unavailable);
    }

    #[test]
    fn messages_are_cut() {
        assert_eq!(Failed::ours(RefusalKind::Invalid, "ä".repeat(2000)).message().chars().count(), 1000);
    }
}
