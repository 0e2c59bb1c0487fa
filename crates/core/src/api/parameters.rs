//! Values for template parameters, as a Stage gives them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The label that lets Stages of a namespace use a Secret: whoever may write Stages may not always read Secrets.
pub const LABEL_PARAMETERS: &str = "stackgate.dev/parameters";

/// The value of a template parameter.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.value) != has(self.valueFrom)").message("give either value or valueFrom"),
)]
pub struct Parameter {
    /// Its name: `Key` for every stack that declares it, `StackName:Key` for one stack, as `cdk deploy --parameters` takes it. One
    /// that no stack of the release declares is left out, and the plan says so.
    #[schemars(
        length(min = 1, max = 384),
        regex(pattern = r"^([A-Za-z][A-Za-z0-9-]{0,127}:)?[A-Za-z0-9]{1,255}$")
    )]
    pub name: String,
    /// The value; lists with commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
    /// Where the value lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

/// Where a value lies, in the namespace of the Stage. It is read again every 5 minutes.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.configMapKeyRef) != has(self.secretKeyRef)")
        .message("give either configMapKeyRef or secretKeyRef"),
)]
pub struct ValueFrom {
    /// In a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
    /// In a Secret with the label `stackgate.dev/parameters: "true"`. CloudFormation shows a value to everybody who may describe the
    /// stack, unless the template declares the parameter `NoEcho`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
}

/// A key of a ConfigMap or Secret.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// The object's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// The key in its data.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}
