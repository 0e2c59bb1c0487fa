//! Stacks: read by name, read page by page, deleted; and their templates.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aws_sdk_cloudformation::types::{ChangeSetStatus as SdkSetStatus, Parameter, Stack, TemplateStage};
use stackgate_core::{
    change::Hidden,
    effect::RefusalKind,
    stack::{StackRow, StackStatus},
    words::{RoleArn, StackId, StackKey},
};

use super::{
    arns::stack_id,
    calls::Operation,
    drift::drift_of,
    failed::Failed,
    parse::{status, timestamp},
    session::Clients,
};

/// The names of these parameters of a stack.
fn names(stack: &Stack, of: impl Fn(&Parameter) -> bool) -> BTreeSet<String> {
    let these = stack.parameters().iter().filter(|p| of(p));
    these.filter_map(Parameter::parameter_key).map(str::to_owned).collect()
}

/// Whether CloudFormation shows asterisks in place of its value, as of a `NoEcho` parameter.
fn is_masked(parameter: &Parameter) -> bool {
    parameter.parameter_value().is_some_and(|v| !v.is_empty() && v.chars().all(|c| c == '*'))
}

/// A page of the stacks of a region.
pub(super) struct StackPage {
    /// Names and rows; a row that cannot be read stands as the reason.
    pub(super) rows: Vec<(String, Result<StackRow, Failed>)>,
    /// The next page, if there is one.
    pub(super) next: Option<String>,
}

impl Clients {
    /// Reads a stack by name. One in REVIEW_IN_PROGRESS comes with the number of its change sets.
    pub(super) async fn stack(&self, key: &StackKey) -> Result<Option<StackRow>, Failed> {
        let call = self.read.describe_stacks().stack_name(key.name.as_str()).send();
        let reply = match self.calls.make(Operation::DescribeStack, &self.env, call).await {
            Ok(reply) => reply,
            Err(failed) if failed.is_not_found() => return Ok(None),
            Err(failed) => return Err(failed),
        };
        let Some(stack) = reply.stacks().iter().find(|s| s.stack_name() == Some(key.name.as_str())) else {
            return Err(Failed::ours(
                RefusalKind::Invalid,
                format!("AWS answered for another stack than {key}"),
            ));
        };
        let mut row = self.stack_row(stack)?;
        if row.status == StackStatus::ReviewInProgress {
            match self.count_change_sets(key).await {
                Ok(n) => row.change_sets = Some(n),
                // It went away in between.
                Err(failed) if failed.is_not_found() => return Ok(None),
                Err(failed) => return Err(failed),
            }
        }
        Ok(Some(row))
    }

    /// Reads one page of all stacks of the region.
    pub(super) async fn stack_page(&self, token: Option<String>) -> Result<StackPage, Failed> {
        let call = self.read.describe_stacks().set_next_token(token).send();
        let reply = self.calls.make(Operation::PollStacks, &self.env, call).await?;
        let rows = reply
            .stacks()
            .iter()
            .filter_map(|s| Some((s.stack_name()?.to_owned(), self.stack_row(s))))
            .collect();
        Ok(StackPage { rows, next: reply.next_token().filter(|t| !t.is_empty()).map(str::to_owned) })
    }

    /// Change sets of a stack, counted by its name: by StackId some answer with none.
    async fn count_change_sets(&self, key: &StackKey) -> Result<u32, Failed> {
        let (mut count, mut token) = (0_u32, None);
        loop {
            let call =
                self.read.list_change_sets().stack_name(key.name.as_str()).set_next_token(token).send();
            let reply = self.calls.make(Operation::ListChangeSets, &self.env, call).await?;
            let there = reply.summaries().iter().filter(|s| {
                s.status() != Some(&SdkSetStatus::DeleteComplete)
                    // Some answer with those of other stacks besides.
                    && s.stack_name().is_none_or(|name| name == key.name.as_str())
            });
            count = count.saturating_add(u32::try_from(there.count()).unwrap_or(u32::MAX));
            match reply.next_token().filter(|t| !t.is_empty()) {
                Some(next) => token = Some(next.to_owned()),
                None => return Ok(count),
            }
        }
    }

    fn stack_row(&self, stack: &Stack) -> Result<StackRow, Failed> {
        let id = stack_id(stack.stack_id(), &self.env)?;
        let updated = stack
            .last_updated_time()
            .or(stack.creation_time())
            .ok_or_else(|| Failed::ours(RefusalKind::Invalid, format!("AWS sent no time for stack {id}")))?;
        Ok(StackRow {
            status: status(stack.stack_status().map(|s| s.as_str()), id.as_str())?,
            updated: timestamp(updated)?,
            exports: stack.outputs().iter().filter_map(|o| o.export_name()).map(str::to_owned).collect(),
            parameters: names(stack, |_| true),
            masked: names(stack, is_masked),
            protected: stack.enable_termination_protection().unwrap_or_default(),
            role: stack.role_arn().map(str::to_owned),
            drift: drift_of(stack),
            change_sets: None,
            id,
        })
    }

    /// What a stack puts out; nothing where it is gone.
    pub(super) async fn outputs(&self, id: &StackId) -> Result<BTreeMap<String, Hidden>, Failed> {
        let call = self.read.describe_stacks().stack_name(id.as_str()).send();
        let reply = match self.calls.make(Operation::DescribeStack, &self.env, call).await {
            Ok(reply) => reply,
            Err(failed) if failed.is_not_found() => return Ok(BTreeMap::new()),
            Err(failed) => return Err(failed),
        };
        let all = reply.stacks().iter().flat_map(Stack::outputs);
        Ok(all.filter_map(|o| Some((o.output_key()?.to_owned(), Hidden::new(o.output_value()?)))).collect())
    }

    /// Reads the template of a stack, as it was submitted.
    pub(super) async fn template(&self, id: &StackId) -> Result<Option<Arc<str>>, Failed> {
        let call =
            self.read.get_template().stack_name(id.as_str()).template_stage(TemplateStage::Original).send();
        match self.calls.make(Operation::GetTemplate, &self.env, call).await {
            Ok(reply) => Ok(reply.template_body().map(Arc::from)),
            Err(failed) if failed.is_not_found() => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    /// Protects a stack against deletion, or no longer. Setting what is set already changes nothing.
    pub(super) async fn protect_stack(&self, id: &StackId, on: bool) -> Result<(), Failed> {
        let call = self
            .change
            .update_termination_protection()
            .stack_name(id.as_str())
            .enable_termination_protection(on)
            .send();
        self.calls.make(Operation::UpdateTerminationProtection, &self.env, call).await.map(drop)
    }

    /// Deletes a stack, by its StackId: one that took its name meanwhile is not meant.
    pub(super) async fn delete_stack(&self, id: &StackId, role: Option<&RoleArn>) -> Result<(), Failed> {
        // Without a token: the id means one stack for ever, and asking twice deletes once; but a later try of what has failed must
        // not be taken for this one.
        let role = role.map(|r| r.as_str().to_owned());
        let call = self.change.delete_stack().stack_name(id.as_str()).set_role_arn(role).send();
        self.calls.make(Operation::DeleteStack, &self.env, call).await.map(drop)
    }
}
