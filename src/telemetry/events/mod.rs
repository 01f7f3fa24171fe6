//! Everything noteworthy: one struct an event, which logs one line and counts where there is something to count.

mod calls;
mod ecs;
mod handler;
mod lease;
mod message;
mod notification;
mod process;
mod reference;
mod settle;
mod start;
mod stop;
mod traces;

#[cfg(test)]
pub(crate) use self::reference::counted_metrics;
pub use self::{
    calls::*, ecs::*, handler::*, lease::*, message::*, notification::*, process::*, reference::reference,
    settle::*, start::*, stop::*, traces::*,
};

/// One event on the reference page.
struct Definition {
    level: &'static str,
    message: &'static str,
    fields: &'static [&'static str],
    metric: &'static str,
    meaning: &'static str,
}

/// The events of one subject.
struct Subject {
    name: &'static str,
    events: &'static [Definition],
}

/// Every event, by subject.
const SUBJECTS: &[Subject] =
    &[MESSAGES, LEASES, CALLS, SETTLING, HANDLERS, PROCESSES, NOTIFICATIONS, START, ECS, TRACES, STOP];

/// Makes a struct of each event, with an `emit` that logs it and counts it, and a line of the reference page.
///
/// A field is logged by its own name: as it is, or `as %` or `as ?` for what only displays or debugs itself. The level
/// is one of `tracing`, or `sampled` (`sampled_error`): of what may happen to every message, a failing handler's first
/// few a minute are warnings (errors), so that it is seen and does not flood the log, and the others are `debug`.
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
            pub struct $name $(<$life>)? {
                $($(#[doc = $field_doc])+ pub $field: $type,)*
            }

            impl $(<$life>)? $name $(<$life>)? {
                /// Logs the event, and counts it where there is something to count.
                pub fn emit(&self $(, $metrics: &$counter $(, $warnings: &$crate::telemetry::WarningSampler)?)?) {
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
    ($level:ident [] [$($target:tt)*] $($fields:tt)*) => {
        tracing::$level!($($target)* $($fields)*)
    };
}

use {events, log};
