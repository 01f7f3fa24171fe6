//! What must hold of where a queue is, and its DLQ.

use super::{endpoint, plain_url};
use crate::{
    config::{key::Key, problem::Problem, settings::QueueSettings},
    consumer::settle::DlqSettings,
    queue::is_fifo,
};

/// What is wrong with where the queue is.
pub(super) fn address(key: &Key, queue: &QueueSettings) -> Vec<Problem> {
    let mut broken = Vec::new();
    if queue.url.is_none() && queue.name.is_none() {
        broken.push(
            Problem::of(key.child("url"), "the queue has neither a url nor a name")
                .hint("give its URL, or its name in SQS to look the URL up"),
        );
    }
    broken.extend(endpoint(key.child("url"), queue.url.as_deref()));
    broken.extend(endpoint(key.child("endpoint_url"), queue.endpoint_url.as_deref()));
    broken.extend(queue_name(key.child("name"), queue.name.as_deref()));
    broken
}

/// What is wrong with where its DLQ is: another queue of the same kind, as SQS asks, too.
pub(super) fn dlq(key: &Key, queue: &QueueSettings) -> Vec<Problem> {
    let DlqSettings { url, name, .. } = &queue.dlq;
    let mut broken = Vec::new();
    broken.extend(endpoint(key.child("url"), url.as_deref()));
    broken.extend(queue_name(key.child("name"), name.as_deref()));
    if url.is_some() && name.is_some() {
        broken.push(Problem::of(key.child("name"), "the dlq has a url already").hint("keep one of the two"));
    }
    let Some(address) = queue.dlq.address().filter(|_| broken.is_empty()) else { return broken };
    let key = key.child(if url.is_some() { "url" } else { "name" });
    if plain_url(address) == plain_url(queue.address()) {
        broken.push(
            Problem::of(key, "the queue itself")
                .hint("a rejected message would come back for ever: name another queue"),
        );
    } else if is_fifo(address) != is_fifo(queue.address()) {
        let kind = if is_fifo(queue.address()) {
            "a FIFO queue, whose name ends in .fifo"
        } else {
            "a standard queue"
        };
        broken.push(Problem::of(key, "not of the queue's kind").allowed(Some(kind.to_owned())));
    }
    broken
}

fn queue_name(key: Key, name: Option<&str>) -> Option<Problem> {
    let allowed = "1 to 80 letters, digits, - and _, ending in .fifo on a FIFO queue";
    let problem = |_| Problem::of(key, "not a queue's name").allowed(Some(allowed.to_owned()));
    name.filter(|name| !is_queue_name(name)).map(problem)
}

fn is_queue_name(name: &str) -> bool {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    !stem.is_empty() && name.len() <= 80 && stem.chars().all(is_allowed)
}
