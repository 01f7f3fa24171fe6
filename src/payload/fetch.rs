//! Prepares payloads: fetches the object that a message points to, and takes the encodings off its body.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::time::{Instant, sleep};

use super::{
    Payload,
    encoding::{decoded, is_content_encoding, listed},
    pointer::{Pointer, is_size},
    s3::{ObjectError, S3Objects},
};
use crate::{
    backoff::{Backoff, Jitter},
    consumer::{Preparation, PreparationClaim, PreparedMessage, Unprepared},
    handler::Outcome,
    message::Message,
    telemetry::{WarningSampler, events},
};

/// The time for which a message waits while S3 fails, before it spends a receive.
const PATIENCE: Duration = Duration::from_mins(5);
/// The pauses after failed calls.
const RETRY: Backoff = Backoff {
    initial: Duration::from_millis(500),
    factor: 2.0,
    max: Duration::from_secs(20),
    jitter: Jitter::Half,
};
/// The attempts at the deletion of an object.
const DELETIONS: u32 = 3;

/// Prepares the payloads of one queue's messages.
pub(super) struct PayloadPreparation(Arc<Inner>);

struct Inner {
    queue: Arc<str>,
    payload: Payload,
    warnings: Arc<WarningSampler>,
}

impl PayloadPreparation {
    pub(super) fn new(queue: Arc<str>, payload: Payload, warnings: Arc<WarningSampler>) -> Self {
        Self(Arc::new(Inner { queue, payload, warnings }))
    }
}

impl Preparation for PayloadPreparation {
    fn prepare(&self, message: Arc<Message>) -> BoxFuture<'_, Result<PreparedMessage, Unprepared>> {
        async move { Ok(self.0.prepare(message).await?) }.boxed()
    }
}

impl Inner {
    async fn prepare(self: &Arc<Self>, message: Arc<Message>) -> Result<PreparedMessage, Outcome> {
        let (mut body, mut claim) = (None, None);
        if let Some(objects) = &self.payload.objects
            && let Some(pointer) = Pointer::of(&message).map_err(Outcome::Reject)?
        {
            body = Some(self.fetched(objects, &pointer, &message).await?);
            claim = self.payload.delete.then(|| self.claim(objects.clone(), pointer));
        }
        let encodings = listed(&message).filter(|_| self.payload.decode).map(str::to_owned);
        if let Some(encodings) = &encodings {
            let encoded = body.unwrap_or_else(|| message.body.clone().into_bytes());
            body = Some(decoded(encoded, encodings, self.payload.max).map_err(Outcome::Reject)?);
        }
        let Some(body) = body else { return Ok(PreparedMessage { message, claim: None }) };
        let body = String::from_utf8(body)
            .map_err(|_| Outcome::Reject("the payload is no text in UTF-8, as bodies are".to_owned()))?;
        let mut prepared = Message { body, ..Message::clone(&message) };
        // They described the body as it was sent.
        prepared.attributes.retain(|name, _| {
            let described = (self.payload.objects.is_some() && is_size(name))
                || (encodings.is_some() && is_content_encoding(name));
            !described
        });
        Ok(PreparedMessage { message: Arc::new(prepared), claim })
    }

    /// Reads the object of a message, which waits for some time while S3 fails.
    async fn fetched(
        &self,
        objects: &S3Objects,
        pointer: &Pointer,
        message: &Message,
    ) -> Result<Vec<u8>, Outcome> {
        let (began, mut failures) = (Instant::now(), 0);
        loop {
            match objects.get(pointer, self.payload.max).await {
                Ok(body) => return Ok(body),
                Err(ObjectError::Unusable(reason)) => return Err(Outcome::Reject(reason)),
                Err(ObjectError::Denied(reason)) => return Err(Outcome::Retry(reason)),
                Err(ObjectError::Transient(reason)) if began.elapsed() >= PATIENCE => {
                    return Err(Outcome::unavailable(reason));
                }
                Err(error @ ObjectError::Transient(_)) => {
                    failures += 1;
                    let (queue, message_id) = (&*self.queue, &message.id);
                    events::PayloadDelayed { queue, message_id, error: &error }.emit(&self.warnings);
                    sleep(RETRY.random_delay(failures)).await;
                }
            }
        }
    }

    fn claim(self: &Arc<Self>, objects: Arc<S3Objects>, pointer: Pointer) -> Box<dyn PreparationClaim> {
        Box::new(ObjectClaim { inner: self.clone(), objects, pointer, is_done: AtomicBool::new(false) })
    }
}

/// The object of a message, which is deleted after the message if that was done.
struct ObjectClaim {
    inner: Arc<Inner>,
    objects: Arc<S3Objects>,
    pointer: Pointer,
    is_done: AtomicBool,
}

impl PreparationClaim for ObjectClaim {
    fn done(&self) -> Option<BoxFuture<'static, ()>> {
        self.is_done.store(true, Ordering::Relaxed);
        None
    }

    /// The copy of a rejected message points to the object, too, which therefore stays.
    fn complete(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            if self.is_done.load(Ordering::Relaxed) {
                self.delete().await;
            }
        }
        .boxed()
    }

    fn undo(self: Box<Self>) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}

impl ObjectClaim {
    async fn delete(&self) {
        for attempt in 1..=DELETIONS {
            let Err(error) = self.objects.delete(&self.pointer).await else { return };
            if attempt == DELETIONS || !matches!(error, ObjectError::Transient(_)) {
                events::PayloadLeft { queue: &self.inner.queue, error: &error }.emit(&self.inner.warnings);
                return;
            }
            sleep(RETRY.random_delay(attempt)).await;
        }
    }
}
