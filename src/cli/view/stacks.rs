//! The stacks of a plan, as they are shown.

use stackgate_core::{
    api::{ProposedStack, ResourceChange, Settled},
    gate::PlanView,
};

use super::report::{ChangeShown, OutcomeShown, StackShown};

/// All of them, in their order.
pub(super) fn stacks(view: &PlanView) -> Vec<StackShown> {
    view.proposal().stacks.iter().map(|s| stack(s, view.settled.get(&s.key()))).collect()
}

fn stack(s: &ProposedStack, settled: Option<&Settled>) -> StackShown {
    let c = s.count;
    StackShown {
        artifact: s.artifact.as_str().into(),
        stack_name: s.stack_name.as_str().into(),
        account: s.account.as_str().into(),
        region: s.region.as_str().into(),
        plan: s.plan,
        is_new: s.baseline_stack_id.is_none(),
        add: c.add,
        modify: c.modify,
        remove: c.remove,
        replace: c.replace,
        maybe_replace: c.maybe_replace,
        code: c.code,
        changes: s.changes.iter().map(change).collect(),
        unlisted: s.unlisted,
        warnings: s.warnings.iter().map(Into::into).collect(),
        console_url: s.console_url.as_ref().map(Into::into),
        outcome: settled.map(|e| OutcomeShown {
            outcome: e.outcome,
            status: e.status.as_str().into(),
            message: e.message.as_ref().map(Into::into),
        }),
        values: None,
    }
}

fn change(c: &ResourceChange) -> ChangeShown {
    ChangeShown {
        action: c.action.as_str().into(),
        logical_id: c.logical_id.as_str().into(),
        resource_type: c.resource_type.as_str().into(),
        replacement: c.replacement.as_ref().map(Into::into),
    }
}

impl StackShown {
    /// `+1 ~2 -0`, where replaced resources count as changed, as in the column CHANGE.
    #[must_use]
    pub fn numbers(&self) -> String {
        let changed = self.modify.saturating_add(self.replace).saturating_add(self.maybe_replace);
        format!("+{} ~{changed} -{}", self.add, self.remove)
    }

    /// What the numbers do not say: how many are replaced, for sure or perhaps.
    #[must_use]
    pub fn replaced(&self) -> String {
        let sure = (self.replace > 0).then(|| format!("{} replaced", self.replace));
        let perhaps = (self.maybe_replace > 0).then(|| format!("{} may be replaced", self.maybe_replace));
        sure.into_iter().chain(perhaps).collect::<Vec<_>>().join(", ")
    }

    /// The resources that only get other code, in one line; empty for none.
    #[must_use]
    pub fn code_line(&self) -> String {
        match self.code {
            0 => String::new(),
            1 => "1 resource gets other code and nothing else".to_owned(),
            n => format!("{n} resources get other code and nothing else"),
        }
    }
}

impl ChangeShown {
    /// As `cdk diff` marks it.
    #[must_use]
    pub fn mark(&self) -> &'static str {
        let replacement = self.replacement.as_ref().map(|r| r.as_str());
        match (self.action.as_str(), replacement) {
            ("Add", _) => "+",
            ("Import", _) => "<-",
            ("Remove", _) => "-",
            (_, Some("True")) => "-/+",
            (_, Some("Conditional")) | ("Dynamic", _) => "~?",
            (_, _) => "~",
        }
    }

    /// What the mark means, where that is more than made, changed or deleted.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        match self.mark() {
            "-/+" => "replaced",
            "~?" => "may be replaced",
            "<-" => "imported",
            _ => "",
        }
    }
}
