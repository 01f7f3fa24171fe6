//! A handler of either form behind a pointer, as the worker holds it.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use futures_util::future::BoxFuture;

use super::{Batch, BatchHandler, Context, Handler, Outcomes, Placement};
use crate::message::{Message, Wanted};

/// A [`Handler`] or a [`BatchHandler`] behind a pointer.
///
/// Every [`Handler`] turns into it by itself; [`batched`] makes it of a [`BatchHandler`].
#[derive(Clone)]
pub struct AnyHandler(Arc<dyn Erased>);

/// How many messages a handler takes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// One.
    One,
    /// As many as the batch settings say.
    Several,
}

/// Makes the worker's form of a handler that takes several messages a call.
pub fn batched(handler: impl BatchHandler) -> AnyHandler {
    AnyHandler(Arc::new(Batched(handler)))
}

impl<H: Handler> From<H> for AnyHandler {
    fn from(handler: H) -> Self {
        Self(Arc::new(Single(handler)))
    }
}

impl fmt::Debug for AnyHandler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AnyHandler").field("takes", &self.takes()).finish_non_exhaustive()
    }
}

impl AnyHandler {
    /// How many messages it takes a call.
    pub fn takes(&self) -> Takes {
        self.0.takes()
    }

    /// See [`BatchHandler::handle_batch`]; a [`Handler`] is given the first message of the batch.
    pub fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes> {
        debug_assert!(self.takes() == Takes::Several || batch.len() == 1, "settings are checked for this");
        self.0.call(batch, context)
    }

    /// See [`BatchHandler::weigh`].
    pub fn weigh(&self, message: &Message) -> usize {
        self.0.weigh(message)
    }

    /// See [`Handler::opened`].
    pub fn opened(&self, arn: &str) {
        self.0.opened(arn);
    }

    /// See [`Handler::probe`].
    pub fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        self.0.probe()
    }

    /// See [`Handler::close`].
    pub fn close(&self) -> BoxFuture<'_, ()> {
        self.0.close()
    }

    /// See [`Handler::wanted`].
    pub fn wanted(&self) -> Wanted {
        self.0.wanted()
    }

    /// See [`Handler::placement`].
    pub fn placement(&self) -> Placement {
        self.0.placement()
    }
}

/// Both forms with their futures boxed.
trait Erased: Send + Sync + 'static {
    fn takes(&self) -> Takes;
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes>;
    fn weigh(&self, message: &Message) -> usize;
    fn opened(&self, arn: &str);
    fn probe(&self) -> BoxFuture<'_, Result<(), String>>;
    fn close(&self) -> BoxFuture<'_, ()>;
    fn wanted(&self) -> Wanted;
    fn placement(&self) -> Placement;
}

struct Single<H>(H);

struct Batched<H>(H);

impl<H: Handler> Erased for Single<H> {
    fn takes(&self) -> Takes {
        Takes::One
    }

    fn call(&self, batch: Batch, _: Context) -> BoxFuture<'_, Outcomes> {
        Box::pin(async move {
            let Some(item) = batch.into_iter().next() else { return Outcomes::Each(Vec::new()) };
            Outcomes::Each(vec![self.0.handle(item.message, item.context).await])
        })
    }

    fn weigh(&self, message: &Message) -> usize {
        message.size_bytes()
    }

    fn opened(&self, arn: &str) {
        self.0.opened(arn);
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.0.probe())
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.close())
    }

    fn wanted(&self) -> Wanted {
        self.0.wanted()
    }

    fn placement(&self) -> Placement {
        self.0.placement()
    }
}

impl<H: BatchHandler> Erased for Batched<H> {
    fn takes(&self) -> Takes {
        Takes::Several
    }

    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes> {
        Box::pin(self.0.handle_batch(batch, context))
    }

    fn weigh(&self, message: &Message) -> usize {
        // The user's code outside of any call: a panic in it would end the worker.
        let weight = catch_unwind(AssertUnwindSafe(|| self.0.weigh(message)));
        weight.unwrap_or_else(|_| message.size_bytes())
    }

    fn opened(&self, arn: &str) {
        self.0.opened(arn);
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.0.probe())
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.close())
    }

    fn wanted(&self) -> Wanted {
        self.0.wanted()
    }

    fn placement(&self) -> Placement {
        self.0.placement()
    }
}
