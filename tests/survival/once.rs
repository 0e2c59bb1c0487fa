//! Nothing was done twice: what the proxy saw against what the ledgers hold.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::Value;
use stackgate_testbed::{
    Exchange,
    scenario::{World, stack_of},
};

use crate::{
    fleet::{Fleet, NAMESPACES},
    left::plans,
};

/// How many calls about its stacks there were, by operation; the answers do not matter.
pub type Calls = BTreeMap<String, usize>;

/// Each stack of each plan was claimed once, settled once, and its change set accepted for execution once; none was made twice under one
/// name, and no stack deleted.
pub fn nothing_twice(world: &World, fleet: Fleet) -> Result<Calls> {
    let recorded = world.proxy.recorded();
    let about = recorded.iter().filter(|exchange| fleet.has(&stack_of(exchange))).collect::<Vec<_>>();
    let accepted = |operation: &str| {
        let mut found = BTreeMap::<String, usize>::new();
        for exchange in &about {
            if exchange.call.operation == operation && is_accepted(exchange) {
                let what = format!("{} {}", stack_of(exchange), exchange.call.param("ChangeSetName"));
                *found.entry(what).or_default() += 1;
            }
        }
        found
    };
    let mut claims = BTreeMap::<String, usize>::new();
    for namespace in NAMESPACES {
        for (stage, plans) in plans(world, namespace)? {
            if !fleet.has(&stage) {
                continue;
            }
            for plan in plans {
                let mut settles = BTreeMap::<String, usize>::new();
                for settled in plan.ledger("settled") {
                    *settles.entry(text(settled, "stackName")).or_default() += 1;
                }
                for stack in plan.ledger("claimed").flat_map(|claimed| claimed["stacks"].as_array()).flatten()
                {
                    let what = format!("{} {}", text(stack, "stackName"), text(stack, "changeSetARN"));
                    *claims.entry(what).or_default() += 1;
                    let settled = settles.remove(&text(stack, "stackName")).unwrap_or_default();
                    ensure!(settled == 1, "settled {settled} times:\n{stack} of {}\n{plan}", plan.name());
                }
                ensure!(
                    settles.is_empty(),
                    "settled, but not claimed: {settles:?} of {}\n{plan}",
                    plan.name()
                );
            }
        }
    }
    ensure!(claims.values().all(|times| *times == 1), "claimed twice: {claims:?}");
    let executed = accepted("ExecuteChangeSet");
    ensure!(executed == claims, "executed {executed:#?}\nbut claimed {claims:#?}");
    let made = accepted("CreateChangeSet");
    ensure!(made.values().all(|times| *times == 1), "made twice: {made:#?}");
    let deleted = accepted("DeleteStack");
    ensure!(deleted.is_empty(), "stacks were deleted: {deleted:?}");

    let mut calls = Calls::new();
    for exchange in about {
        *calls.entry(exchange.call.operation.clone()).or_default() += 1;
    }
    Ok(calls)
}

fn is_accepted(exchange: &Exchange) -> bool {
    exchange.reply.as_ref().is_some_and(|reply| reply.status == 200)
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
