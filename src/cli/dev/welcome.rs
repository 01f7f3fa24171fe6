//! The first lines of `longshore dev`: every queue with its URLs and a command to try.

use std::collections::BTreeSet;

use super::servers::{DevQueue, DevServers};
use crate::{
    cli::VERSION,
    config::QueueSettings,
    handler::{self, CallSize},
    settings::{hide, hide_setting},
};

/// The most queues that are shown with everything about them.
const WHOLE: usize = 8;

/// The lines about the servers, for people.
pub(super) fn welcome(servers: &DevServers, file: Option<&str>, overrides: &[String]) -> String {
    let file =
        file.map_or_else(|| "no configuration file".to_owned(), |file| format!("configuration {file}"));
    let mut lines = vec![format!("longshore dev {VERSION}, {file}")];
    lines.extend(overrides.iter().map(|details| format!("  note        {details}")));
    if servers.queues.len() > WHOLE {
        lines.extend(names_and_urls(servers));
        lines.push(format!("  ingest api  http://{}/v1/queues/NAME/messages", servers.api));
    } else {
        lines.extend(servers.queues.iter().map(|queue| of_queue(servers, queue)));
    }
    lines.push(String::new());
    lines.extend(servers.topics.iter().map(|topic| format!("  topic       {topic}")));
    let admin = servers.settings.admin.listen;
    lines.push(format!("  live page   http://{admin}/\n  admin       http://{admin}/status\n\n"));
    lines.join("\n")
}

/// The queues, by their names, and the topics, by their ARNs.
pub(super) fn known(servers: &DevServers) -> BTreeSet<String> {
    let topics = servers.topics.iter().map(ToString::to_string);
    servers.queues.iter().map(|queue| queue.name.clone()).chain(topics).collect()
}

/// The lines about queues and topics that were not known; empty if there are none.
pub(super) fn of_new(servers: &DevServers, known: &BTreeSet<String>) -> String {
    let queues = servers.queues.iter().filter(|queue| !known.contains(&queue.name));
    let topics = servers.topics.iter().map(ToString::to_string).filter(|topic| !known.contains(topic));
    let topics = topics.map(|topic| format!("\n  topic       {topic}\n"));
    let blocks: Vec<_> =
        queues.map(|queue| format!("{}\n", of_queue(servers, queue))).chain(topics).collect();
    blocks.concat()
}

fn names_and_urls(servers: &DevServers) -> impl Iterator<Item = String> {
    let width = servers.queues.iter().map(|queue| queue.name.chars().count()).max().unwrap_or(0);
    servers.queues.iter().map(move |DevQueue { name, name_in_sqs, .. }| {
        format!("  queue       {name:width$}  {}", servers.queue_url(name_in_sqs))
    })
}

fn of_queue(servers: &DevServers, DevQueue { name, name_in_sqs, dlq }: &DevQueue) -> String {
    let settings = servers.settings.queues.get(name);
    let handler = settings.map_or_else(String::new, shown_handler);
    let api = format!("http://{}/v1/queues/{name}/messages", servers.api);
    let is_fifo = name_in_sqs.strip_suffix(".fifo").is_some();
    let sample = match settings.and_then(phone_attribute) {
        Some(attribute) => sample_sms(attribute, is_fifo, &api),
        None => sample(settings.map_or("{}", sample_body), is_fifo, &api),
    };
    format!(
        "\n{name} → {handler}\n  \
         queue       {}\n  \
         dlq         {}\n  \
         ingest api  {api}\n  \
         try         {sample}",
        servers.queue_url(name_in_sqs),
        servers.queue_url(dlq),
    )
}

/// A command that sends a message.
fn sample(body: &str, is_fifo: bool, api: &str) -> String {
    if is_fifo {
        // A FIFO queue deduplicates by content, so that the same body would be sent once in five minutes.
        return format!("curl -H 'X-Message-Group-Id: a' -d \"the message of $(date)\" {api}");
    }
    format!("curl -d '{body}' {api}")
}

/// A command that sends a message with a phone's number, which only a batch can have.
fn sample_sms(attribute: &str, is_fifo: bool, api: &str) -> String {
    let group = if is_fifo { r#", "groupId": "a""# } else { "" };
    let attributes = format!(r#"{{"{attribute}": "+15550100123"}}"#);
    format!(r#"curl -d '[{{"body": "ahoy", "attributes": {attributes}{group}}}]' {api}/batch"#)
}

/// The attribute with the phone's number, where a handler sends SMS by one.
fn phone_attribute(queue: &QueueSettings) -> Option<&str> {
    queue.handlers().find_map(|handler| match handler {
        handler::Settings::Sns(sns) => sns.phone_number_attribute.as_deref(),
        _ => None,
    })
}

/// A body that fits the handler: the demo handler obeys it.
fn sample_body(queue: &QueueSettings) -> &'static str {
    if queue.has_no_handler() { r#"{"sleep_ms": 2000}"# } else { r#"{"id": 1}"# }
}

/// The handler of a queue in a few words, without secrets.
fn shown_handler(queue: &QueueSettings) -> String {
    if queue.has_no_handler() {
        return "the demo handler, which obeys {\"sleep_ms\": 2000, \"fail\": \"once\"}".to_owned();
    }
    let handlers: Vec<_> = queue.handlers().map(in_words).collect();
    let several =
        queue.consumer.batch.size > 1 && queue.handlers().all(|handler| handler.takes() == CallSize::Batch);
    let batch = if several {
        format!(", up to {} messages a call", queue.consumer.batch.size)
    } else {
        String::new()
    };
    format!("{}{batch}", handlers.join(", "))
}

fn in_words(handler: &handler::Settings) -> String {
    match handler {
        handler::Settings::Http(http) => hide(http.url.as_str()),
        handler::Settings::Exec(exec) => command("exec", &exec.command),
        handler::Settings::Lambda(lambda) if lambda.command.is_empty() => {
            let urls: Vec<_> = lambda.url.iter().chain(&lambda.urls).map(|url| hide(url.as_str())).collect();
            format!("lambda {}", urls.join(", "))
        }
        handler::Settings::Lambda(lambda) => command("lambda", &lambda.command),
        handler::Settings::Sns(sns) => match &sns.topic_arn {
            Some(topic) => format!("sns {topic}"),
            None => "sns, by SMS".to_owned(),
        },
    }
}

fn command(kind: &str, words: &[String]) -> String {
    let hidden = hide_setting("command", words.into());
    let words = hidden.as_array().into_iter().flatten().filter_map(|word| word.as_str());
    format!("{kind} {}", words.collect::<Vec<_>>().join(" "))
}
