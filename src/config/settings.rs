//! What a process can be told: the parts' settings under one roof.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    admin, backoff, consumer,
    consumer::depth,
    consumer::settle,
    duration::{Limit, Span},
    ecs, handler,
    queue::sqs,
    sns::notifications,
    stop,
    telemetry::{logs, traces},
};

/// Everything a Longshore process can be told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "longshore.toml")]
pub struct Settings {
    /// The queues to work on, each under a name of your choosing that logs and metrics use.
    pub queues: BTreeMap<String, QueueSettings>,
    /// How AWS is reached.
    pub aws: sqs::Settings,
    /// The admin server.
    pub admin: admin::Settings,
    /// The orderly stop.
    pub drain: stop::Settings,
    /// The worker as a task of Amazon ECS.
    pub ecs: ecs::Settings,
    /// The log.
    pub log: logs::Settings,
    /// Traces, which the standard `OTEL_*` variables turn on.
    pub traces: traces::Settings,
}

impl Settings {
    /// How long a stop may take.
    pub fn drain_limit(&self) -> Duration {
        self.drain.limit(self.ecs.stop_timeout())
    }
}

/// One queue and what is done with its messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
    /// The queue's URL; this or `name`.
    pub url: Option<String>,
    /// The queue's name in SQS, from which its URL is looked up when there is no `url`.
    pub name: Option<String>,
    /// The region of this queue, when it is not that of `aws.region`.
    pub region: Option<String>,
    /// The SQS endpoint of this queue, when it is not that of `aws.endpoint_url`.
    pub endpoint_url: Option<String>,
    /// How many calls of the handler run at once.
    #[schemars(range(min = 1, max = 100_000))]
    pub concurrency: usize,
    /// How many messages one call of the handler is given.
    pub batch: consumer::BatchSettings,
    /// How many messages are held beyond those running; `auto` holds what will start within about one round trip, and on a
    /// FIFO queue also what waits behind its group. With a number, one long group can fill all the places there.
    pub prefetch: consumer::Prefetch,
    /// How long a received message stays hidden; extended for as long as it is held, so it bounds only how soon
    /// the message comes back after a crash. Whole seconds, 2s to 12h.
    pub visibility: Span,
    /// How far the visibility may grow for long work, which saves requests; absent, it stays at `visibility`.
    pub visibility_max: Option<Span>,
    /// How long one handler may run, at most 12h (SQS holds no message longer), or `none`.
    pub timeout: Limit,
    /// How messages are received.
    pub receive: consumer::ReceiveSettings,
    /// When a failed message becomes visible again.
    pub retry: backoff::Settings,
    /// How outcomes are told to SQS.
    pub settle: settle::Settings,
    /// How many messages the queue and its DLQ have, for the metrics.
    pub depth: depth::Settings,
    /// Who is told over SNS how messages end.
    pub notify: notifications::Settings,
    /// Where rejected messages are copied to.
    pub dlq: settle::DlqSettings,
    /// Where the messages go.
    pub handler: Option<handler::Settings>,
}

impl QueueSettings {
    /// Where the queue is: its URL, or else its name in SQS; empty without either.
    pub fn address(&self) -> &str {
        self.url.as_deref().or(self.name.as_deref()).unwrap_or_default()
    }

    /// How AWS is reached for this queue: its own word first, then the process's.
    pub fn reach(&self, process: &sqs::Settings) -> sqs::Settings {
        sqs::Settings {
            region: self.region.clone().or_else(|| process.region.clone()),
            endpoint_url: self.endpoint_url.clone().or_else(|| process.endpoint_url.clone()),
            ..process.clone()
        }
    }
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            url: None,
            name: None,
            region: None,
            endpoint_url: None,
            concurrency: 16,
            batch: consumer::BatchSettings::default(),
            prefetch: consumer::Prefetch::default(),
            visibility: Span::secs(30),
            visibility_max: None,
            timeout: Limit::After(Duration::from_hours(12)),
            receive: consumer::ReceiveSettings::default(),
            retry: backoff::Settings::default(),
            settle: settle::Settings::default(),
            depth: depth::Settings::default(),
            notify: notifications::Settings::default(),
            dlq: settle::DlqSettings::default(),
            handler: None,
        }
    }
}
