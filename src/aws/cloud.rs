//! AWS as passes reach it: what performs their effects, and what polls for them. A simulator puts something else in its place.

use std::fmt::Debug;

use futures::future::BoxFuture;
use jiff::Timestamp;
use stackgate_core::{
    effect::{Access, Mutation, Outcome, Pace},
    words::StackKey,
};

use super::{
    perform::{Aws, AwsLook},
    region::Regions,
};

/// What a pass needs of AWS.
pub trait Cloud: Send + Sync {
    /// See [`Aws::look`].
    fn look<'a>(&'a self, look: &'a AwsLook<'a>) -> BoxFuture<'a, Outcome>;

    /// See [`Aws::mutate`].
    fn mutate<'a>(
        &'a self,
        mutation: &'a Mutation,
        now: &'a (dyn Fn() -> Timestamp + Sync),
    ) -> BoxFuture<'a, Outcome>;

    /// See [`Regions::want`].
    fn want(&self, owner: &str, access: Access, keys: Vec<(StackKey, Pace)>);

    /// See [`Regions::forget`].
    fn forget(&self, owner: &str);
}

/// AWS itself.
pub struct Live {
    /// Performs effects.
    pub aws: Aws,
    /// Polls.
    pub regions: Regions,
}

impl Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Live")
    }
}

impl Cloud for Live {
    fn look<'a>(&'a self, look: &'a AwsLook<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.aws.look(look))
    }

    fn mutate<'a>(
        &'a self,
        mutation: &'a Mutation,
        now: &'a (dyn Fn() -> Timestamp + Sync),
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(self.aws.mutate(mutation, now))
    }

    fn want(&self, owner: &str, access: Access, keys: Vec<(StackKey, Pace)>) {
        self.regions.want(owner, access, keys);
    }

    fn forget(&self, owner: &str) {
        self.regions.forget(owner);
    }
}
