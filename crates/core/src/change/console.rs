//! Where a person reads a change set in AWS's own words.

use crate::words::{ChangeSetArn, StackId};

/// The page of a change set in the console of CloudFormation.
#[must_use]
pub fn console_url(set: &ChangeSetArn, stack: &StackId) -> String {
    let ids = format!("?stackId={}&changeSetId={}", encoded(stack.as_str()), encoded(set.as_str()));
    format!("{}/changesets/changes{ids}", stacks_page(set.as_str()))
}

/// The change set that such a page is about.
#[must_use]
pub fn change_set_at(url: &str) -> Option<ChangeSetArn> {
    // What the console itself reads stands behind the `#`.
    let (_, query) = url.rsplit_once('?')?;
    let mut fields = form_urlencoded::parse(query.as_bytes());
    fields.find(|(name, _)| name == "changeSetId")?.1.parse().ok()
}

/// The page with the events of a stack.
#[must_use]
pub fn events_url(stack: &StackId) -> String {
    format!("{}/events?stackId={}", stacks_page(stack.as_str()), encoded(stack.as_str()))
}

/// Where the console of an ARN's partition and region shows stacks.
fn stacks_page(arn: &str) -> String {
    let mut parts = arn.split(':').skip(1);
    let domain = match parts.next() {
        Some("aws-cn") => "amazonaws.cn",
        Some("aws-us-gov") => "amazonaws-us-gov.com",
        Some(_) | None => "aws.amazon.com",
    };
    let region = parts.nth(1).unwrap_or_default();
    format!("https://{region}.console.{domain}/cloudformation/home?region={region}#/stacks")
}

/// An ARN as a value in a query: what is no letter, digit, `-`, `.`, `_` or `~` is percent-encoded.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 24);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("aws", "ap-southeast-2", "https://ap-southeast-2.console.aws.amazon.com/")]
    #[case("aws-cn", "cn-north-1", "https://cn-north-1.console.amazonaws.cn/")]
    #[case("aws-us-gov", "us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/")]
    fn leads_into_the_console_of_the_partition(
        #[case] partition: &str,
        #[case] region: &str,
        #[case] start: &str,
    ) {
        let at = format!("arn:{partition}:cloudformation:{region}:111111111111");
        let set = format!("{at}:changeSet/stackgate-1/5f").parse().unwrap();
        let stack = format!("{at}:stack/Prod-Shop/7a").parse().unwrap();
        let arn = format!("arn%3A{partition}%3Acloudformation%3A{region}%3A111111111111");
        assert_eq!(
            console_url(&set, &stack),
            format!(
                "{start}cloudformation/home?region={region}#/stacks/changesets/changes\
                 ?stackId={arn}%3Astack%2FProd-Shop%2F7a&changeSetId={arn}%3AchangeSet%2Fstackgate-1%2F5f"
            )
        );
    }

    #[test]
    fn a_page_tells_its_change_set() {
        for name in ["stackgate-1/5f", "a%2Fb~c/d", "x&changeSetId=y/z"] {
            let arn = format!("arn:aws-cn:cloudformation:cn-north-1:111111111111:changeSet/{name}");
            let stack =
                "arn:aws-cn:cloudformation:cn-north-1:111111111111:stack/Prod-Shop/7a".parse().unwrap();
            let set: ChangeSetArn = arn.parse().unwrap();
            assert_eq!(change_set_at(&console_url(&set, &stack)), Some(set));
        }
        for bad in
            ["", "https://x/?changeSetId=", "https://x/?changeSetId=%4", "https://x/?changeSetId=arn%3Aaws"]
        {
            assert_eq!(change_set_at(bad), None, "{bad}");
        }
    }
}
