//! What the API server's answers mean, and what no answer means.

use kube::core::Status;
use stackgate_core::effect::{Outcome, Refusal, RefusalKind};
use tokio::time::timeout;

use crate::kube::client::CALL_TIMEOUT;

/// The longest message that a refusal carries, in characters.
const MAX_MESSAGE: usize = 1000;

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The client's own words.
    #[error(transparent)]
    Client(#[from] kube::Error),
    /// No reply in time.
    #[error("Kubernetes did not answer within {} s", CALL_TIMEOUT.as_secs())]
    NoReply,
}

/// Waits for the reply, but not for ever.
pub(super) async fn answered<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match timeout(CALL_TIMEOUT, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(CallError::NoReply),
    }
}

/// What a failed read means: nothing happened, and nothing was learnt.
pub(super) fn when_reading(error: CallError) -> Outcome {
    let kind = match &error {
        CallError::Client(kube::Error::Api(status)) => match meaning(status) {
            Meaning::Refused(kind) => kind,
            Meaning::Unclear => RefusalKind::Unavailable,
        },
        CallError::Client(kube::Error::SerdeError(_)) => RefusalKind::Invalid,
        CallError::Client(e) if never_sent(e) => RefusalKind::Invalid,
        CallError::Client(_) | CallError::NoReply => RefusalKind::Unavailable,
    };
    refused(kind, text(error))
}

/// Whether a read failed for a reason that passes by itself.
pub(super) fn passes(error: &CallError) -> bool {
    match error {
        CallError::Client(kube::Error::Api(status)) => match meaning(status) {
            Meaning::Refused(kind) => kind == RefusalKind::Throttled,
            Meaning::Unclear => true,
        },
        CallError::Client(kube::Error::SerdeError(_)) => false,
        CallError::Client(e) => !never_sent(e),
        CallError::NoReply => true,
    }
}

/// What a failed write means: only a definite answer says that nothing happened.
pub(super) fn when_writing(error: CallError) -> Outcome {
    match &error {
        CallError::Client(kube::Error::Api(status)) => match meaning(status) {
            Meaning::Refused(kind) => refused(kind, text(error)),
            Meaning::Unclear => Outcome::Unsure(text(error)),
        },
        CallError::Client(e) if never_sent(e) => refused(RefusalKind::Invalid, text(error)),
        CallError::Client(_) | CallError::NoReply => Outcome::Unsure(text(error)),
    }
}

/// A refusal; its message is cut where it is too long.
pub(super) fn refused(kind: RefusalKind, message: String) -> Outcome {
    Outcome::Refused(Refusal { kind, message: message.chars().take(MAX_MESSAGE).collect() })
}

enum Meaning {
    Refused(RefusalKind),
    /// A write may have been carried out nevertheless.
    Unclear,
}

fn meaning(status: &Status) -> Meaning {
    Meaning::Refused(match status.code {
        409 if status.is_already_exists() => RefusalKind::AlreadyExists,
        409 => RefusalKind::Conflict,
        401 | 403 => RefusalKind::Denied,
        404 => RefusalKind::NotFound,
        429 => RefusalKind::Throttled,
        400..=499 => RefusalKind::Invalid,
        // 500 and 504 come when etcd did not answer in time, 503 from whatever stands in between.
        _ => return Meaning::Unclear,
    })
}

/// Whether the call failed before anything left this process, for a reason that lies in the call itself.
fn never_sent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::BuildRequest(_) | kube::Error::HttpError(_))
}

fn text(error: CallError) -> String {
    match error {
        CallError::Client(kube::Error::Api(status)) if status.message.is_empty() => {
            format!("Kubernetes answered {} {}", status.code, status.reason)
        }
        CallError::Client(kube::Error::Api(status)) => status.message,
        CallError::Client(error) => format!("Kubernetes could not be asked: {error}"),
        CallError::NoReply => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn api(code: u16, reason: &str) -> CallError {
        CallError::Client(kube::Error::Api(Status::failure("said so", reason).with_code(code).boxed()))
    }

    fn no_reply() -> CallError {
        CallError::NoReply
    }

    fn garbled() -> CallError {
        let error = serde_json::from_str::<u8>("{").unwrap_err();
        CallError::Client(kube::Error::SerdeError(error))
    }

    fn connection_lost() -> CallError {
        CallError::Client(kube::Error::Service("connection reset".into()))
    }

    #[rstest]
    #[case::conflict(api(409, "Conflict"), Some(RefusalKind::Conflict))]
    #[case::already_exists(api(409, "AlreadyExists"), Some(RefusalKind::AlreadyExists))]
    #[case::not_logged_in(api(401, "Unauthorized"), Some(RefusalKind::Denied))]
    #[case::forbidden(api(403, "Forbidden"), Some(RefusalKind::Denied))]
    #[case::not_found(api(404, "NotFound"), Some(RefusalKind::NotFound))]
    #[case::bad_request(api(400, "BadRequest"), Some(RefusalKind::Invalid))]
    #[case::invalid(api(422, "Invalid"), Some(RefusalKind::Invalid))]
    #[case::too_large(api(413, "RequestEntityTooLarge"), Some(RefusalKind::Invalid))]
    #[case::too_many(api(429, "TooManyRequests"), Some(RefusalKind::Throttled))]
    #[case::internal(api(500, "InternalError"), None)]
    #[case::unavailable(api(503, "ServiceUnavailable"), None)]
    #[case::timeout(api(504, "Timeout"), None)]
    #[case::no_reply(no_reply(), None)]
    #[case::garbled(garbled(), None)]
    #[case::connection_lost(connection_lost(), None)]
    fn a_write_is_refused_only_by_a_definite_answer(
        #[case] error: CallError,
        #[case] expected: Option<RefusalKind>,
    ) {
        let found = match when_writing(error) {
            Outcome::Refused(refusal) => Some(refusal.kind),
            Outcome::Unsure(_) => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected);
    }

    #[rstest]
    #[case::forbidden(api(403, "Forbidden"), false)]
    #[case::not_found(api(404, "NotFound"), false)]
    #[case::garbled(garbled(), false)]
    #[case::too_many(api(429, "TooManyRequests"), true)]
    #[case::internal(api(500, "InternalError"), true)]
    #[case::no_reply(no_reply(), true)]
    #[case::connection_lost(connection_lost(), true)]
    fn what_passes_by_itself_is_tried_again(#[case] error: CallError, #[case] expected: bool) {
        assert_eq!(passes(&error), expected);
    }

    #[rstest]
    #[case::not_found(api(404, "NotFound"), RefusalKind::NotFound)]
    #[case::too_many(api(429, "TooManyRequests"), RefusalKind::Throttled)]
    #[case::unavailable(api(503, "ServiceUnavailable"), RefusalKind::Unavailable)]
    #[case::no_reply(no_reply(), RefusalKind::Unavailable)]
    #[case::garbled(garbled(), RefusalKind::Invalid)]
    #[case::connection_lost(connection_lost(), RefusalKind::Unavailable)]
    fn a_read_is_always_refused(#[case] error: CallError, #[case] expected: RefusalKind) {
        let Outcome::Refused(refusal) = when_reading(error) else { panic!("not refused") };
        assert_eq!(refusal.kind, expected);
        assert!(!refusal.message.is_empty());
    }
}
