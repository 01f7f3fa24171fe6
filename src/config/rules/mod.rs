//! What must hold between and beyond the single values.

mod address;
mod queue;

use std::collections::BTreeMap;

use url::Url;

use super::{key::Key, load::Purpose, problem::Problem, settings::Settings};
use crate::{duration::Span, queue::limits, telemetry::logs};

/// Everything that is wrong with these settings; the values and origins are added by who knows them.
pub(super) fn check(settings: &Settings, purpose: Purpose) -> Vec<Problem> {
    let Settings { queues, aws, admin: _, drain, ecs, log, traces: _ } = settings;
    let top = Key::default();
    let mut broken = Vec::new();
    if queues.is_empty() && purpose == Purpose::Work {
        broken.push(
            Problem::of(top.child("queues"), "there is no queue to work on").hint(
                "give --queue-url and --handler, or write a [queues.<name>] section into longshore.toml",
            ),
        );
    }
    for (name, queue) in queues {
        let key = top.child("queues").child(name);
        broken.extend(section_name(&key, name));
        broken.extend(queue::check(&key, queue, purpose));
    }
    broken.extend(twins(settings));
    broken.extend(endpoint(top.descend("aws.endpoint_url"), aws.endpoint_url.as_deref()));
    let limit = drain.limit.unwrap_or(Span::secs(0));
    broken.extend(at_most(top.descend("drain.limit"), limit, Span(limits::VISIBILITY)));
    let of_ecs = |(name, allowed): (&str, String)| {
        Problem::of(top.child("ecs").child(name), "not allowed").allowed(Some(allowed))
    };
    broken.extend(ecs.check().into_iter().map(of_ecs));
    broken.extend(filter(top.descend("log.filter"), log));
    broken
}

/// Whether a queue's section may be called so: its name goes into logs, metrics and health as it is.
pub(super) fn is_section_name(name: &str) -> bool {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    (1..=80).contains(&name.len()) && name.chars().all(is_allowed)
}

fn section_name(key: &Key, name: &str) -> Option<Problem> {
    let problem = || {
        Problem::of(key.clone(), "not a name for a queue")
            .allowed(Some("1 to 80 letters, digits, -, _ and .".to_owned()))
    };
    (!is_section_name(name)).then(problem)
}

/// Two entries that mean one queue would compete for its messages and count them twice.
fn twins(settings: &Settings) -> Vec<Problem> {
    let mut seen = BTreeMap::new();
    let mut broken = Vec::new();
    for (name, queue) in &settings.queues {
        let place = (queue.region.as_deref(), queue.endpoint_url.as_deref());
        let (field, identity) = match (&queue.url, &queue.name) {
            (Some(url), _) => ("url", (plain_url(url), (None, None))),
            (None, Some(name)) => ("name", (name.clone(), place)),
            (None, None) => continue,
        };
        if let Some(other) = seen.insert(identity, name) {
            let key = Key::new(["queues", name, field]);
            broken.push(
                Problem::of(key, format!("the same queue as queues.{other}"))
                    .hint("keep one of the two and raise its concurrency"),
            );
        }
    }
    broken
}

fn plain_url(url: &str) -> String {
    let parsed = Url::parse(url).map_or_else(|_| url.to_owned(), String::from);
    parsed.trim_end_matches('/').to_owned()
}

/// A URL that must be one of HTTP.
pub(super) fn endpoint(key: Key, url: Option<&str>) -> Option<Problem> {
    let fault = match Url::parse(url?) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => return None,
        Ok(_) => "not an http or https URL".to_owned(),
        Err(error) => format!("not a URL: {error}"),
    };
    Some(Problem::of(key, fault).allowed(Some("an http or https URL".to_owned())))
}

fn at_most(key: Key, span: Span, most: Span) -> Option<Problem> {
    let fault = || Problem::of(key, "too long").allowed(Some(format!("at most {most}")));
    (span > most).then(fault)
}

fn filter(key: Key, log: &logs::Settings) -> Option<Problem> {
    let fault = log.check().err()?;
    let problem = Problem::of(key, fault.to_string());
    Some(problem.hint("write a level, or targets with levels: info, or info,longshore=debug"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::settings::QueueSettings, consumer::depth};

    fn of_urls(urls: [&str; 2]) -> Settings {
        let queue = |url: &str| QueueSettings { url: Some(url.to_owned()), ..QueueSettings::default() };
        let named = ["a", "b"].into_iter().zip(urls);
        let queues = named.map(|(name, url)| (name.to_owned(), queue(url))).collect();
        Settings { queues, ..Settings::default() }
    }

    fn keys(settings: &Settings, purpose: Purpose) -> Vec<String> {
        let broken = check(settings, purpose);
        broken.iter().map(|problem| problem.key.clone().unwrap_or_default().to_string()).collect()
    }

    #[test]
    fn the_defaults_break_no_rule() {
        assert_eq!(keys(&Settings::default(), Purpose::Look), Vec::<String>::new());
    }

    #[test]
    fn work_needs_a_queue() {
        assert_eq!(keys(&Settings::default(), Purpose::Work), ["queues"]);
    }

    #[test]
    fn one_queue_may_not_stand_there_twice() {
        let same = of_urls(["http://sqs/1/q", "HTTP://SQS/1/q/"]);
        assert_eq!(keys(&same, Purpose::Look), ["queues.b.url"]);
        let others = of_urls(["http://sqs/1/q", "http://sqs/1/Q"]);
        assert_eq!(keys(&others, Purpose::Look), Vec::<String>::new());
    }

    #[test]
    fn how_often_a_queue_is_counted_has_limits() {
        let mut settings = of_urls(["http://sqs/1/q", "http://sqs/1/r"]);
        settings.queues.get_mut("a").unwrap().depth.interval = "1s".parse().unwrap();
        settings.queues.get_mut("b").unwrap().depth.interval = depth::Interval::Off;
        assert_eq!(keys(&settings, Purpose::Look), ["queues.a.depth.interval"]);
    }

    #[test]
    fn process_wide_settings_have_limits() {
        let mut settings = Settings::default();
        settings.drain.limit = Some(Span::secs(43_201));
        settings.ecs.metrics_namespace = "AWS/SQS".to_owned();
        settings.aws.endpoint_url = Some("ftp://h".to_owned());
        settings.log.filter = "longshore=loud".to_owned();
        assert_eq!(
            keys(&settings, Purpose::Look),
            ["aws.endpoint_url", "drain.limit", "ecs.metrics_namespace", "log.filter"]
        );
    }
}
