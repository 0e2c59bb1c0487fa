//! A session in one account, with its clients.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
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

/// A session whose account has been verified.
#[derive(Debug)]
pub struct Session {
    account: AccountId,
    expires: Timestamp,
    config: SdkConfig,
    settings: Settings,
    calls: Calls,
    clients: Mutex<BTreeMap<Region, Arc<Clients>>>,
}

/// A client that is built when it is used first: a session uses one or two of them, and there are some for each Stage.
type Lazy<C> = LazyLock<C, Box<dyn FnOnce() -> C + Send>>;

fn lazy<C>(config: &SdkConfig, build: impl FnOnce(&SdkConfig) -> C + Send + 'static) -> Lazy<C> {
    let config = config.clone();
    LazyLock::new(Box::new(move || build(&config)))
}

/// The clients of one region, each built once.
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
    /// Whether the service has said that it does not know ListHookResults.
    no_hooks: AtomicBool,
}

impl Clients {
    /// Whether hooks may have results here, as far as is known.
    pub(super) fn has_hooks(&self) -> bool {
        !self.no_hooks.load(Ordering::Relaxed)
    }

    /// Remembers that the service knows no hook results.
    pub(super) fn without_hooks(&self) {
        self.no_hooks.store(true, Ordering::Relaxed);
    }
}

impl Session {
    pub(super) fn new(
        account: AccountId,
        expires: Timestamp,
        config: SdkConfig,
        settings: Settings,
        calls: Calls,
    ) -> Self {
        Self { account, expires, config, settings, calls, clients: Mutex::default() }
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
    pub(super) fn clients(&self, region: &Region) -> Arc<Clients> {
        // Nothing that holds the lock can panic half-way: a poisoned map is a whole map.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.entry(region.clone()).or_insert_with(|| Arc::new(self.build(region))).clone()
    }

    fn build(&self, region: &Region) -> Clients {
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
            no_hooks: AtomicBool::new(false),
        }
    }
}
