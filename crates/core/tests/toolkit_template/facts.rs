//! A template as a flat list of facts, free of what CloudFormation and IAM do not care about.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::{Map, Value};

/// Paths into the template, and the scalar found there. Policy statements are paths whole: their order means nothing.
pub(crate) type Facts = BTreeMap<String, Value>;

/// One path where two templates say different things.
pub(crate) struct Difference {
    pub(crate) path: String,
    pub(crate) theirs: Option<Value>,
    pub(crate) ours: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
        write!(f, "{}\n    CDK:  {}\n    ours: {}", self.path, side(&self.theirs), side(&self.ours))
    }
}

pub(crate) fn of(template: &Value) -> Facts {
    let mut facts = Facts::new();
    collect(template, String::new(), &mut facts);
    facts
}

pub(crate) fn differences(theirs: &Facts, ours: &Facts) -> Vec<Difference> {
    let paths: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    paths
        .into_iter()
        .map(|path| Difference {
            path: path.clone(),
            theirs: theirs.get(path).cloned(),
            ours: ours.get(path).cloned(),
        })
        .filter(|difference| difference.theirs != difference.ours)
        .collect()
}

pub(crate) fn names_in(facts: &Facts, section: &str) -> BTreeSet<String> {
    let prefix = format!("{section}/");
    facts.keys().filter_map(|path| path.strip_prefix(&prefix)?.split('/').next()).map(str::to_owned).collect()
}

/// Whether the path is the pattern, step by step.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut steps) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), steps.next()) {
            (None, None) => return true,
            (Some(want), Some(step)) if want == "*" || want == step => {}
            _ => return false,
        }
    }
}

fn collect(value: &Value, path: String, facts: &mut Facts) {
    let below = |step: &str| if path.is_empty() { step.to_owned() } else { format!("{path}/{step}") };
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                match (key.as_str(), inner) {
                    ("Statement", Value::Array(statements)) => {
                        for statement in statements {
                            facts.insert(
                                below(&format!("Statement/{}", normal(statement))),
                                Value::Bool(true),
                            );
                        }
                    }
                    ("LifecyclePolicyText", Value::String(text)) => {
                        let inner = serde_json::from_str(text).expect("the lifecycle policy is JSON");
                        collect(&inner, below(key), facts);
                    }
                    _ => collect(inner, below(key), facts),
                }
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                collect(inner, below(&index.to_string()), facts);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            facts.insert(path, value.clone());
        }
    }
}

/// A statement in which one action, resource or condition value and a list of just that are the same, and lists are
/// sets. The arguments of an intrinsic function keep their order.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let each = fields.iter().map(|(key, inner)| {
                let inner = if key.starts_with("Fn::") { in_order(inner) } else { as_set(inner) };
                (key.clone(), inner)
            });
            Value::Object(each.collect::<Map<_, _>>())
        }
        Value::Array(_) => as_set(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn in_order(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            normal(value)
        }
    }
}

fn as_set(value: &Value) -> Value {
    let Value::Array(items) = value else { return normal(value) };
    let mut items: Vec<Value> = items.iter().map(normal).collect();
    items.sort_by_key(Value::to_string);
    items.dedup();
    if items.len() == 1 { items.remove(0) } else { Value::Array(items) }
}
