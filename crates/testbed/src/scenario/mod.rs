//! The main job, on real parts: what the demo tells and the end-to-end tests check.
//!
//! [`World`] is everything that is started; [`Story`] goes through it step by step.

mod case;
mod cdk_out;
mod decision;
mod image;
mod object;
mod seed;
mod stacks;
mod steps;
mod synth;
mod tally;
mod teller;
mod wait;
mod world;

pub use case::{BUILD_ACCOUNT, Case, Expected, shared};
pub use cdk_out::CdkOut;
pub use decision::{Waiting, kubectl_line};
pub use image::{SavedImage, image_asset};
pub use object::{Condition, Kind, Object};
pub use seed::{WAY_IN, bucket, controller_user, let_in, way_in};
pub use stacks::StackLine;
pub use steps::{STEPS, Step, Story};
pub use synth::{Target, apps, corpus, deploy, deploy_probe, deploy_with, release, shop};
pub use tally::{Tally, account_of, role_arns_missing, stack_of};
pub use teller::Teller;
pub use wait::{LONG, SOON};
pub use world::{World, WorldOptions};

/// The account that the controller's user and the assemblies live in.
pub const BUILD: &str = "999999999999";
/// The account of stage `dev`.
pub const DEV: &str = "111111111111";
/// The account of stage `test`.
pub const TEST: &str = "222222222222";
/// The account of stage `prod`.
pub const PROD: &str = "333333333333";
/// The region of everything.
pub const REGION: &str = "ap-southeast-2";
/// The bucket of the assemblies.
pub const BUCKET: &str = "shop-cdk-out";
/// The key of the example's archive.
pub const KEY: &str = "shop.tar.gz";
/// The qualifier of the bootstrap.
pub const QUALIFIER: &str = "acme";
/// The namespace of the example.
pub const SHOP: &str = "shop";
/// The namespace of the controller.
pub const SYSTEM: &str = "stackgate-system";
