//! Preflight: finds the problems of a worker before it starts.
//!
//! Nothing is changed: no message is received, sent or deleted. A permission that only such a call would prove is named as not tried.

mod codes;
mod dead_letters;
mod once;
mod payload;
mod platform;
mod queue;
mod report;

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::join_all};
use serde_json::{Value, json};

use super::from_settings;
use crate::{
    aws::{Network, Proxy, proxy_fix},
    config::{QueueSettings, Settings},
    ecs::EcsEnvironment,
    handler::{self, AnyHandler},
    queue::QueueAttributes,
    settings::{Problems, hide},
    sns::{PublishRetryClass, TopicArn, TopicError},
};

use self::report::UntriedPermission;
pub(crate) use self::{
    codes::{Code, Severity},
    report::{Report, Untried, Verdict},
};

/// Checks everything that these settings name, concurrently.
pub(crate) async fn preflight(settings: &Settings, surroundings: &EcsEnvironment) -> Report {
    let of_queues = settings.queues.iter().map(|(name, queue)| queue::check(name, queue, settings));
    let (mut queues, of_platform) =
        tokio::join!(join_all(of_queues), platform::check(settings, surroundings));
    let duplicates =
        duplicates(settings.queues.keys().zip(queues.iter().map(|checked| checked.arn.as_deref())));
    let untried = queues.iter_mut().flat_map(|checked| std::mem::take(&mut checked.untried)).collect();
    let of_queues = queues.into_iter().flat_map(|checked| checked.found);
    Report::new(of_queues.chain(duplicates).chain(of_platform).chain(proxies()).collect(), untried)
}

/// Names the proxies of AWS calls, and the entries of `NO_PROXY` that keep nothing from them.
fn proxies() -> Vec<Finding> {
    let Ok(network) = Network::of_process() else { return Vec::new() };
    let proxies = network.proxies();
    let except = match proxies.no_proxy() {
        "" => String::new(),
        hosts => format!(", except for the hosts of NO_PROXY: {hosts}"),
    };
    let finding = |proxy: &Arc<Proxy>| {
        let Proxy { scheme, variable, .. } = &**proxy;
        let message = format!("AWS is called over {scheme} through the proxy {proxy} of {variable}{except}");
        Finding::new(Code::Proxy, message)
    };
    let mut found: Vec<_> = proxies.iter().map(finding).collect();
    if !found.is_empty() && !proxies.unused().is_empty() {
        let message = format!("NO_PROXY has entries that stand for no host: {}", proxies.unused().join(", "));
        found.push(Finding::new(Code::NoProxy, message));
    }
    found
}

/// Finds queues that an earlier section has, even by another address.
fn duplicates<'a>(queues: impl Iterator<Item = (&'a String, Option<&'a str>)>) -> Vec<Finding> {
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for (name, arn) in queues {
        let Some(arn) = arn.filter(|arn| !arn.is_empty()) else { continue };
        if let Some(other) = seen.insert(arn, name) {
            found.push(Finding::of(name, Code::DuplicateQueue, format!("the same queue as {other}: {arn}")));
        }
    }
    found
}

/// The report on settings with which a worker would not start.
pub(crate) fn of_problems(problems: &Problems) -> Report {
    let finding = |problem: &crate::settings::Problem| Finding::new(Code::Configuration, problem.to_string());
    Report::new(problems.0.iter().map(finding).collect(), Vec::new())
}

/// One finding of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Its code, which has the severity and the advice.
    pub code: Code,
    /// The configured name of the queue that it concerns.
    pub queue: Option<String>,
    /// The description, without secrets.
    pub message: String,
    /// The likely cause and the fix of this very finding, in the place of its code's.
    pub fix: Option<String>,
}

impl Finding {
    /// A finding that concerns no single queue.
    fn new(code: Code, message: impl AsRef<str>) -> Self {
        Self { code, queue: None, message: hide(message.as_ref()), fix: None }
    }

    /// A finding about a queue.
    fn of(queue: &str, code: Code, message: impl AsRef<str>) -> Self {
        Self { queue: Some(queue.to_owned()), ..Self::new(code, message) }
    }

    /// Sets the fix of the proxy, where the message names one as the cause.
    fn or_of_proxy(self) -> Self {
        match proxy_fix(&self.message) {
            Some(fix) => Self { fix: Some(fix.to_owned()), ..self },
            None => self,
        }
    }

    /// The advice.
    fn fix(&self) -> &str {
        self.fix.as_deref().unwrap_or(self.code.fix())
    }

    /// The finding for programs.
    fn to_json(&self) -> Value {
        let Self { code, queue, message, .. } = self;
        json!({
            "severity": code.severity().as_str(),
            "code": code.as_str(),
            "queue": queue,
            "message": message,
            "fix": self.fix(),
        })
    }

    /// The finding for people, on two lines or more.
    fn to_text(&self) -> String {
        let Self { code, queue, message, .. } = self;
        let queue = queue.as_ref().map(|queue| format!("queue {queue}: ")).unwrap_or_default();
        let (severity, name, fix) = (code.severity().as_str(), code.as_str(), self.fix());
        format!("{severity:8} {name}\n  {queue}{message}\n  fix: {fix}\n")
    }
}

/// The time limit of a handler's probe, a Lambda function's start included.
const PROBE_LIMIT: Duration = Duration::from_secs(30);
/// The time limit of ending the processes started for it.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// The fix of a function whose program does not start.
const UNSTARTED_FUNCTION: &str = "correct the program or its command, or install what it imports; the worker would start it again and receive nothing";

/// Checks the handler of a queue; the configuration's rules find a queue without one.
async fn check_handler(name: &str, queue: &QueueSettings, settings: &Settings) -> Vec<Finding> {
    let handler = match from_settings::handler_of(name, queue, &settings.aws) {
        Ok(Some(handler)) => handler,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![Finding::of(name, Code::HandlerSettings, error.to_string())],
    };
    let answer = probe(&handler).await;
    let doubt = if answer.is_ok() { handler.doubt().await } else { None };
    let closed = AssertUnwindSafe(handler.close()).catch_unwind();
    // Anything that it leaves running ends with this process.
    drop(tokio::time::timeout(CLOSE_LIMIT, closed).await);
    let unreachable = answer.err().map(|reason| Finding {
        fix: unreachable_fix(queue).map(str::to_owned),
        ..Finding::of(name, Code::HandlerUnreachable, reason)
    });
    unreachable.into_iter().chain(doubt.map(|doubt| Finding::of(name, Code::HandlerAnswer, doubt))).collect()
}

/// The fix of a handler that is not reached, where it is another than that of its code; the reason does not say which route has it.
fn unreachable_fix(queue: &QueueSettings) -> Option<&'static str> {
    queue.handlers().all(handler::Settings::hosts_function).then_some(UNSTARTED_FUNCTION)
}

async fn probe(handler: &AnyHandler) -> Result<(), String> {
    let probe = AssertUnwindSafe(handler.probe()).catch_unwind();
    match tokio::time::timeout(PROBE_LIMIT, probe).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_panic)) => Err("the probe panicked".to_owned()),
        Err(_) => Err(format!("the probe did not end within {PROBE_LIMIT:?}")),
    }
}

/// Checks the topics of a queue's notifications; the handler's own is found by its probe.
async fn check_topics(name: &str, queue: &QueueSettings, settings: &Settings) -> Vec<Finding> {
    let plan = from_settings::notification_plan(queue, &settings.aws);
    let publishers = &plan.publishers;
    let find = async |topic: &TopicArn| {
        let error = publishers(topic).find(topic).await.err()?;
        Some(Finding::of(name, code_of(&error), format!("topic {topic}: {error}")).or_of_proxy())
    };
    let topics = queue.notify.topics().into_iter().map(find);
    join_all(topics).await.into_iter().flatten().collect()
}

fn code_of(error: &TopicError) -> Code {
    match error.retry_class() {
        PublishRetryClass::Refused | PublishRetryClass::BadMessage => Code::TopicMissing,
        PublishRetryClass::Transient | PublishRetryClass::NotSent => Code::TopicUnreachable,
    }
}

/// Finds the extensions of a Lambda function that nothing starts or that are not there, and a Web Adapter that cannot work.
fn extensions(name: &str, queue: &QueueSettings) -> Vec<Finding> {
    let found = |handler: &handler::Settings| match handler {
        handler::Settings::Lambda(lambda) => extensions_of(lambda),
        _ => None,
    };
    let finding = |(code, message): (Code, String)| Finding::of(name, code, message);
    queue.handlers().filter_map(found).map(finding).collect()
}

fn extensions_of(lambda: &handler::lambda::Settings) -> Option<(Code, String)> {
    if let Some(adapter) = lambda.unused_adapter() {
        let adapter = adapter.display();
        return Some((
            Code::WebAdapter,
            format!("the AWS Lambda Web Adapter is there and not started: {adapter}"),
        ));
    }
    if let Some(processes) =
        lambda.processes.filter(|processes| *processes > 1 && lambda.used_adapter().is_some())
    {
        let message = format!(
            "{processes} processes beside the AWS Lambda Web Adapter: their web servers have one port"
        );
        return Some((Code::WebAdapterPort, message));
    }
    if let Some(directory) = lambda.empty_extensions_dir() {
        let message = format!("extensions is on, and there are none in {}", directory.display());
        return Some((Code::NoExtensions, message));
    }
    let unused: Vec<_> = lambda.unused_extensions().iter().map(|path| path.display().to_string()).collect();
    let message = || format!("extensions are there and not started: {}", unused.join(", "));
    (!unused.is_empty()).then(|| (Code::ExtensionsOff, message()))
}

/// A FIFO topic needs a group id, which messages of a standard queue seldom have.
fn fifo_topic(name: &str, queue: &QueueSettings, description: &QueueAttributes) -> Option<Finding> {
    let topic_of = |handler: &handler::Settings| match handler {
        handler::Settings::Sns(sns) => sns.topic_arn.clone().filter(TopicArn::is_fifo),
        _ => None,
    };
    let topic = queue.handlers().find_map(topic_of).filter(|_| !description.fifo)?;
    let message = format!("messages go from a standard queue to the FIFO topic {topic}");
    Some(Finding::of(name, Code::TopicFifo, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_topic_behind_a_standard_queue_is_found() {
        let topic = TopicArn::new("eu-west-1", "123456789012", "orders.fifo").unwrap();
        let sns = handler::sns::Settings::to_topic(topic);
        let queue = QueueSettings { handler: Some(handler::Settings::Sns(sns)), ..QueueSettings::default() };
        let found =
            |fifo| fifo_topic("orders", &queue, &QueueAttributes { fifo, ..QueueAttributes::default() });
        assert_eq!(found(false).map(|found| found.code), Some(Code::TopicFifo));
        assert_eq!(found(true), None);
    }

    #[test]
    fn only_a_queue_whose_handlers_all_are_hosted_functions_has_their_fix() {
        let fix = |section: &str| unreachable_fix(&toml::from_str(section).unwrap());
        let function = "handler = { kind = \"lambda\", command = [\"bootstrap\"] }";
        let http = "handler = { kind = \"http\", url = \"http://localhost/\" }";
        assert_eq!(fix(function), Some(UNSTARTED_FUNCTION));
        assert_eq!(fix(http), None);
        assert_eq!(fix(&format!("[route.1]\n{function}\n[route.2]\n{http}")), None);
    }

    #[test]
    fn extensions_that_nothing_starts_and_the_web_adapter_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let found = |lambda: handler::lambda::Settings| {
            let lambda = lambda.extensions_dir(directory.path());
            let queue = QueueSettings {
                handler: Some(handler::Settings::Lambda(lambda)),
                ..QueueSettings::default()
            };
            let found = extensions("orders", &queue);
            found.into_iter().map(|found| (found.code, found.message)).collect::<Vec<_>>()
        };
        let function = || handler::lambda::Settings::of_command(["bootstrap"]);
        assert_eq!(found(function()), []);
        let none = format!("extensions is on, and there are none in {}", directory.path().display());
        let on = || function().extensions(handler::lambda::Extensions::On);
        assert_eq!(found(on()), [(Code::NoExtensions, none)]);
        std::fs::write(directory.path().join("agent"), "").unwrap();
        let path = directory.path().join("agent").display().to_string();
        let expected = format!("extensions are there and not started: {path}");
        assert_eq!(found(function()), [(Code::ExtensionsOff, expected)]);
        assert_eq!(found(on()), []);
        std::fs::write(directory.path().join("lambda-adapter"), "").unwrap();
        let codes: Vec<Code> = found(function()).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, [Code::WebAdapter]);
        assert_eq!(found(on()), []);
        let codes: Vec<Code> = found(on().processes(2)).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, [Code::WebAdapterPort]);
    }

    #[test]
    fn a_finding_that_a_proxy_causes_has_the_fix_of_the_proxy() {
        let fix = |message: &str| {
            Finding::of("orders", Code::PayloadUnreachable, message).or_of_proxy().fix().to_owned()
        };
        assert_eq!(fix("s3://a/b is not reached: connection refused"), Code::PayloadUnreachable.fix());
        let proxied = fix("s3://a/b is not reached: through the proxy http://proxy:1: connection refused");
        assert!(proxied.starts_with("correct HTTP(S)_PROXY"), "{proxied}");
    }

    #[test]
    fn a_missing_topic_and_an_unreachable_topic_are_different_findings() {
        assert_eq!(code_of(&TopicError::answered("NotFound", "no")), Code::TopicMissing);
        assert_eq!(code_of(&TopicError::new(PublishRetryClass::NotSent, "refused")), Code::TopicUnreachable);
    }
}
