//! What lies in AWS, looked at past the controller and past the proxy.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::World;
use crate::CallFailed;

/// One stack of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackLine {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: String,
}

impl World {
    /// The stacks of an account, by name.
    ///
    /// # Errors
    /// When AWS refuses.
    pub fn stacks(&self, account: &str) -> Result<Vec<StackLine>> {
        let found = self.aws.call(account, "cloudformation", "DescribeStacks", &json!({}))?;
        let text = |stack: &Value, name: &str| stack[name].as_str().unwrap_or_default().to_owned();
        let mut stacks: Vec<StackLine> = found["Stacks"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|stack| StackLine {
                name: text(stack, "StackName"),
                id: text(stack, "StackId"),
                status: text(stack, "StackStatus"),
            })
            .collect();
        stacks.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(stacks)
    }

    /// The status of one stack; nothing when it is not there.
    ///
    /// # Errors
    /// When AWS refuses.
    pub fn stack_status(&self, account: &str, name: &str) -> Result<Option<String>> {
        Ok(self.stacks(account)?.into_iter().find(|stack| stack.name == name).map(|stack| stack.status))
    }

    /// The digest of the code of a stack's only Lambda function, as Lambda names it.
    ///
    /// # Errors
    /// When AWS refuses, or the stack has no function.
    pub fn function_code(&self, account: &str, stack: &str) -> Result<String> {
        let what = json!({ "StackName": stack });
        let found = self.aws.call(account, "cloudformation", "DescribeStackResources", &what)?;
        let resources = found["StackResources"].as_array().cloned().unwrap_or_default();
        let function = resources
            .iter()
            .find(|resource| resource["ResourceType"] == "AWS::Lambda::Function")
            .with_context(|| format!("stack {stack} of {account} has no function"))?;
        let name = json!({ "FunctionName": function["PhysicalResourceId"] });
        let settings = self.aws.call(account, "lambda", "GetFunctionConfiguration", &name)?;
        settings["CodeSha256"].as_str().map(str::to_owned).context("a function without code")
    }

    /// The template of a stack, as it was deployed.
    ///
    /// # Errors
    /// When AWS refuses.
    pub fn template(&self, account: &str, stack: &str) -> Result<Value> {
        let what = json!({ "StackName": stack, "TemplateStage": "Original" });
        let found = self.aws.call(account, "cloudformation", "GetTemplate", &what)?;
        match &found["TemplateBody"] {
            Value::String(text) => Ok(serde_json::from_str(text)?),
            body => Ok(body.clone()),
        }
    }

    /// The change sets of a stack that could be executed.
    ///
    /// # Errors
    /// When AWS refuses.
    pub fn executable_change_sets(&self, account: &str, stack: &str) -> Result<Vec<String>> {
        let what = json!({ "StackName": stack });
        let found = match self.aws.call(account, "cloudformation", "ListChangeSets", &what) {
            Err(error) if error.downcast_ref::<CallFailed>().is_some_and(|e| e.code == "ValidationError") => {
                return Ok(Vec::new()); // no such stack
            }
            found => found?,
        };
        let sets = found["Summaries"].as_array().cloned().unwrap_or_default();
        Ok(sets
            .iter()
            .filter(|set| set["ExecutionStatus"] == "AVAILABLE")
            .filter_map(|set| set["ChangeSetName"].as_str().map(str::to_owned))
            .collect())
    }
}
