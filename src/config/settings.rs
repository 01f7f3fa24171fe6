//! The settings of a whole process, composed of the settings of its parts.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Purpose;
use crate::{
    admin,
    aws::{AwsAccess, RoleSettings},
    consumer::{ConsumerSettings, OnExhausted, PoolSettings, PoolWeight, RateScope, depth, settle},
    duration::Span,
    ecs,
    envelope::{SnsSignature, Unwrap},
    handler, kubernetes, once, payload,
    queue::{
        is_fifo, name_at,
        sqs::{self, QueueAddress},
    },
    settings::{Key, Problem, http_url, within},
    sns::notifications,
    start::{self, Missing},
    stop::{self, DrainLimits},
    telemetry::{logs, traces},
};

/// All settings of a Longshore process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "longshore.toml")]
pub(crate) struct Settings {
    /// The queues to work on, each under a name of your choosing that logs and metrics use.
    pub queues: BTreeMap<String, QueueSettings>,
    /// Pools of slots, each under a name of your choosing, that several queues share.
    pub pool: BTreeMap<String, PoolSettings>,
    /// The access to AWS.
    pub aws: sqs::Settings,
    /// The admin server.
    pub admin: admin::Settings,
    /// The start.
    pub start: start::Settings,
    /// The orderly stop.
    pub drain: stop::Settings,
    /// The worker as a task of Amazon ECS.
    pub ecs: ecs::Settings,
    /// The worker in a pod of Kubernetes.
    pub kubernetes: kubernetes::Settings,
    /// The log.
    pub log: logs::Settings,
    /// Traces, which the standard `OTEL_*` variables turn on.
    pub traces: traces::Settings,
}

impl Settings {
    /// The queue of this name, or the only one.
    pub(crate) fn chosen(&self, name: Option<&str>) -> Option<&QueueSettings> {
        match name {
            Some(name) => self.queues.get(name),
            None => self.queues.values().next().filter(|_| self.queues.len() == 1),
        }
    }

    /// The longest time that a stop may take.
    pub(crate) fn drain_limit(&self) -> Duration {
        self.drain_limits().all
    }

    /// The time limits of a stop.
    pub(crate) fn drain_limits(&self) -> DrainLimits {
        self.drain.limits(self.kill_after())
    }

    /// The time after which the platform kills the process that it has sent SIGTERM, if it is known.
    fn kill_after(&self) -> Option<Duration> {
        let of_pod = self.kubernetes.grace_period();
        if self.kubernetes.is_pod { of_pod } else { self.ecs.stop_timeout().or(of_pod) }
    }

    /// True in a pod whose grace period is assumed, unless the drain limit is set and fits into that.
    pub(crate) fn is_grace_period_unknown(&self) -> bool {
        let longest = self.kubernetes.grace_period().map(stop::Settings::longest_within);
        let fits = self.drain.limit.is_some_and(|Span(limit)| Some(limit) <= longest);
        self.kubernetes.is_assumed() && !fits
    }

    /// Finds every setting that cannot work, in the parts and between them.
    pub(super) fn validate(&self, purpose: Purpose) -> Vec<Problem> {
        let Self { queues, pool, aws, admin, start: _, drain, ecs, kubernetes, log, traces: _ } = self;
        let mut problems = Vec::new();
        if queues.is_empty() && purpose == Purpose::Run {
            let hint =
                "give --queue-url and --handler, or write a [queues.<name>] section into longshore.toml";
            problems.push(Problem::new("queues", "there is no queue to work on").with_hint(hint));
        }
        for (name, queue) in queues {
            let key = Key::new(["queues", name]);
            problems.extend(validate_queue_name(&key, name));
            problems.extend(queue.validate(purpose).into_iter().map(|problem| problem.beneath(&key)));
        }
        for (name, pool) in pool {
            let key = Key::new(["pool", name]);
            problems.extend(pool.validate().into_iter().map(|problem| problem.beneath(&key)));
        }
        problems.extend(self.validate_pools());
        problems.extend(self.validate_each_queue_once());
        problems.extend(self.validate_scale_out());
        problems.extend(within("aws", aws.validate()));
        problems.extend(within("admin", admin.validate()));
        problems.extend(within("drain", drain.validate()));
        problems.extend(within("ecs", ecs.validate()));
        problems.extend(within("kubernetes", kubernetes.validate()));
        problems.extend(within("log", log.validate()));
        problems
    }

    /// Requires the pool of each queue to exist.
    fn validate_pools(&self) -> Vec<Problem> {
        let missing = self.queues.iter().filter_map(|(name, queue)| {
            let pool = queue.pool.as_ref().filter(|pool| !self.pool.contains_key(*pool))?;
            let problem = Problem::of(Key::new(["queues", name, "pool"]), "there is no such pool");
            Some(problem.with_value(pool.as_str()).with_hint(format!("write a [pool.{pool}] section")))
        });
        missing.collect()
    }

    /// Requires the number of messages of a queue where tasks are ordered by it.
    fn validate_scale_out(&self) -> Option<Problem> {
        let is_counted = |queue: &QueueSettings| queue.consumer.depth.interval != depth::Interval::Off;
        let max_tasks = self.ecs.scale_out_to.filter(|_| !self.queues.values().any(is_counted))?;
        let problem =
            Problem::new("ecs.scale_out_to", "no queue's messages are counted, so no task would be ordered");
        let hint = "set depth.interval of the queues, such as \"10s\", or remove ecs.scale_out_to";
        (!self.queues.is_empty()).then(|| problem.with_value(max_tasks.get()).with_hint(hint))
    }

    /// Refuses two sections about one queue: they would compete for its messages and count them twice.
    fn validate_each_queue_once(&self) -> Vec<Problem> {
        let mut seen = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, queue) in &self.queues {
            let place = (queue.region.as_deref(), queue.endpoint_url.as_deref(), queue.owner.as_deref());
            let (field, identity) = match (&queue.url, &queue.name) {
                (Some(url), _) => ("url", (plain_url(url), (None, None, None))),
                (None, Some(name)) => ("name", (name.clone(), place)),
                (None, None) => continue,
            };
            if let Some(other) = seen.insert(identity, name) {
                let key = Key::new(["queues", name, field]);
                let problem = Problem::of(key, format!("the same queue as queues.{other}"));
                problems.push(problem.with_hint("keep one of the two and raise its concurrency"));
            }
        }
        problems
    }
}

/// True if a queue's section may have this name, which logs, metrics and health show as it is.
pub(super) fn is_section_name(name: &str) -> bool {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    (1..=80).contains(&name.len()) && name.chars().all(is_allowed)
}

fn validate_queue_name(key: &Key, name: &str) -> Option<Problem> {
    let problem = || {
        Problem::of(key.clone(), "not a name for a queue").with_allowed("1 to 80 letters, digits, -, _ and .")
    };
    (!is_section_name(name)).then(problem)
}

/// The settings of one queue: its address, its engine and its handler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct QueueSettings {
    /// The queue's URL, or its ARN, from which the URL is looked up; this or `name`.
    pub url: Option<String>,
    /// The queue's name in SQS, from which its URL is looked up when there is no `url`.
    pub name: Option<String>,
    /// The number of the account that owns the queue with this `name`; absent, that of the credentials.
    pub owner: Option<String>,
    /// The region of this queue, when its URL or ARN names none and it is not that of `aws.region`.
    pub region: Option<String>,
    /// The SQS endpoint of this queue, when it is not that of `aws.endpoint_url`.
    pub endpoint_url: Option<String>,
    /// The role to assume for this queue and its DLQ.
    #[serde(flatten)]
    pub role: RoleSettings,
    /// What happens if the queue, or the DLQ that its section names, does not exist at the start: `fail` ends it, `wait` consumes the other queues, and this one as soon as it exists. `/status` names it, and `/readyz` does not wait for it.
    pub missing: Missing,
    /// The envelope that is taken off a message before its handler is called: `none`, `sns`, `eventbridge`, or `auto` for both and for one in the other. What is no such envelope passes untouched, and copies in the DLQ have the message as it was received.
    pub unwrap: Unwrap,
    /// The signatures of SNS notifications: `ignore` them, or `check` them, so that every message that is no notification with a valid signature is rejected.
    pub sns_signature: SnsSignature,
    /// The pool from which its calls take their slots; `concurrency` is the most that this queue may use of it.
    pub pool: Option<String>,
    /// Its share of the pool's slots beside those of other queues.
    pub weight: PoolWeight,
    /// Large payloads in S3, and encoded ones.
    pub payload: payload::Settings,
    /// Messages of one key that run once; absent, a message runs as often as SQS delivers it.
    pub once: Option<once::Settings>,
    /// The consumer's settings.
    #[serde(flatten)]
    pub consumer: ConsumerSettings,
    /// SNS notifications of the outcomes of messages.
    pub notify: notifications::Settings,
    /// The DLQ that rejected messages are copied to.
    pub dlq: settle::DlqSettings,
    /// Routes: a message goes to the handler of the first one whose conditions it meets, and else to `handler`.
    pub route: handler::Routes,
    /// The handler of the messages; with routes, of those that no route takes.
    pub handler: Option<handler::Settings>,
}

impl QueueSettings {
    /// The queue's URL or ARN, or else its name in SQS, with its account where that is set; empty without either.
    pub(crate) fn address(&self) -> Cow<'_, str> {
        match (&self.url, &self.owner, &self.name) {
            (Some(url), _, _) => url.into(),
            (None, Some(owner), Some(name)) => format!("{owner}/{name}").into(),
            (None, None, Some(name)) => name.into(),
            (None, _, None) => "".into(),
        }
    }

    /// The queue's name in SQS: its name, or the last part of its URL or ARN.
    pub(crate) fn name_in_sqs(&self) -> &str {
        name_at(self.url.as_deref().or(self.name.as_deref()).unwrap_or_default())
    }

    /// The access to AWS for this queue, in its role.
    pub(crate) fn access(&self, process: &sqs::Settings) -> AwsAccess {
        AwsAccess::from(self.reach(process)).with_role(self.role.role())
    }

    /// The settings of the access to AWS for this queue: its own first, then those of the process.
    pub(crate) fn reach(&self, process: &sqs::Settings) -> sqs::Settings {
        sqs::Settings {
            region: self.region.clone().or_else(|| process.region.clone()),
            endpoint_url: self.endpoint_url.clone().or_else(|| process.endpoint_url.clone()),
            ..process.clone()
        }
    }

    /// Finds every setting that cannot work, in the parts and between them.
    fn validate(&self, purpose: Purpose) -> Vec<Problem> {
        let mut problems = self.validate_address();
        problems.extend(within("dlq", self.validate_dlq()));
        problems.extend(self.validate_weight());
        problems.extend(self.validate_signature());
        problems.extend(self.validate_groups());
        problems.extend(self.consumer.validate());
        problems.extend(self.validate_exhausted());
        problems.extend(within("notify", self.notify.validate()));
        problems.extend(within("payload", self.payload.validate()));
        let of_once = self.once.as_ref().map(|once| once.validate(is_fifo(&self.address())));
        problems.extend(within("once", of_once.unwrap_or_default()));
        problems.extend(within("route", self.route.validate()));
        problems.extend(self.validate_handlers());
        match &self.handler {
            Some(handler) => problems.extend(within("handler", handler.validate())),
            None if !self.route.is_empty() && !self.route.take_all() => {
                let problem = Problem::new("handler", "no handler for messages that no route takes");
                problems.push(problem.with_hint(
                    "write a handler section for the queue, or a last route without conditions, which may reject",
                ));
            }
            None if purpose == Purpose::Run && self.route.is_empty() => {
                let problem = Problem::new("handler", "the queue has no handler");
                problems
                    .push(problem.with_hint("give --handler URL, or write a handler section for the queue"));
            }
            None => {}
        }
        problems
    }

    /// Its handler and those of its routes.
    pub(crate) fn handlers(&self) -> impl Iterator<Item = &handler::Settings> {
        self.handler.iter().chain(self.route.handlers())
    }

    /// True if nothing handles its messages.
    pub(crate) fn has_no_handler(&self) -> bool {
        self.handler.is_none() && self.route.is_empty()
    }

    /// Requires batches that every handler takes.
    fn validate_handlers(&self) -> Vec<Problem> {
        let of_handler =
            |handler| self.validate_event(handler).or_else(|| self.consumer.validate_for(handler.takes()));
        self.handlers().find_map(of_handler).into_iter().collect()
    }

    /// Finds a weight that is out of range, and one without a pool.
    fn validate_weight(&self) -> Option<Problem> {
        let is_without_effect = self.pool.is_none() && self.weight != PoolWeight::default();
        let without_effect = || {
            let problem = Problem::new("weight", "without effect: the queue shares no pool");
            problem.with_value(self.weight.0).with_hint("name its pool, or leave weight out")
        };
        self.weight.validate().or_else(|| is_without_effect.then(without_effect))
    }

    fn validate_address(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.url.is_none() && self.name.is_none() {
            let problem = Problem::new("url", "the queue has neither a url nor a name");
            problems.push(problem.with_hint("give its URL, or its name in SQS to look the URL up"));
        }
        problems.extend(queue_url("url", self.url.as_deref()));
        problems.extend(http_url("endpoint_url", self.endpoint_url.as_deref()));
        problems.extend(validate_name_in_sqs(self.name.as_deref()));
        problems.extend(self.validate_owner());
        problems.extend(self.validate_region());
        problems.extend(self.role.validate());
        problems
    }

    /// Requires notifications to be unwrapped where their signatures are checked.
    fn validate_signature(&self) -> Option<Problem> {
        let is_unwrapped = matches!(self.unwrap, Unwrap::Sns | Unwrap::Auto);
        let problem = || {
            Problem::new("sns_signature", "only notifications have one, and they are not taken off")
                .with_hint("set unwrap to \"sns\" or \"auto\"")
        };
        (self.sns_signature == SnsSignature::Check && !is_unwrapped).then(problem)
    }

    /// Refuses limits of groups on a FIFO queue, where one message of a group runs at a time.
    fn validate_groups(&self) -> Option<Problem> {
        let by_group = self.consumer.rate.is_some_and(|rate| rate.by == RateScope::Group);
        let key = if by_group { "rate.by" } else { "per_group" };
        let has_limit = by_group || self.consumer.per_group.is_some();
        let problem =
            || Problem::new(key, "groups of a FIFO queue run one message at a time, and have no other limit");
        (has_limit && is_fifo(&self.address())).then(problem)
    }

    fn validate_owner(&self) -> Option<Problem> {
        let owner = self.owner.as_deref()?;
        if owner.len() != 12 || !owner.bytes().all(|byte| byte.is_ascii_digit()) {
            let problem = Problem::new("owner", "not an account's number").with_value(owner);
            return Some(problem.with_allowed("12 digits"));
        }
        let is_without_effect = self.url.is_some();
        let problem = || {
            Problem::new("owner", "the queue has a url, which names the account")
                .with_hint("keep one of the two")
        };
        is_without_effect.then(problem)
    }

    /// Refuses a region beside an address that names another: one of the two is a mistake.
    fn validate_region(&self) -> Option<Problem> {
        let own = self.region.as_deref()?;
        let address = self.url.as_deref().and_then(|url| QueueAddress::parse(url).ok())?;
        let named = address.region().filter(|named| *named != own)?;
        let problem = Problem::new("region", format!("the queue's url names another: {named}"));
        Some(problem.with_value(own).with_hint("remove the region, or correct the url"))
    }

    /// Requires the DLQ to be another queue of the same type, as SQS does.
    fn validate_dlq(&self) -> Vec<Problem> {
        let settle::DlqSettings { url, name, .. } = &self.dlq;
        let mut problems = Vec::new();
        problems.extend(queue_url("url", url.as_deref()));
        problems.extend(validate_name_in_sqs(name.as_deref()));
        if url.is_some() && name.is_some() {
            let problem = Problem::new("name", "the dlq has a url already");
            problems.push(problem.with_hint("keep one of the two"));
        }
        let Some(dlq) = self.dlq.address().filter(|_| problems.is_empty()) else { return problems };
        let key = if url.is_some() { "url" } else { "name" };
        let own = self.address();
        if plain_url(dlq) == plain_url(&own) {
            let hint = "a rejected message would come back for ever: name another queue";
            problems.push(Problem::new(key, "the queue itself").with_hint(hint));
        } else if is_fifo(dlq) != is_fifo(&own) {
            let allowed =
                if is_fifo(&own) { "a FIFO queue, whose name ends in .fifo" } else { "a standard queue" };
            problems.push(Problem::new(key, "not of the queue's type").with_allowed(allowed));
        }
        problems
    }

    /// Requires a DLQ that takes copies.
    fn validate_exhausted(&self) -> Option<Problem> {
        let is_refused = self.consumer.on_exhausted == OnExhausted::Copy && !self.dlq.copy_rejects;
        is_refused.then(|| {
            let problem =
                Problem::new("on_exhausted", "nothing is copied, because dlq.copy_rejects is false");
            problem.with_hint("leave one of the two out")
        })
    }

    /// Requires a batch to fit into an event of Lambda, and a `CloudEvent` to be alone.
    fn validate_event(&self, handler: &handler::Settings) -> Option<Problem> {
        let most = handler::lambda::EVENT_BYTES;
        if matches!(handler, handler::Settings::Http(http) if http.cloudevents)
            && self.consumer.batch.size > 1
        {
            let problem = Problem::new("batch.size", "a CloudEvent is posted alone");
            return Some(problem.with_allowed("1 with cloudevents = true"));
        }
        let is_too_large =
            matches!(handler, handler::Settings::Lambda(_)) && self.consumer.batch.bytes > most;
        let problem = || {
            Problem::new("batch.bytes", "too many")
                .with_allowed(format!("at most {most} for a lambda handler: no event is larger"))
        };
        is_too_large.then(problem)
    }
}

/// Requires a URL of HTTP, or the ARN of a queue.
fn queue_url(key: &str, url: Option<&str>) -> Option<Problem> {
    if let problem @ Some(_) = http_url(key, url.filter(|url| !url.starts_with("arn:"))) {
        return problem;
    }
    let problem = QueueAddress::parse(url?).err()?;
    Some(Problem::new(key, problem.to_string()).with_value(url?))
}

fn validate_name_in_sqs(name: Option<&str>) -> Option<Problem> {
    let problem = |_| {
        Problem::new("name", "not a queue's name")
            .with_allowed("1 to 80 letters, digits, - and _, ending in .fifo on a FIFO queue")
    };
    name.filter(|name| !is_name_in_sqs(name)).map(problem)
}

fn is_name_in_sqs(name: &str) -> bool {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    !stem.is_empty() && name.len() <= 80 && stem.chars().all(is_allowed)
}

fn plain_url(url: &str) -> String {
    let parsed = Url::parse(url).map_or_else(|_| url.to_owned(), String::from);
    parsed.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::consumer::settle::DlqSettings;

    fn of_urls(urls: [&str; 2]) -> Settings {
        let queue = |url: &str| QueueSettings { url: Some(url.to_owned()), ..QueueSettings::default() };
        let named = ["a", "b"].into_iter().zip(urls);
        let queues = named.map(|(name, url)| (name.to_owned(), queue(url))).collect();
        Settings { queues, ..Settings::default() }
    }

    fn keys(settings: &Settings, purpose: Purpose) -> Vec<String> {
        let problems = settings.validate(purpose);
        problems.iter().map(|problem| problem.key().cloned().unwrap_or_default().to_string()).collect()
    }

    #[test]
    fn the_defaults_break_no_rule() {
        assert_eq!(keys(&Settings::default(), Purpose::Inspect), Vec::<String>::new());
    }

    #[test]
    fn a_worker_needs_a_queue() {
        assert_eq!(keys(&Settings::default(), Purpose::Run), ["queues"]);
    }

    #[test]
    fn one_queue_may_not_be_configured_twice() {
        let same = of_urls(["http://sqs/1/q", "HTTP://SQS/1/q/"]);
        assert_eq!(keys(&same, Purpose::Inspect), ["queues.b.url"]);
        let others = of_urls(["http://sqs/1/q", "http://sqs/1/Q"]);
        assert_eq!(keys(&others, Purpose::Inspect), Vec::<String>::new());
    }

    #[test]
    fn a_queue_takes_slots_of_a_pool_that_exists_and_limits_groups_only_where_they_run_at_once() {
        let mut settings = of_urls(["http://sqs/1/q", "http://sqs/1/r.fifo"]);
        settings.queues.get_mut("a").unwrap().weight = PoolWeight(3);
        assert_eq!(keys(&settings, Purpose::Inspect), ["queues.a.weight"], "without effect");
        settings.queues.get_mut("a").unwrap().pool = Some("main".to_owned());
        assert_eq!(keys(&settings, Purpose::Inspect), ["queues.a.pool"]);
        settings.pool.insert("main".to_owned(), PoolSettings { concurrency: 0 });
        assert_eq!(keys(&settings, Purpose::Inspect), ["pool.main.concurrency"]);
        settings.pool.insert("main".to_owned(), PoolSettings::default());
        settings.queues.get_mut("a").unwrap().consumer.per_group = Some(4);
        assert_eq!(keys(&settings, Purpose::Inspect), Vec::<String>::new());
        settings.queues.get_mut("b").unwrap().consumer.per_group = Some(4);
        assert_eq!(keys(&settings, Purpose::Inspect), ["queues.b.per_group"]);
    }

    #[test]
    fn the_depth_interval_has_limits() {
        let mut settings = of_urls(["http://sqs/1/q", "http://sqs/1/r"]);
        settings.queues.get_mut("a").unwrap().consumer.depth.interval = "1s".parse().unwrap();
        settings.queues.get_mut("b").unwrap().consumer.depth.interval = depth::Interval::Off;
        assert_eq!(keys(&settings, Purpose::Inspect), ["queues.a.depth.interval"]);
    }

    #[test]
    fn tasks_are_ordered_only_where_messages_are_counted() {
        let mut settings = of_urls(["http://sqs/1/q", "http://sqs/1/r"]);
        settings.ecs.scale_out_to = NonZeroU32::new(10);
        settings.queues.get_mut("a").unwrap().consumer.depth.interval = depth::Interval::Off;
        assert_eq!(keys(&settings, Purpose::Inspect), Vec::<String>::new());
        settings.queues.get_mut("b").unwrap().consumer.depth.interval = depth::Interval::Off;
        assert_eq!(keys(&settings, Purpose::Inspect), ["ecs.scale_out_to"]);
    }

    #[test]
    fn process_wide_settings_have_limits() {
        let mut settings = Settings::default();
        settings.drain.limit = Some(Span::secs(43_201));
        settings.ecs.metrics_namespace = "AWS/SQS".to_owned();
        settings.kubernetes.termination_grace_period = Some(Span::secs(0));
        settings.aws.endpoint_url = Some("ftp://h".to_owned());
        settings.log.filter = "longshore=loud".to_owned();
        assert_eq!(
            keys(&settings, Purpose::Inspect),
            [
                "aws.endpoint_url",
                "drain.limit",
                "ecs.metrics_namespace",
                "kubernetes.termination_grace_period",
                "log.filter"
            ]
        );
    }

    fn good() -> QueueSettings {
        QueueSettings {
            url: Some("https://sqs.eu-west-1.amazonaws.com/123456789012/orders".to_owned()),
            handler: Some(handler::Settings::Http(
                handler::http::Settings::new("http://127.0.0.1:8080/").unwrap(),
            )),
            ..QueueSettings::default()
        }
    }

    fn broken_by(change: impl FnOnce(&mut QueueSettings)) -> String {
        let mut queue = good();
        change(&mut queue);
        let problems = queue.validate(Purpose::Run);
        let keys: Vec<_> = problems.iter().map(|problem| problem.key().unwrap().to_string()).collect();
        keys.join(" ")
    }

    fn http(queue: &mut QueueSettings) -> &mut handler::http::Settings {
        match queue.handler.as_mut().unwrap() {
            handler::Settings::Http(http) => http,
            other => panic!("not of the http kind: {other:?}"),
        }
    }

    #[test]
    fn good_settings_break_no_rule() {
        assert_eq!(broken_by(|_| ()), "");
    }

    #[test]
    fn a_queue_needs_an_address_and_a_handler() {
        assert_eq!(broken_by(|queue| queue.url = None), "url");
        assert_eq!(broken_by(|queue| queue.url = Some("orders".to_owned())), "url");
        let page = "https://eu-west-1.console.aws.amazon.com/sqs/v3/home?region=eu-west-1#/queues";
        assert_eq!(broken_by(|queue| queue.url = Some(page.to_owned())), "url");
        assert_eq!(broken_by(|queue| queue.name = Some("or ders".to_owned())), "name");
        assert_eq!(broken_by(|queue| queue.name = Some("orders.fifo".to_owned())), "");
        assert_eq!(broken_by(|queue| queue.handler = None), "handler");
    }

    #[test]
    fn the_dlq_is_another_queue_of_the_same_kind() {
        let url = |text: &str| DlqSettings { url: Some(text.to_owned()), ..DlqSettings::default() };
        let name = |text: &str| DlqSettings { name: Some(text.to_owned()), ..DlqSettings::default() };
        let own = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
        for (dlq, broken) in [
            (url("http://h/1/orders-dlq"), ""),
            (name("orders-dlq"), ""),
            (url("orders-dlq"), "dlq.url"),
            (name("orders dlq"), "dlq.name"),
            (url(&format!("{own}/")), "dlq.url"),
            (url("http://h/1/orders-dlq.fifo"), "dlq.url"),
            (name("orders-dlq.fifo"), "dlq.name"),
            (DlqSettings { name: Some("orders-dlq".to_owned()), ..url("http://h/1/orders-dlq") }, "dlq.name"),
        ] {
            let shown = format!("{dlq:?}");
            assert_eq!(broken_by(|queue| queue.dlq = dlq), broken, "{shown}");
        }
        let fifo = |dlq: &str| {
            broken_by(|queue| {
                (queue.url, queue.name) = (None, Some("orders.fifo".to_owned()));
                queue.dlq = name(dlq);
            })
        };
        assert_eq!((fifo("dlq"), fifo("orders.fifo")), ("dlq.name".to_owned(), "dlq.name".to_owned()));
        assert_eq!(fifo("dlq.fifo"), "");
    }

    #[test]
    fn exhausted_messages_are_copied_only_where_rejects_are() {
        let copy = |copy_rejects| {
            broken_by(|queue| {
                queue.consumer.on_exhausted = OnExhausted::Copy;
                queue.dlq.copy_rejects = copy_rejects;
            })
        };
        assert_eq!((copy(true), copy(false)), (String::new(), "on_exhausted".to_owned()));
    }

    #[test]
    fn a_handler_is_reached_over_http() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert_eq!(broken_by(|queue| http(queue).url = url("ftp://h/")), "handler.url");
        assert_eq!(broken_by(|queue| http(queue).url = url("https://h/")), "");
    }

    #[test]
    fn a_program_has_a_name_and_its_codes_one_meaning() {
        let program = |change: fn(&mut handler::exec::Settings)| {
            let mut exec = handler::exec::Settings::of_command(["true"]);
            change(&mut exec);
            broken_by(|queue| queue.handler = Some(handler::Settings::Exec(exec)))
        };
        assert_eq!(program(|_| ()), "");
        assert_eq!(program(|exec| exec.command.clear()), "handler.command");
        assert_eq!(program(|exec| exec.reject.push(0)), "handler.reject");
    }

    #[test]
    fn a_program_and_a_publication_take_no_batches() {
        let exec = handler::Settings::Exec(handler::exec::Settings::of_command(["true"]));
        let topic_arn = "arn:aws:sns:eu-west-1:123456789012:orders".parse().ok();
        let sns = handler::Settings::Sns(handler::sns::Settings { topic_arn, ..Default::default() });
        for handler in [exec, sns] {
            let broken = broken_by(|queue| {
                queue.handler = Some(handler);
                queue.consumer.batch.size = 2;
            });
            assert_eq!(broken, "batch.size");
        }
    }

    #[test]
    fn routes_take_batches_only_if_all_handlers_do() {
        let with_route = |routes: serde_json::Value, size: usize| {
            broken_by(|queue| {
                queue.route = serde_json::from_value(routes).unwrap();
                queue.consumer.batch.size = size;
            })
        };
        let exec = serde_json::json!({"group": "a", "handler": {"kind": "exec", "command": ["true"]}});
        assert_eq!(with_route(serde_json::json!({"1": exec}), 1), "");
        assert_eq!(with_route(serde_json::json!({"1": exec}), 2), "batch.size");
    }

    #[test]
    fn what_no_route_takes_needs_a_handler() {
        let without_handler = |routes: serde_json::Value| {
            broken_by(|queue| {
                queue.handler = None;
                queue.route = serde_json::from_value(routes).unwrap();
            })
        };
        assert_eq!(without_handler(serde_json::json!({"1": {"group": "a", "reject": "no"}})), "handler");
        assert_eq!(without_handler(serde_json::json!({"1": {"reject": "no"}})), "");
    }

    #[test]
    fn signatures_are_checked_of_notifications_only() {
        let checking =
            |unwrap| broken_by(|queue| (queue.sns_signature, queue.unwrap) = (SnsSignature::Check, unwrap));
        assert_eq!(checking(Unwrap::None), "sns_signature");
        assert_eq!(checking(Unwrap::EventBridge), "sns_signature");
        assert_eq!(checking(Unwrap::Auto), "");
    }

    #[test]
    fn events_of_the_cloud_are_posted_alone() {
        let with_size = |size| {
            broken_by(|queue| {
                http(queue).cloudevents = true;
                queue.consumer.batch.size = size;
            })
        };
        assert_eq!((with_size(1), with_size(2)), (String::new(), "batch.size".to_owned()));
    }

    #[test]
    fn a_publication_has_one_target() {
        let sns = handler::sns::Settings { limit_per_hour: Some(0), ..handler::sns::Settings::default() };
        let broken = broken_by(|queue| queue.handler = Some(handler::Settings::Sns(sns)));
        assert_eq!(broken, "handler.topic_arn handler.limit_per_hour");
    }

    #[test]
    fn notifications_are_not_retried_for_ever() {
        assert_eq!(broken_by(|queue| queue.notify.give_up_after = Span::secs(3_601)), "notify.give_up_after");
    }

    #[test]
    fn a_function_has_a_command_and_events_that_lambda_would_give() {
        let function = |bytes: usize, command: &[&str]| {
            let lambda = handler::lambda::Settings::of_command(command.iter().copied());
            broken_by(|queue| {
                queue.consumer.batch.bytes = bytes;
                queue.handler = Some(handler::Settings::Lambda(lambda));
            })
        };
        let most = handler::lambda::EVENT_BYTES;
        assert_eq!(function(most, &["bootstrap"]), "");
        assert_eq!(function(most + 1, &[]), "batch.bytes handler.command");
    }

    #[test]
    fn a_status_has_one_meaning() {
        assert_eq!(broken_by(|queue| http(queue).success = vec![42]), "handler.success");
        assert_eq!(broken_by(|queue| http(queue).reject = vec![204]), "handler.reject");
        assert_eq!(broken_by(|queue| http(queue).reject = vec![400, 422]), "");
    }
}
