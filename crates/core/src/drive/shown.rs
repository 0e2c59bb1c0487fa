//! A change set beside what was told of it before it was made.

use crate::stack::Change;

/// The first change that the template difference did not show.
#[must_use]
pub fn beyond<'a>(shown: &'a [Change], announced: &[Change]) -> Option<&'a Change> {
    // What the template difference leaves out, and a change set shows: the notes of the CDK.
    let notes = |c: &Change| {
        let metadata = !c.scope.is_empty() && c.scope.iter().all(|s| s == "Metadata");
        c.resource_type == "AWS::CDK::Metadata" || (c.action == "Modify" && metadata)
    };
    let same = |a: &Change, c: &Change| {
        a.logical_id == c.logical_id && a.resource_type == c.resource_type && a.action == c.action
    };
    shown.iter().find(|c| !notes(c) && !announced.iter().any(|a| same(a, c)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rstest::rstest;

    use super::*;

    fn change(logical_id: &str, resource_type: &str, action: &str, scope: &[&str]) -> Change {
        Change {
            logical_id: logical_id.to_owned(),
            resource_type: resource_type.to_owned(),
            action: action.to_owned(),
            replacement: String::new(),
            policy_action: String::new(),
            scope: scope.iter().map(|s| (*s).to_owned()).collect(),
            details: BTreeSet::new(),
            values: None,
        }
    }

    #[rstest]
    #[case::as_announced(change("Topic", "AWS::SNS::Topic", "Add", &[]), true)]
    #[case::another_type_under_the_same_name(change("Topic", "AWS::IAM::User", "Add", &[]), false)]
    #[case::another_action(change("Topic", "AWS::SNS::Topic", "Remove", &[]), false)]
    #[case::another_resource(change("User", "AWS::IAM::User", "Add", &[]), false)]
    #[case::notes_of_the_cdk(change("Other", "AWS::S3::Bucket", "Modify", &["Metadata"]), true)]
    #[case::more_than_notes(change("Other", "AWS::S3::Bucket", "Modify", &["Metadata", "Tags"]), false)]
    #[case::nobody_says_what_changes(change("Other", "AWS::S3::Bucket", "Modify", &[]), false)]
    #[case::which_library_made_it(change("CDKMetadata", "AWS::CDK::Metadata", "Modify", &["Properties"]), true)]
    fn a_deferred_stack_shows_nothing_beyond_its_template(#[case] shown: Change, #[case] fine: bool) {
        let announced = [change("Topic", "AWS::SNS::Topic", "Add", &[])];
        assert_eq!(beyond(std::slice::from_ref(&shown), &announced).is_none(), fine);
    }
}
