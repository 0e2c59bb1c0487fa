//! Classes `replace`, `maybe-replace`, `delete` and `adopt`: what becomes of the resource itself.
//!
//! Words of the change list as in the API reference of CloudFormation, "ResourceChange" and "ResourceChangeDetail".

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    facts::{path, plain},
    finding::{About, Findings},
    lasting::is_revised,
    moved::Moved,
    pair::{Pair, properties},
    reference::Reference,
};
use crate::{
    api::RiskClass,
    stack::{Change, ValueSource},
};

/// Adds what the change list says, or the templates where there is none yet.
pub(super) fn lifecycle(
    pair: &Pair<'_>,
    moved: &Moved,
    code_only: bool,
    about: &About,
    found: &mut Findings,
) {
    // A revision of a task definition takes nothing away: the one before stays where it runs.
    let stays = code_only || is_revised(pair, moved);
    for change in pair.changes.iter().filter(|change| !(code_only || stays && change.action == "Modify")) {
        let about = About { resource_type: change.resource_type.clone(), ..about.clone() };
        let policy = Some(change.policy_action.as_str());
        let lasts = is_by_what_lasts(change, moved);
        for (class, cause) in
            classes(change).into_iter().filter(|(c, _)| !lasts || *c != RiskClass::MaybeReplace)
        {
            found.add(class, &about, [cause], policy);
            if matches!(class, RiskClass::Replace | RiskClass::MaybeReplace) {
                found.name(class, &about, cause, recreating(change));
            }
        }
    }
    if pair.deferred && pair.changes.is_empty() {
        deferred(pair, moved, stays, about, found);
    }
    if is_unprotected(pair, moved) {
        found.add(RiskClass::Delete, about, ["is no longer protected against deletion"], None);
    }
    if let (Some(old), Some(new)) = (pair.old, pair.new) {
        if old.resource_type != new.resource_type {
            found.add(RiskClass::Replace, about, ["becomes a resource of another type"], None);
        }
        for (section, cause) in [
            ("DeletionPolicy", "is no longer kept when it is removed"),
            ("UpdateReplacePolicy", "is no longer kept when it is replaced"),
        ] {
            let (before, after) = (keeps(&old.body, section), keeps(&new.body, section));
            let unknown = |keeps: Keeps| keeps == Keeps::Unknown && pair.section_differs(section);
            let behind = new.body.get(section).is_some_and(|v| moved.within(v) || moved.is_uncertain(v));
            let listed = pair.details().any(|d| d.attribute == section);
            let other = after == Keeps::Unknown && (behind || listed);
            if after < before || unknown(before) || (before > Keeps::Nothing && unknown(after)) || other {
                found.add(RiskClass::Delete, about, [cause], None);
            }
        }
    }
}

/// What keeps people from deleting a resource: a property, or an attribute in a list of such.
const PROTECTIONS: [&str; 4] =
    ["DisableApiTermination", "DisableApiStop", "LockConfiguration", "deletion_protection.enabled"];

fn protects(name: &str) -> bool {
    let words = ["DeletionProtection", "DeleteProtection", "TerminationProtect"];
    words.iter().any(|word| name.contains(word)) || PROTECTIONS.contains(&name)
}

/// What says that a resource is protected against deletion, by the place where it stands.
type Protections<'a> = BTreeMap<String, Vec<&'a Value>>;

/// Finds them, but for those that are a plain no.
fn protections<'a>(value: &'a Value, place: &str, found: &mut Protections<'a>) {
    let is_off = |value: &Value| match value {
        Value::Bool(on) => !on,
        Value::String(text) => {
            matches!(text.to_ascii_lowercase().as_str(), "false" | "inactive" | "bypass")
        }
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    };
    match value {
        Value::Object(object) => {
            let key = object.get("Key").and_then(Value::as_str).filter(|key| protects(key));
            let attribute = key.zip(object.get("Value"));
            let named =
                object.iter().filter(|(name, _)| protects(name)).map(|(name, item)| (name.as_str(), item));
            for (name, item) in named.chain(attribute).filter(|(_, item)| !is_off(item)) {
                found.entry(path(place, name)).or_default().push(item);
            }
            for (name, item) in object.iter().filter(|(name, _)| !protects(name)) {
                protections(item, &path(place, name), found);
            }
        }
        Value::Array(items) => {
            for item in items {
                // Replicas of a table.
                let which = item.get("Region").map(plain).unwrap_or_default();
                protections(item, &path(place, &which), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether it may be less protected against deletion than it was.
fn is_unprotected(pair: &Pair<'_>, moved: &Moved) -> bool {
    if pair.before().is_none() || pair.after().is_none() {
        return false;
    }
    let (mut old, mut new) = (Protections::new(), Protections::new());
    protections(properties(pair.before()), "", &mut old);
    protections(properties(pair.after()), "", &mut new);
    let listed = pair
        .details()
        .any(|d| protects(&d.name) && !matches!(d.change_source.as_str(), "DirectModification" | ""));
    old.iter().any(|(place, old)| {
        let new = new.get(place).map(Vec::as_slice).unwrap_or_default();
        let is_on = |value: &&Value| value.is_boolean() || value.is_string();
        // What is not literal may be a no, if it is another or leads to another value.
        let doubtful = |value: &&Value| {
            !is_on(value) && (!old.contains(value) || moved.within(value) || moved.is_uncertain(value))
        };
        let certain = new.iter().filter(|value| is_on(value)).count();
        new.len() < old.len() || new.iter().any(doubtful) || (listed && certain < old.len())
    })
}

/// Whether a resource would be made anew only for names and ARNs of others that are changed in place: these stay the same, which
/// CloudFormation finds out when it gets there.
fn is_by_what_lasts(change: &Change, moved: &Moved) -> bool {
    let mut anew = change
        .details
        .iter()
        .filter(|d| matches!(d.requires_recreation.as_str(), "Always" | "Conditionally"))
        .peekable();
    let lasts = |d: &ValueSource| {
        let cause = Reference::named(&d.causing_entity);
        let is_itself = match &cause {
            Reference::Name(id) => !id.is_empty() && d.change_source == "ResourceReference",
            Reference::Attribute(_, attribute) => {
                attribute == "Arn" && d.change_source == "ResourceAttribute"
            }
            Reference::Mapping(_) | Reference::Condition(_) => false,
        };
        is_itself && d.evaluation == "Dynamic" && moved.lasts(&cause)
    };
    change.action == "Modify"
        && change.replacement == "Conditional"
        && anew.peek().is_some()
        && anew.all(lasts)
}

/// The properties that a resource is made anew for, or may be.
fn recreating(change: &Change) -> BTreeSet<String> {
    let recreates = |how: &str| matches!(how, "Always" | "Conditionally");
    let details = change.details.iter().filter(|d| recreates(&d.requires_recreation) && !d.name.is_empty());
    // The author of a custom resource chooses its names.
    let is_word = |name: &String| name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric());
    details.map(|d| d.name.clone()).filter(is_word).collect()
}

fn classes(change: &Change) -> Vec<(RiskClass, &'static str)> {
    let mut classes = Vec::new();
    match change.action.as_str() {
        "Import" => classes.push((RiskClass::Adopt, "is taken over as it is")),
        "Remove" => classes.push((
            RiskClass::Delete,
            if change.policy_action == "Retain" { "is left behind, managed by nobody" } else { "is removed" },
        )),
        "Add" | "Modify" => {}
        "Dynamic" => {
            classes.push((RiskClass::MaybeReplace, "CloudFormation cannot tell what happens to it yet"))
        }
        _ => classes.push((RiskClass::MaybeReplace, "a kind of change that is not known")),
    }
    let replaced_by_policy = change.policy_action.starts_with("Replace");
    let recreates = |how: &str| change.details.iter().any(|d| d.requires_recreation == how);
    match change.replacement.as_str() {
        "True" => classes.push((RiskClass::Replace, "is replaced")),
        "Conditional" => classes.push((RiskClass::MaybeReplace, "may be replaced")),
        "False" | "" if replaced_by_policy => classes.push((RiskClass::Replace, "is replaced")),
        "False" | "" if recreates("Always") || recreates("Conditionally") => {
            classes.push((RiskClass::MaybeReplace, "may be replaced, once values are known"));
        }
        "False" | "" => {}
        _ => classes.push((RiskClass::MaybeReplace, "may be replaced, in a way that is not known")),
    }
    classes
}

fn deferred(pair: &Pair<'_>, moved: &Moved, stays: bool, about: &About, found: &mut Findings) {
    match (pair.old, pair.new) {
        (Some(_), None) if stays => {}
        (Some(old), None) => {
            let kept = keeps(&old.body, "DeletionPolicy");
            let (cause, policy) = match kept {
                Keeps::All => ("is left behind, managed by nobody", "Retain"),
                Keeps::Copy => ("is removed", "Snapshot"),
                Keeps::Nothing | Keeps::Unknown => ("is removed", ""),
            };
            found.add(RiskClass::Delete, about, [cause], Some(policy));
        }
        (Some(_), Some(_)) => {
            let changes = pair.section_differs("Properties") || pair.section_differs("Type");
            if changes && !stays {
                found.add(RiskClass::MaybeReplace, about, ["changes, and there is no change set yet"], None);
            }
            if moved.condition_of(pair) {
                found.add(RiskClass::Delete, about, ["may be removed: its condition changes"], None);
            }
            let loops = pair.new.is_some_and(|r| r.body.is_array()) && pair.differs();
            if loops {
                found.add(
                    RiskClass::Delete,
                    about,
                    ["a loop changes, and what it made may be removed"],
                    None,
                );
            }
        }
        (None, _) => {}
    }
}

/// What a policy keeps of a resource, the least first.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Keeps {
    Nothing,
    Copy,
    All,
    /// It is not literal.
    Unknown,
}

fn keeps(body: &Value, section: &str) -> Keeps {
    match body.get(section) {
        None => match body.get("Type").and_then(Value::as_str) {
            // The resources that keep a snapshot unless told otherwise ("DeletionPolicy attribute").
            Some("AWS::RDS::DBCluster") if section == "DeletionPolicy" => Keeps::Copy,
            Some("AWS::RDS::DBInstance")
                if section == "DeletionPolicy"
                    && body.get("Properties").is_none_or(|p| p.get("DBClusterIdentifier").is_none()) =>
            {
                Keeps::Copy
            }
            _ => Keeps::Nothing,
        },
        Some(Value::String(policy)) => match policy.as_str() {
            "Retain" | "RetainExceptOnCreate" => Keeps::All,
            "Snapshot" => Keeps::Copy,
            _ => Keeps::Nothing,
        },
        Some(_) => Keeps::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::risk::testing::{change, one_has};

    #[rstest]
    #[case("Remove", "", "Delete", &[RiskClass::Delete])]
    #[case("Remove", "", "Retain", &[RiskClass::Delete])]
    #[case("Modify", "True", "ReplaceAndDelete", &[RiskClass::Replace])]
    #[case("Modify", "True", "", &[RiskClass::Replace])]
    #[case("Modify", "Conditional", "", &[RiskClass::MaybeReplace])]
    #[case("Modify", "False", "", &[])]
    #[case("Modify", "", "ReplaceAndRetain", &[RiskClass::Replace])]
    #[case("Modify", "Perhaps", "", &[RiskClass::MaybeReplace])]
    #[case("Dynamic", "", "", &[RiskClass::MaybeReplace])]
    #[case("SyncWithActual", "", "", &[RiskClass::MaybeReplace])]
    #[case("Import", "", "", &[RiskClass::Adopt])]
    #[case("Add", "", "", &[])]
    fn of_a_change(
        #[case] action: &str,
        #[case] replacement: &str,
        #[case] policy: &str,
        #[case] want: &[RiskClass],
    ) {
        let mut c = change("A", "T", action);
        replacement.clone_into(&mut c.replacement);
        policy.clone_into(&mut c.policy_action);
        let found: Vec<_> = classes(&c).into_iter().map(|(class, _)| class).collect();
        assert_eq!(found, want);
    }

    #[rstest]
    #[case(json!({"DeletionProtectionEnabled": true}), json!({}), true)]
    #[case(json!({"DeletionProtection": "ACTIVE"}), json!({"DeletionProtection": "INACTIVE"}), true)]
    #[case(json!({"DeletionProtection": {"Ref": "P"}}), json!({"DeletionProtection": {"Ref": "Q"}}), true)]
    #[case(json!({"LoadBalancerAttributes": [{"Key": "deletion_protection.enabled", "Value": "true"}]}), json!({"LoadBalancerAttributes": [{"Key": "deletion_protection.enabled", "Value": "false"}]}), true)]
    #[case(json!({"Replicas": [{"DeletionProtectionEnabled": true}, {"DeletionProtectionEnabled": true}]}), json!({"Replicas": [{"DeletionProtectionEnabled": true}]}), true)]
    #[case(json!({"DeletionProtection": true}), json!({"DeletionProtection": {"Ref": "P"}}), true)]
    #[case(json!({"DeletionProtection": {"Ref": "P"}}), json!({"DeletionProtection": true}), false)]
    #[case(json!({"DeletionProtection": false}), json!({}), false)]
    #[case(json!({"DisableApiTermination": true, "DisableApiStop": false}), json!({"DisableApiTermination": false, "DisableApiStop": true}), true)]
    #[case(json!({"Replicas": [{"Region": "a", "DeletionProtectionEnabled": true}, {"Region": "b"}]}), json!({"Replicas": [{"Region": "a"}, {"Region": "b", "DeletionProtectionEnabled": true}]}), true)]
    #[case(json!({"Replicas": [{"Region": "a", "DeletionProtectionEnabled": true}]}), json!({"Replicas": [{"Region": "b"}, {"Region": "a", "DeletionProtectionEnabled": true}]}), false)]
    #[case(json!({"Instances": {"TerminationProtected": true}}), json!({"Instances": {"TerminationProtected": false}}), true)]
    #[case(json!({"LockConfiguration": {"MinRetentionDays": 7}}), json!({}), true)]
    #[case(json!({"DeletionProtectionCheck": "APPLY"}), json!({"DeletionProtectionCheck": "BYPASS"}), true)]
    #[case(json!({}), json!({"DeletionProtection": true}), false)]
    fn protection_against_deletion(#[case] old: Value, #[case] new: Value, #[case] want: bool) {
        assert_eq!(one_has(RiskClass::Delete, "AWS::RDS::DBInstance", &old, &new), want);
    }
}
