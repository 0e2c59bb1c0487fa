//! Which requests a CloudFront distribution takes without a signature, behaviour by behaviour.
//!
//! "AWS::CloudFront::Distribution CacheBehavior": the first behaviour whose pattern fits a request decides on it, and the default
//! one on what fits none; each of them demands signatures by itself (`TrustedKeyGroups`, `TrustedSigners`).

use serde_json::Value;

use super::{
    facts::plain,
    guard_values::is_hollow,
    text::{is_intrinsic, items},
};

/// The most comparisons; a distribution has 75 behaviours ("Amazon CloudFront quotas").
const MOST: usize = 250_000;

struct Behaviour {
    pattern: String,
    signed: bool,
}

/// Whether a distribution that demanded signatures somewhere takes requests without one that may have needed one.
pub(super) fn takes_more_unsigned(before: &Value, after: &Value) -> bool {
    if before == after {
        return false;
    }
    let (old, new) = (behaviours(before), behaviours(after));
    if !old.iter().any(|b| b.signed) {
        return false;
    }
    if old.len().saturating_mul(new.len()) > MOST {
        return true;
    }
    let patterns = |list: &[Behaviour], other: &[Behaviour]| -> Vec<String> {
        let kept = |b: &&Behaviour| other.iter().any(|o| o.pattern == b.pattern);
        list.iter().filter(kept).map(|b| b.pattern.clone()).collect()
    };
    let was_unsigned = |b: &Behaviour| old.iter().any(|o| o.pattern == b.pattern && !o.signed);
    let comes_first = patterns(&old, &new) != patterns(&new, &old);
    new.iter().any(|b| !b.signed && (comes_first || !was_unsigned(b)))
}

fn behaviours(properties: &Value) -> Vec<Behaviour> {
    let Some(config) = properties.get("DistributionConfig") else { return Vec::new() };
    if is_intrinsic(config) {
        return vec![behaviour(config)];
    }
    let of = |name: &str| config.get(name).map(items).unwrap_or_default();
    of("CacheBehaviors").into_iter().chain(of("DefaultCacheBehavior")).map(behaviour).collect()
}

fn behaviour(value: &Value) -> Behaviour {
    // What only CloudFormation can resolve is a behaviour that nobody knows.
    let pattern = if is_intrinsic(value) { Some(value) } else { value.get("PathPattern") };
    let signed = ["TrustedKeyGroups", "TrustedSigners"].iter().any(|name| !is_hollow(value.get(*name)));
    Behaviour { pattern: pattern.map(plain).unwrap_or_default(), signed }
}
