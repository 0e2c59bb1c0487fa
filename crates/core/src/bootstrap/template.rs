//! The bootstrap template: what the toolkit stack of an environment is made of, and the parameters that it takes.
//!
//! It is compatible with version 33 of the template that `cdk bootstrap` of CDK CLI 2.1148.1 deploys: the same
//! logical ids, physical names, rights, parameters and outputs, so that either can take over a stack of the other.
//! `tests/toolkit_template.rs` holds the two against each other; `docs/bootstrap-template.md` lists what differs.

mod boundary;
mod conditions;
mod intrinsic;
mod names;
mod outputs;
mod parameters;
mod policy;
mod repository;
mod roles;
mod storage;
mod trust;

use serde_json::{Map, Value, json};

pub use parameters::{BadPolicyArn, PolicyArn, ToolkitParameters, TrustWithoutPolicies};

/// The version that the template declares in its SSM parameter and its output.
pub const TOOLKIT_VERSION: u32 = 33;

/// The template, the same for every environment: what differs between them are its parameters.
#[must_use]
pub fn toolkit_template() -> Value {
    let mut resources = Map::new();
    resources.extend(storage::resources());
    resources.extend(repository::resources());
    resources.extend(roles::resources());
    resources.extend(boundary::resources());
    resources.insert("CdkBootstrapVersion".into(), version_parameter());
    json!({
        "Description": "Roles, bucket and repository through which CDK apps are deployed into this environment",
        "Parameters": parameters::declarations(),
        "Conditions": conditions::all(),
        "Resources": resources,
        "Outputs": outputs::all(),
    })
}

/// The template as it is sent: compact JSON, always the same bytes, well below the 51,200 that CloudFormation takes
/// inline.
#[must_use]
pub fn template_body() -> String {
    // serde_json keeps object keys sorted as long as nobody turns on its `preserve_order` feature; a test would tell.
    toolkit_template().to_string()
}

/// Where the deploy role, and everyone who deploys, reads the version from.
fn version_parameter() -> Value {
    json!({
        "Type": "AWS::SSM::Parameter",
        "Properties": { "Type": "String", "Name": names::version_parameter(), "Value": TOOLKIT_VERSION.to_string() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_fits_inline_and_is_sorted() {
        let body = template_body();
        assert!(body.len() < 51_200, "{} bytes", body.len());
        assert!(body.starts_with(r#"{"Conditions":{"CreateNewKey":"#), "object keys are not sorted");
        assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON"), toolkit_template());
    }

    #[test]
    fn everything_that_is_referred_to_is_declared() {
        let template = toolkit_template();
        let mut used = Vec::new();
        references(&template, &mut used);
        for name in used.iter().filter(|n| !n.starts_with("AWS::")) {
            let declared =
                ["Parameters", "Resources", "Conditions"].iter().any(|s| template[s].get(name).is_some());
            assert!(declared, "{name} is not declared");
        }
    }

    fn references(value: &Value, used: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, inner) in fields {
                    match (key.as_str(), inner) {
                        // A condition of IAM has the same key, but holds an object.
                        ("Ref" | "Condition", Value::String(name)) => used.push(name.clone()),
                        ("Fn::If", Value::Array(parts)) => used.extend(parts[0].as_str().map(str::to_owned)),
                        ("Fn::Sub", Value::String(text)) => used.extend(
                            text.split("${")
                                .skip(1)
                                .filter_map(|s| s.split(['}', '.']).next())
                                .map(str::to_owned),
                        ),
                        _ => {}
                    }
                    references(inner, used);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, used)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
