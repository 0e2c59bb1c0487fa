//! What Stackgate reads from a CloudFormation template: resources, parameters, transforms, exports and imports.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{intrinsic::Pseudo, json};
use crate::words::StackKey;

/// Why a template cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No JSON, or an object that names a key twice.
    #[error("is not valid JSON: {0}")]
    Json(String),
    /// A section has the wrong form.
    #[error("{0} is not an object")]
    NotAnObject(String),
}

/// One resource of a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its type, such as `AWS::S3::Bucket`; `Fn::ForEach` for a loop.
    pub resource_type: String,
    /// All of it, as in the template.
    pub body: Value,
}

/// One parameter of a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its type, such as `String`.
    pub parameter_type: String,
    /// Its default; without one it must be given.
    pub default: Option<Value>,
    /// Whether its value is a secret.
    pub no_echo: bool,
}

/// Names of exports: those that can be computed, and whether there are others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportNames {
    /// The names that are literal after substitution of the pseudo parameters.
    pub literal: BTreeSet<String>,
    /// Whether some name depends on what only CloudFormation knows.
    pub opaque: bool,
}

impl ExportNames {
    fn add(&mut self, name: Option<String>) {
        match name {
            Some(name) => {
                self.literal.insert(name);
            }
            None => self.opaque = true,
        }
    }
}

/// A template, read for one stack.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Resources by logical id.
    pub resources: BTreeMap<String, Resource>,
    /// Parameters by logical id.
    pub parameters: BTreeMap<String, Parameter>,
    /// Macros and transforms, at the top and inside.
    pub transforms: BTreeSet<String>,
    /// What its outputs export.
    pub exports: ExportNames,
    /// What it imports by `Fn::ImportValue`.
    pub imports: ExportNames,
    /// The whole template.
    pub json: Value,
}

impl Template {
    /// Reads the JSON text of a template as that of the given stack (whose name and environment its export names may use).
    ///
    /// # Errors
    /// [`TemplateError`] when it is no JSON object, or names a key twice.
    pub fn parse(bytes: &[u8], stack: &StackKey) -> Result<Self, TemplateError> {
        let json = json::parse(bytes).map_err(|e| TemplateError::Json(e.to_string()))?;
        let Value::Object(top) = &json else {
            return Err(TemplateError::NotAnObject("the template".to_owned()));
        };
        let pseudo = Pseudo::of(stack);
        let mut seen = Seen { pseudo: &pseudo, imports: ExportNames::default(), transforms: BTreeSet::new() };
        let (importing, others): (Vec<_>, Vec<_>) =
            top.iter().partition(|(name, _)| IMPORTING.contains(&name.as_str()));
        importing.into_iter().for_each(|(_, value)| seen.walk(value));
        let imports = std::mem::take(&mut seen.imports);
        // A macro is carried out wherever it stands.
        for (name, value) in others {
            match name.as_str() {
                "Transform" => seen.top_transform(value),
                "Fn::Transform" => seen.inner_transform(value),
                _ => {}
            }
            seen.walk(value);
        }
        let transforms = seen.transforms;
        Ok(Self {
            resources: resources(top)?,
            parameters: parameters(top)?,
            exports: exports(top, &pseudo)?,
            transforms,
            imports,
            json,
        })
    }

    /// The sections that only a macro reads, such as `Globals` of AWS::Serverless.
    pub fn macro_sections(&self) -> impl Iterator<Item = (&str, &Value)> {
        let top = self.json.as_object().into_iter().flatten();
        top.filter(|(name, _)| !SECTIONS.contains(&name.as_str())).map(|(name, value)| (name.as_str(), value))
    }
}

/// The sections in which values may be imported.
const IMPORTING: [&str; 6] = ["Resources", "Outputs", "Conditions", "Rules", "Mappings", "Hooks"];

/// The sections that CloudFormation knows.
const SECTIONS: [&str; 11] = [
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Mappings",
    "Conditions",
    "Rules",
    "Transform",
    "Resources",
    "Outputs",
    "Hooks",
];

fn section<'a>(
    top: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a Map<String, Value>>, TemplateError> {
    match top.get(name) {
        None => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(TemplateError::NotAnObject(name.to_owned())),
    }
}

fn resources(top: &Map<String, Value>) -> Result<BTreeMap<String, Resource>, TemplateError> {
    let read = |(id, body): (&String, &Value)| {
        let resource_type = match body {
            // The loops of AWS::LanguageExtensions are lists under a key of this form.
            Value::Array(_) if id.starts_with("Fn::ForEach") => "Fn::ForEach".to_owned(),
            Value::Object(o) => o.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(TemplateError::NotAnObject(format!("resource {id}")));
            }
        };
        Ok((id.clone(), Resource { resource_type, body: body.clone() }))
    };
    section(top, "Resources")?.into_iter().flatten().map(read).collect()
}

fn parameters(top: &Map<String, Value>) -> Result<BTreeMap<String, Parameter>, TemplateError> {
    let read = |(id, body): (&String, &Value)| {
        let object = body.as_object().ok_or_else(|| TemplateError::NotAnObject(format!("parameter {id}")))?;
        let no_echo = match object.get("NoEcho") {
            Some(Value::Bool(b)) => *b,
            Some(Value::String(s)) => s.eq_ignore_ascii_case("true"),
            _ => false,
        };
        let parameter_type = object.get("Type").and_then(Value::as_str).unwrap_or("String").to_owned();
        Ok((id.clone(), Parameter { parameter_type, default: object.get("Default").cloned(), no_echo }))
    };
    section(top, "Parameters")?.into_iter().flatten().map(read).collect()
}

fn exports(top: &Map<String, Value>, pseudo: &Pseudo) -> Result<ExportNames, TemplateError> {
    let mut names = ExportNames::default();
    for output in section(top, "Outputs")?.into_iter().flat_map(Map::values) {
        if let Some(name) = output.get("Export").and_then(|export| export.get("Name")) {
            names.add(pseudo.literal(name));
        }
    }
    Ok(names)
}

/// What is found at any depth of a template.
struct Seen<'a> {
    pseudo: &'a Pseudo,
    imports: ExportNames,
    transforms: BTreeSet<String>,
}

impl Seen<'_> {
    fn walk(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Value::Object(object) => {
                for (key, item) in object {
                    match key.as_str() {
                        "Fn::ImportValue" => self.imports.add(self.pseudo.literal(item)),
                        "Fn::Transform" => self.inner_transform(item),
                        _ => {}
                    }
                    self.walk(item);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn top_transform(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.top_transform(item)),
            Value::String(name) => {
                self.transforms.insert(name.clone());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => self.inner_transform(value),
        }
    }

    fn inner_transform(&mut self, value: &Value) {
        // A transform without a readable name still has to show up as one.
        let name = value.get("Name").and_then(Value::as_str).unwrap_or("(unnamed)");
        self.transforms.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::difference::{DifferenceKind, difference},
        *,
    };

    fn template(json: &Value) -> Template {
        let stack = serde_json::from_value(
            json!({"env": {"account": "111111111111", "region": "ap-southeast-2"}, "name": "Dev"}),
        )
        .unwrap();
        Template::parse(json.to_string().as_bytes(), &stack).unwrap()
    }

    #[test]
    fn reads_names_parameters_and_transforms() {
        let t = template(&json!({
            "Transform": ["AWS::LanguageExtensions", {"Name": "Mine", "Parameters": {}}],
            "Parameters": {"P": {"Type": "String", "NoEcho": "true"}, "Q": {"Type": "Number", "Default": 3}},
            "Resources": {
                "A": {"Type": "X", "Properties": {"V": {"Fn::ImportValue": {"Fn::Sub": "${AWS::StackName}-v"}}}},
                "B": {"Type": "X", "Properties": {"Fn::Transform": {"Name": "AWS::Include"}, "V": {"Fn::ImportValue": {"Ref": "P"}}}},
                "Fn::ForEach::L": ["Id", ["a"], {}]
            },
            "Outputs": {"O": {"Value": 1, "Export": {"Name": {"Fn::Join": [":", ["x", {"Ref": "AWS::Region"}]]}}}, "N": {"Value": 1}}
        }));
        assert_eq!(t.imports, ExportNames { literal: ["Dev-v".to_owned()].into(), opaque: true });
        assert_eq!(t.exports, ExportNames { literal: ["x:ap-southeast-2".to_owned()].into(), opaque: false });
        assert_eq!(
            t.transforms.iter().collect::<Vec<_>>(),
            ["AWS::Include", "AWS::LanguageExtensions", "Mine"]
        );
        assert!(t.parameters["P"].no_echo);
        assert_eq!(t.parameters["Q"].default, Some(json!(3)));
        assert_eq!(t.resources["Fn::ForEach::L"].resource_type, "Fn::ForEach");
    }

    #[test]
    fn differences_are_by_resource() {
        let old = template(&json!({"Resources": {
            "Same": {"Type": "T", "Metadata": {"aws:cdk:path": "a"}}, "Gone": {"Type": "T"},
            "Init": {"Type": "T", "Metadata": {"AWS::CloudFormation::Init": 1}},
            "Other": {"Type": "T", "DeletionPolicy": "Retain"}, "M": {"Type": "AWS::CDK::Metadata", "Properties": 1}
        }}));
        let new = template(&json!({"Resources": {
            "Same": {"Type": "T"}, "New": {"Type": "U"}, "Init": {"Type": "T", "Metadata": {"AWS::CloudFormation::Init": 2}},
            "Other": {"Type": "T"}, "M": {"Type": "AWS::CDK::Metadata", "Properties": 2}
        }}));
        let found: Vec<_> =
            difference(Some(&old), &new).into_iter().map(|d| (d.logical_id, d.kind)).collect();
        let want = [
            ("Gone", DifferenceKind::Remove),
            ("Init", DifferenceKind::Modify),
            ("New", DifferenceKind::Add),
            ("Other", DifferenceKind::Modify),
        ];
        assert_eq!(found, want.map(|(id, kind)| (id.to_owned(), kind)));
        assert_eq!(difference(None, &new).len(), 4, "all but the CDK's own");
        assert_eq!(difference(Some(&new), &new), []);
    }
}
