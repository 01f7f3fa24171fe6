//! What must hold of consumers that a program put together; settings are judged by `config` before.

use std::{collections::BTreeSet, time::Duration};

use super::{Consumer, WorkerError};
use crate::{
    consumer::{Options, Prefetch},
    handler::{AnyHandler, CallSize},
    queue::limits,
};

/// The most receives under way at once.
const POLLERS: usize = 32;
/// The longest pause between receives, which is also short enough for the watchdog of the loop.
const PACE: Duration = Duration::from_mins(5);

/// Finds what cannot be worked: no consumer, two of one name, or options that SQS or the engine cannot take.
pub(super) fn check(consumers: &[Consumer]) -> Result<(), WorkerError> {
    if consumers.is_empty() {
        return Err(WorkerError::NoQueue);
    }
    let mut names = BTreeSet::new();
    for Consumer { name, options, handler, .. } in consumers {
        let queue = || name.to_string();
        if !names.insert(name) {
            return Err(WorkerError::Twins { queue: queue() });
        }
        let problem =
            batch(options).or_else(|| amounts(options)).or_else(|| times(options)).or_else(|| depth(options));
        if let Some(problem) = problem.or_else(|| takes(options, handler)) {
            return Err(WorkerError::Options { queue: queue(), problem });
        }
    }
    Ok(())
}

fn amounts(options: &Options) -> Option<String> {
    let Options { concurrency, prefetch, receive, .. } = options;
    let prefetch = match prefetch {
        Prefetch::Auto => 0,
        Prefetch::Fixed(messages) => *messages,
    };
    if *concurrency == 0 {
        return Some("concurrency is 0, at least 1 is needed".to_owned());
    }
    let held = concurrency.saturating_mul(options.batch.size).saturating_add(prefetch);
    if held > limits::IN_FLIGHT {
        let most = limits::IN_FLIGHT;
        return Some(format!(
            "concurrency, times batch.size, and prefetch are {held} together, a queue holds {most} in flight"
        ));
    }
    if !(1..=POLLERS).contains(&receive.pollers) {
        return Some(format!("receive.pollers is {}, allowed are 1 to {POLLERS}", receive.pollers));
    }
    None
}

fn batch(options: &Options) -> Option<String> {
    let batch = options.batch;
    let (key, allowed) = batch.check().into_iter().next()?;
    Some(format!("batch.{key} is not allowed: {batch:?}, allowed is {allowed}"))
}

fn depth(options: &Options) -> Option<String> {
    let (key, allowed) = options.depth.check().into_iter().next()?;
    Some(format!("depth.{key} is {}, allowed is {allowed}", options.depth.interval))
}

fn takes(options: &Options, handler: &AnyHandler) -> Option<String> {
    let size = options.batch.size;
    let takes_too_few = size > 1 && handler.takes() == CallSize::One;
    takes_too_few.then(|| format!("batch.size is {size}, and the handler takes one message a call"))
}

fn times(options: &Options) -> Option<String> {
    let Options { visibility, visibility_max, timeout, receive, settle, .. } = options;
    for (key, time) in [("visibility", visibility), ("visibility_max", visibility_max)] {
        let is_whole = time.subsec_nanos() == 0;
        if !is_whole || time.is_zero() || *time > limits::VISIBILITY {
            return Some(format!("{key} is {time:?}, allowed are whole seconds from 1 s to 12 h"));
        }
    }
    if visibility_max < visibility {
        return Some(format!(
            "visibility_max is {visibility_max:?}, shorter than visibility: {visibility:?}"
        ));
    }
    if *timeout == Some(Duration::ZERO) {
        return Some("timeout is 0 s, which no handler can keep".to_owned());
    }
    let most = [
        ("timeout", timeout.unwrap_or_default(), limits::VISIBILITY),
        ("receive.wait", receive.wait.0, limits::WAIT),
        ("receive.pace", receive.pace.0, PACE),
        ("settle.linger", settle.linger.0, *visibility),
    ];
    let too_long = most.into_iter().find(|(_, time, most)| time > most);
    too_long.map(|(key, time, most)| format!("{key} is {time:?}, at most {most:?} is allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{duration::Span, handler};

    fn consumer(name: &str) -> Consumer {
        let handler = handler::from_fn(async |_: std::sync::Arc<crate::message::Message>| ());
        Consumer::new(name, handler)
    }

    fn problem_of(change: impl FnOnce(&mut Options)) -> String {
        let mut options = Options::default();
        change(&mut options);
        match check(&[consumer("orders").options(options)]) {
            Err(WorkerError::Options { queue, problem }) if queue == "orders" => problem,
            Err(error) => panic!("{error}"),
            Ok(()) => String::new(),
        }
    }

    fn is_refused(key: &str, change: impl FnOnce(&mut Options)) {
        let problem = problem_of(change);
        assert!(problem.starts_with(key), "{key}: {problem:?}");
    }

    #[test]
    fn the_defaults_and_the_limits_themselves_are_fine() {
        assert_eq!(problem_of(|_| ()), "");
        let longest = |options: &mut Options| {
            (options.visibility, options.visibility_max) = (limits::VISIBILITY, limits::VISIBILITY);
            (options.timeout, options.receive.pollers) = (Some(limits::VISIBILITY), POLLERS);
            (options.concurrency, options.prefetch) = (1, Prefetch::Fixed(limits::IN_FLIGHT - 1));
        };
        assert_eq!(problem_of(longest), "");
        assert_eq!(problem_of(|options| options.timeout = None), "");
    }

    #[test]
    fn amounts_have_limits() {
        is_refused("concurrency", |options| options.concurrency = 0);
        is_refused("concurrency", |options| options.concurrency = usize::MAX);
        is_refused("concurrency", |options| options.prefetch = Prefetch::Fixed(usize::MAX));
        is_refused("receive.pollers", |options| options.receive.pollers = 0);
        is_refused("receive.pollers", |options| options.receive.pollers = 33);
    }

    #[test]
    fn times_are_what_sqs_takes() {
        for visibility in [Duration::ZERO, Duration::from_millis(1_500), Duration::MAX] {
            is_refused("visibility", |options| options.visibility = visibility);
        }
        is_refused("visibility_max", |options| options.visibility_max = Duration::from_secs(29));
        is_refused("timeout", |options| options.timeout = Some(Duration::MAX));
        is_refused("timeout", |options| options.timeout = Some(Duration::ZERO));
        is_refused("receive.wait", |options| options.receive.wait = Span::secs(21));
        is_refused("receive.pace", |options| options.receive.pace = Span(Duration::MAX));
        is_refused("settle.linger", |options| options.settle.linger = Span::secs(31));
    }

    #[test]
    fn batches_have_limits() {
        let size = |size: usize, window: u64| {
            move |options: &mut Options| {
                (options.batch.size, options.batch.window) = (size, Span::secs(window));
            }
        };
        is_refused("batch.size", size(0, 0));
        is_refused("batch.size", size(11, 0));
        is_refused("batch.size", size(10_001, 1));
        is_refused("batch.window", size(1, 301));
        is_refused("batch.bytes", |options| options.batch.bytes = 0);
        is_refused("concurrency", |options| {
            size(10_000, 1)(options);
            options.concurrency = 13;
        });
        let problem = problem_of(size(2, 0));
        assert!(problem.contains("one message a call"), "{problem}");
    }

    #[test]
    fn a_batch_handler_takes_several_messages() {
        let handler = handler::batched(handler::from_batch_fn(async |_, _| ()));
        let batch = crate::consumer::BatchSettings { size: 10, ..Default::default() };
        assert!(check(&[Consumer::new("orders", handler).batch(batch)]).is_ok());
    }

    #[test]
    fn two_consumers_of_one_name_are_refused() {
        let twins = check(&[consumer("orders"), consumer("bills"), consumer("orders")]);
        assert!(matches!(twins, Err(WorkerError::Twins { queue }) if queue == "orders"));
        assert!(check(&[consumer("orders"), consumer("bills")]).is_ok());
    }
}
