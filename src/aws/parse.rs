//! Small translations at the edge: times and closed lists of words.

use std::str::FromStr;

use aws_smithy_types::DateTime;
use jiff::Timestamp;
use stackgate_core::{effect::RefusalKind, words::BadWord};

use super::failed::Failed;

/// An instant of AWS as ours.
pub(super) fn timestamp(time: &DateTime) -> Result<Timestamp, Failed> {
    let nanos = i32::try_from(time.subsec_nanos()).unwrap_or_default();
    Timestamp::new(time.secs(), nanos)
        .map_err(|e| Failed::ours(RefusalKind::Invalid, format!("AWS sent a time that cannot be read: {e}")))
}

/// A status of a closed list. One that this version does not know is an error that names it.
pub(super) fn status<T: FromStr<Err = BadWord>>(text: Option<&str>, what: &str) -> Result<T, Failed> {
    let text = text.ok_or_else(|| Failed::ours(RefusalKind::Invalid, format!("{what} has no status")))?;
    text.parse().map_err(|e: BadWord| {
        Failed::ours(
            RefusalKind::Invalid,
            format!("{what}: {e}; upgrade Stackgate, or look at it in the console"),
        )
    })
}
