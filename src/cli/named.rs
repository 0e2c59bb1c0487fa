//! How a person names a Stage or a plan.

use super::fail::Fail;

/// What a person named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    /// A Stage or a plan: whichever is there.
    Either(&'a str),
    /// A Stage.
    Stage(&'a str),
    /// A plan.
    Plan(&'a str),
}

impl<'a> Named<'a> {
    /// `prod`, or as kubectl names objects: `stage/prod`, `plan/prod-3f9c…`.
    pub fn parse(text: &'a str) -> Result<Self, Fail> {
        match text.split_once('/') {
            None => Ok(Self::Either(text)),
            Some((
                "stage" | "stages" | "cdkstage" | "stage.stackgate.dev" | "stages.stackgate.dev",
                name,
            )) => Ok(Self::Stage(name)),
            Some((
                "plan"
                | "changeplan"
                | "changeplans"
                | "changeplan.stackgate.dev"
                | "changeplans.stackgate.dev",
                name,
            )) => Ok(Self::Plan(name)),
            Some((kind, _)) => Err(Fail::new(format!(
                "{kind} is neither a stage nor a plan: name one as stage/<name> or plan/<name>"
            ))),
        }
    }
}

impl Named<'_> {
    /// Whether it names this very plan, and not whatever plan its Stage has.
    #[must_use]
    pub fn is_plan(self, plan: &str) -> bool {
        match self {
            Self::Either(name) | Self::Plan(name) => name == plan,
            Self::Stage(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_kubectl_names_objects() {
        assert_eq!(Named::parse("prod"), Ok(Named::Either("prod")));
        assert_eq!(Named::parse("cdkstage/prod"), Ok(Named::Stage("prod")));
        assert_eq!(Named::parse("changeplan.stackgate.dev/prod-1"), Ok(Named::Plan("prod-1")));
        assert!(Named::parse("pod/x").is_err_and(|f| f.to_string().contains("stage/<name>")));
        assert!(Named::Either("prod-1").is_plan("prod-1") && !Named::Stage("prod-1").is_plan("prod-1"));
    }
}
