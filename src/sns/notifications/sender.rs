//! Takes notifications to one topic, again and again if need be, but not for ever.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Notice,
    pending::{Full, Pending},
};
use crate::{
    handler,
    message::MessageId,
    sns::{Publication, Publisher, TopicArn, TopicError, Verdict},
    telemetry::{Notified, Occasion, QueueMetrics, context::TraceContext, events, traces::Trace},
};

/// How many are under way at once to a standard topic.
const AT_ONCE: usize = 16;

/// Where notifications go, and how.
pub(super) struct Route {
    pub(super) queue: Arc<str>,
    pub(super) topic: TopicArn,
    pub(super) publisher: Arc<dyn Publisher>,
    pub(super) give_up_after: Duration,
    pub(super) pending: Pending,
    pub(super) metrics: Arc<QueueMetrics>,
}

/// The entrance to one topic's way.
pub(super) struct Courier {
    letters: mpsc::UnboundedSender<Letter>,
    pending: Pending,
}

/// One notification on its way.
struct Letter {
    message_id: MessageId,
    occasion: Occasion,
    publication: Publication,
    bytes: usize,
    since: Instant,
    /// That of the call that it tells of.
    trace: Option<Arc<Trace>>,
    /// The trace that lines about it name.
    place: Option<TraceContext>,
}

impl Courier {
    /// A courier, and what it does until it is ended.
    pub(super) fn new(route: Route, end: CancellationToken) -> (Self, impl Future<Output = ()> + use<>) {
        // Unbounded, because `Pending` is the bound.
        let (letters, waiting) = mpsc::unbounded_channel();
        let courier = Self { letters, pending: route.pending.clone() };
        let run = async move {
            tokio::select! {
                () = route.deliver_all(waiting) => {}
                () = end.cancelled() => {}
            }
        };
        (courier, run)
    }

    /// Takes a notification, if there is room for it.
    pub(super) fn take(
        &self,
        notice: &Notice<'_>,
        occasion: Occasion,
        publication: Publication,
    ) -> Result<(), Full> {
        let bytes = publication.size_bytes();
        self.pending.add(occasion, bytes)?;
        let letter = Letter {
            message_id: notice.message.id.clone(),
            occasion,
            publication,
            bytes,
            since: Instant::now(),
            trace: notice.trace.cloned(),
            place: notice.place(),
        };
        self.letters.send(letter).map_err(|unsent| {
            self.pending.remove(unsent.0.occasion, unsent.0.bytes);
            Full
        })
    }
}

impl Route {
    /// A FIFO topic gets one after the other, so that a retry is not overtaken.
    async fn deliver_all(&self, waiting: mpsc::UnboundedReceiver<Letter>) {
        let at_once = if self.topic.is_fifo() { 1 } else { AT_ONCE };
        let letters = stream::unfold(waiting, async |mut waiting| {
            let letter = waiting.recv().await?;
            Some((letter, waiting))
        });
        letters.for_each_concurrent(at_once, |letter| self.deliver(letter)).await;
    }

    async fn deliver(&self, mut letter: Letter) {
        let told = self.try_until_told(&mut letter).await;
        let Letter { message_id, occasion, bytes, place, .. } = letter;
        if !self.pending.remove(occasion, bytes) {
            return;
        }
        if let Err(error) = told {
            let (queue, topic, reason) = (&*self.queue, self.topic.as_str(), &*error.to_string());
            let _lines = place.as_ref().map(TraceContext::enter);
            events::NotificationFailed { queue, message_id: &message_id, topic, occasion, reason }
                .emit(&self.metrics);
        } else {
            self.metrics.notifications.of(occasion).of(Notified::Sent).inc();
        }
    }

    async fn try_until_told(&self, letter: &mut Letter) -> Result<(), TopicError> {
        for attempt in 1.. {
            let Letter { publication, trace, .. } = letter;
            let (publisher, metrics) = (&*self.publisher, Some(&*self.metrics));
            let answer = handler::publish(publisher, publication, trace.as_deref(), metrics).await;
            let Err(error) = answer else { break };
            let pause = error.verdict().pauses().random_delay(attempt);
            if error.verdict() == Verdict::Refuse || letter.since.elapsed() + pause > self.give_up_after {
                return Err(error);
            }
            self.tell_delay(letter, &error, attempt);
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    fn tell_delay(&self, Letter { message_id, place, .. }: &Letter, error: &TopicError, attempt: u32) {
        let (queue, topic) = (&*self.queue, self.topic.as_str());
        let _lines = place.as_ref().map(TraceContext::enter);
        events::NotificationDelayed { queue, message_id, topic, error, attempt }.emit();
    }
}
