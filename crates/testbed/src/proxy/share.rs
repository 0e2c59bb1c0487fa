//! A share of the calls, drawn so that a seed gives the same ones however the calls of others lie between them.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::call::Call;

/// So many of a hundred.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) percent: u8,
    pub(super) seed: u64,
}

/// How many calls of each kind about each thing there were.
pub(super) type Seen = BTreeMap<String, u64>;

impl Share {
    /// Whether this call is one of them; counts it.
    pub(super) fn takes(self, call: &Call, seen: &mut Seen) -> bool {
        let what = format!("{} {} {} {}", call.service, call.operation, call.account, subject(call));
        let nth = seen.entry(what.clone()).or_default();
        *nth += 1;
        let drawn = Sha256::digest(format!("{} {what} {nth}", self.seed));
        let number = drawn.iter().take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
        number % 100 < self.percent.into()
    }
}

/// What a call is about, without what AWS makes up: the name of a stack, not its id.
fn subject(call: &Call) -> &str {
    let named = ["StackName", "ChangeSetName", "RoleArn", "Key", "Name"].map(|name| call.param(name));
    let named = named.into_iter().find(|value| !value.is_empty()).unwrap_or_default();
    // arn:aws:cloudformation:<region>:<account>:stack/<name>/<uuid>, and changeSet/<name>/<uuid>
    match named.strip_prefix("arn:aws:cloudformation:") {
        Some(rest) => rest.split('/').nth(1).unwrap_or(named),
        None => named,
    }
}
