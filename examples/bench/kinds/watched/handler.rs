//! The layer that notes when calls begin and end.

use std::{
    sync::atomic::Ordering,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use longshore::handler::{BatchCall, BatchHandlerService};
use tower::Service;

use super::Watch;

/// The service of a handler that is watched.
#[derive(Clone)]
pub(super) struct WatchedHandler {
    pub(super) handler: BatchHandlerService,
    pub(super) watch: Watch,
}

impl Service<BatchCall> for WatchedHandler {
    type Response = <BatchHandlerService as Service<BatchCall>>::Response;
    type Error = <BatchHandlerService as Service<BatchCall>>::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.handler.poll_ready(context)
    }

    fn call(&mut self, call: BatchCall) -> Self::Future {
        let watch = self.watch.clone();
        watch.note(|stamps, now| stamps.started = now);
        let outcomes = self.handler.call(call);
        Box::pin(async move {
            let outcomes = outcomes.await;
            watch.note(|stamps, now| stamps.ended = now);
            watch.0.calls.fetch_add(1, Ordering::Relaxed);
            outcomes
        })
    }
}
