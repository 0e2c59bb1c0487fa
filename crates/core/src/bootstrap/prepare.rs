//! The change set of a toolkit stack, up to its claim: made, waited for, and held against what the plan tells.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{
    environment::{EnvironmentState, Toolkit},
    template::template_body,
};
use crate::{
    api::{ClaimedStack, OwnedStack, Reason, Settled, SettledAs},
    change::{CAPABILITIES, Hidden, create_token},
    drive::{Prepared as PreparedSet, beyond},
    effect::{Mutation, TemplateSource, WantedChangeSet},
    stack::{Change, ChangeSetKind, StackStatus},
    verdict::{Need, Step},
    words::{ChangeSetName, StackId},
};

/// A stack on its way to a claim.
enum Prepared {
    /// Its change set may be recorded as claimed.
    Claim(ClaimedStack),
    /// Nothing differs, or nothing is there, which is to be recorded.
    Ended(Box<Settled>),
}

impl Toolkit<'_> {
    /// Up to the claim of what is to be made or changed. `failed`: how the last try of making it ended.
    pub(super) fn prepared(&self, failed: Option<&Settled>, now: Timestamp) -> EnvironmentState {
        let claim = match self.owned {
            Some(_) if self.plan.proposal().changed.is_none() => Err(Need::stuck(
                Reason::PlanFailed,
                format!(
                    "plan {} makes toolkit stacks, and {} is there with other content",
                    self.plan.name, self.key
                ),
            )),
            Some(owned) => self.prepare_change(owned, now),
            None => self.prepare(failed, now).map(Prepared::Claim),
        };
        match claim {
            Ok(Prepared::Claim(claim)) => EnvironmentState::Claim(Box::new(claim)),
            Ok(Prepared::Ended(settled)) => EnvironmentState::Settle(settled),
            Err(need) => EnvironmentState::Need(need),
        }
    }

    fn prepare(&self, failed: Option<&Settled>, now: Timestamp) -> Step<ClaimedStack> {
        let wish = self.wish();
        let row = wish.fresh_row(now)?;
        if let Some(row) = row.filter(|r| r.exists()) {
            let again = now.saturating_add(SignedDuration::from_mins(1)).ok();
            return Err(match failed {
                Some(x) if x.stack_id == row.id => Need::Stuck(
                    Reason::RolledBack,
                    format!(
                        "stack {} ended in {}{}; mend the cause and delete the stack, then it is made again",
                        self.key,
                        x.status,
                        x.message.as_deref().map(|m| format!(" ({m})")).unwrap_or_default()
                    ),
                    again,
                ),
                Some(_) | None => Need::Stuck(
                    Reason::StackNotOurs,
                    format!(
                        "stack {} exists ({}) and was not made by this Bootstrap: give toolkitStackName another name, or delete that stack",
                        self.key, row.id
                    ),
                    again,
                ),
            });
        }
        let prepared = wish.change_set(row, false, |kind, name| self.wanted_change_set(kind, name), now)?;
        let PreparedSet { set, leaf, .. } = self.made_by_us(prepared, now)?;
        let set =
            set.ok_or_else(|| Need::stuck(Reason::PlanFailed, "the bootstrap template makes nothing"))?;
        Ok(ClaimedStack::of(&self.key, &set, leaf, self.input))
    }

    /// What is claimed here has been approved as template and parameters, and CloudFormation shows of a change set neither in full. That
    /// one is ours, its description proves; but whoever may make change sets in that account can read the description, and write it on
    /// another one, which our role would then carry out. Only the answer to our own call tells which is ours: another one goes, one of
    /// before a crash with it, and is made anew.
    fn made_by_us(&self, prepared: PreparedSet, now: Timestamp) -> Step<PreparedSet> {
        match &prepared.set {
            Some(set) if !self.s.facts.made.contains(&set.arn) => {
                Err(self.wish().taken_away(set, "nothing proves that this controller made it", now))
            }
            Some(_) | None => Ok(prepared),
        }
    }

    /// The change set of a stack that is there.
    fn prepare_change(&self, owned: &OwnedStack, now: Timestamp) -> Step<Prepared> {
        let wish = self.wish();
        let again = now.saturating_add(SignedDuration::from_mins(1)).ok();
        let Some(row) = wish.fresh_row(now)?.filter(|r| r.exists()) else {
            let (state, why) =
                ((StackStatus::DeleteComplete.as_str(), now), "somebody has deleted it".to_owned());
            let id = owned.stack_id.clone();
            let settled = Settled::of(&self.key, id, SettledAs::Gone, state, Some(why));
            return Ok(Prepared::Ended(Box::new(settled)));
        };
        let another = |id: &StackId| {
            let what = format!("stack {} was made anew by somebody else ({id}): it is not changed", self.key);
            Err(Need::Stuck(Reason::StackNotOurs, what, again))
        };
        if row.id != owned.stack_id {
            return another(&row.id);
        }
        let prepared =
            wish.change_set(Some(row), false, |kind, name| self.wanted_change_set(kind, name), now)?;
        let prepared = self.made_by_us(prepared, now)?;
        let Some(set) = &prepared.set else {
            let state = (row.status.as_str(), row.updated);
            let nothing = Some("nothing differs".to_owned());
            let settled = Settled::of(&self.key, row.id.clone(), SettledAs::Succeeded, state, nothing);
            return Ok(Prepared::Ended(Box::new(settled)));
        };
        if set.stack_id != owned.stack_id {
            return another(&set.stack_id);
        }
        if let Some(odd) = self.odd(&prepared.changes) {
            return Err(Need::Stuck(
                Reason::PlanFailed,
                format!(
                    "the change set of stack {} shows what the plan does not: {} of {} ({}). Look at it, and at the drift of the \
                     stack: aws cloudformation describe-change-set --region {} --change-set-name {}",
                    self.key, odd.action, odd.logical_id, odd.resource_type, self.key.env.region, set.arn
                ),
                again,
            ));
        }
        let on = self.baseline();
        let leaf = prepared.leaf_on(&self.key, &self.input, &on).unwrap_or(prepared.leaf);
        Ok(Prepared::Claim(ClaimedStack::of(&self.key, set, leaf, self.input)))
    }

    /// The first change that nobody could see in the plan. Other parameters change resources in place, and nothing else.
    fn odd<'c>(&self, shown: &'c [Change]) -> Option<&'c Change> {
        let told = self.plan.proposal().changed.as_ref();
        let in_place = |c: &Change| c.action == "Modify" && matches!(c.replacement.as_str(), "" | "False");
        let announced: Vec<Change> = told
            .into_iter()
            .flat_map(|t| &t.resources)
            .map(|r| Change {
                logical_id: r.logical_id.clone(),
                resource_type: r.resource_type.clone(),
                action: r.action.clone(),
                replacement: String::new(),
                policy_action: String::new(),
                scope: BTreeSet::new(),
                details: BTreeSet::new(),
                values: None,
            })
            .collect();
        shown.iter().find(|c| !in_place(c) && beyond(std::slice::from_ref(*c), &announced).is_some())
    }

    fn wanted_change_set(&self, kind: ChangeSetKind, name: ChangeSetName) -> Mutation {
        let owner = format!("Bootstrap {}", self.s.bootstrap.name_any());
        let call = WantedChangeSet {
            key: self.key.clone(),
            kind,
            description: self.s.installation.key.description(&owner, name.as_str(), &self.input),
            template: TemplateSource::Inline(Arc::from(template_body())),
            parameters: self
                .wanted
                .parameters
                .iter()
                .map(|(k, v)| (k.clone(), Some(Hidden::new(v.as_str()))))
                .collect(),
            tags: Vec::new(),
            capabilities: CAPABILITIES.iter().map(|c| (*c).to_owned()).collect(),
            role: None,
            notification_arns: None,
            import_existing: true,
            token: create_token(&name),
            // The values stand in the Bootstrap.
            quiet: false,
            name,
            access: self.access.clone(),
        };
        debug_assert!(call.is_covered_by(&self.content), "an input of the call that its digest leaves out");
        Mutation::CreateChangeSet(Box::new(call))
    }
}
