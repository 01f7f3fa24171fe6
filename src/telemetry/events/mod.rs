//! Events: each is a struct that logs one line and, if it has a metric, counts in it.

mod calls;
mod ecs;
mod handler;
mod message;
#[cfg(test)]
mod reference;
mod start;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

#[cfg(test)]
pub(crate) use self::reference::{counted_metrics, reference};
pub(crate) use self::{calls::*, ecs::*, handler::*, message::*, start::*};

/// One event on the reference page.
#[cfg(test)]
struct Definition {
    level: &'static str,
    message: &'static str,
    fields: &'static [&'static str],
    metric: &'static str,
    meaning: &'static str,
}

/// The events of one subject.
#[cfg(test)]
struct Subject {
    name: &'static str,
    events: &'static [Definition],
}

/// Every event, by subject.
#[cfg(test)]
const SUBJECTS: &[Subject] = &[
    MESSAGES,
    LEASES,
    CLAIMS,
    ENVELOPES,
    PAYLOADS,
    CALLS,
    SETTLING,
    HANDLERS,
    PROCESSES,
    NOTIFICATIONS,
    START,
    ECS,
    TRACES,
    STOP,
];

/// Declares a struct for each event, with an `emit` that logs and counts it, and its row of the reference page.
///
/// A field is logged under its own name: as it is, `as %` by `Display`, or `as ?` by `Debug`. The level is one of
/// `tracing`'s, or `sampled` (`sampled_error`, `sampled_info`) for an event that may occur for every message: the first few a minute
/// are warnings (errors), so that a failing handler is seen and does not flood the log, and the others are `debug`.
macro_rules! events {
    ($constant:ident = $subject:literal; $(
        $(#[doc = $doc:literal])+
        $level:ident $name:ident $(<$life:lifetime>)?: $message:literal $(to $target:literal)? {
            $($(#[doc = $field_doc:literal])+ $field:ident: $type:ty $(as $sigil:tt)?,)*
        }
        $(counts $metric:literal |$event:ident, $metrics:ident: $counter:ty $(, $warnings:ident)?| $count:expr;)?
    )*) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug)]
            pub(crate) struct $name $(<$life>)? {
                $($(#[doc = $field_doc])+ pub $field: $type,)*
            }

            impl $(<$life>)? $name $(<$life>)? {
                /// Logs the event, and counts it if it has a metric.
                pub(crate) fn emit(&self $(, $metrics: &$counter $(, $warnings: &$crate::telemetry::WarningSampler)?)?) {
                    $(
                        let $event = self;
                        $count;
                    )?
                    $crate::telemetry::events::log!(
                        $level [$($($warnings)?)?] [$(target: $target,)?]
                        $($field = $($sigil)? self.$field,)* $message
                    );
                }
            }
        )*

        #[cfg(test)]
        pub(super) const $constant: super::Subject = super::Subject {
            name: $subject,
            events: &[$(super::Definition {
                level: stringify!($level),
                message: $message,
                fields: &[$(stringify!($field)),*],
                metric: concat!($($metric)?),
                meaning: concat!($($doc),+),
            }),*],
        };
    };
}

/// Logs at a level of the events' own.
macro_rules! log {
    (sampled [$warnings:ident] [] $($fields:tt)*) => {
        if $warnings.admits(tokio::time::Instant::now()) {
            tracing::warn!($($fields)*);
        } else {
            tracing::debug!($($fields)*);
        }
    };
    (sampled_error [$warnings:ident] [] $($fields:tt)*) => {
        if $warnings.admits(tokio::time::Instant::now()) {
            tracing::error!($($fields)*);
        } else {
            tracing::debug!($($fields)*);
        }
    };
    (sampled_info [$warnings:ident] [] $($fields:tt)*) => {
        if $warnings.admits(tokio::time::Instant::now()) {
            tracing::info!($($fields)*);
        } else {
            tracing::debug!($($fields)*);
        }
    };
    ($level:ident [] [$($target:tt)*] $($fields:tt)*) => {
        tracing::$level!($($target)* $($fields)*)
    };
}

use {events, log};

/// The time window of the count.
const WINDOW: Duration = Duration::from_mins(1);
/// The warnings admitted in each window.
const ADMITTED: u32 = 10;

/// Admits ten warnings a minute.
#[derive(Debug, Default)]
pub(crate) struct WarningSampler(Mutex<Option<Window>>);

#[derive(Clone, Copy, Debug)]
struct Window {
    start: Instant,
    admitted: u32,
}

impl WarningSampler {
    /// True if one more warning may be logged now.
    pub(crate) fn admits(&self, now: Instant) -> bool {
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
