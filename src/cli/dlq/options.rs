//! The options of the commands on dead letters: the queue, and the messages that are chosen.

use std::{ops::RangeInclusive, path::PathBuf, sync::Arc};

use clap::Args;

use super::unavailable;
use crate::{
    cli::{
        options::AwsOptions,
        output::{Exit, Failure},
    },
    config::{self, Purpose, QueueSettings, Settings},
    dead_letters::{DlqLocation, MessageFilter, locate},
    duration::Span,
    queue::{
        Queue,
        sqs::{QueueAddress, Settings as AwsSettings},
    },
    worker,
};

/// The DLQ that a command is about.
#[derive(Args, Debug)]
pub(super) struct DlqOptions {
    /// The queue whose DLQ it is: its configured name, or its URL, ARN or name; one without a redrive policy is taken for the
    /// DLQ itself [default: the configured queue]
    #[arg(value_name = "QUEUE")]
    queue: Option<String>,
    /// The DLQ's URL, ARN or name, if it is not the one that the settings or the redrive policy name
    #[arg(long, value_name = "ADDRESS")]
    dlq: Option<String>,
    /// The configuration file [default: longshore.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    aws: AwsOptions,
}

/// An open DLQ, with the settings of the queue that it belongs to.
pub(super) struct OpenedDlq {
    pub(super) location: DlqLocation,
    pub(super) queue: QueueSettings,
    pub(super) aws: AwsSettings,
}

impl DlqOptions {
    /// Opens the DLQ.
    pub(super) async fn open(&self) -> Result<OpenedDlq, Failure> {
        let settings = config::load(&self.aws.sources(self.config.clone()), Purpose::Inspect)?.settings;
        let queue = self.settings_of_queue(&settings)?;
        let open = worker::open_queue(&queue.address(), queue.access(&settings.aws)).await?;
        let configured = match self.dlq.as_deref().or(queue.dlq.address()) {
            Some(address) => Some(open_beside(&*open, address, &queue, &settings.aws).await?),
            None => None,
        };
        let location = locate(open, configured).await.map_err(|error| unavailable(&error))?;
        Ok(OpenedDlq { location, queue, aws: settings.aws })
    }

    /// The settings of the named queue, or of the only one that is configured.
    fn settings_of_queue(&self, settings: &Settings) -> Result<QueueSettings, Failure> {
        let names: Vec<&str> = settings.queues.keys().map(String::as_str).collect();
        let Some(name) = &self.queue else {
            let only = settings.chosen(None);
            let hint = format!("give the name of one: {}", names.join(", "));
            let hint = if names.is_empty() { "give a queue's URL, ARN or name".to_owned() } else { hint };
            return only
                .cloned()
                .ok_or_else(|| Failure::new(Exit::Usage, "which queue is not clear").hint(hint));
        };
        Ok(settings.queues.get(name).cloned().unwrap_or_else(|| of_address(name)))
    }
}

/// The settings of a queue that is not configured.
fn of_address(address: &str) -> QueueSettings {
    let is_name = matches!(QueueAddress::parse(address), Ok(QueueAddress::Name(_)));
    let text = Some(address.to_owned());
    if is_name {
        QueueSettings { name: text, ..QueueSettings::default() }
    } else {
        QueueSettings { url: text, ..QueueSettings::default() }
    }
}

/// Opens another queue by its URL or ARN, or by its name where this one is.
pub(super) async fn open_beside(
    queue: &dyn Queue,
    address: &str,
    settings: &QueueSettings,
    aws: &AwsSettings,
) -> Result<Arc<dyn Queue>, Failure> {
    match QueueAddress::parse(address) {
        Ok(QueueAddress::Name(name)) => queue.open_other(&name).await.map_err(|error| unavailable(&error)),
        _ => Ok(worker::open_queue(address, settings.access(aws)).await?),
    }
}

/// The messages that a command is about.
#[derive(Args, Clone, Debug)]
pub(super) struct FilterOptions {
    /// Only the message of this id; may be repeated
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    /// Only messages that were sent longer ago than this
    #[arg(long, value_name = "DURATION")]
    older_than: Option<Span>,
    /// Only messages that were sent within this time
    #[arg(long, value_name = "DURATION")]
    newer_than: Option<Span>,
    /// Only messages whose handler has rejected them for a reason with this text in it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only messages that were received so often: 3, 3.., ..5 or 3..5
    #[arg(long, value_name = "RANGE", value_parser = receives)]
    receives: Option<RangeInclusive<u32>>,
    /// Only messages with this attribute; a value that ends in * stands for all that begin so; may be repeated
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = pair)]
    attributes: Vec<(String, String)>,
    /// Only messages whose JSON body has this field, such as order.state=new; may be repeated
    #[arg(long = "field", value_name = "PATH=VALUE", value_parser = pair)]
    fields: Vec<(String, String)>,
    /// Only messages of this group; may be repeated
    #[arg(long = "group", value_name = "ID")]
    groups: Vec<String>,
}

impl FilterOptions {
    /// True if no criterion was given.
    pub(super) fn is_empty(&self) -> bool {
        self.clone().filter().takes_all()
    }

    /// The criteria that were given.
    pub(super) fn filter(self) -> MessageFilter {
        let mut filter = MessageFilter {
            ids: self.ids.into_iter().collect(),
            older_than: self.older_than.map(|Span(time)| time),
            newer_than: self.newer_than.map(|Span(time)| time),
            reason: self.reason,
            receives: self.receives,
            ..MessageFilter::default()
        };
        for (name, value) in self.attributes {
            filter.conditions.attribute.entry(name).or_default().add(value);
        }
        for (path, value) in self.fields {
            filter.conditions.json.entry(path).or_default().add(value);
        }
        self.groups.into_iter().for_each(|group| filter.conditions.group.add(group));
        filter
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("no =, hint: write name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn receives(text: &str) -> Result<RangeInclusive<u32>, String> {
    let number = |text: &str, open: u32| match text {
        "" => Ok(open),
        text => text.parse::<u32>().map_err(|error| format!("not a number: {text}: {error}")),
    };
    match text.split_once("..") {
        Some((least, most)) => {
            let range = number(least, 0)?..=number(most, u32::MAX)?;
            if range.is_empty() {
                return Err(format!("no number is in it, hint: write {most}..{least}"));
            }
            Ok(range)
        }
        None => {
            text.parse().map(|count: u32| count..=count).map_err(|error| format!("not a number: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_receives_may_be_a_range() {
        for (text, range) in [("3", 3..=3), ("3..", 3..=u32::MAX), ("..5", 0..=5), ("3..5", 3..=5)] {
            assert_eq!(receives(text), Ok(range), "{text}");
        }
        assert!(["", "x", "3..x", "-1", "5..3"].iter().all(|text| receives(text).is_err()));
    }

    #[test]
    fn a_queue_that_is_not_configured_goes_by_its_address() {
        for address in ["https://sqs.eu-west-1.amazonaws.com/1/orders", "arn:aws:sqs:eu-west-1:1:orders"] {
            assert_eq!(of_address(address).url.as_deref(), Some(address));
        }
        assert_eq!(of_address("orders-dlq").name.as_deref(), Some("orders-dlq"));
        assert_eq!(of_address("123456789012/orders-dlq").name.as_deref(), Some("123456789012/orders-dlq"));
    }
}
