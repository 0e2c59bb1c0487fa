//! Whether a statement allows (or denies) nothing that others do not.

use std::collections::BTreeSet;

use super::{
    cidr::Cidr,
    statement::{Item, Part, Statement},
    text::{Text, Work},
};

/// The most single permissions that one statement is split into, to find each of them elsewhere.
const MOST_ATOMS: usize = 4096;
/// Characters that are compared in one step where they are no patterns.
const BYTES: usize = 64;

/// Whether everything that `narrow` says is said by some of `wide`, all of which have the same effect.
pub(super) fn covered(narrow: &Statement, wide: &BTreeSet<&Statement>, work: &mut Work) -> bool {
    if wide.contains(narrow) {
        return true;
    }
    let fitting: Vec<&Statement> =
        wide.iter().filter(|w| work.spend(1) && fits(w, narrow, work)).copied().collect();
    let whole = Parts { principal: &narrow.principal, action: &narrow.action, resource: &narrow.resource };
    within_one(whole, &fitting, work) || by_atoms(narrow, &fitting, work)
}

/// What a statement is about.
#[derive(Clone, Copy)]
struct Parts<'a> {
    principal: &'a Part,
    action: &'a Part,
    resource: &'a Part,
}

fn within_one(narrow: Parts<'_>, wide: &[&Statement], work: &mut Work) -> bool {
    wide.iter().any(|w| {
        work.spend(1)
            && part_covers(&w.principal, narrow.principal, &principal_covers, work)
            && part_covers(&w.action, narrow.action, &pattern_covers, work)
            && part_covers(&w.resource, narrow.resource, &pattern_covers, work)
    })
}

/// Whether each principal, action and resource of it, taken together, is found somewhere.
fn by_atoms(narrow: &Statement, wide: &[&Statement], work: &mut Work) -> bool {
    let single = |part: &Part| -> Vec<Part> {
        match part {
            Part::Absent | Part::AllBut(_) => vec![part.clone()],
            Part::Only(items) => items.iter().map(|i| Part::Only(BTreeSet::from([i.clone()]))).collect(),
        }
    };
    let [principals, actions, resources] =
        [single(&narrow.principal), single(&narrow.action), single(&narrow.resource)];
    let many = [&principals, &actions, &resources].into_iter().map(Vec::len).try_fold(1, usize::checked_mul);
    if many.is_none_or(|n| !(2..=MOST_ATOMS).contains(&n)) {
        return false;
    }
    principals.iter().all(|principal| {
        actions.iter().all(|action| {
            let parts = |resource| Parts { principal, action, resource };
            resources.iter().all(|resource| within_one(parts(resource), wide, work))
        })
    })
}

/// Whether all but the parts of a statement lets at least as much through.
fn fits(wide: &Statement, narrow: &Statement, work: &mut Work) -> bool {
    wide.effect == narrow.effect
        && (wide.version == narrow.version || wide.version.is_empty() || narrow.version.is_empty())
        && condition_covers(wide, narrow, work)
}

type ItemCovers = dyn Fn(&Item, &Item, &mut Work) -> bool;

fn pattern_covers(wide: &Item, narrow: &Item, work: &mut Work) -> bool {
    wide.1.covers(&narrow.1, work)
}

/// Principals know no patterns, only `*` alone.
fn principal_covers(wide: &Item, narrow: &Item, _: &mut Work) -> bool {
    wide == narrow || (wide.0 == narrow.0 && wide.1.is_star())
}

fn part_covers(wide: &Part, narrow: &Part, item: &ItemCovers, work: &mut Work) -> bool {
    match (wide, narrow) {
        (Part::Absent, Part::Absent) => true,
        (Part::Only(wide), Part::Only(narrow)) => {
            narrow.iter().all(|n| wide.contains(n) || any(wide, work, |w, work| item(w, n, work)))
        }
        (Part::AllBut(wide), Part::AllBut(narrow)) => {
            wide.iter().all(|w| narrow.contains(w) || any(narrow, work, |n, work| item(n, w, work)))
        }
        (Part::Only(wide), Part::AllBut(_)) => {
            wide.iter().any(|(kind, text)| (kind.is_empty() || kind == "AWS") && text.is_star())
        }
        (Part::AllBut(_), Part::Only(_)) | (Part::Absent, _) | (_, Part::Absent) => false,
    }
}

fn any(all: &BTreeSet<Item>, work: &mut Work, test: impl Fn(&Item, &mut Work) -> bool) -> bool {
    all.iter().any(|item| work.spend(1 + item.1.length() / BYTES) && test(item, work))
}

/// Every condition of the wide one has to be in the narrow one, as it is or for fewer cases.
fn condition_covers(wide: &Statement, narrow: &Statement, work: &mut Work) -> bool {
    wide.condition.iter().all(|((operator, key), wide)| {
        let length: usize = wide.iter().map(Text::length).fold(0, usize::saturating_add);
        let same = || narrow.condition.get(&(operator.clone(), key.clone()));
        let exactly = || narrow.condition.get(&(exact(operator)?.to_owned(), key.clone()));
        let Some(narrow) = same().or_else(exactly).filter(|_| work.spend(length / BYTES)) else {
            return false;
        };
        match listing(operator) {
            _ if wide == narrow => true,
            Listing::OneOf(value) => {
                let found = |n: &Text, work: &mut Work| {
                    wide.contains(n) || wide.iter().any(|w| work.spend(1) && value_covers(value, w, n, work))
                };
                !narrow.is_empty() && narrow.iter().all(|n| found(n, work))
            }
            Listing::NoneOf => narrow.is_superset(wide),
            Listing::Other => false,
        }
    })
}

/// The operator that takes the same values without wildcards.
fn exact(operator: &str) -> Option<&'static str> {
    match operator {
        "StringLike" => Some("StringEquals"),
        "ArnLike" => Some("ArnEquals"),
        "ArnEquals" => Some("ArnLike"),
        _ => None,
    }
}

/// Whether a value of a condition holds for all that another one holds for.
fn value_covers(value: Matched, wide: &Text, narrow: &Text, work: &mut Work) -> bool {
    match value {
        Matched::Exactly => false,
        Matched::Pattern => wide.covers(narrow, work),
        // The parts of an ARN are compared one by one, so a wildcard takes no colon in.
        Matched::Arn => wide.count(':') == narrow.count(':') && wide.covers(narrow, work),
        Matched::Addresses => {
            let block = |text: &Text| Cidr::of_address(&text.resolved(|_| None)?);
            block(wide).zip(block(narrow)).is_some_and(|(wide, narrow)| wide.covers(narrow))
        }
    }
}

enum Listing {
    OneOf(Matched),
    NoneOf,
    Other,
}

/// How a value of a condition is compared.
#[derive(Clone, Copy)]
enum Matched {
    Exactly,
    Pattern,
    Arn,
    Addresses,
}

/// How an operator takes a list of values ("IAM JSON policy elements: Condition operators").
fn listing(operator: &str) -> Listing {
    let name = operator.rsplit_once(':').map_or(operator, |(_, name)| name);
    match name.strip_suffix("IfExists").unwrap_or(name) {
        "StringEquals"
        | "StringEqualsIgnoreCase"
        | "NumericEquals"
        | "DateEquals"
        | "Bool"
        | "BinaryEquals" => Listing::OneOf(Matched::Exactly),
        "StringLike" => Listing::OneOf(Matched::Pattern),
        "ArnEquals" | "ArnLike" => Listing::OneOf(Matched::Arn),
        "IpAddress" => Listing::OneOf(Matched::Addresses),
        "StringNotEquals"
        | "StringNotEqualsIgnoreCase"
        | "StringNotLike"
        | "NumericNotEquals"
        | "DateNotEquals"
        | "NotIpAddress"
        | "ArnNotEquals"
        | "ArnNotLike" => Listing::NoneOf,
        _ => Listing::Other,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::risk::statement::{Entry, read};

    fn one(value: &Value) -> Statement {
        match read(value, "") {
            Entry::Readable(statement) => statement,
            Entry::Unreadable(text) => panic!("unreadable: {text}"),
        }
    }

    #[rstest]
    #[case::fewer_actions(json!({"Action": ["s3:Get*", "s3:Put*"], "Resource": "*"}), json!({"Action": "s3:GetObject", "Resource": "a"}), true)]
    #[case::case_of_actions(json!({"Action": "S3:*", "Resource": "*"}), json!({"Action": "s3:getobject", "Resource": "*"}), true)]
    #[case::case_of_resources(json!({"Action": "*", "Resource": "A"}), json!({"Action": "*", "Resource": "a"}), false)]
    #[case::condition_added(json!({"Action": "*"}), json!({"Action": "*", "Condition": {"Bool": {"k": "true"}}}), true)]
    #[case::condition_gone(json!({"Action": "*", "Condition": {"Bool": {"k": "true"}}}), json!({"Action": "*"}), false)]
    #[case::fewer_values(json!({"Condition": {"StringLike": {"k": ["a", "b"]}}}), json!({"Condition": {"StringLike": {"k": "a"}}}), true)]
    #[case::more_values(json!({"Condition": {"StringLike": {"k": "a"}}}), json!({"Condition": {"StringLike": {"k": ["a", "b"]}}}), false)]
    #[case::a_narrower_pattern(json!({"Condition": {"StringLike": {"k": "repo:o/r:*"}}}), json!({"Condition": {"StringLike": {"k": "repo:o/r:ref:refs/heads/main"}}}), true)]
    #[case::a_wider_pattern(json!({"Condition": {"StringLike": {"k": "repo:o/r:x"}}}), json!({"Condition": {"StringLike": {"k": "repo:o/*"}}}), false)]
    #[case::no_pattern(json!({"Condition": {"StringEquals": {"k": "a*"}}}), json!({"Condition": {"StringEquals": {"k": "ab"}}}), false)]
    #[case::exactly_one(json!({"Condition": {"StringLike": {"k": "a*"}}}), json!({"Condition": {"StringEquals": {"k": "ab"}}}), true)]
    #[case::any_of_it(json!({"Condition": {"StringEquals": {"k": "ab"}}}), json!({"Condition": {"StringLike": {"k": "ab"}}}), false)]
    #[case::an_arn(json!({"Condition": {"ArnLike": {"k": "arn:aws:s3:::a*"}}}), json!({"Condition": {"ArnLike": {"k": "arn:aws:s3:::ab"}}}), true)]
    #[case::an_arn_in_parts(json!({"Condition": {"ArnLike": {"k": "arn:aws:*"}}}), json!({"Condition": {"ArnLike": {"k": "arn:aws:s3:::ab"}}}), false)]
    #[case::fewer_addresses(json!({"Condition": {"IpAddress": {"k": "10.0.0.0/8"}}}), json!({"Condition": {"IpAddress": {"k": ["10.1.0.0/16", "10.2.3.4"]}}}), true)]
    #[case::more_addresses(json!({"Condition": {"IpAddress": {"k": "10.0.0.0/8"}}}), json!({"Condition": {"IpAddress": {"k": "0.0.0.0/0"}}}), false)]
    #[case::a_star_itself(json!({"Condition": {"StringLike": {"k": "a${*}"}}}), json!({"Condition": {"StringLike": {"k": "ab"}}}), false)]
    #[case::more_exceptions(json!({"Condition": {"StringNotEquals": {"k": "a"}}}), json!({"Condition": {"StringNotEquals": {"k": ["a", "b"]}}}), true)]
    #[case::fewer_exceptions(json!({"Condition": {"StringNotEquals": {"k": ["a", "b"]}}}), json!({"Condition": {"StringNotEquals": {"k": "a"}}}), false)]
    #[case::not_action_shrinks(json!({"NotAction": ["a:*", "b:*"]}), json!({"NotAction": "a:*"}), false)]
    #[case::not_action_grows(json!({"NotAction": "a:x"}), json!({"NotAction": ["a:*", "b:*"]}), true)]
    #[case::not_action_in_all(json!({"Action": "*"}), json!({"NotAction": "iam:*"}), true)]
    #[case::not_action_for_action(json!({"Action": "s3:*"}), json!({"NotAction": "iam:*"}), false)]
    #[case::anybody(json!({"Principal": "*"}), json!({"Principal": {"AWS": "111111111111"}}), true)]
    #[case::anybody_in_two_ways(json!({"Principal": "*"}), json!({"Principal": {"AWS": "*"}}), true)]
    #[case::service_for_account(json!({"Principal": {"AWS": "*"}}), json!({"Principal": {"Service": "x"}}), false)]
    #[case::a_pattern_of_principals_is_none(json!({"Principal": {"AWS": "a*"}}), json!({"Principal": {"AWS": "ab"}}), false)]
    #[case::principal_appears(json!({"Action": "*"}), json!({"Action": "*", "Principal": "*"}), false)]
    #[case::unresolved_condition(json!({"Condition": {"Fn::If": ["C", {}, {}]}}), json!({"Condition": {}}), false)]
    fn covers_one(#[case] mut wide: Value, #[case] mut narrow: Value, #[case] want: bool) {
        for value in [&mut wide, &mut narrow] {
            value["Effect"] = json!("Allow");
        }
        assert_eq!(covered(&one(&narrow), &BTreeSet::from([&one(&wide)]), &mut Work::new()), want);
    }

    #[test]
    fn merged_and_split_statements_say_the_same() {
        let merged = one(&json!({"Effect": "Allow", "Action": ["a:x", "a:y"], "Resource": ["r", "s"]}));
        let x = one(&json!({"Effect": "Allow", "Action": "a:x", "Resource": ["r", "s"]}));
        let y = one(&json!({"Effect": "Allow", "Action": "a:y", "Resource": ["s", "r"]}));
        assert!(covered(&merged, &BTreeSet::from([&x, &y]), &mut Work::new()));
        assert!(covered(&x, &BTreeSet::from([&merged]), &mut Work::new()));
        assert!(!covered(&merged, &BTreeSet::from([&x]), &mut Work::new()));
    }
}
