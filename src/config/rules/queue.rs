//! What must hold within one queue's settings.

use std::ops::RangeInclusive;

use super::address::{address, dlq};
use crate::{
    config::{key::Key, load::Purpose, problem::Problem, settings::QueueSettings},
    consumer::Prefetch,
    consumer::depth,
    duration::{Limit, Span},
    handler,
    queue::limits,
    sns::notifications,
};

const CONCURRENCY: RangeInclusive<usize> = 1..=100_000;
const POLLERS: RangeInclusive<usize> = 1..=32;
const VISIBILITY: RangeInclusive<Span> = Span::secs(2)..=Span(limits::VISIBILITY);
const WAIT: RangeInclusive<Span> = Span::secs(0)..=Span(limits::WAIT);
const PACE_MAX: Span = Span::secs(5 * 60);

/// Everything that is wrong with one queue.
pub(super) fn check(key: &Key, queue: &QueueSettings, purpose: Purpose) -> Vec<Problem> {
    let mut broken = address(key, queue);
    broken.extend(dlq(&key.child("dlq"), queue));
    if queue.handler.is_none() && purpose == Purpose::Work {
        let problem = Problem::of(key.child("handler"), "the queue has no handler");
        broken.push(problem.hint("give --handler URL, or write a handler section for the queue"));
    }
    broken.extend(amounts(key, queue));
    broken.extend(times(key, queue));
    broken.extend(retry(key, queue));
    broken.extend(depth_rules(&key.child("depth"), &queue.depth));
    broken.extend(notify_rules(&key.child("notify"), &queue.notify));
    if let Some(handler) = &queue.handler {
        broken.extend(event(key, queue));
        broken.extend(handler_rules(&key.child("handler"), handler));
        broken.extend(takes_batches(key.descend("batch.size"), queue.batch.size, handler));
    }
    broken
}

fn amounts(key: &Key, queue: &QueueSettings) -> Vec<Problem> {
    let mut broken = Vec::new();
    broken.extend(within(key.child("concurrency"), queue.concurrency, &CONCURRENCY));
    broken.extend(within(key.descend("receive.pollers"), queue.receive.pollers, &POLLERS));
    broken.extend(batch(&key.child("batch"), queue));
    let running = queue.concurrency.saturating_mul(queue.batch.size);
    let most = limits::IN_FLIGHT.saturating_sub(running);
    if running > limits::IN_FLIGHT {
        let allowed = format!(
            "at most {}: a queue holds {} in flight, concurrency times batch.size",
            limits::IN_FLIGHT / queue.concurrency.max(1),
            limits::IN_FLIGHT
        );
        broken.push(Problem::of(key.descend("batch.size"), "too many").allowed(Some(allowed)));
    } else if let Prefetch::Fixed(prefetch) = queue.prefetch
        && prefetch > most
    {
        let allowed =
            format!("at most {most}: a queue holds {} in flight, concurrency counted", limits::IN_FLIGHT);
        broken.push(Problem::of(key.child("prefetch"), "too many").allowed(Some(allowed)));
    }
    broken
}

fn batch(key: &Key, queue: &QueueSettings) -> Vec<Problem> {
    let broken =
        |(name, allowed): (&str, String)| Problem::of(key.child(name), "out of range").allowed(Some(allowed));
    queue.batch.check().into_iter().map(broken).collect()
}

fn times(key: &Key, queue: &QueueSettings) -> Vec<Problem> {
    let mut broken = Vec::new();
    broken.extend(whole_seconds(key.child("visibility"), queue.visibility, &VISIBILITY));
    if let Some(most) = queue.visibility_max {
        let growth = queue.visibility..=Span(limits::VISIBILITY);
        broken.extend(whole_seconds(key.child("visibility_max"), most, &growth));
    }
    if let Limit::After(timeout) = queue.timeout
        && (timeout.is_zero() || timeout > limits::VISIBILITY)
    {
        let allowed = format!("more than 0s, at most {}, or \"none\"", Span(limits::VISIBILITY));
        broken.push(Problem::of(key.child("timeout"), "out of range").allowed(Some(allowed)));
    }
    broken.extend(whole_seconds(key.descend("receive.wait"), queue.receive.wait, &WAIT));
    broken.extend(up_to(key.descend("receive.pace"), queue.receive.pace, PACE_MAX));
    // A delete that waits longer than the keeper's first extension is due would cost a request instead of saving one.
    broken.extend(up_to(key.descend("settle.linger"), queue.settle.linger, Span(queue.visibility.0 / 4)));
    broken
}

fn retry(key: &Key, queue: &QueueSettings) -> Vec<Problem> {
    let retry = &queue.retry;
    let mut broken = Vec::new();
    let most = Span(limits::VISIBILITY);
    broken.extend(up_to(key.descend("retry.max"), retry.max, most));
    if retry.initial > retry.max {
        let allowed = format!("at most retry.max, which is {}", retry.max);
        broken.push(Problem::of(key.descend("retry.initial"), "too long").allowed(Some(allowed)));
    }
    if !(retry.factor.is_finite() && retry.factor >= 1.0) {
        let problem = Problem::of(key.descend("retry.factor"), "out of range");
        broken.push(problem.allowed(Some("a number, at least 1".to_owned())));
    }
    broken
}

/// An event holds a whole batch, which Lambda bounds.
fn event(key: &Key, queue: &QueueSettings) -> Option<Problem> {
    let is_lambda = matches!(queue.handler, Some(handler::Settings::Lambda(_)));
    let most = handler::lambda::EVENT_BYTES;
    let problem = || {
        let allowed = format!("at most {most} for a lambda handler: no event is larger");
        Problem::of(key.descend("batch.bytes"), "too many").allowed(Some(allowed))
    };
    (is_lambda && queue.batch.bytes > most).then(problem)
}

/// The part's own rules, in its own words.
fn depth_rules(key: &Key, depth: &depth::Settings) -> Vec<Problem> {
    let problem =
        |(name, allowed): (&str, String)| Problem::of(key.child(name), "out of range").allowed(Some(allowed));
    depth.check().into_iter().map(problem).collect()
}

/// The handler's own rules, in its own words.
fn handler_rules(key: &Key, handler: &handler::Settings) -> Vec<Problem> {
    let problem = |broken: handler::Problem| {
        let problem = Problem::of(key.child(broken.key), format!("not allowed: {}", broken.value));
        problem.allowed(Some(broken.allowed.to_owned()))
    };
    handler.check().into_iter().map(problem).collect()
}

/// A program reads one message, and a publication is of one.
fn takes_batches(key: Key, size: usize, handler: &handler::Settings) -> Option<Problem> {
    let takes_one = matches!(handler, handler::Settings::Exec(_) | handler::Settings::Sns(_));
    let what = || format!("too many for a handler of kind {}", handler.kind());
    (size > 1 && takes_one).then(|| Problem::of(key, what()).allowed(Some("1".to_owned())))
}

/// The notifications' own rules.
fn notify_rules(key: &Key, notify: &notifications::Settings) -> Vec<Problem> {
    let problem =
        |(name, allowed): (&str, String)| Problem::of(key.child(name), "not allowed").allowed(Some(allowed));
    notify.check().into_iter().map(problem).collect()
}

fn within(key: Key, amount: usize, range: &RangeInclusive<usize>) -> Option<Problem> {
    let allowed = || format!("a whole number from {} to {}", range.start(), range.end());
    (!range.contains(&amount)).then(|| Problem::of(key, "out of range").allowed(Some(allowed())))
}

fn whole_seconds(key: Key, span: Span, range: &RangeInclusive<Span>) -> Option<Problem> {
    let is_whole = span.0.subsec_nanos() == 0;
    if is_whole && range.contains(&span) {
        return None;
    }
    let what = if is_whole { "out of range" } else { "SQS counts in whole seconds" };
    let allowed = format!("whole seconds from {} to {}", range.start(), range.end());
    Some(Problem::of(key, what).allowed(Some(allowed)))
}

fn up_to(key: Key, span: Span, most: Span) -> Option<Problem> {
    (span > most).then(|| Problem::of(key, "too long").allowed(Some(format!("at most {most}"))))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use url::Url;

    use super::*;
    use crate::consumer::settle::DlqSettings;

    fn good() -> QueueSettings {
        let url = Url::parse("http://127.0.0.1:8080/").unwrap();
        QueueSettings {
            url: Some("https://sqs.eu-west-1.amazonaws.com/123456789012/orders".to_owned()),
            handler: Some(handler::Settings::Http(handler::http::Settings::new(url))),
            ..QueueSettings::default()
        }
    }

    fn broken_by(change: impl FnOnce(&mut QueueSettings)) -> String {
        let mut queue = good();
        change(&mut queue);
        let broken = check(&Key::new(["q"]), &queue, Purpose::Work);
        let keys: Vec<_> = broken.iter().map(|problem| problem.key.clone().unwrap().to_string()).collect();
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
        assert_eq!(broken_by(|queue| queue.url = None), "q.url");
        assert_eq!(broken_by(|queue| queue.url = Some("orders".to_owned())), "q.url");
        assert_eq!(broken_by(|queue| queue.name = Some("or ders".to_owned())), "q.name");
        assert_eq!(broken_by(|queue| queue.name = Some("orders.fifo".to_owned())), "");
        assert_eq!(broken_by(|queue| queue.handler = None), "q.handler");
    }

    #[test]
    fn the_dlq_is_another_queue_of_the_same_kind() {
        let url = |text: &str| DlqSettings { url: Some(text.to_owned()), ..DlqSettings::default() };
        let name = |text: &str| DlqSettings { name: Some(text.to_owned()), ..DlqSettings::default() };
        let own = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
        for (dlq, broken) in [
            (url("http://h/1/orders-dlq"), ""),
            (name("orders-dlq"), ""),
            (url("orders-dlq"), "q.dlq.url"),
            (name("orders dlq"), "q.dlq.name"),
            (url(&format!("{own}/")), "q.dlq.url"),
            (url("http://h/1/orders-dlq.fifo"), "q.dlq.url"),
            (name("orders-dlq.fifo"), "q.dlq.name"),
            (
                DlqSettings { name: Some("orders-dlq".to_owned()), ..url("http://h/1/orders-dlq") },
                "q.dlq.name",
            ),
        ] {
            let words = format!("{dlq:?}");
            assert_eq!(broken_by(|queue| queue.dlq = dlq), broken, "{words}");
        }
        let fifo = |dlq: &str| {
            broken_by(|queue| {
                (queue.url, queue.name) = (None, Some("orders.fifo".to_owned()));
                queue.dlq = name(dlq);
            })
        };
        assert_eq!((fifo("dlq"), fifo("orders.fifo")), ("q.dlq.name".to_owned(), "q.dlq.name".to_owned()));
        assert_eq!(fifo("dlq.fifo"), "");
    }

    #[test]
    fn amounts_have_limits() {
        assert_eq!(broken_by(|queue| queue.concurrency = 0), "q.concurrency");
        assert_eq!(broken_by(|queue| queue.concurrency = 100_001), "q.concurrency");
        assert_eq!(broken_by(|queue| queue.receive.pollers = 33), "q.receive.pollers");
        assert_eq!(broken_by(|queue| queue.prefetch = Prefetch::Fixed(119_985)), "q.prefetch");
        assert_eq!(broken_by(|queue| queue.prefetch = Prefetch::Fixed(119_984)), "");
    }

    #[test]
    fn batches_have_limits() {
        let size = |size: usize, window: u64| {
            move |queue: &mut QueueSettings| {
                (queue.batch.size, queue.batch.window) = (size, Span::secs(window));
            }
        };
        assert_eq!(broken_by(size(0, 0)), "q.batch.size");
        assert_eq!(broken_by(size(11, 0)), "q.batch.size");
        assert_eq!(
            broken_by(size(10_001, 1)),
            "q.batch.size q.batch.size",
            "too large, and too many in flight"
        );
        assert_eq!(broken_by(size(1, 301)), "q.batch.window");
        assert_eq!(broken_by(|queue| queue.batch.bytes = 0), "q.batch.bytes");
    }

    #[test]
    fn times_are_whole_seconds_within_what_sqs_takes() {
        assert_eq!(broken_by(|queue| queue.visibility = Span::secs(1)), "q.visibility");
        assert_eq!(broken_by(|queue| queue.visibility = Span::millis(2_500)), "q.visibility");
        assert_eq!(broken_by(|queue| queue.visibility = Span::secs(43_201)), "q.visibility");
        assert_eq!(broken_by(|queue| queue.visibility_max = Some(Span::secs(29))), "q.visibility_max");
        assert_eq!(broken_by(|queue| queue.receive.wait = Span::secs(21)), "q.receive.wait");
        assert_eq!(broken_by(|queue| queue.timeout = Limit::After(Duration::ZERO)), "q.timeout");
        assert_eq!(broken_by(|queue| queue.timeout = Limit::After(Duration::from_secs(43_201))), "q.timeout");
        assert_eq!(broken_by(|queue| queue.timeout = Limit::None), "");
        assert_eq!(broken_by(|queue| queue.settle.linger = Span::secs(8)), "q.settle.linger");
    }

    #[test]
    fn retries_grow_from_initial_to_max() {
        assert_eq!(broken_by(|queue| queue.retry.factor = 0.5), "q.retry.factor");
        assert_eq!(broken_by(|queue| queue.retry.max = Span::secs(43_201)), "q.retry.max");
        assert_eq!(broken_by(|queue| queue.retry.max = Span::secs(4)), "q.retry.initial");
    }

    #[test]
    fn a_handler_is_reached_over_http() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert_eq!(broken_by(|queue| http(queue).url = url("ftp://h/")), "q.handler.url");
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
        assert_eq!(program(|exec| exec.command.clear()), "q.handler.command");
        assert_eq!(program(|exec| exec.reject.push(0)), "q.handler.reject");
    }

    #[test]
    fn a_program_and_a_publication_take_no_batches() {
        let exec = handler::Settings::Exec(handler::exec::Settings::of_command(["true"]));
        let topic_arn = "arn:aws:sns:eu-west-1:123456789012:orders".parse().ok();
        let sns = handler::Settings::Sns(handler::sns::Settings { topic_arn, ..Default::default() });
        for handler in [exec, sns] {
            let broken = broken_by(|queue| {
                queue.handler = Some(handler);
                queue.batch.size = 2;
            });
            assert_eq!(broken, "q.batch.size");
        }
    }

    #[test]
    fn a_publication_has_one_target() {
        let sns = handler::sns::Settings { limit_per_hour: Some(0), ..handler::sns::Settings::default() };
        let broken = broken_by(|queue| queue.handler = Some(handler::Settings::Sns(sns)));
        assert_eq!(broken, "q.handler.topic_arn q.handler.limit_per_hour");
    }

    #[test]
    fn notifications_are_not_tried_for_ever() {
        assert_eq!(
            broken_by(|queue| queue.notify.give_up_after = Span::secs(3_601)),
            "q.notify.give_up_after"
        );
    }

    #[test]
    fn a_function_has_a_command_and_events_that_lambda_would_give() {
        let function = |bytes: usize, command: &[&str]| {
            let lambda = handler::lambda::Settings::of_command(command.iter().copied());
            broken_by(|queue| {
                queue.batch.bytes = bytes;
                queue.handler = Some(handler::Settings::Lambda(lambda));
            })
        };
        let most = handler::lambda::EVENT_BYTES;
        assert_eq!(function(most, &["bootstrap"]), "");
        assert_eq!(function(most + 1, &[]), "q.batch.bytes q.handler.command");
    }

    #[test]
    fn a_status_has_one_meaning() {
        assert_eq!(broken_by(|queue| http(queue).success = vec![42]), "q.handler.success");
        assert_eq!(broken_by(|queue| http(queue).reject = vec![204]), "q.handler.reject");
        assert_eq!(broken_by(|queue| http(queue).reject = vec![400, 422]), "");
    }
}
