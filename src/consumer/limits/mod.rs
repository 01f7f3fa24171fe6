//! Limits of the calls that start beside the number of slots: a rate, a share for each group, a pool of several queues.

mod group_lines;
mod pool;
mod rate;
mod settings;

use tokio::time::Instant;

pub use self::pool::Pool;
pub(crate) use self::settings::{PoolSettings, PoolWeight, RateScope, RateSettings};
pub(super) use self::{
    group_lines::{GroupLimits, GroupLines, GroupShare},
    pool::PoolMember,
    rate::CallRate,
};

/// The limits of the calls of one queue.
#[derive(Debug, Default)]
pub(super) struct CallLimits {
    pub(super) rate: Option<CallRate>,
    pub(super) pool: Option<PoolMember>,
}

impl CallLimits {
    /// Takes what one more call needs; false if there is none of it.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.rate.as_mut().is_none_or(|rate| rate.available(now) > 0)
            && self.pool.as_ref().is_none_or(PoolMember::take)
    }

    /// Notes that the call for which it was taken starts, and whether another one could.
    pub(super) fn started(&mut self, wants_more: bool, now: Instant) {
        if let Some(rate) = &mut self.rate {
            rate.started(now);
        }
        if let Some(pool) = self.pool.as_ref().filter(|_| wants_more) {
            pool.wants_more();
        }
    }

    /// Gives back what a call has taken, which has ended or did not start.
    pub(super) fn give_back(&self) {
        if let Some(pool) = &self.pool {
            pool.give_back();
        }
    }

    /// Notes that no call can start, whatever the limits are.
    pub(super) fn nothing_to_start(&self) {
        if let Some(pool) = &self.pool {
            pool.wants_none();
        }
    }

    /// True while messages wait for a slot of the pool, which notifies the queue.
    pub(super) fn wait_for_slot(&self) -> bool {
        self.pool.as_ref().is_some_and(PoolMember::is_waiting)
    }

    /// The calls that the rate lets start now; `None` without a rate.
    pub(super) fn available(&mut self, now: Instant) -> Option<usize> {
        self.rate.as_mut().map(|rate| rate.available(now))
    }

    /// The time at which the rate lets the next call start, if it lets none start now.
    pub(super) fn next_start(&self) -> Option<Instant> {
        self.rate.as_ref().and_then(CallRate::next_start)
    }
}
