//! `longshore send`: puts messages on a queue.

mod sender;
mod source;

use std::{fs::Metadata, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use clap::{ArgGroup, Args};
use futures_util::TryStreamExt as _;

use self::{
    sender::{IN_FLIGHT, SendPlan, SendReport, SourceSize, send_all},
    source::{batches, bodies},
};
use super::{
    options::AwsOptions,
    output::{Exit, Failure},
    runtime,
};
use crate::{
    config::{self, Purpose, QueueSettings, Settings},
    duration::Span,
    message::{AttributeValue, OutgoingMessage},
    payload::Offload,
    queue::{Queue, is_fifo, limits},
    worker,
};

/// Sends messages: one, or one per line of a file or of standard input, with a bar of the progress on a terminal
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("source").required(true).args(["message", "file"])))]
pub(super) struct Send {
    /// The body of the one message
    message: Option<String>,
    /// A file with one message per line, or - for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The queue's URL or ARN [default: the configured queue]
    #[arg(long, value_name = "URL")]
    queue_url: Option<String>,
    /// The configured queue, if there are several
    #[arg(long, value_name = "NAME", conflicts_with = "queue_url")]
    queue: Option<String>,
    /// The configuration file [default: longshore.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    aws: AwsOptions,
    /// A message attribute: name=text, name:Number=1 or name:Binary=base64; may be given ten times
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    attributes: Vec<Attribute>,
    /// The FIFO group, or the tenant on a standard queue
    #[arg(long, value_name = "ID")]
    group_id: Option<String>,
    /// The deduplication id of the one message, on a FIFO queue
    #[arg(long, value_name = "ID", conflicts_with = "file")]
    deduplication_id: Option<String>,
    /// The delay before the messages become visible, at most 15m
    #[arg(long, value_name = "DURATION", value_parser = delay)]
    delay: Option<Duration>,
    /// The bucket for bodies that are too large for SQS, to which messages then point as those of the extended clients do [default: the queue's payload.bucket]
    #[arg(long, value_name = "BUCKET")]
    s3: Option<String>,
    /// Print the number of messages and the time in place of their ids
    #[arg(short, long)]
    quiet: bool,
}

impl Send {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let config = config::load(&self.aws.sources(self.config.clone()), Purpose::Inspect)?;
        let queue = self.select_queue(&config.settings)?;
        self.refuse_without_group(queue.name_in_sqs())?;
        let bodies = bodies(self.message.as_deref(), self.file.as_deref())?;
        let batches = batches(bodies.map_ok(|body| self.message_of(body)));
        let offload = self.s3.as_ref().or(queue.payload.bucket.as_ref()).map(|bucket| Offload {
            objects: worker::payload_objects(&queue, &config.settings.aws),
            bucket: bucket.clone(),
        });
        let report = if self.quiet { SendReport::Summary } else { SendReport::Ids };
        let source = self.source_size();
        runtime::run_small(async {
            let open = open(&config.settings, &queue).await?;
            let offload = match &offload {
                None => None,
                Some(offload) => Some((offload, largest_message(&*open).await)),
            };
            send_all(&*open, batches, SendPlan { offload, in_flight: self.in_flight(&queue), report, source })
                .await
        })?
    }

    /// Refuses what a FIFO queue never takes.
    fn refuse_without_group(&self, queue: &str) -> Result<(), Failure> {
        if self.group_id.is_some() || !is_fifo(queue) {
            return Ok(());
        }
        let message = format!("{queue} is a FIFO queue, whose messages need a group (MessageGroupId)");
        Err(Failure::new(Exit::Usage, message).hint("give --group-id"))
    }

    fn source_size(&self) -> SourceSize {
        let Some(path) = &self.file else { return SourceSize::One };
        let file = path.metadata().ok().filter(Metadata::is_file);
        file.map_or(SourceSize::Unknown, |file| SourceSize::Bytes(file.len()))
    }

    /// The batches under way at once: one where the order matters.
    fn in_flight(&self, queue: &QueueSettings) -> usize {
        if self.group_id.is_some() || is_fifo(queue.name_in_sqs()) { 1 } else { IN_FLIGHT }
    }

    /// The queue of the URL, the named one, or the only one configured.
    fn select_queue(&self, settings: &Settings) -> Result<QueueSettings, Failure> {
        if let Some(url) = &self.queue_url {
            return Ok(QueueSettings { url: Some(url.clone()), ..QueueSettings::default() });
        }
        let names: Vec<&str> = settings.queues.keys().map(String::as_str).collect();
        settings.chosen(self.queue.as_deref()).cloned().ok_or_else(|| match names.as_slice() {
            [] => Failure::new(Exit::Usage, "no queue to send to").hint("give --queue-url"),
            names => Failure::new(Exit::Usage, "which queue to send to is not clear")
                .hint(format!("give --queue-url, or --queue with one of: {}", names.join(", "))),
        })
    }

    fn message_of(&self, body: String) -> OutgoingMessage {
        let attributes =
            self.attributes.iter().map(|Attribute { name, value }| (name.clone(), value.clone()));
        OutgoingMessage {
            attributes: attributes.collect(),
            delay: self.delay,
            group_id: self.group_id.clone(),
            deduplication_id: self.deduplication_id.clone(),
            ..OutgoingMessage::new(body)
        }
    }
}

fn delay(text: &str) -> Result<Duration, String> {
    let Span(delay) = text.parse().map_err(|error: crate::duration::NotADuration| error.to_string())?;
    if delay.subsec_nanos() != 0 || delay > limits::DELAY {
        return Err(format!("not allowed: use whole seconds, at most {}", Span(limits::DELAY)));
    }
    Ok(delay)
}

async fn open(settings: &Settings, queue: &QueueSettings) -> Result<Arc<dyn Queue>, Failure> {
    Ok(worker::open_queue(&queue.address(), queue.access(&settings.aws)).await?)
}

/// The largest message that a queue takes, as far as that is known.
async fn largest_message(queue: &dyn Queue) -> usize {
    let described = queue.describe().await.ok();
    let of_queue = described.and_then(|description| description.message_bytes);
    of_queue.unwrap_or(limits::MESSAGE_BYTES).min(limits::MESSAGE_BYTES)
}

/// A message attribute as the command line writes it: `name=text`, `name:Number=1`, `name:Binary=base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Attribute {
    name: String,
    value: AttributeValue,
}

impl FromStr for Attribute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (label, content) = text.split_once('=').ok_or("no =, hint: write name=value")?;
        let (name, data_type) = label.split_once(':').unwrap_or((label, "String"));
        if name.is_empty() {
            return Err("no name, hint: write name=value".to_owned());
        }
        let value = match data_type.split('.').next() {
            Some("String") => AttributeValue::string(content),
            Some("Number") => AttributeValue::number(content),
            Some("Binary") => {
                let bytes =
                    BASE64_STANDARD.decode(content).map_err(|error| format!("not base64: {error}"))?;
                AttributeValue::binary(bytes)
            }
            _ => return Err(format!("not a type: {data_type}, hint: use String, Number or Binary")),
        };
        let value = AttributeValue { data_type: data_type.to_owned(), ..value };
        Ok(Self { name: name.to_owned(), value })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{Stream, stream};
    use longshore_emulator::{SqsAccount, StringMap};

    use super::*;
    use crate::queue::EmulatorQueue;

    fn of_bodies(bodies: Vec<String>) -> impl Stream<Item = Result<Vec<OutgoingMessage>, Failure>> + Unpin {
        batches(stream::iter(bodies.into_iter().map(|body| Ok(OutgoingMessage::new(body)))))
    }

    const PLAN: SendPlan<'static> =
        SendPlan { offload: None, in_flight: IN_FLIGHT, report: SendReport::Ids, source: SourceSize::One };

    fn account() -> SqsAccount {
        let account = SqsAccount::default();
        account.create_queue("orders", &StringMap::new(), &StringMap::new()).unwrap();
        account
    }

    #[tokio::test(start_paused = true)]
    async fn every_message_that_can_be_sent_is_and_the_refused_are_counted() {
        let account = account();
        let bodies =
            (1..=25).map(|number| if number == 12 { "\u{1}".to_owned() } else { number.to_string() });
        let failure = send_all(&EmulatorQueue::new(&account, "orders"), of_bodies(bodies.collect()), PLAN)
            .await
            .unwrap_err();
        assert_eq!(
            (failure.exit(), failure.to_string()),
            (Exit::Usage, "1 of 25 messages were refused".to_owned())
        );
        assert_eq!(account.snapshot("orders").unwrap().visible, 24);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_is_too_large_stops_no_other() {
        let account = account();
        let bodies = vec!["a".to_owned(), "x".repeat(limits::MESSAGE_BYTES + 1), "b".to_owned()];
        let failure =
            send_all(&EmulatorQueue::new(&account, "orders"), of_bodies(bodies), PLAN).await.unwrap_err();
        assert_eq!(failure.to_string(), "1 of 3 messages were refused");
        assert_eq!(account.snapshot("orders").unwrap().visible, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_queue_ends_the_sending() {
        let failure =
            send_all(&EmulatorQueue::new(&account(), "nowhere"), of_bodies(vec!["a".to_owned()]), PLAN)
                .await
                .unwrap_err();
        assert_eq!(failure.exit(), Exit::Unavailable);
        assert!(failure.to_string().starts_with("broken off after 0 messages"), "{failure}");
    }

    #[test]
    fn a_delay_is_whole_seconds_up_to_fifteen_minutes() {
        assert_eq!(delay("5s"), Ok(Duration::from_secs(5)));
        assert!(delay("500ms").is_err() && delay("16m").is_err() && delay("5").is_err());
    }

    fn value_of(text: &str) -> AttributeValue {
        text.parse::<Attribute>().unwrap().value
    }

    #[test]
    fn the_type_stands_after_a_colon() {
        assert_eq!(value_of("a=b=c:d"), AttributeValue::string("b=c:d"));
        assert_eq!(value_of("a:Number=1.5"), AttributeValue::number("1.5"));
        assert_eq!(value_of("a:Binary=AQI="), AttributeValue::binary([1, 2]));
        assert_eq!(value_of("a:Number.int=1").data_type, "Number.int");
    }

    #[test]
    fn an_invalid_attribute_is_refused() {
        for text in ["a", "=b", "a:Int=1", "a:Binary=?"] {
            assert!(text.parse::<Attribute>().is_err(), "{text}");
        }
    }
}
