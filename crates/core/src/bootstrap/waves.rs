//! In which order toolkit stacks are changed.

use jiff::{SignedDuration, Timestamp};

use super::{Snapshot, environment::Toolkit};
use crate::{
    api::{Reason, Wave},
    verdict::Need,
    words::{AccountId, Env},
};

/// The waves of a rollout, in order; accounts in none of them come after the last.
pub(super) struct Waves<'a> {
    waves: Vec<(&'a Wave, Vec<AccountId>)>,
}

impl<'a> Waves<'a> {
    pub(super) fn of(s: &'a Snapshot<'_>) -> Self {
        let waves = s.bootstrap.spec.rollout.iter().flat_map(|r| &r.waves);
        let accounts = |wave: &Wave| {
            s.accounts.selected(&wave.accounts).iter().map(|a| a.spec.account_id.clone()).collect()
        };
        Self { waves: waves.map(|wave| (wave, accounts(wave))).collect() }
    }

    fn place(&self, account: &AccountId) -> usize {
        let named = self.waves.iter().position(|(_, accounts)| accounts.contains(account));
        named.unwrap_or(self.waves.len())
    }

    /// Why the stack of an environment is not changed yet: an earlier wave is not done, or soaks.
    pub(super) fn hold(&self, env: &Env, all: &[(Env, Toolkit<'_>)], now: Timestamp) -> Option<Need> {
        let mine = self.place(&env.account);
        let before = self.waves.iter().enumerate().take(mine);
        before.into_iter().find_map(|(place, (wave, _))| {
            let of_wave = || {
                let changed = all.iter().filter(|(_, t)| t.is_changed());
                changed.filter(move |(env, _)| self.place(&env.account) == place)
            };
            if let Some((first, _)) = of_wave().find(|(_, t)| !t.is_done()) {
                let what = format!("{env} waits for wave {}: {first} is not changed yet", wave.name);
                return Some(Need::Wait(Reason::Soaking, what, None));
            }
            let soak = wave.soak.as_ref().map_or(SignedDuration::ZERO, |s| s.get());
            let changed = of_wave().filter_map(|(_, t)| t.changed_time()).max()?;
            let until = changed.saturating_add(soak).unwrap_or(Timestamp::MAX);
            let what = format!("{env} waits for wave {} to soak until {until}", wave.name);
            (now < until).then_some(Need::Wait(Reason::Soaking, what, Some(until)))
        })
    }
}
