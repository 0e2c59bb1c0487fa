//! What a change set holds besides its own list of changes: processed templates, nested change sets, and what validations
//! and hooks have said.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use aws_sdk_cloudformation::types::TemplateStage;
use stackgate_core::{
    change::{HmacKey, unseen_nested},
    effect::RefusalKind,
    stack::{Change, ChangeSetStatus, SetContent},
    words::{ChangeSetArn, Digest, StackId, StackKey},
};

use super::{
    arns::stack_id,
    calls::Operation,
    change_sets::{EMPTY, changes, parameters},
    class::Class,
    failed::Failed,
    parse::status,
    session::Clients,
};

/// The most nested change sets of one change set. Each takes five calls; CloudFormation sets no limit of its own.
pub(super) const MOST: usize = 64;
/// How deep they may be nested.
pub(super) const DEEPEST: usize = 8;

/// A nested change set that is still to be read.
struct Nested {
    path: String,
    arn: ChangeSetArn,
    depth: usize,
}

impl Clients {
    /// Reads all of it. `None`: there is no such change set any more.
    pub(super) async fn set_content(
        &self,
        key: &StackKey,
        arn: &ChangeSetArn,
        nested: &BTreeMap<String, ChangeSetArn>,
        hmac: &HmacKey,
    ) -> Result<Option<SetContent>, Failed> {
        let name = key.name.as_str();
        let (processed, warnings) =
            tokio::join!(self.processed(name, arn), self.warnings(Some(name), arn, ""));
        let Some(processed) = processed? else { return Ok(None) };
        let mut warnings: BTreeSet<String> = warnings?.into_iter().collect();
        let mut content = SetContent::default();
        content.processed.insert(String::new(), processed);
        let mut queue: VecDeque<Nested> = below("", 1, nested).collect();
        let mut read = 0;
        while let Some(set) = queue.pop_front() {
            read += 1;
            if read > MOST || set.depth > DEEPEST {
                let why = format!(
                    "change set {arn} has more than {MOST} nested ones, or they are nested deeper than {DEEPEST}: \
                     nobody could tell what was approved"
                );
                return Err(Failed::ours(RefusalKind::Invalid, why));
            }
            // On the heap: so many calls at once are more than a stack should hold.
            queue.extend(Box::pin(self.nested(&set, hmac, &mut content, &mut warnings)).await?);
        }
        content.warnings = warnings.into_iter().collect();
        Ok(Some(content))
    }

    /// Reads one nested change set into `content`, and tells those below it.
    async fn nested(
        &self,
        set: &Nested,
        hmac: &HmacKey,
        content: &mut SetContent,
        warnings: &mut BTreeSet<String>,
    ) -> Result<Vec<Nested>, Failed> {
        let Nested { path, arn, depth } = set;
        let passing = |what: &str| {
            Failed::ours(RefusalKind::Unavailable, format!("nested change set {path} ({arn}) {what}"))
        };
        let Some(head) = self.change_set_pages(None, arn.as_str(), true).await? else {
            return Err(passing("is gone"));
        };
        let reason = head.status_reason().unwrap_or_default();
        let state: ChangeSetStatus = status(head.status().map(|s| s.as_str()), arn.as_str())?;
        match state {
            ChangeSetStatus::CreateComplete => {}
            // Its stack stands in the list of the one around it for another reason than its own resources.
            ChangeSetStatus::Failed if EMPTY.iter().any(|e| reason.starts_with(e)) => return Ok(Vec::new()),
            ChangeSetStatus::Failed => {
                let why = format!("nested change set {path} ({arn}) failed: {reason}");
                return Err(Failed::ours(RefusalKind::Invalid, why));
            }
            ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress => {
                return Err(passing("is not ready yet"));
            }
            ChangeSetStatus::DeletePending
            | ChangeSetStatus::DeleteInProgress
            | ChangeSetStatus::DeleteComplete
            | ChangeSetStatus::DeleteFailed => return Err(passing("is being deleted")),
        }
        let Some(stack) = head.stack_name() else {
            return Err(Failed::ours(RefusalKind::Invalid, format!("AWS names no stack for {arn}")));
        };
        let id = stack_id(head.stack_id(), &self.env)?;
        let (processed, said, deployed) = tokio::join!(
            self.processed(stack, arn),
            self.warnings(Some(stack), arn, path),
            self.deployed(&id)
        );
        let Some(processed) = processed? else { return Err(passing("is gone")) };
        content.deployed.extend(deployed?.map(|text| (path.clone(), text)));
        warnings.extend(said?);
        content.processed.insert(path.clone(), processed);
        let inside = format!("{path}/");
        let (sets, changes) = (self.nested_sets(&head)?, changes(&head, Some(hmac)));
        warnings.extend(unseen_nested(&changes, &sets, &inside));
        let named = parameters(&head, hmac).into_iter().map(|(k, v)| (format!("{inside}{k}"), v));
        content.parameters.extend(named);
        let moved = |c: Change| Change { logical_id: format!("{inside}{}", c.logical_id), ..c };
        content.changes.extend(changes.into_iter().map(moved));
        Ok(below(&inside, depth + 1, &sets).collect())
    }

    /// The template that a nested stack has now. One that is yet to be made has none, in whatever words AWS says so: then all
    /// that is in it counts as new.
    async fn deployed(&self, id: &StackId) -> Result<Option<Arc<str>>, Failed> {
        match self.template(id).await {
            Err(failed) if failed.class() == Class::Refused(RefusalKind::Invalid) => Ok(None),
            other => Ok(other?.filter(|text| !text.is_empty())),
        }
    }

    /// The digest of the template as CloudFormation would deploy it, after all transforms.
    async fn processed(&self, stack: &str, arn: &ChangeSetArn) -> Result<Option<Digest>, Failed> {
        let call = self
            .read
            .get_template()
            .stack_name(stack)
            .change_set_name(arn.as_str())
            .template_stage(TemplateStage::Processed)
            .send();
        match self.calls.make(Operation::GetTemplate, &self.env, call).await {
            Ok(reply) => match reply.template_body().filter(|body| !body.is_empty()) {
                Some(body) => Ok(Some(Digest::of(body))),
                None => {
                    let why = format!("AWS sent no processed template of change set {arn}");
                    Err(Failed::ours(RefusalKind::Invalid, why))
                }
            },
            Err(failed) if failed.is_not_found() => Ok(None),
            Err(failed) => Err(failed),
        }
    }
}

fn below(inside: &str, depth: usize, sets: &BTreeMap<String, ChangeSetArn>) -> impl Iterator<Item = Nested> {
    sets.iter().map(move |(id, arn)| Nested { path: format!("{inside}{id}"), arn: arn.clone(), depth })
}
