//! Which requests a CloudFront distribution takes without a signature, or past a function that may ask who it is, behaviour by behaviour.
//!
//! "AWS::CloudFront::Distribution CacheBehavior": the first behaviour whose pattern fits a request decides on it, and the default
//! one on what fits none; each of them demands signatures by itself (`TrustedKeyGroups`, `TrustedSigners`), or has its own functions.

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
    /// Whether it asks who it is, in the way that is looked for.
    signed: bool,
}

/// How a behaviour may ask.
type Asks = fn(&Value) -> bool;

/// Whether a distribution that asked somewhere who it is, takes requests that it does not ask and may have asked before.
pub(super) fn takes_more_unsigned(before: &Value, after: &Value) -> bool {
    before != after && [signs as Asks, calls].into_iter().any(|asks| takes_more(before, after, asks))
}

fn signs(behaviour: &Value) -> bool {
    ["TrustedKeyGroups", "TrustedSigners"].iter().any(|name| !is_hollow(behaviour.get(*name)))
}

/// Whether a function sees each request first. What it does is code.
fn calls(behaviour: &Value) -> bool {
    let is_first = |item: &&Value| {
        let when = item.get("EventType").and_then(Value::as_str);
        when.is_none_or(|when| when == "viewer-request")
    };
    ["FunctionAssociations", "LambdaFunctionAssociations"]
        .iter()
        .any(|name| behaviour.get(*name).map(items).unwrap_or_default().iter().any(is_first))
}

fn takes_more(before: &Value, after: &Value, asks: Asks) -> bool {
    let (old, new) = (behaviours(before, asks), behaviours(after, asks));
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

fn behaviours(properties: &Value, asks: Asks) -> Vec<Behaviour> {
    let Some(config) = properties.get("DistributionConfig") else { return Vec::new() };
    if is_intrinsic(config) {
        return vec![behaviour(config, asks)];
    }
    let of = |name: &str| config.get(name).map(items).unwrap_or_default();
    of("CacheBehaviors").into_iter().chain(of("DefaultCacheBehavior")).map(|b| behaviour(b, asks)).collect()
}

fn behaviour(value: &Value, asks: Asks) -> Behaviour {
    // What only CloudFormation can resolve is a behaviour that nobody knows.
    let pattern = if is_intrinsic(value) { Some(value) } else { value.get("PathPattern") };
    Behaviour { pattern: pattern.map(plain).unwrap_or_default(), signed: asks(value) }
}
