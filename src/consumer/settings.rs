//! Settings of one queue's engine: concurrency, batches, prefetch, leases, receives and retries.

use std::{fmt, ops::RangeInclusive, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{depth, limits::RateSettings, settle};
use crate::{
    backoff::{Backoff, Jitter},
    duration::{Limit, Span},
    handler::CallSize,
    queue::limits,
    settings::{Problem, at_most, in_range, whole_seconds, within},
};

const CONCURRENCY: RangeInclusive<usize> = 1..=100_000;
const POLLERS: RangeInclusive<usize> = 1..=32;
const BATCH_SIZE: RangeInclusive<usize> = 1..=10_000;
const BATCH_WINDOW_MAX: Span = Span::secs(5 * 60);
/// At least 2 s: two thirds of 1 s leave a receive no whole second to wait, and half of it is too short for an extension.
const VISIBILITY: RangeInclusive<Span> = Span::secs(2)..=LONGEST;
const WAIT: RangeInclusive<Span> = Span::secs(0)..=Span(limits::WAIT);
/// Short enough for the watchdog of the poll loop.
const PACE_MAX: Span = Span::secs(5 * 60);
const LONGEST: Span = Span(limits::VISIBILITY);
const BREAKER_TIMES: RangeInclusive<Span> = Span::millis(100)..=Span::secs(60 * 60);

/// The settings of one queue's engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ConsumerSettings {
    /// The most calls of the handler that run at once.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 100_000)))]
    pub concurrency: usize,
    /// True to start with the queue paused, as by an operator: nothing is received until `longshore resume`, SIGUSR2, or a reload of a configuration without it.
    pub paused: bool,
    /// The messages of one call of the handler.
    pub batch: BatchSettings,
    /// The most calls that this worker starts within a time, for handlers behind a limit; absent, there is none. Messages are received only as calls may start.
    pub rate: Option<RateSettings>,
    /// The most messages of one message group (`MessageGroupId`) that run at once, on a standard queue: a tenant's share. The others wait here, hidden, and up to 1,000 of them keep no other group's messages from being received.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 100_000)))]
    pub per_group: Option<usize>,
    /// The most messages held beyond those running; `auto` holds what will start within about one round trip, and on a
    /// FIFO queue also what waits behind its group. With a number, one long group can use all of it.
    pub prefetch: Prefetch,
    /// The time for which a received message stays hidden; extended for as long as the message is held, so that it bounds
    /// only how soon the message comes back after a crash. Whole seconds, 2s to 12h.
    pub visibility: Span,
    /// The longest visibility of an extension, up to which the visibility doubles for long work, which saves requests;
    /// absent, it stays at `visibility`.
    pub visibility_max: Option<Span>,
    /// The longest time that one call of the handler may run, at most 12h (SQS holds no message longer), or `none`.
    pub timeout: Limit,
    /// Receives of messages.
    pub receive: ReceiveSettings,
    /// The delay after which a failed message becomes visible again, by its receive count.
    pub retry: Backoff,
    /// The treatment of a message that fails at its last receive, by the `maxReceiveCount` of the redrive policy: `redrive` leaves it to SQS, which moves it to the DLQ at its next receive; `copy` copies it to the DLQ at once, with the reason as for a reject, and deletes it.
    pub on_exhausted: OnExhausted,
    /// The share of failed calls from which polling pauses; absent, only a handler that is not available in three calls in
    /// a row counts as down.
    pub breaker: Option<BreakerSettings>,
    /// Deletes and changes of visibility.
    pub settle: settle::Settings,
    /// The numbers of messages in the queue and its DLQ, for the metrics.
    pub depth: depth::Settings,
}

impl ConsumerSettings {
    /// The longest visibility of an extension: each doubles the one before up to this.
    pub fn longest_visibility(&self) -> Duration {
        self.visibility_max.unwrap_or(self.visibility).0
    }

    /// The most messages running at once.
    pub(super) fn running(&self) -> usize {
        self.concurrency.saturating_mul(self.batch.size)
    }

    /// The wait of a receive, at most two thirds of the visibility: a lease counts from the sending of its receive, and a
    /// third of it should be left when a message comes at the very end of the wait.
    pub(super) fn wait(&self) -> Duration {
        self.receive.wait.0.min(Duration::from_secs(self.visibility.0.as_secs() * 2 / 3))
    }

    /// Finds every setting that SQS or the engine cannot work with.
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(in_range("concurrency", self.concurrency, &CONCURRENCY));
        problems.extend(within("batch", self.batch.validate()));
        problems.extend(within("rate", self.rate.map(|rate| rate.validate()).unwrap_or_default()));
        problems.extend(self.per_group.and_then(|most| in_range("per_group", most, &CONCURRENCY)));
        problems.extend(self.validate_in_flight());
        problems.extend(self.validate_times());
        problems.extend(within("receive", self.receive.validate()));
        problems.extend(within("retry", self.retry.validate()));
        problems
            .extend(within("breaker", self.breaker.map(|breaker| breaker.validate()).unwrap_or_default()));
        problems.extend(within("settle", self.settle.validate(self.visibility)));
        problems.extend(within("depth", self.depth.validate()));
        problems
    }

    /// Refuses batches for a handler that takes one message a call.
    pub(crate) fn validate_for(&self, takes: CallSize) -> Option<Problem> {
        let problem = || {
            Problem::new("batch.size", "the handler takes one message a call")
                .with_value(self.batch.size)
                .with_allowed("1")
        };
        (self.batch.size > 1 && takes == CallSize::One).then(problem)
    }

    fn validate_in_flight(&self) -> Option<Problem> {
        let (running, most) = (self.running(), limits::IN_FLIGHT);
        if running > most {
            let allowed = format!(
                "at most {}: a queue holds {most} in flight, concurrency times batch.size",
                most / self.concurrency.max(1)
            );
            let problem = Problem::new("batch.size", "too many").with_value(self.batch.size);
            return Some(problem.with_allowed(allowed));
        }
        match self.prefetch {
            Prefetch::Fixed(prefetch) if prefetch > most - running => {
                let allowed = format!(
                    "at most {}: a queue holds {most} in flight, concurrency counted",
                    most - running
                );
                Some(Problem::new("prefetch", "too many").with_value(prefetch).with_allowed(allowed))
            }
            Prefetch::Fixed(_) | Prefetch::Auto => None,
        }
    }

    fn validate_times(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(whole_seconds("visibility", self.visibility, &VISIBILITY));
        if let Some(longest) = self.visibility_max {
            problems.extend(whole_seconds("visibility_max", longest, &(self.visibility..=LONGEST)));
        }
        if let Limit::After(timeout) = self.timeout
            && (timeout.is_zero() || timeout > limits::VISIBILITY)
        {
            let allowed = format!("more than 0s, at most {LONGEST}, or \"none\"");
            let problem = Problem::new("timeout", "out of range").with_value(Span(timeout));
            problems.push(problem.with_allowed(allowed));
        }
        problems
    }
}

impl Default for ConsumerSettings {
    fn default() -> Self {
        Self {
            concurrency: 16,
            paused: false,
            batch: BatchSettings::default(),
            rate: None,
            per_group: None,
            prefetch: Prefetch::default(),
            visibility: Span::secs(30),
            visibility_max: None,
            timeout: Limit::After(Duration::from_hours(12)),
            receive: ReceiveSettings::default(),
            retry: Backoff::default(),
            on_exhausted: OnExhausted::default(),
            breaker: None,
            settle: settle::Settings::default(),
            depth: depth::Settings::default(),
        }
    }
}

/// Settings of receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ReceiveSettings {
    /// The time that a receive waits for a message: `20s` is the cheapest, three requests a minute when idle. Cut to two thirds of the visibility.
    pub wait: Span,
    /// The pause after a receive that came back with fewer messages than asked for: fewer requests for that much latency.
    pub pace: Span,
    /// The most receives under way at once.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 32)))]
    pub pollers: usize,
}

impl ReceiveSettings {
    /// Finds every setting that SQS or the poll loop cannot work with.
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(whole_seconds("wait", self.wait, &WAIT));
        problems.extend(at_most("pace", self.pace, PACE_MAX));
        problems.extend(in_range("pollers", self.pollers, &POLLERS));
        problems
    }
}

impl Default for ReceiveSettings {
    fn default() -> Self {
        Self { wait: Span::secs(20), pace: Span::millis(0), pollers: 32 }
    }
}

/// Settings of the breaker, which pauses polling while too many calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// The share of failed calls that opens it, more than 0, at most 1; a call whose message is done or rejected has not failed.
    pub failures: f64,
    /// The time within which calls count.
    pub within: Span,
    /// The least calls within that time.
    #[cfg_attr(feature = "cli", schemars(range(min = 1)))]
    pub least: u32,
    /// The first pause, after which one message is tried; each failure doubles it.
    pub pause: Span,
    /// The longest pause.
    pub longest_pause: Span,
}

impl BreakerSettings {
    /// Finds every setting that is out of range.
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(self.failures > 0.0 && self.failures <= 1.0) {
            let problem = Problem::new("failures", "out of range").with_value(self.failures);
            problems.push(problem.with_allowed("more than 0, at most 1"));
        }
        if self.least == 0 {
            problems.push(Problem::new("least", "out of range").with_value(0).with_allowed("at least 1"));
        }
        let longest_pauses = self.pause..=*BREAKER_TIMES.end();
        for (key, time, range) in [
            ("within", self.within, &BREAKER_TIMES),
            ("pause", self.pause, &BREAKER_TIMES),
            ("longest_pause", self.longest_pause, &longest_pauses),
        ] {
            if !range.contains(&time) {
                let allowed = format!("{} to {}", range.start(), range.end());
                problems.push(Problem::new(key, "out of range").with_value(time).with_allowed(allowed));
            }
        }
        problems
    }

    /// The pauses before tried calls.
    pub(super) fn pauses(&self) -> Backoff {
        Backoff { initial: self.pause.0, factor: 2.0, max: self.longest_pause.0, jitter: Jitter::Half }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 0.5,
            within: Span::secs(30),
            least: 10,
            pause: Span::secs(5),
            longest_pause: Span::secs(5 * 60),
        }
    }
}

/// Settings of batches, for handlers that take several messages a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct BatchSettings {
    /// The most messages a call; a batch of more than ten takes several receives, and so a `window`.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 10_000)))]
    pub size: usize,
    /// The time that a batch that is not full waits for more messages; `0s` starts what has come at once. Batches of one FIFO group never wait: SQS hands out no more of a group that is held.
    pub window: Span,
    /// The most bytes a call, bodies and attributes together; one message alone may have more.
    pub bytes: usize,
    /// `several` lets a batch from a FIFO queue hold messages of several groups, `one` of one group only.
    pub groups: Groups,
}

impl BatchSettings {
    /// Finds every setting that is out of range.
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let size = in_range("size", self.size, &BATCH_SIZE);
        if size.is_none() && self.size > limits::BATCH_ENTRIES && self.window.0.is_zero() {
            let problem = Problem::new("size", "out of range").with_value(self.size);
            problems
                .push(problem.with_allowed("at most 10 without a window, because a receive brings no more"));
        }
        problems.extend(size);
        problems.extend(at_most("window", self.window, BATCH_WINDOW_MAX));
        if self.bytes == 0 {
            problems.push(Problem::new("bytes", "out of range").with_value(0).with_allowed("at least 1"));
        }
        problems
    }
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self { size: 1, window: Span::secs(0), bytes: 6_000_000, groups: Groups::Several }
    }
}

/// The number of FIFO groups that share a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Groups {
    /// Any number, each in its order.
    #[default]
    Several,
    /// One: a failure of the whole batch then stops this group alone.
    One,
}

/// The treatment of a message that fails at its last receive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnExhausted {
    /// It is given back, and SQS moves it to the DLQ at its next receive.
    #[default]
    Redrive,
    /// It is copied to the DLQ, with the reason, and deleted.
    Copy,
}

/// The number of messages held beyond those running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prefetch {
    /// As many as will start within about one round trip to SQS.
    #[default]
    Auto,
    /// This many.
    Fixed(usize),
}

impl Prefetch {
    /// The number before the rate of messages is known.
    pub(super) fn initial(self) -> usize {
        match self {
            Self::Auto => 0,
            Self::Fixed(messages) => messages,
        }
    }
}

impl FromStr for Prefetch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let message = || format!("neither a number nor \"auto\": {text:?}");
        text.parse().map(Self::Fixed).map_err(|_| message())
    }
}

impl fmt::Display for Prefetch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Fixed(messages) => messages.fmt(formatter),
        }
    }
}

impl Serialize for Prefetch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fixed(messages) => messages.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Prefetch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(usize),
            Text(String),
        }
        match Raw::deserialize(deserializer).map_err(|_| D::Error::custom("neither a number nor \"auto\""))? {
            Raw::Number(messages) => Ok(Self::Fixed(messages)),
            Raw::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for Prefetch {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Prefetch".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 0 }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(change: impl FnOnce(&mut ConsumerSettings)) -> String {
        let mut settings = ConsumerSettings::default();
        change(&mut settings);
        let keys: Vec<_> =
            settings.validate().iter().map(|problem| problem.key().unwrap().to_string()).collect();
        keys.join(" ")
    }

    #[test]
    fn the_defaults_and_the_limits_themselves_are_valid() {
        assert_eq!(wrong(|_| ()), "");
        let longest = |settings: &mut ConsumerSettings| {
            (settings.visibility, settings.visibility_max) = (LONGEST, Some(LONGEST));
            (settings.timeout, settings.receive.pollers) = (Limit::After(limits::VISIBILITY), 32);
            (settings.concurrency, settings.prefetch) = (1, Prefetch::Fixed(limits::IN_FLIGHT - 1));
        };
        assert_eq!(wrong(longest), "");
        assert_eq!(wrong(|settings| settings.timeout = Limit::None), "");
    }

    #[test]
    fn amounts_have_limits() {
        assert_eq!(wrong(|settings| settings.concurrency = 0), "concurrency");
        assert_eq!(wrong(|settings| settings.concurrency = 100_001), "concurrency");
        assert_eq!(wrong(|settings| settings.concurrency = usize::MAX), "concurrency batch.size");
        assert_eq!(wrong(|settings| settings.receive.pollers = 0), "receive.pollers");
        assert_eq!(wrong(|settings| settings.receive.pollers = 33), "receive.pollers");
        assert_eq!(wrong(|settings| settings.prefetch = Prefetch::Fixed(119_985)), "prefetch");
        assert_eq!(wrong(|settings| settings.prefetch = Prefetch::Fixed(119_984)), "");
        assert_eq!(wrong(|settings| settings.prefetch = Prefetch::Fixed(usize::MAX)), "prefetch");
    }

    #[test]
    fn batches_have_limits() {
        let size = |size: usize, window: u64| {
            move |settings: &mut ConsumerSettings| {
                (settings.batch.size, settings.batch.window) = (size, Span::secs(window));
            }
        };
        assert_eq!(wrong(size(0, 0)), "batch.size");
        assert_eq!(wrong(size(11, 0)), "batch.size");
        assert_eq!(wrong(size(10_001, 1)), "batch.size batch.size", "too large, and too many in flight");
        assert_eq!(wrong(size(1, 301)), "batch.window");
        assert_eq!(wrong(|settings| settings.batch.bytes = 0), "batch.bytes");
        let in_flight = wrong(|settings| {
            size(10_000, 1)(settings);
            settings.concurrency = 13;
        });
        assert_eq!(in_flight, "batch.size");
    }

    #[test]
    fn a_breaker_has_limits() {
        let of = |breaker| wrong(|settings| settings.breaker = Some(breaker));
        let usual = BreakerSettings::default();
        let shares = [0.0, -0.5, 1.1, f64::NAN].map(|failures| of(BreakerSettings { failures, ..usual }));
        assert_eq!(shares, ["breaker.failures"; 4]);
        assert_eq!([0.01, 1.0].map(|failures| of(BreakerSettings { failures, ..usual })), ["", ""]);
        assert_eq!(of(BreakerSettings { least: 0, ..usual }), "breaker.least");
        assert_eq!(of(BreakerSettings { within: Span::millis(99), ..usual }), "breaker.within");
        let longest_pause = usual.pause;
        assert_eq!(of(BreakerSettings { longest_pause, ..usual }), "");
        let longest_pause = Span::millis(4_999);
        assert_eq!(of(BreakerSettings { longest_pause, ..usual }), "breaker.longest_pause");
        assert_eq!((usual.pauses().initial, usual.pauses().max), (usual.pause.0, usual.longest_pause.0));
    }

    #[test]
    fn an_extension_is_no_longer_than_the_visibility_unless_it_may_grow() {
        let usual = ConsumerSettings::default();
        assert_eq!(usual.longest_visibility(), usual.visibility.0);
        let growing = ConsumerSettings { visibility_max: Some(LONGEST), ..usual };
        assert_eq!(growing.longest_visibility(), LONGEST.0);
    }

    #[test]
    fn times_are_whole_seconds_within_the_limits_of_sqs() {
        for visibility in [Span::secs(0), Span::secs(1), Span::millis(2_500), Span::secs(43_201)] {
            let broken = wrong(|settings| {
                settings.visibility = visibility;
            });
            assert_eq!(broken, "visibility", "{visibility}");
        }
        assert_eq!(wrong(|settings| settings.visibility_max = Some(Span::secs(29))), "visibility_max");
        assert_eq!(wrong(|settings| settings.receive.wait = Span::secs(21)), "receive.wait");
        assert_eq!(wrong(|settings| settings.receive.wait = Span::millis(500)), "receive.wait");
        assert_eq!(wrong(|settings| settings.receive.pace = Span(Duration::MAX)), "receive.pace");
        for timeout in [Duration::ZERO, Duration::from_secs(43_201), Duration::MAX] {
            assert_eq!(wrong(|settings| settings.timeout = Limit::After(timeout)), "timeout");
        }
    }

    #[test]
    fn a_delete_waits_at_most_a_quarter_of_the_visibility() {
        assert_eq!(wrong(|settings| settings.settle.linger = Some(Span::millis(7_500))), "");
        assert_eq!(wrong(|settings| settings.settle.linger = Some(Span::millis(7_501))), "settle.linger");
    }

    #[test]
    fn retries_grow_from_initial_to_max() {
        let hours = Duration::from_hours(13);
        assert_eq!(wrong(|settings| settings.retry.factor = 0.5), "retry.factor");
        assert_eq!(wrong(|settings| settings.retry.factor = f64::NAN), "retry.factor");
        assert_eq!(wrong(|settings| settings.retry.max = hours), "retry.max");
        assert_eq!(wrong(|settings| settings.retry.max = Duration::from_secs(4)), "retry.initial");
    }

    #[test]
    fn only_a_handler_of_batches_takes_several_messages() {
        let batch = BatchSettings { size: 2, ..BatchSettings::default() };
        let settings = ConsumerSettings { batch, ..ConsumerSettings::default() };
        let problem = settings.validate_for(CallSize::One).unwrap();
        assert!(problem.to_string().contains("one message a call"), "{problem}");
        assert_eq!(settings.validate_for(CallSize::Batch), None);
        assert_eq!(ConsumerSettings::default().validate_for(CallSize::One), None);
    }

    #[test]
    fn prefetch_is_auto_or_a_number() {
        assert_eq!("auto".parse(), Ok(Prefetch::Auto));
        assert_eq!("12".parse(), Ok(Prefetch::Fixed(12)));
        assert_eq!(serde_json::from_str::<Prefetch>("3").unwrap(), Prefetch::Fixed(3));
        assert!(serde_json::from_str::<Prefetch>("-3").is_err());
    }

    #[test]
    fn a_receive_waits_for_two_thirds_of_the_visibility_at_most() {
        let mut settings = ConsumerSettings { visibility: Span::secs(12), ..ConsumerSettings::default() };
        settings.receive.wait = Span::secs(20);
        assert_eq!(settings.wait(), Duration::from_secs(8));
        settings.receive.wait = Span::secs(5);
        assert_eq!(settings.wait(), Duration::from_secs(5));
    }

    #[test]
    fn a_prefetch_is_written_as_it_is_read() {
        for (prefetch, text, initial) in [(Prefetch::Auto, "auto", 0), (Prefetch::Fixed(12), "12", 12)] {
            assert_eq!((prefetch.to_string().as_str(), prefetch.initial()), (text, initial));
        }
    }
}
