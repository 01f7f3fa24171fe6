//! Handlers as services.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use futures_util::future::BoxFuture;
use tower::Service;

use super::{BatchCall, Call};
use crate::handler::{BatchHandler, Handler, Outcome, Outcomes};

/// Makes a service of a handler; it is always ready, and never fails.
///
/// What a handler is beyond its calls is lost on the way: its probe, its end, its placement. [`layered`](super::layered)
/// keeps them, and is what puts a handler behind layers.
pub fn into_service<H: Handler>(handler: H) -> IntoService<H> {
    IntoService(Arc::new(handler))
}

/// The same of a handler that takes several messages a call.
pub fn into_batch_service<H: BatchHandler>(handler: H) -> IntoBatchService<H> {
    IntoBatchService(Arc::new(handler))
}

/// A service made by [`into_service`]; clones are one handler.
pub struct IntoService<H>(pub(super) Arc<H>);

/// A service made by [`into_batch_service`]; clones are one handler.
pub struct IntoBatchService<H>(pub(super) Arc<H>);

impl<H> Clone for IntoService<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H> Clone for IntoBatchService<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Handler> Service<Call> for IntoService<H> {
    type Response = Outcome;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Outcome, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Call { message, context }: Call) -> Self::Future {
        let handler = self.0.clone();
        Box::pin(async move { Ok(handler.handle(message, context).await) })
    }
}

impl<H: BatchHandler> Service<BatchCall> for IntoBatchService<H> {
    type Response = Outcomes;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Outcomes, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, BatchCall { batch, context }: BatchCall) -> Self::Future {
        let handler = self.0.clone();
        Box::pin(async move { Ok(handler.handle_batch(batch, context).await) })
    }
}
