//! Whose field is whose.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use stackgate_testbed::scenario::{Case, Kind, Object, SHOP, World};

use crate::git::Writer;

/// What the controller writes under.
const CONTROLLER: &str = "stackgate-controller";

/// The objects of a case that are in git.
fn objects(world: &World, case: &Case) -> Result<Vec<Object>> {
    let kinds = [Kind::AwsAccount, Kind::Bootstrap, Kind::CloudAssembly, Kind::Stage];
    let get = |kind: Kind| {
        world
            .object(kind, SHOP, &case.name)?
            .with_context(|| format!("{} {} is gone", kind.plural(), case.name))
    };
    kinds.into_iter().map(get).collect()
}

/// Nobody has changed a spec since it was made, and no field has two owners that would write it in turn: the writer has what
/// is in git, the controller status and finalizer.
pub fn nobody_fights(world: &World, case: &Case, writer: &str) -> Result<()> {
    for object in objects(world, case)? {
        let generation = object.0["metadata"]["generation"].as_i64();
        ensure!(
            generation == Some(1),
            "{} {} is at generation {generation:?}",
            object.text("/kind"),
            object.name()
        );
        let mut theirs = BTreeSet::new();
        let mut ours = BTreeSet::new();
        for entry in object.list("/metadata/managedFields") {
            let manager = entry["manager"].as_str().unwrap_or_default();
            let mut paths = BTreeSet::new();
            owned(&entry["fieldsV1"], "", &mut paths);
            if manager == writer {
                theirs.extend(paths);
            } else if manager == CONTROLLER {
                ours.extend(paths);
            }
        }
        ensure!(!ours.is_empty(), "{CONTROLLER} owns nothing:\n{}", object.0["metadata"]["managedFields"]);
        ensure!(!theirs.is_empty(), "{writer} owns nothing:\n{}", object.0["metadata"]["managedFields"]);
        let both: Vec<_> = theirs.intersection(&ours).collect();
        ensure!(both.is_empty(), "both write {both:?} of {} {}", object.text("/kind"), object.name());
        let status: Vec<_> =
            theirs.iter().filter(|p| p.starts_with("/f:status") || p.contains("f:finalizers")).collect();
        ensure!(status.is_empty(), "{writer} writes {status:?}");
    }
    Ok(())
}

/// The leaves of a set of fields.
fn owned(fields: &Value, at: &str, paths: &mut BTreeSet<String>) {
    match fields.as_object() {
        Some(inner) if !inner.is_empty() => {
            for (name, inner) in inner.iter().filter(|(name, _)| *name != ".") {
                owned(inner, &format!("{at}/{name}"), paths);
            }
        }
        _ => {
            paths.insert(at.to_owned());
        }
    }
}

/// Waits until nobody writes any more while GitOps goes on applying; returns what its rounds said meanwhile. What the
/// controller still has to say of the last change may take a moment; a fight over fields would never end.
pub fn quiet_rounds(world: &World, case: &Case, writer: &Writer) -> Result<String> {
    let mut before = objects(world, case)?;
    let mut written = Vec::new();
    for _ in 0..6 {
        let said = writer.rounds(world, 3)?;
        let now = objects(world, case)?;
        written =
            before.iter().zip(&now).filter(|(b, n)| b.0 != n.0).map(|(b, n)| difference(b, n)).collect();
        if written.is_empty() {
            return Ok(said);
        }
        before = now;
    }
    bail!("somebody writes though nothing happens:\n{}", written.join("\n"))
}

/// What differs between two versions of an object, line by line.
fn difference(before: &Object, now: &Object) -> String {
    let (before, now) = (format!("{:#}", before.0), format!("{:#}", now.0));
    let lines = |of: &str, except: &str, sign: char| -> Vec<String> {
        let except: BTreeSet<&str> = except.lines().collect();
        of.lines().filter(|line| !except.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    [lines(&before, &now, '-'), lines(&now, &before, '+')].concat().join("\n")
}

/// An annotation of the Stage.
pub fn annotation(world: &World, case: &Case, key: &str) -> Result<Option<String>> {
    let stage = world.object(Kind::Stage, SHOP, &case.name)?.context("the Stage is gone")?;
    Ok(stage.0["metadata"]["annotations"][key].as_str().map(str::to_owned))
}

/// Whether the record of a plan holds a decision that was found there.
pub fn records(world: &World, plan: &str, action: &str, source: &str) -> Result<()> {
    let plan = world.object(Kind::ChangePlan, SHOP, plan)?.context("the plan is gone")?;
    let found = plan.ledger("decided").any(|d| d["action"] == action && d["source"] == source);
    ensure!(found, "the record of {} has no {action} on the {source}:\n{plan}", plan.name());
    Ok(())
}
