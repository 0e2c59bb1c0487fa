//! Risks as a plan holds them: those that differ in nothing but the resource stand together, so that `kubectl describe` stays short.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Risk;
use crate::api::RiskClass;

/// The most groups of a plan, and the most resources of one: CEL has to compare all of them within its budget.
pub(crate) const MOST_GROUPS: usize = 2560;
const MOST_RESOURCES: usize = 24;
/// What stands between a logical id, which holds no space, and the path of its construct.
const AT: &str = " at ";

/// Dangers of one kind: an acknowledgement of the class covers exactly these resources of this stack.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RiskGroup {
    /// The class.
    class: RiskClass,
    /// The artifact id of the stack.
    #[schemars(length(max = 256))]
    stack: String,
    /// The type of the resources, such as `AWS::IAM::Role`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 255))]
    resource_type: String,
    /// What makes it dangerous, in a few words: of values at most actions, principals and ports.
    #[schemars(length(max = 256))]
    cause: String,
    /// What becomes of the old resources, as CloudFormation says it: `Delete`, `Retain`, `Snapshot` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    policy: Option<String>,
    /// The logical id of each, with those of the nested stacks around it, such as `Network/Vpc`, and where it is known the path of the
    /// construct in the CDK app: `Orders at Shop/Prod/Store/Orders/Resource`. None: it concerns the whole stack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 24), inner(length(max = 1040)))]
    resources: Vec<String>,
}

impl RiskGroup {
    fn of(risk: &Risk) -> Self {
        let Risk { class, stack, logical_id: _, resource_type, cause, policy, construct_path: _ } = risk;
        Self {
            class: *class,
            stack: stack.clone(),
            resource_type: resource_type.clone(),
            cause: cause.clone(),
            policy: policy.clone(),
            resources: Vec::new(),
        }
    }

    fn is_of(&self, risk: &Risk) -> bool {
        (self.class, &self.stack, &self.resource_type, &self.cause, &self.policy)
            == (risk.class, &risk.stack, &risk.resource_type, &risk.cause, &risk.policy)
    }

    fn risk(&self, resource: &str) -> Risk {
        let (logical_id, path) = match resource.split_once(AT) {
            Some((id, path)) => (id, Some(path.to_owned())),
            None => (resource, None),
        };
        Risk {
            class: self.class,
            stack: self.stack.clone(),
            logical_id: logical_id.to_owned(),
            resource_type: self.resource_type.clone(),
            cause: self.cause.clone(),
            policy: self.policy.clone(),
            construct_path: path,
        }
    }

    fn risks(&self) -> Vec<Risk> {
        if self.resources.is_empty() {
            return vec![self.risk("")];
        }
        self.resources.iter().map(|resource| self.risk(resource)).collect()
    }
}

/// The groups of risks that stand next to each other.
pub(crate) fn groups(risks: &[Risk]) -> Vec<RiskGroup> {
    let mut groups: Vec<RiskGroup> = Vec::new();
    for risk in risks {
        let resource = match &risk.construct_path {
            Some(path) => format!("{}{AT}{path}", risk.logical_id),
            None => risk.logical_id.clone(),
        };
        let open = |g: &&mut RiskGroup| g.is_of(risk) && (1..MOST_RESOURCES).contains(&g.resources.len());
        match groups.last_mut().filter(open) {
            Some(group) if !resource.is_empty() => group.resources.push(resource),
            Some(_) | None => {
                let mut group = RiskGroup::of(risk);
                group.resources.extend(Some(resource).filter(|r| !r.is_empty()));
                groups.push(group);
            }
        }
    }
    groups
}

pub(super) fn serialize<S: Serializer>(risks: &[Risk], serializer: S) -> Result<S::Ok, S::Error> {
    groups(risks).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Risk>, D::Error> {
    let groups = Vec::<RiskGroup>::deserialize(deserializer)?;
    Ok(groups.iter().flat_map(RiskGroup::risks).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn risk(class: RiskClass, cause: &str, id: &str, path: Option<&str>) -> Risk {
        Risk {
            logical_id: id.to_owned(),
            construct_path: path.map(str::to_owned),
            ..Risk::of_stack(class, "Prod-Store", cause)
        }
    }

    fn read_again(risks: &[Risk]) -> Vec<Risk> {
        groups(risks).iter().flat_map(RiskGroup::risks).collect()
    }

    #[test]
    fn resources_of_one_kind_stand_together_and_nothing_else_does() {
        let risks = [
            risk(RiskClass::Delete, "is removed", "A", Some("Shop/A at home/Resource")),
            risk(RiskClass::Delete, "is removed", "Net/B", None),
            risk(RiskClass::Delete, "is left behind", "C", None),
            risk(RiskClass::Iam, "is left behind", "C", None),
            risk(RiskClass::Adopt, "is taken over", "", None),
            risk(RiskClass::Adopt, "is taken over", "", None),
        ];
        let groups = groups(&risks);
        let listed: Vec<&[String]> = groups.iter().map(|g| g.resources.as_slice()).collect();
        assert_eq!(listed[0], ["A at Shop/A at home/Resource", "Net/B"]);
        assert_eq!(listed[1..].iter().map(|l| l.len()).collect::<Vec<_>>(), [1, 1, 0, 0]);
        assert_eq!(read_again(&risks), risks);
    }

    #[test]
    fn a_group_has_an_end() {
        let risks: Vec<Risk> =
            (0..50).map(|n| risk(RiskClass::Delete, "is removed", &format!("R{n}"), None)).collect();
        let sizes: Vec<usize> = groups(&risks).iter().map(|g| g.resources.len()).collect();
        assert_eq!(sizes, [24, 24, 2]);
        assert_eq!(read_again(&risks), risks);
    }

    proptest! {
        #[test]
        fn what_is_read_again_is_what_was_written(
            list in prop::collection::vec(("[A-Z]?[a-z/]{0,3}", prop::option::of("[A-Za-z/ ]{1,8}"), 0_usize..3, 0_usize..3), 0..40)
        ) {
            let causes = ["is removed", "may be another", "allows more"];
            let risks: Vec<Risk> = list
                .iter()
                .map(|(id, path, class, cause)| risk(RiskClass::ALL[*class], causes[*cause], id, path.as_deref()))
                .collect();
            let again = read_again(&risks);
            prop_assert_eq!(&again, &risks);
            prop_assert_eq!(groups(&again), groups(&risks));
        }
    }
}
