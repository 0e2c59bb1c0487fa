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
            None => Ok(Self::Either(object_name(text)?)),
            Some((
                "stage" | "stages" | "cdkstage" | "stage.stackgate.dev" | "stages.stackgate.dev",
                name,
            )) => Ok(Self::Stage(object_name(name)?)),
            Some((
                "plan"
                | "changeplan"
                | "changeplans"
                | "changeplan.stackgate.dev"
                | "changeplans.stackgate.dev",
                name,
            )) => Ok(Self::Plan(object_name(name)?)),
            Some((kind, _)) => Err(Fail::new(format!(
                "{kind} is neither a stage nor a plan: name one as stage/<name> or plan/<name>"
            ))),
        }
    }
}

/// A name that an object can have (a DNS subdomain, as Kubernetes says); anything else would lead to another path of the API.
fn object_name(name: &str) -> Result<&str, Fail> {
    let is_label = |l: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        ends(l.chars().next())
            && ends(l.chars().last())
            && l.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if name.len() <= 253 && name.split('.').all(is_label) {
        Ok(name)
    } else {
        Err(Fail::new(format!("{name:?} is no name that a stage or a plan can have")))
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
        for odd in
            ["", "stage/", "stage/dev/status", "plan/../../x", "Prod", "-a", "a b", "a..b", "dev?watch=1"]
        {
            assert!(Named::parse(odd).is_err_and(|f| !f.to_string().is_empty()), "{odd}");
        }
        assert!(Named::Either("prod-1").is_plan("prod-1") && !Named::Stage("prod-1").is_plan("prod-1"));
    }
}
