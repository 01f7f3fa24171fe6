//! Limits the warnings about single messages to a few a minute.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The time window of the count.
const WINDOW: Duration = Duration::from_mins(1);
/// The warnings admitted in each window.
const ADMITTED: u32 = 10;

/// Admits ten warnings a minute.
#[derive(Debug, Default)]
pub struct WarningSampler(Mutex<Option<Window>>);

#[derive(Clone, Copy, Debug)]
struct Window {
    start: Instant,
    admitted: u32,
}

impl WarningSampler {
    /// True if one more warning may be logged now.
    pub fn admits(&self, now: Instant) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |window: &Window| now.saturating_duration_since(window.start) >= WINDOW;
        let current = match *window {
            Some(current) if !is_over(&current) => current,
            _ => Window { start: now, admitted: 0 },
        };
        let is_admitted = current.admitted < ADMITTED;
        *window = Some(Window { admitted: current.admitted + u32::from(is_admitted), ..current });
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_warnings_a_minute_are_admitted() {
        let (sampler, now) = (WarningSampler::default(), Instant::now());
        let admitted = (0..100).filter(|_| sampler.admits(now)).count();
        assert_eq!(admitted, 10);
        assert!(!sampler.admits(now + WINDOW - Duration::from_secs(1)));
        assert!(sampler.admits(now + WINDOW));
    }
}
