//! How AWS is called: time limits, retries, and where.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

/// How AWS is called.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The longest that connecting may take.
    pub connect_timeout: Duration,
    /// The longest that one attempt may take, without the body of a large object.
    pub attempt_timeout: Duration,
    /// Whether buckets stand in the path, not in the host name. Absent: where an endpoint override is set.
    pub path_style: Option<bool>,
    /// The most bytes of an archive or asset that are downloaded.
    pub object_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            attempt_timeout: Duration::from_secs(20),
            path_style: None,
            object_bytes: 512 * 1024 * 1024,
        }
    }
}

/// The slowest upload that is still waited for, in bytes a second.
const SLOWEST_UPLOAD: u64 = 256 * 1024;

impl Settings {
    /// The base configuration: credentials, region and endpoint from the default chain, and one pool of connections.
    pub async fn load() -> SdkConfig {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
        aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
    }

    /// The time limits of a call.
    pub(super) fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout)
            .operation_attempt_timeout(self.attempt_timeout)
            .build()
    }

    /// The time limits of an upload of this many bytes.
    pub(super) fn upload_timeouts(&self, bytes: u64) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout)
            .operation_attempt_timeout(self.attempt_timeout + Duration::from_secs(bytes / SLOWEST_UPLOAD))
            .build()
    }

    /// Whether S3 is called path style: emulators have no host name per bucket.
    pub(super) fn uses_path_style(&self, base: &SdkConfig) -> bool {
        self.path_style.unwrap_or_else(|| {
            base.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some()
        })
    }
}

/// Reads may be repeated by the SDK, soon and seldom.
pub(super) fn reading() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(100))
        .with_max_backoff(Duration::from_secs(1))
}

/// A change is never repeated unseen: whether it may be, a look decides.
pub(super) fn changing() -> RetryConfig {
    RetryConfig::disabled()
}
