//! How many AWS calls a deployment took, and whether they carried what they must.

use std::collections::BTreeMap;

use super::REGION;
use crate::{CallKind, Exchange};

/// The AWS calls of some time, by what they were for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// CloudFormation calls that name a stack: by account and stack, then by operation.
    pub stacks: BTreeMap<(String, String), BTreeMap<String, usize>>,
    /// Looks at all stacks of a region, by account.
    pub polls: BTreeMap<String, usize>,
    /// Calls to S3 in sessions of the account: assets and templates.
    pub publishing: BTreeMap<String, usize>,
    /// Everything else: sessions, parameters.
    pub other: BTreeMap<String, usize>,
}

impl Tally {
    /// Counts them.
    pub fn of<'a>(exchanges: impl IntoIterator<Item = &'a Exchange>) -> Self {
        let mut tally = Self::default();
        for exchange in exchanges {
            let account = account_of(exchange);
            let call = &exchange.call;
            match call.kind() {
                CallKind::NamesStack => {
                    let of = tally.stacks.entry((account, stack_of(exchange))).or_default();
                    *of.entry(call.operation.clone()).or_default() += 1;
                }
                CallKind::RegionPoll => *tally.polls.entry(account).or_default() += 1,
                CallKind::Other if call.service == "s3" => *tally.publishing.entry(account).or_default() += 1,
                CallKind::Other => *tally.other.entry(account).or_default() += 1,
            }
        }
        tally
    }

    /// The most CloudFormation calls that the deployment of any one stack took, from plan to verified, and which stack it was.
    #[must_use]
    pub fn most_for_a_deployment(&self) -> (usize, String) {
        let deployed = self.stacks.iter().filter(|(_, calls)| calls.contains_key("ExecuteChangeSet"));
        deployed.map(|(stack, calls)| (calls.values().sum(), line(stack, calls))).max().unwrap_or_default()
    }

    /// A table for people: a line per stack, then what counts apart.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.stacks.iter().map(|(stack, calls)| line(stack, calls)).collect();
        let sum = |of: &BTreeMap<String, usize>| of.values().sum::<usize>();
        lines.push(format!(
            "apart from these: {} polls of a region, {} S3 calls for publishing and reading releases, {} others (sessions, parameters)",
            sum(&self.polls),
            sum(&self.publishing),
            sum(&self.other)
        ));
        lines
    }
}

fn line((account, stack): &(String, String), calls: &BTreeMap<String, usize>) -> String {
    let total: usize = calls.values().sum();
    let one = |(operation, n): (&String, &usize)| {
        if *n == 1 { operation.clone() } else { format!("{operation} x{n}") }
    };
    let each: Vec<String> = calls.iter().map(one).collect();
    format!("{account} {stack:<16} {total:>3}  ({})", each.join(", "))
}

/// The account that a call was about: that of its session; for a new session, that of its role; else of the base credentials.
#[must_use]
pub fn account_of(exchange: &Exchange) -> String {
    if let Some(actor) = &exchange.actor {
        return actor.account.clone();
    }
    let role = exchange.call.param("RoleArn");
    role.split(':').nth(4).unwrap_or(super::BUILD).to_owned()
}

/// The stack that a call names, by name or by id.
#[must_use]
pub fn stack_of(exchange: &Exchange) -> String {
    let named = exchange.call.param("StackName");
    // arn:aws:cloudformation:<region>:<account>:stack/<name>/<uuid>
    match named.split_once(":stack/") {
        Some((_, rest)) => rest.split('/').next().unwrap_or(rest).to_owned(),
        None => named.to_owned(),
    }
}

/// The change sets of stages that were made by another role than the deploy role, or without the execution role; in words.
#[must_use]
pub fn role_arns_missing(exchanges: &[Exchange], qualifier: &str) -> Vec<String> {
    exchanges
        .iter()
        .filter(|exchange| exchange.call.operation == "CreateChangeSet")
        .filter(|exchange| !stack_of(exchange).starts_with("CDKToolkit"))
        .filter_map(|exchange| {
            let account = account_of(exchange);
            let deploy = format!("cdk-{qualifier}-deploy-role-{account}-{REGION}");
            let execution =
                format!("arn:aws:iam::{account}:role/cdk-{qualifier}-cfn-exec-role-{account}-{REGION}");
            let by = exchange.actor.as_ref().map(|actor| actor.role.as_str()).unwrap_or_default();
            let with = exchange.call.param("RoleARN");
            (by != deploy || with != execution).then(|| {
                format!(
                    "change set of {} in {account}: made by {by:?} with RoleARN {with:?}",
                    stack_of(exchange)
                )
            })
        })
        .collect()
}
