//! Property values of a change set, for a person who asks for them with credentials of their own. The controller asks for none: it
//! knows their HMACs.

use std::collections::VecDeque;

use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::ResourceChange;
use stackgate_core::{
    effect::{Access, Refusal, RefusalKind},
    words::{ChangeSetArn, Env, StackKey},
};

use super::{
    calls::Calls,
    change_sets::{leaves_values_out, resource_changes},
    failed::Failed,
    session::Clients,
    sessions::Sessions,
    set_content::{DEEPEST, MOST},
    settings::Settings,
};

/// How the session is called that reads them.
const SESSION_NAME: &str = "stackgate-plan-values";

/// Values before and after, of all resources of a change set and of the nested ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyValues {
    /// The resources, in the order of CloudFormation.
    pub resources: Vec<ResourceValues>,
    /// Whether CloudFormation says that it has left none out.
    pub whole: bool,
}

/// The values of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceValues {
    /// Its logical id, with those of the nested stacks around it, such as `Network/Vpc`.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// What differs; where CloudFormation names no property (the resource is made or deleted), the whole resource under an empty path.
    pub properties: Vec<PropertyValue>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PropertyValue {
    /// Where it stands, such as `/Properties/Name`.
    pub path: String,
    /// What it is; absent: it is added.
    pub before: Option<String>,
    /// What it becomes; absent: it is taken away.
    pub after: Option<String>,
}

/// Reads values with the credentials that the default chain of the SDK finds (`AWS_PROFILE` and the like).
#[derive(Debug)]
pub struct Values(Sessions);

impl Values {
    /// With the credentials of whoever runs this process.
    pub async fn of_this_person() -> Self {
        Self::with(Settings::load().await)
    }

    /// With the credentials of this configuration.
    #[must_use]
    pub fn with(config: SdkConfig) -> Self {
        Self(Sessions::new(config, Settings::default(), Calls::default()))
    }

    /// The values that a change set of this stack sets; `None`: there is no such change set any more.
    ///
    /// # Errors
    /// [`RefusalKind::WrongAccount`] when the credentials are of another account; [`RefusalKind::Invalid`] when the
    /// change set is of another stack; what AWS refuses.
    pub async fn read(&self, key: &StackKey, set: &ChangeSetArn) -> Result<Option<PropertyValues>, Refusal> {
        let Env { account, region } = &key.env;
        if set.account() != *account || set.region() != region.as_str() {
            let message = format!("{set} does not lie where stack {key} does");
            return Err(Refusal { kind: RefusalKind::Invalid, message });
        }
        let access = Access {
            env: key.env.clone(),
            roles: vec![],
            session_name: SESSION_NAME.to_owned(),
            scope: None,
        };
        let clients = self.0.get(&access).await?.clients(region);
        clients.property_values(key, set).await.map_err(Failed::refusal)
    }
}

impl Clients {
    async fn property_values(
        &self,
        key: &StackKey,
        set: &ChangeSetArn,
    ) -> Result<Option<PropertyValues>, Failed> {
        let mut values = PropertyValues { resources: Vec::new(), whole: true };
        let mut queue = VecDeque::from([(String::new(), set.clone())]);
        let mut read = 0;
        while let Some((inside, arn)) = queue.pop_front() {
            read += 1;
            let Some(head) = self.change_set_pages(None, arn.as_str(), true).await? else {
                if inside.is_empty() {
                    return Ok(None);
                }
                values.whole = false;
                continue;
            };
            if inside.is_empty() && head.stack_name() != Some(key.name.as_str()) {
                let why = format!("{set} is no change set of stack {key}");
                return Err(Failed::ours(RefusalKind::Invalid, why));
            }
            values.whole &= !leaves_values_out(&head);
            values.resources.extend(resource_changes(&head).filter_map(|c| resource(&inside, c)));
            let nested = self.nested_sets(&head)?;
            if inside.matches('/').count() < DEEPEST && read + queue.len() + nested.len() <= MOST {
                queue.extend(nested.into_iter().map(|(id, arn)| (format!("{inside}{id}/"), arn)));
            } else {
                values.whole &= nested.is_empty();
            }
        }
        Ok(Some(values))
    }
}

/// `None`: nothing is known of its values.
fn resource(inside: &str, c: &ResourceChange) -> Option<ResourceValues> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let targets = c.details().iter().filter_map(|d| d.target());
    let mut properties: Vec<PropertyValue> = targets
        .map(|t| PropertyValue {
            path: text(t.path().or(t.name())),
            before: t.before_value().map(str::to_owned),
            after: t.after_value().map(str::to_owned),
        })
        .filter(|p| p.before.is_some() || p.after.is_some())
        .collect();
    // Several causes of one difference are listed one by one.
    properties.sort();
    properties.dedup();
    if properties.is_empty() {
        let (before, after) = (c.before_context().map(str::to_owned), c.after_context().map(str::to_owned));
        if before != after {
            properties.push(PropertyValue { path: String::new(), before, after });
        }
    }
    let logical_id = format!("{inside}{}", c.logical_resource_id().unwrap_or_default());
    (!properties.is_empty()).then(|| ResourceValues {
        logical_id,
        resource_type: text(c.resource_type()),
        properties,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::{ResourceAttribute, ResourceChangeDetail, ResourceTargetDefinition};

    use super::*;

    fn detail(path: &str, before: Option<&str>, after: Option<&str>) -> ResourceChangeDetail {
        let target = ResourceTargetDefinition::builder()
            .attribute(ResourceAttribute::Properties)
            .path(path)
            .set_before_value(before.map(str::to_owned))
            .set_after_value(after.map(str::to_owned))
            .build();
        ResourceChangeDetail::builder().target(target).build()
    }

    #[test]
    fn a_difference_with_several_causes_is_told_once() {
        let change = ResourceChange::builder()
            .logical_resource_id("Queue")
            .details(detail("/Properties/Delay", Some("1"), Some("2")))
            .details(detail("/Properties/Delay", Some("1"), Some("2")))
            .details(detail("/Properties/Tags", None, None))
            .before_context("{}")
            .build();
        let is = resource("Jobs/", &change).unwrap();
        assert_eq!(is.logical_id, "Jobs/Queue");
        let delay = PropertyValue {
            path: "/Properties/Delay".to_owned(),
            before: Some("1".to_owned()),
            after: Some("2".to_owned()),
        };
        assert_eq!(is.properties, [delay]);
    }

    #[test]
    fn what_is_made_is_told_as_a_whole_and_what_has_no_values_not_at_all() {
        let made = ResourceChange::builder().logical_resource_id("Q").after_context("{\"a\":1}").build();
        let is = resource("", &made).unwrap();
        assert_eq!(
            (is.properties[0].path.as_str(), is.properties[0].after.as_deref()),
            ("", Some("{\"a\":1}"))
        );
        assert_eq!(resource("", &ResourceChange::builder().logical_resource_id("Q").build()), None);
    }
}
