//! Sessions by assumed roles: each verified to be in the account that it is for, cached, and renewed when used late.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_config::{SdkConfig, identity::IdentityCache};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_sts::{operation::assume_role::AssumeRoleOutput, types::Credentials as StsCredentials};
use jiff::{SignedDuration, Timestamp};
use stackgate_core::{
    effect::{Access, Refusal, RefusalKind},
    words::{AccountId, Env, RoleArn},
};

use super::{
    arns::word,
    calls::{Calls, Operation},
    class::Class,
    failed::Failed,
    parse::timestamp,
    policy::session_policy,
    session::{Session, WithoutHooks},
    settings::{Settings, reading},
};

/// How long a session lasts, in seconds; chained roles allow no more.
const SESSION_SECONDS: i32 = 3600;
/// How long the account of the base credentials is believed.
const BASE_FOR: SignedDuration = SignedDuration::from_hours(1);

/// What a session depends on. The region is only part of it where it is part of the policy.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct SessionKey {
    account: AccountId,
    roles: Vec<RoleArn>,
    name: String,
    policy: Option<String>,
}

/// One session at a time per key: who comes while it is being made waits for it.
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Session>>>>;

/// All sessions of this process.
#[derive(Debug)]
pub struct Sessions {
    base: SdkConfig,
    settings: Settings,
    calls: Calls,
    without_hooks: WithoutHooks,
    slots: Mutex<HashMap<SessionKey, Slot>>,
}

impl Sessions {
    /// Sessions that start from these base credentials (see [`Settings::load`]).
    #[must_use]
    pub fn new(base: SdkConfig, settings: Settings, calls: Calls) -> Self {
        let base = base.to_builder().timeout_config(settings.timeouts()).retry_config(reading()).build();
        Self { base, settings, calls, without_hooks: WithoutHooks::default(), slots: Mutex::default() }
    }

    /// The session for this access: the cached one, or a new one where it has less than 10 minutes left.
    ///
    /// # Errors
    /// [`RefusalKind::AssumeDenied`] when a role cannot be assumed, [`RefusalKind::WrongAccount`] when the session
    /// would be in another account, [`RefusalKind::Invalid`] when the scope does not fit into a policy, and the
    /// transient kinds when STS does not answer. Base credentials never stand in for a role.
    pub async fn get(&self, access: &Access) -> Result<Arc<Session>, Refusal> {
        let key = key(access)?;
        let slot = self.slot(&key);
        let mut held = slot.lock().await;
        if let Some(session) = held.as_ref().filter(|s| s.is_fresh(Timestamp::now())) {
            return Ok(session.clone());
        }
        *held = None;
        let session = Arc::new(self.open(&key, &access.env).await.map_err(Failed::refusal)?);
        *held = Some(session.clone());
        Ok(session)
    }

    /// Drops a session that AWS no longer accepts; a newer one stays.
    pub(super) fn forget(&self, access: &Access, lost: &Arc<Session>) {
        let Ok(key) = key(access) else { return };
        let slot = self.slot(&key);
        // Whoever holds the lock is about to replace it anyway.
        if let Ok(mut held) = slot.try_lock()
            && held.as_ref().is_some_and(|s| Arc::ptr_eq(s, lost))
        {
            *held = None;
        }
    }

    fn slot(&self, key: &SessionKey) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(key) {
            return slot.clone();
        }
        // Sessions of objects that are gone would pile up: each new one sweeps out what has run out.
        let now = Timestamp::now();
        slots.retain(|_, slot| {
            Arc::strong_count(slot) > 1
                || slot.try_lock().is_ok_and(|s| s.as_ref().is_some_and(|s| s.is_fresh(now)))
        });
        slots.entry(key.clone()).or_default().clone()
    }

    async fn open(&self, key: &SessionKey, env: &Env) -> Result<Session, Failed> {
        let Some((last, before)) = key.roles.split_last() else {
            return self.open_base(key, env).await;
        };
        if last.account() != key.account {
            return Err(wrong_account(&key.account, last.account().as_str(), &format!("role {last}")));
        }
        let mut config = self.base_in(env);
        for role in before {
            let reply = self.assume(&config, role, key, None, env).await?;
            let (credentials, _) = credentials(reply.credentials(), role)?;
            config = with(&config, credentials);
        }
        let reply = self.assume(&config, last, key, key.policy.as_deref(), env).await?;
        let arn = reply.assumed_role_user().map(|u| u.arn());
        let account: AccountId = word(arn.and_then(|a| a.split(':').nth(4)), "account of the assumed role")?;
        if account != key.account {
            return Err(wrong_account(&key.account, account.as_str(), &format!("the session of {last}")));
        }
        let (credentials, expires) = credentials(reply.credentials(), last)?;
        let config = with(&config, credentials);
        Ok(self.session(account, expires, config))
    }

    async fn open_base(&self, key: &SessionKey, env: &Env) -> Result<Session, Failed> {
        if key.policy.is_some() {
            let why = "the controller's own credentials cannot be narrowed to an object; name a role";
            return Err(Failed::ours(RefusalKind::Invalid, why));
        }
        let config = self.base_in(env);
        let sts = aws_sdk_sts::Client::new(&config);
        let call = sts.get_caller_identity().send();
        let reply =
            self.calls.make(Operation::GetCallerIdentity, env, call).await.map_err(own_credentials)?;
        let account: AccountId = word(reply.account(), "account id")?;
        if account != key.account {
            return Err(wrong_account(&key.account, account.as_str(), "the controller's own credentials"));
        }
        // Base credentials renew themselves; only what is known of their account runs out.
        let expires = Timestamp::now().saturating_add(BASE_FOR).unwrap_or(Timestamp::MAX);
        Ok(self.session(account, expires, config))
    }

    fn session(&self, account: AccountId, expires: Timestamp, config: SdkConfig) -> Session {
        let (settings, calls) = (self.settings.clone(), self.calls.clone());
        Session::new(account, expires, config, settings, calls, self.without_hooks.clone())
    }

    async fn assume(
        &self,
        with: &SdkConfig,
        role: &RoleArn,
        key: &SessionKey,
        policy: Option<&str>,
        env: &Env,
    ) -> Result<AssumeRoleOutput, Failed> {
        let call = aws_sdk_sts::Client::new(with)
            .assume_role()
            .role_arn(role.as_str())
            .role_session_name(&key.name)
            .duration_seconds(SESSION_SECONDS)
            .set_policy(policy.map(str::to_owned))
            .send();
        self.calls.make(Operation::AssumeRole, env, call).await.map_err(|failed| match failed.class() {
            Class::Refused(RefusalKind::Denied) => failed.into_kind(RefusalKind::AssumeDenied).hint(&format!(
                "role {role} cannot be assumed: does it exist, and does it trust the controller's account? If it is \
                 a role of cdk bootstrap, bootstrap account {} with that account in --trust",
                role.account()
            )),
            Class::Refused(_) | Class::SessionLost | Class::PreconditionFailed | Class::NotSent | Class::Open => {
                own_credentials(failed)
            }
        })
    }

    /// STS is called where the controller is at home: the region of the object may not be enabled there.
    fn base_in(&self, env: &Env) -> SdkConfig {
        if self.base.region().is_some() {
            return self.base.clone();
        }
        self.base.to_builder().region(aws_config::Region::new(env.region.as_str().to_owned())).build()
    }
}

fn key(access: &Access) -> Result<SessionKey, Refusal> {
    let policy = access.scope.as_ref().map(|s| session_policy(s, &access.env)).transpose()?;
    Ok(SessionKey {
        account: access.env.account.clone(),
        roles: access.roles.clone(),
        name: access.session_name.clone(),
        policy,
    })
}

/// Lost or absent base credentials are our trouble, not the role's.
fn own_credentials(failed: Failed) -> Failed {
    match failed.class() {
        Class::SessionLost => {
            failed.hint("AWS does not accept the credentials that the controller calls with")
        }
        Class::Refused(_) | Class::PreconditionFailed | Class::NotSent | Class::Open => failed,
    }
}

fn wrong_account(wanted: &AccountId, found: &str, what: &str) -> Failed {
    Failed::ours(
        RefusalKind::WrongAccount,
        format!("{what} is in account {found}, but account {wanted} is meant"),
    )
}

fn credentials(sts: Option<&StsCredentials>, role: &RoleArn) -> Result<(Credentials, Timestamp), Failed> {
    let sts = sts.ok_or_else(|| {
        Failed::ours(RefusalKind::Unavailable, format!("AWS sent no credentials for role {role}"))
    })?;
    let expires = timestamp(sts.expiration())?;
    let at = std::time::SystemTime::from(expires);
    let credentials = Credentials::new(
        sts.access_key_id(),
        sts.secret_access_key(),
        Some(sts.session_token().to_owned()),
        Some(at),
        "AssumeRole",
    );
    Ok((credentials, expires))
}

/// The same configuration with other credentials. They never change, so nothing is to be cached for them.
fn with(config: &SdkConfig, credentials: Credentials) -> SdkConfig {
    config
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .identity_cache(IdentityCache::no_cache())
        .build()
}
