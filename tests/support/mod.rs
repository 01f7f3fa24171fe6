//! What tests of the whole worker share: a queue that fails on request, in a scene.

pub(crate) mod agent;
pub(crate) mod calls;
pub(crate) mod faulty;
pub(crate) mod gate;
pub(crate) mod onlooker;
pub(crate) mod scene;

use std::time::Duration;

/// So many seconds.
pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
