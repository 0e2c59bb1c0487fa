//! CreateChangeSet, with every input that the CDK CLI gives it.

use aws_sdk_cloudformation::types::{Capability, ChangeSetType, Parameter, Tag};
use stackgate_core::{
    change::Hidden,
    effect::{RefusalKind, TemplateSource, WantedChangeSet},
    stack::ChangeSetKind,
    words::{BucketName, ChangeSetArn, Env, StackId},
};

use super::{
    arns::{change_set_arn, stack_id},
    calls::Operation,
    failed::Failed,
    policy::dns_suffix,
    session::Clients,
};

/// The most bytes of a template inside the call (CloudFormation quota).
const INLINE_LIMIT: usize = 51_200;

impl Clients {
    /// Makes a change set. The same token, name and input make one at most.
    pub(super) async fn create_change_set(
        &self,
        wanted: &WantedChangeSet,
    ) -> Result<(ChangeSetArn, StackId), Failed> {
        let WantedChangeSet {
            key,
            name,
            kind,
            description,
            template,
            parameters,
            tags,
            capabilities,
            role,
            notification_arns,
            import_existing,
            token,
            quiet: _,
            access: _,
        } = wanted;
        let call = self
            .change
            .create_change_set()
            .stack_name(key.name.as_str())
            .change_set_name(name.as_str())
            .change_set_type(match kind {
                ChangeSetKind::Create => ChangeSetType::Create,
                ChangeSetKind::Update => ChangeSetType::Update,
            })
            .description(description)
            .client_token(token)
            .include_nested_stacks(true)
            .set_parameters(Some(parameters.iter().map(parameter).collect()))
            .set_tags(Some(tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build()).collect()))
            .set_capabilities(Some(capabilities.iter().map(|c| Capability::from(c.as_str())).collect()))
            .set_role_arn(role.as_ref().map(|r| r.as_str().to_owned()))
            .set_notification_arns(notification_arns.clone())
            .set_import_existing_resources(import_existing.then_some(true));
        let call = match template {
            TemplateSource::Bucket(bucket, key) => call.template_url(template_url(&self.env, bucket, key)),
            TemplateSource::Inline(text) if text.len() > INLINE_LIMIT => {
                let why =
                    format!("the template of {key} has {} bytes, {INLINE_LIMIT} fit into a call", text.len());
                return Err(Failed::ours(RefusalKind::Invalid, why));
            }
            TemplateSource::Inline(text) => call.template_body(text.as_ref()),
        };
        let reply = self.calls.make(Operation::CreateChangeSet, &self.env, call.send()).await?;
        Ok((change_set_arn(reply.id(), &self.env)?, stack_id(reply.stack_id(), &self.env)?))
    }
}

fn parameter((name, value): &(String, Option<Hidden>)) -> Parameter {
    let parameter = Parameter::builder().parameter_key(name);
    match value {
        Some(value) => parameter.parameter_value(value.reveal()),
        None => parameter.use_previous_value(true),
    }
    .build()
}

/// The address of an object as CloudFormation takes it, path style as the CDK CLI writes it.
#[must_use]
pub fn template_url(env: &Env, bucket: &BucketName, key: &str) -> String {
    let mut url = format!("https://s3.{}.{}/{bucket}/", env.region, dns_suffix(env));
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                url.push(char::from(byte))
            }
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ap-southeast-2", "a/b.json", "https://s3.ap-southeast-2.amazonaws.com/assets/a/b.json")]
    #[case("cn-north-1", "b.json", "https://s3.cn-north-1.amazonaws.com.cn/assets/b.json")]
    #[case("us-east-1", "a b+ü", "https://s3.us-east-1.amazonaws.com/assets/a%20b%2B%C3%BC")]
    fn template_urls_are_path_style(#[case] region: &str, #[case] key: &str, #[case] url: &str) {
        let env = Env { account: "111111111111".parse().unwrap(), region: region.parse().unwrap() };
        assert_eq!(template_url(&env, &"assets".parse().unwrap(), key), url);
    }
}
