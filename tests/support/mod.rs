//! The helpers of the tests inside the crate: a queue that fails on request, in a scene, real processes, and the indexes of tests.

pub(crate) mod agent;
pub(crate) mod alive;
pub(crate) mod calls;
pub(crate) mod example;
pub(crate) mod faulty;
pub(crate) mod gate;
pub(crate) mod handled;
pub(crate) mod index;
pub(crate) mod logged;
pub(crate) mod onlooker;
pub(crate) mod own_process;
pub(crate) mod preparation;
pub(crate) mod python;
pub(crate) mod scene;
pub(crate) mod skips;

use std::time::Duration;

/// A duration of this many seconds.
pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
