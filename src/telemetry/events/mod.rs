//! Events: each is a struct that logs one line and, if it has a metric, counts in it.

mod calls;
mod ecs;
mod handler;
mod message;
#[cfg(test)]
mod reference;
mod sampling;
mod start;

#[cfg(test)]
pub(crate) use self::reference::{counted_metrics, reference};
pub(crate) use self::{
    calls::*,
    ecs::*,
    handler::*,
    message::*,
    sampling::{LeftOut, WarningSampler},
    start::*,
};

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
/// `tracing`'s, or `sampled` (`sampled_error`) for an event that may occur for every message: the first few a minute
/// are warnings (errors), so that a failing handler is seen and does not flood the log, and the others are `debug` and
/// counted by the reason after `sampled by`.
macro_rules! events {
    ($constant:ident = $subject:literal; $(
        $(#[doc = $doc:literal])+
        $level:ident $name:ident $(<$life:lifetime>)?: $message:literal $(to $target:literal)? {
            $($(#[doc = $field_doc:literal])+ $field:ident: $type:ty $(as $sigil:tt)?,)*
        }
        $(counts $metric:literal |$event:ident, $metrics:ident: $counter:ty| $count:expr;)?
        $(sampled by |$sampled:ident| $reason:expr;)?
    )*) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug)]
            pub(crate) struct $name $(<$life>)? {
                $($(#[doc = $field_doc])+ pub $field: $type,)*
            }

            impl $(<$life>)? $name $(<$life>)? {
                /// Logs the event, and counts it if it has a metric.
                pub(crate) fn emit(
                    &self
                    $(, $metrics: &$counter)?
                    $(, warnings: $crate::telemetry::events::sampler!($sampled))?
                ) {
                    $(
                        let $event = self;
                        $count;
                    )?
                    $crate::telemetry::events::log!(
                        $level
                        [$({
                            let $sampled = self;
                            warnings.admits($message, $reason, tokio::time::Instant::now())
                        })?]
                        [$(target: $target,)?]
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

/// The sampler of an event that has a reason to be sampled by.
macro_rules! sampler {
    ($sampled:ident) => {
        &$crate::telemetry::WarningSampler
    };
}

/// Logs at a level of the events' own.
macro_rules! log {
    (sampled [$is_admitted:expr] [] $($fields:tt)*) => {
        if $is_admitted {
            tracing::warn!($($fields)*);
        } else {
            tracing::debug!($($fields)*);
        }
    };
    (sampled_error [$is_admitted:expr] [] $($fields:tt)*) => {
        if $is_admitted {
            tracing::error!($($fields)*);
        } else {
            tracing::debug!($($fields)*);
        }
    };
    ($level:ident [] [$($target:tt)*] $($fields:tt)*) => {
        tracing::$level!($($target)* $($fields)*)
    };
}

use {events, log, sampler};
