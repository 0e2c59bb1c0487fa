//! The few intrinsic functions that have a value before deployment: those of literals and pseudo parameters.

use serde_json::Value;

use crate::words::{Env, StackKey, partition};

/// The pseudo parameters that are known before a stack is deployed.
#[derive(Clone)]
pub(super) struct Pseudo {
    stack: StackKey,
    /// Inside a nested stack, whose name nobody knows before.
    nested: bool,
}

impl Pseudo {
    pub(super) fn of(stack: &StackKey) -> Self {
        Self { stack: stack.clone(), nested: false }
    }

    /// Those of the nested stacks of this one.
    pub(super) fn inside(stack: &StackKey) -> Self {
        Self { stack: stack.clone(), nested: true }
    }

    pub(super) fn stack(&self) -> &StackKey {
        &self.stack
    }

    pub(super) fn env(&self) -> &Env {
        &self.stack.env
    }

    /// The domain of AWS in the partition.
    pub(super) fn url_suffix(&self) -> &'static str {
        match partition(&self.stack.env.region) {
            "aws-cn" => "amazonaws.com.cn",
            _ => "amazonaws.com",
        }
    }

    fn pseudo(&self, name: &str) -> Option<&str> {
        let env = &self.stack.env;
        match name {
            "AWS::StackName" if self.nested => None,
            "AWS::StackName" => Some(self.stack.name.as_str()),
            "AWS::AccountId" => Some(env.account.as_str()),
            "AWS::Region" => Some(env.region.as_str()),
            "AWS::Partition" => Some(partition(&env.region)),
            "AWS::URLSuffix" => Some(self.url_suffix()),
            _ => None,
        }
    }

    /// The text of a string, `Ref` of a pseudo parameter, `Fn::Sub` or `Fn::Join` of such; `None` for all else.
    pub(super) fn literal(&self, value: &Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Object(object) if object.len() == 1 => self.unfold(value, &mut unfolds_to(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// `left`: how many characters may still come.
    fn unfold(&self, value: &Value, left: &mut usize) -> Option<String> {
        *left = left.checked_sub(1 + value.as_str().map_or(0, str::len))?;
        if let Value::String(text) = value {
            return Some(text.clone());
        }
        let object = value.as_object().filter(|o| o.len() == 1)?;
        let (function, argument) = object.iter().next()?;
        match function.as_str() {
            "Ref" => self.pseudo(argument.as_str()?).map(str::to_owned),
            "Fn::Join" => {
                let [Value::String(delimiter), Value::Array(items)] = argument.as_array()?.as_slice() else {
                    return None;
                };
                let items: Option<Vec<String>> = items.iter().map(|item| self.unfold(item, left)).collect();
                Some(items?.join(delimiter))
            }
            "Fn::Sub" => match argument {
                Value::String(text) => self.substitute(text, &Value::Null, left),
                Value::Array(pair) => match pair.as_slice() {
                    [Value::String(text), variables] => self.substitute(text, variables, left),
                    _ => None,
                },
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
            },
            _ => None,
        }
    }

    fn substitute(&self, text: &str, variables: &Value, left: &mut usize) -> Option<String> {
        *left = left.checked_sub(text.len())?;
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after.split_once('}')?;
            out.push_str(before);
            match name.strip_prefix('!') {
                // `${!Name}` stands for the text `${Name}`.
                Some(kept) => out.push_str(&format!("${{{kept}}}")),
                None => match variables.get(name) {
                    Some(value) => out.push_str(&self.unfold(value, left)?),
                    None => out.push_str(self.pseudo(name)?),
                },
            }
            rest = tail;
        }
        out.push_str(rest);
        Some(out)
    }
}

/// How many characters the functions of a value may unfold to, by its length. What an app writes stays far below it; functions within
/// functions multiply, and a few hundred bytes of them would be gigabytes.
pub(crate) fn unfolds_to(value: &Value) -> usize {
    value.to_string().len().saturating_mul(8).saturating_add(1024)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!("plain"), Some("plain"))]
    #[case(json!({"Fn::Sub": "${AWS::StackName}-x-${AWS::Region}"}), Some("Dev-Store-x-ap-southeast-2"))]
    #[case(json!({"Fn::Sub": ["${a}:${AWS::AccountId}", {"a": {"Ref": "AWS::Region"}}]}), Some("ap-southeast-2:111111111111"))]
    #[case(json!({"Fn::Sub": "a${!b}"}), Some("a${b}"))]
    #[case(json!({"Fn::Sub": "a${b}"}), None)]
    #[case(json!({"Fn::Sub": "a${b"}), None)]
    #[case(json!({"Fn::Join": ["-", ["a", {"Ref": "AWS::Partition"}]]}), Some("a-aws"))]
    #[case(json!({"Fn::Join": ["-", ["a", {"Ref": "Param"}]]}), None)]
    #[case(json!({"Fn::Sub": "s3.${AWS::URLSuffix}"}), Some("s3.amazonaws.com"))]
    #[case(json!({"Fn::GetAtt": ["a", "b"]}), None)]
    #[case(json!(3), None)]
    fn computes_what_is_literal(#[case] value: Value, #[case] want: Option<&str>) {
        let stack: StackKey = serde_json::from_value(
            json!({"env": {"account": "111111111111", "region": "ap-southeast-2"}, "name": "Dev-Store"}),
        )
        .unwrap();
        assert_eq!(Pseudo::of(&stack).literal(&value).as_deref(), want);
    }
    #[rstest]
    #[case::characters("aaaaaaaaaa")]
    #[case::nothing("")]
    fn functions_that_multiply_have_no_value(#[case] inside: &str) {
        let bomb = (0..30).fold(json!(inside), |v, _| json!({"Fn::Sub": ["${a}".repeat(10), {"a": v}]}));
        let stack = json!({"env": {"account": "111111111111", "region": "ap-southeast-2"}, "name": "Dev"});
        assert_eq!(Pseudo::of(&serde_json::from_value(stack).unwrap()).literal(&bomb), None);
    }
}
