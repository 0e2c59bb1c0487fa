//! Which requests a CloudFront distribution takes without a signature, behaviour by behaviour.
//!
//! "AWS::CloudFront::Distribution CacheBehavior": the first behaviour whose pattern fits a request decides on it, and the default
//! one on what fits none; each of them demands signatures by itself (`TrustedKeyGroups`, `TrustedSigners`).

use serde_json::Value;

use super::{facts::plain, guard_values::is_hollow, text::items};

/// The most characters of a pattern: CloudFront takes 255.
const PATTERN: usize = 4096;

struct Behaviour {
    pattern: String,
    signed: bool,
}

/// Whether a distribution that demanded signatures somewhere takes requests without one that may have needed one.
pub(super) fn takes_more_unsigned(before: &Value, after: &Value) -> bool {
    let (old, new) = (behaviours(before), behaviours(after));
    if !old.iter().any(|b| b.signed) {
        return false;
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
    let config = properties.get("DistributionConfig");
    let of = |name: &str| config.and_then(|c| c.get(name)).map(items).unwrap_or_default();
    of("CacheBehaviors").into_iter().chain(of("DefaultCacheBehavior")).map(behaviour).collect()
}

fn behaviour(value: &Value) -> Behaviour {
    let pattern = value.get("PathPattern").map(plain).unwrap_or_default();
    let signed = ["TrustedKeyGroups", "TrustedSigners"].iter().any(|name| !is_hollow(value.get(*name)));
    Behaviour { pattern: pattern.chars().take(PATTERN).collect(), signed }
}
