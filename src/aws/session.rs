//! A session in one account, with its clients.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use aws_config::SdkConfig;
use jiff::{SignedDuration, Timestamp};
use stackgate_core::words::{AccountId, Env, Region};

use super::{
    calls::Calls,
    settings::{Settings, changing, reading},
};

/// A session with less than this left is replaced before it is used again.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_mins(10);

/// A session whose account has been verified. There are some for each Stage, for an hour each: it keeps no clients, which are many
/// times its size. Connections are shared by all.
#[derive(Debug)]
pub struct Session {
    account: AccountId,
    expires: Timestamp,
    config: SdkConfig,
    settings: Settings,
    calls: Calls,
    without_hooks: WithoutHooks,
}

/// The regions whose service has said that it does not know ListHookResults.
#[derive(Clone, Debug, Default)]
pub(super) struct WithoutHooks(Arc<Mutex<BTreeSet<Region>>>);

impl WithoutHooks {
    fn contains(&self, region: &Region) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(region)
    }

    fn insert(&self, region: &Region) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(region.clone());
    }
}

/// A client that is built when it is used first: an effect uses one or two of them.
type Lazy<C> = LazyLock<C, Box<dyn FnOnce() -> C + Send>>;

fn lazy<C>(config: &SdkConfig, build: impl FnOnce(&SdkConfig) -> C + Send + 'static) -> Lazy<C> {
    let config = config.clone();
    LazyLock::new(Box::new(move || build(&config)))
}

/// The clients of one region, for one effect or one poll.
#[derive(Debug)]
pub(super) struct Clients {
    /// Account and region.
    pub(super) env: Env,
    /// Reads; the SDK may repeat a call.
    pub(super) read: Lazy<aws_sdk_cloudformation::Client>,
    /// Changes; the SDK never repeats a call.
    pub(super) change: Lazy<aws_sdk_cloudformation::Client>,
    /// Reads objects.
    pub(super) s3: Lazy<aws_sdk_s3::Client>,
    /// Writes objects; the SDK never repeats a call.
    pub(super) s3_write: Lazy<aws_sdk_s3::Client>,
    /// Reads parameters.
    pub(super) ssm: Lazy<aws_sdk_ssm::Client>,
    /// Looks for images.
    pub(super) ecr: Lazy<aws_sdk_ecr::Client>,
    /// Copies images; the SDK never repeats a call.
    pub(super) ecr_write: Lazy<aws_sdk_ecr::Client>,
    /// Counts what they call.
    pub(super) calls: Calls,
    /// Time limits and caps.
    pub(super) settings: Settings,
    without_hooks: WithoutHooks,
}

impl Clients {
    /// Whether hooks may have results here, as far as is known.
    pub(super) fn has_hooks(&self) -> bool {
        !self.without_hooks.contains(&self.env.region)
    }

    /// Remembers that the service knows no hook results.
    pub(super) fn has_no_hooks(&self) {
        self.without_hooks.insert(&self.env.region);
    }
}

impl Session {
    pub(super) fn new(
        account: AccountId,
        expires: Timestamp,
        config: SdkConfig,
        settings: Settings,
        calls: Calls,
        without_hooks: WithoutHooks,
    ) -> Self {
        Self { account, expires, config, settings, calls, without_hooks }
    }

    /// The account that AWS says the session is in.
    #[must_use]
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// Whether enough time is left at `now` to use it.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.expires.duration_since(now) >= RENEW_BEFORE
    }

    /// The clients of a region.
    pub(super) fn clients(&self, region: &Region) -> Clients {
        let at = |retry| {
            self.config
                .to_builder()
                .region(aws_config::Region::new(region.as_str().to_owned()))
                .retry_config(retry)
                .build()
        };
        let (reads, changes) = (at(reading()), at(changing()));
        let s3 = |config: &SdkConfig| {
            let path_style = self.settings.uses_path_style(config);
            lazy(config, move |config| {
                let config = aws_sdk_s3::config::Builder::from(config).force_path_style(path_style).build();
                aws_sdk_s3::Client::from_conf(config)
            })
        };
        Clients {
            env: Env { account: self.account.clone(), region: region.clone() },
            read: lazy(&reads, aws_sdk_cloudformation::Client::new),
            change: lazy(&changes, aws_sdk_cloudformation::Client::new),
            s3: s3(&reads),
            s3_write: s3(&changes),
            ssm: lazy(&reads, aws_sdk_ssm::Client::new),
            ecr: lazy(&reads, aws_sdk_ecr::Client::new),
            ecr_write: lazy(&changes, aws_sdk_ecr::Client::new),
            calls: self.calls.clone(),
            settings: self.settings.clone(),
            without_hooks: self.without_hooks.clone(),
        }
    }
}
