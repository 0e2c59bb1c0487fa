//! What a resource draws in from outside of the release: an object of a bucket that it does not publish to, or an image under a tag
//! that may name another one tomorrow.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    code::repository,
    facts::{Fact, plain},
    moved::Moved,
    pair::{Pair, properties},
    text::{Text, is_intrinsic},
};
use crate::bundle::{OBJECT_LISTS, OBJECT_NAMES, Origin, Origins, Resource};

const OBJECT: &str = "draws in an object that is not part of the release";
const IMAGE: &str = "runs an image by a tag that may name another one tomorrow";
const PLACE: &str = "draws in something from a place that it did not before";
const UNKNOWN: &str = "draws in something whose place is not known before it is deployed";

/// Properties that say which version of an object is meant: that one stays as it is.
const VERSIONS: [&str; 4] = ["S3ObjectVersion", "Version", "ObjectVersion", "S3Version"];
/// Properties that hold the URL of code or of a definition.
const URLS: [&str; 14] = [
    "CodeS3Location",
    "ScriptLocation",
    "CodeUri",
    "ContentUri",
    "DefinitionUri",
    "DefinitionS3Location",
    "RequestMappingTemplateS3Location",
    "ResponseMappingTemplateS3Location",
    "ModelDataUrl",
    "S3Uri",
    "Jar",
    "--extra-py-files",
    "--extra-jars",
    "--extra-files",
];
/// Properties that name an image.
const IMAGES: [&str; 4] = ["Image", "ImageUri", "ImageIdentifier", "ContainerUri"];

/// What is drawn in from outside, each with how the template names it.
pub(super) type Drawn = BTreeMap<Fact, Value>;

/// What of this is not what was there before: it is new, or what its name leads to may be something else now.
pub(super) fn is_new(drawn: &Drawn, before: &Drawn, pair: &Pair<'_>, moved: &Moved) -> Vec<&'static str> {
    let elsewhere = |source: &str| !matches!(source, "DirectModification" | "");
    let untold = pair.details().any(|d| elsewhere(&d.change_source));
    let leads_elsewhere = |name: &Value| moved.within(name) || moved.is_uncertain(name) || untold;
    let is_new = |(fact, name): &(&Fact, &Value)| {
        (!before.contains_key(*fact) && (fact.0 != PLACE || pair.before().is_some()))
            || (fact.0 == UNKNOWN && pair.touched() && leads_elsewhere(name))
    };
    drawn.iter().filter(is_new).map(|((cause, _), _)| *cause).collect()
}

/// Whether something of this makes more of a change than other code: but for another version from the same place, which is pinned.
pub(super) fn counts(drawn: &Drawn, before: &Drawn) -> bool {
    drawn.keys().any(|fact| fact.0 != PLACE || !before.contains_key(fact))
}

/// All that one side of a resource draws in from outside.
pub(super) fn from_outside(resource: Option<&Resource>, origins: &Origins) -> Drawn {
    let mut found = Drawn::new();
    walk(properties(resource), origins, &mut found);
    found
}

fn walk(value: &Value, origins: &Origins, found: &mut Drawn) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, origins, found)),
        Value::Object(object) => {
            objects(object, origins, found);
            for (name, item) in object {
                let text = item.is_string() || is_intrinsic(item);
                let source = name == "Location" && object.get("Type").and_then(Value::as_str) == Some("S3");
                if text && (source || URLS.contains(&name.as_str())) {
                    note(origins.url(item), OBJECT, item, found);
                } else if text && IMAGES.contains(&name.as_str()) {
                    note(origins.image(item), IMAGE, item, found);
                    // It is the same for ever, and so is whose it is.
                    if Text::of(item).with_tokens_as('~').contains("@sha256:") {
                        found.insert((PLACE, repository(item)), item.clone());
                    }
                }
                walk(item, origins, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn objects(object: &Map<String, Value>, origins: &Origins, found: &mut Drawn) {
    let pinned = VERSIONS.iter().any(|name| {
        let version = object.get(*name).and_then(Value::as_str);
        // What a bucket that keeps no versions calls `null` is whatever was written last.
        version.is_some_and(|v| !v.is_empty() && !v.contains("{{") && !v.eq_ignore_ascii_case("null"))
    });
    for (bucket, key) in OBJECT_NAMES {
        if let (Some(bucket), Some(key)) = (object.get(bucket), object.get(key)) {
            if pinned {
                found.extend(
                    (origins.object(bucket) != Origin::Release)
                        .then(|| ((PLACE, plain(bucket)), bucket.clone())),
                );
                continue;
            }
            let both = Value::Array(vec![bucket.clone(), key.clone()]);
            note(origins.object(bucket), OBJECT, &both, found);
        }
    }
    if let (Some(buckets), Some(keys)) = (object.get(OBJECT_LISTS.0), object.get(OBJECT_LISTS.1)) {
        let listed = buckets.as_array().filter(|list| list.len() == keys.as_array().map_or(0, Vec::len));
        let origin = |bucket: &Value| origins.object(bucket);
        let worst = match listed {
            Some(list) if list.iter().all(|b| origin(b) == Origin::Release) => Origin::Release,
            Some(list) if list.iter().all(|b| origin(b) != Origin::Unknown) => Origin::Elsewhere,
            Some(_) | None => Origin::Unknown,
        };
        note(worst, OBJECT, &Value::Array(vec![buckets.clone(), keys.clone()]), found);
    }
}

fn note(origin: Origin, cause: &'static str, what: &Value, found: &mut Drawn) {
    match origin {
        Origin::Release => {}
        Origin::Elsewhere => {
            found.insert((cause, plain(what)), what.clone());
        }
        Origin::Unknown => {
            found.insert((UNKNOWN, plain(what)), what.clone());
        }
    }
}
