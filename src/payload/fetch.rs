//! Prepares payloads: fetches the object that a message points to, and takes the encodings off its body.

use std::{
    fmt::Display,
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
    handler::{FetchedForm, Outcome},
    message::{BodyFile, Message},
    message_files::MessageFiles,
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
    /// The files of fetched bodies, where the handler takes files.
    files: Option<MessageFiles>,
    warnings: Arc<WarningSampler>,
}

/// A fetched body.
enum FetchedBody {
    Bytes(Vec<u8>),
    File(BodyFile),
}

impl PayloadPreparation {
    pub(super) fn new(
        queue: Arc<str>,
        payload: Payload,
        form: FetchedForm,
        warnings: Arc<WarningSampler>,
    ) -> Self {
        let has_files = form == FetchedForm::File && payload.objects.is_some();
        let files = has_files.then(|| MessageFiles::under(payload.temporary_directory.clone()));
        Self(Arc::new(Inner { queue, payload, files, warnings }))
    }
}

impl Preparation for PayloadPreparation {
    fn prepare(&self, message: Arc<Message>) -> BoxFuture<'_, Result<PreparedMessage, Unprepared>> {
        async move { Ok(self.0.prepare(message).await?) }.boxed()
    }
}

impl Inner {
    async fn prepare(self: &Arc<Self>, message: Arc<Message>) -> Result<PreparedMessage, Outcome> {
        let encodings = listed(&message).filter(|_| self.payload.decode).map(str::to_owned);
        let (mut body, mut claim, mut pointer) = (None, None, None);
        if let Some(objects) = &self.payload.objects
            && let Some(found) = Pointer::of(&message).map_err(Outcome::Reject)?
        {
            // What is to be decoded is needed as a whole.
            let files = self.files.as_ref().filter(|_| encodings.is_none());
            match self.fetched(objects, &found, &message, files).await? {
                FetchedBody::Bytes(bytes) => body = Some(bytes),
                FetchedBody::File(file) => {
                    let claim = self.claim(objects, &found);
                    let in_file = Message { body: String::new(), ..self.undescribed(&message, false) };
                    let message = Arc::new(Message { body_file: Some(Arc::new(file)), ..in_file });
                    return Ok(PreparedMessage { message, claim });
                }
            }
            claim = self.claim(objects, &found);
            pointer = Some(found);
        }
        if let Some(encodings) = &encodings {
            let encoded = body.unwrap_or_else(|| message.body.clone().into_bytes());
            body = Some(decoded(encoded, encodings, self.payload.max).map_err(Outcome::Reject)?);
        }
        let Some(body) = body else { return Ok(PreparedMessage { message, claim: None }) };
        let body = String::from_utf8(body).map_err(|_| {
            let origin = pointer.map(|pointer| format!(" of {pointer}")).unwrap_or_default();
            Outcome::Reject(format!("the payload{origin} is no text in UTF-8, as bodies are"))
        })?;
        let prepared = Message { body, ..self.undescribed(&message, encodings.is_some()) };
        Ok(PreparedMessage { message: Arc::new(prepared), claim })
    }

    /// The message without the attributes that described its body as it was sent.
    fn undescribed(&self, message: &Message, is_decoded: bool) -> Message {
        let mut message = message.clone();
        message.attributes.retain(|name, _| {
            let described = (self.payload.objects.is_some() && is_size(name))
                || (is_decoded && is_content_encoding(name));
            !described
        });
        message
    }

    /// Reads the object of a message, which waits for some time while S3 fails.
    async fn fetched(
        &self,
        objects: &S3Objects,
        pointer: &Pointer,
        message: &Message,
        files: Option<&MessageFiles>,
    ) -> Result<FetchedBody, Outcome> {
        let (began, mut failures) = (Instant::now(), 0);
        loop {
            match self.read(objects, pointer, files).await {
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

    /// Reads an object into memory, or into one of the files.
    async fn read(
        &self,
        objects: &S3Objects,
        pointer: &Pointer,
        files: Option<&MessageFiles>,
    ) -> Result<FetchedBody, ObjectError> {
        let most = self.payload.max;
        let Some(files) = files else { return objects.get(pointer, most).await.map(FetchedBody::Bytes) };
        files.remove_left_behind();
        let unwritable = |error: &dyn Display| {
            let directory = files.parent().display();
            let hint = "set payload.temporary_directory to a directory with room";
            ObjectError::Transient(format!("no file for {pointer} in {directory}: {error}, hint: {hint}"))
        };
        let (file, path) = files.create(".body").map_err(|error| unwritable(&error))?.into_parts();
        let bytes = objects.save(pointer, most, file).await?;
        let path = path.keep().map_err(|error| unwritable(&error))?;
        Ok(FetchedBody::File(BodyFile::new(path, bytes)))
    }

    /// The claim that deletes the object after its message, if that is asked for.
    fn claim(
        self: &Arc<Self>,
        objects: &Arc<S3Objects>,
        pointer: &Pointer,
    ) -> Option<Box<dyn PreparationClaim>> {
        self.payload.delete.then(|| {
            let (inner, objects, pointer) = (self.clone(), objects.clone(), pointer.clone());
            Box::new(ObjectClaim { inner, objects, pointer, is_done: AtomicBool::new(false) }) as Box<_>
        })
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
