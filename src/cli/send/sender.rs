//! Sends batches, several at once where their order does not matter, and reports every message.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, stream::FuturesOrdered};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::{
    cli::output::{self, Exit, Failure},
    message::{MessageId, OutgoingMessage},
    payload::Offload,
    queue::{BatchResult, EntryError, Queue, QueueError, limits},
};

/// The batches under way at once: SQS answers one in 5 to 20 ms.
pub(super) const IN_FLIGHT: usize = 16;

/// The way in which messages are sent.
#[derive(Clone, Copy)]
pub(super) struct SendPlan<'a> {
    /// The bucket for bodies larger than this many bytes.
    pub(super) offload: Option<(&'a Offload, usize)>,
    /// The batches under way at once; one keeps the order.
    pub(super) in_flight: usize,
    pub(super) report: SendReport,
    pub(super) source: SourceSize,
}

/// The size of what is sent, by which a bar shows the progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceSize {
    /// One message: there is no progress to show.
    One,
    /// A file of so many bytes.
    Bytes(u64),
    /// Lines of a pipe.
    Unknown,
}

/// The report on messages that were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendReport {
    /// The id of each.
    Ids,
    /// Their number at the end.
    Summary,
}

/// The messages so far.
struct Sent {
    taken: usize,
    refused: usize,
    began: Instant,
    report: SendReport,
    bar: ProgressBar,
}

/// The end of a batch: the answers for its messages, or why it was not sent.
struct BatchEnd {
    /// The bytes of its lines in the file.
    line_bytes: usize,
    answers: Result<BatchResult<MessageId>, String>,
}

/// Sends batch after batch; reports what was sent, and every refusal as it happens.
///
/// After a failure no further batch is begun, and those under way are still reported.
pub(super) async fn send_all(
    queue: &dyn Queue,
    mut batches: impl Stream<Item = Result<Vec<OutgoingMessage>, Failure>> + Unpin,
    plan: SendPlan<'_>,
) -> Result<(), Failure> {
    let mut sent = Sent::new(&plan);
    let mut under_way = FuturesOrdered::new();
    let (mut failure, mut is_all_read) = (None, false);
    loop {
        let may_begin = failure.is_none() && !is_all_read && under_way.len() < plan.in_flight;
        tokio::select! {
            biased;
            batch = batches.next(), if may_begin => match batch {
                Some(Ok(batch)) => under_way.push_back(send_batch(queue, batch, plan.offload)),
                Some(Err(unreadable)) => failure = Some(unreadable),
                None => is_all_read = true,
            },
            Some(end) = under_way.next(), if !under_way.is_empty() => {
                if let Err(broken) = sent.add(end) {
                    failure.get_or_insert(broken);
                }
            }
            else => break,
        }
    }
    sent.end(failure)
}

async fn send_batch(
    queue: &dyn Queue,
    batch: Vec<OutgoingMessage>,
    offload: Option<(&Offload, usize)>,
) -> BatchEnd {
    let line_bytes = batch.iter().map(|message| message.body.len() + 1).sum();
    BatchEnd { line_bytes, answers: answers(queue, batch, offload).await }
}

async fn answers(
    queue: &dyn Queue,
    batch: Vec<OutgoingMessage>,
    offload: Option<(&Offload, usize)>,
) -> Result<BatchResult<MessageId>, String> {
    let batch = offloaded(batch, offload).await?;
    // A message that is too large for any request is refused alone, as an entry of a batch would be.
    if let [message] = &*batch
        && message.size_bytes() > limits::MESSAGE_BYTES
    {
        let reason = format!("{} bytes, SQS accepts {} at most", message.size_bytes(), limits::MESSAGE_BYTES);
        return Ok(Ok(vec![Err(EntryError::new("InvalidParameterValue", reason, true))]));
    }
    Ok(queue.send(&batch).await)
}

/// Stores the bodies of a batch that are larger than the queue takes, and leaves pointers in their places.
async fn offloaded(
    batch: Vec<OutgoingMessage>,
    offload: Option<(&Offload, usize)>,
) -> Result<Vec<OutgoingMessage>, String> {
    let Some((offload, largest)) = offload else { return Ok(batch) };
    let mut pointing = Vec::with_capacity(batch.len());
    for message in batch {
        pointing.push(offload.store(message, largest).await.map_err(|error| error.to_string())?);
    }
    Ok(pointing)
}

impl Sent {
    fn new(plan: &SendPlan<'_>) -> Self {
        Self { taken: 0, refused: 0, began: Instant::now(), report: plan.report, bar: bar(plan) }
    }

    fn add(&mut self, end: BatchEnd) -> Result<(), Failure> {
        let answers = match end.answers {
            Ok(Ok(answers)) => answers,
            Ok(Err(error)) => return Err(broken_off(self.taken, &error)),
            Err(reason) => {
                return Err(Failure::new(
                    Exit::Unavailable,
                    format!("broken off after {} messages: {reason}", self.taken),
                )
                .hint("check the bucket, the region, the credentials and the network"));
            }
        };
        for answer in answers {
            match answer {
                Ok(id) => {
                    self.taken += 1;
                    if self.report == SendReport::Ids {
                        output::print_line(id.as_str())?;
                    }
                }
                Err(error) => {
                    self.refused += 1;
                    let line = format!("message {}: {error}", self.taken + self.refused);
                    self.bar.suspend(|| output::print_error(&line));
                }
            }
        }
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{} messages, {:.0} a second", self.taken, self.rate()));
            self.bar.inc(end.line_bytes as u64);
        }
        Ok(())
    }

    /// The time until now; never zero, so that a rate can be of it.
    fn took(&self) -> Duration {
        self.began.elapsed().max(Duration::from_millis(1))
    }

    /// The messages of a second.
    fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let taken = self.taken as f64;
        taken / self.took().as_secs_f64()
    }

    fn summary(&self) -> String {
        let took = self.took().as_secs_f64();
        format!("sent {} messages in {took:.1} s, {:.0} a second", self.taken, self.rate())
    }

    fn end(self, failure: Option<Failure>) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        if self.report == SendReport::Summary {
            output::print_line(&self.summary())?;
        }
        match (failure, self.refused) {
            (Some(failure), _) => Err(failure),
            (None, 0) => Ok(()),
            (None, refused) => {
                let all = self.taken + refused;
                Err(Failure::new(Exit::Usage, format!("{refused} of {all} messages were refused")))
            }
        }
    }
}

/// The bar on a terminal; none in a pipe, and none among ids on the same terminal.
fn bar(plan: &SendPlan<'_>) -> ProgressBar {
    let is_wanted = plan.report == SendReport::Summary || !io::stdout().is_terminal();
    let (bar, template) = match plan.source {
        SourceSize::Bytes(bytes) if is_wanted => {
            (ProgressBar::new(bytes), "{bar:32} {percent:>3}%  {msg}, {eta} left")
        }
        SourceSize::Unknown if is_wanted => (ProgressBar::no_length(), "{spinner} {msg}"),
        _ => return ProgressBar::hidden(),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn broken_off(sent: usize, error: &QueueError) -> Failure {
    let message = format!("broken off after {sent} messages: {error}");
    if error.code().is_some_and(|code| code.contains("Parameter")) {
        return Failure::new(Exit::Usage, message);
    }
    let hint = error.hint().unwrap_or("check the url, the region, the credentials and the network");
    Failure::new(Exit::Unavailable, message).hint(hint)
}
