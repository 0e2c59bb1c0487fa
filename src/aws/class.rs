//! What the error codes of AWS mean for us.

use stackgate_core::effect::RefusalKind;

/// What kind of failure it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// Answered by an error: it was not carried out.
    Refused(RefusalKind),
    /// The session is no longer valid; a new one may be.
    SessionLost,
    /// The object that should not be there is there (S3, 412).
    PreconditionFailed,
    /// It never left this machine.
    NotSent,
    /// No answer, or one that does not tell whether it was carried out.
    Open,
}

/// Sorts an answer by the code of its error, by its message only where CloudFormation has one code for everything.
pub(super) fn class_of(code: Option<&str>, message: &str, status: u16) -> Class {
    use RefusalKind as K;
    let kind = match code.unwrap_or_default() {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "SlowDown" => K::Throttled,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "UnrecognizedClientException"
        | "TokenRefreshRequired" => return Class::SessionLost,
        // Our clock or theirs: passes by itself, or by setting it.
        "RequestExpired" | "RequestTimeTooSkewed" | "RequestInProgress" => K::Unavailable,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "NotAuthorized"
        | "Forbidden" => K::Denied,
        "AlreadyExistsException" | "ImageTagAlreadyExistsException" => K::AlreadyExists,
        "ChangeSetNotFound"
        | "ChangeSetNotFoundException"
        | "StackNotFoundException"
        | "ParameterNotFound"
        | "ImageNotFoundException"
        | "RepositoryNotFoundException"
        | "NoSuchKey"
        | "NoSuchVersion"
        | "NoSuchBucket"
        | "NotFound" => K::NotFound,
        "InvalidChangeSetStatus"
        | "InvalidChangeSetStatusException"
        | "OperationInProgressException"
        // An upload was begun by somebody else as well, or what was uploaded is gone: it begins again.
        | "InvalidLayerPartException"
        | "UploadNotFoundException"
        | "LayersNotFoundException"
        | "ReferencedImagesNotFoundException"
        | "TokenAlreadyExistsException"
        | "ConditionalRequestConflict"
        | "OperationAborted" => K::Conflict,
        "PreconditionFailed" => return Class::PreconditionFailed,
        "ValidationError" => validation(message),
        _ => match status {
            403 => K::Denied,
            404 => K::NotFound,
            412 => return Class::PreconditionFailed,
            429 => K::Throttled,
            500.. => return Class::Open,
            _ => K::Invalid,
        },
    };
    Class::Refused(kind)
}

/// `ValidationError` is what CloudFormation says to nearly everything: only its message tells more.
fn validation(message: &str) -> RefusalKind {
    let stack = message.starts_with("Stack");
    if stack && message.contains("does not exist") {
        RefusalKind::NotFound
    } else if stack && message.contains("already exists") {
        RefusalKind::AlreadyExists
    } else if (message.contains(" is in ") && message.contains("state")) || message.contains("_IN_PROGRESS") {
        RefusalKind::Conflict
    } else {
        RefusalKind::Invalid
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Throttling", "Rate exceeded", 400, Class::Refused(RefusalKind::Throttled))]
    #[case("SlowDown", "", 503, Class::Refused(RefusalKind::Throttled))]
    #[case("AccessDenied", "", 403, Class::Refused(RefusalKind::Denied))]
    #[case("ExpiredToken", "", 403, Class::SessionLost)]
    #[case("ValidationError", "Stack with id X does not exist", 400, Class::Refused(RefusalKind::NotFound))]
    #[case(
        "ValidationError",
        "Stack:arn is in UPDATE_IN_PROGRESS state and can not be updated.",
        400,
        Class::Refused(RefusalKind::Conflict)
    )]
    #[case(
        "ValidationError",
        "Stack [X] already exists and cannot be created again",
        400,
        Class::Refused(RefusalKind::AlreadyExists)
    )]
    #[case("ValidationError", "Role arn:x does not exist", 400, Class::Refused(RefusalKind::Invalid))]
    #[case("ValidationError", "Template format error", 400, Class::Refused(RefusalKind::Invalid))]
    #[case("AlreadyExistsException", "", 400, Class::Refused(RefusalKind::AlreadyExists))]
    #[case("InvalidChangeSetStatus", "", 400, Class::Refused(RefusalKind::Conflict))]
    #[case("ChangeSetNotFound", "", 404, Class::Refused(RefusalKind::NotFound))]
    #[case("InsufficientCapabilitiesException", "", 400, Class::Refused(RefusalKind::Invalid))]
    #[case("LimitExceededException", "", 400, Class::Refused(RefusalKind::Invalid))]
    #[case("PreconditionFailed", "", 412, Class::PreconditionFailed)]
    #[case("InternalFailure", "", 500, Class::Open)]
    #[case("ServiceUnavailable", "", 503, Class::Open)]
    #[case("LayersNotFoundException", "", 400, Class::Refused(RefusalKind::Conflict))]
    #[case("ImageTagAlreadyExistsException", "", 400, Class::Refused(RefusalKind::AlreadyExists))]
    #[case("SomethingNew", "", 400, Class::Refused(RefusalKind::Invalid))]
    fn codes_decide(#[case] code: &str, #[case] message: &str, #[case] status: u16, #[case] class: Class) {
        assert_eq!(class_of(Some(code), message, status), class);
    }
}
