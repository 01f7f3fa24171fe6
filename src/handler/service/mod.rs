//! Handlers and `tower` services, each made of the other.
//!
//! | from | to | with |
//! |---|---|---|
//! | a service of [`Call`] | a [`Handler`](super::Handler) | [`from_service`] |
//! | a service of [`BatchCall`] | a [`BatchHandler`](super::BatchHandler) | [`from_batch_service`] |
//! | a [`Handler`](super::Handler) | a service of [`Call`] | [`into_service`] |
//! | a [`BatchHandler`](super::BatchHandler) | a service of [`BatchCall`] | [`into_batch_service`] |
//! | a handler and a `tower` layer | a handler behind the layer | [`layered`], [`layered_batches`] |

mod from_service;
mod into_service;
mod layered;

use std::{
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
};

use tower::{Service, ServiceExt as _};

pub use self::{
    from_service::{FromBatchService, FromService, from_batch_service, from_service},
    into_service::{IntoBatchService, IntoService, into_batch_service, into_service},
    layered::{Layered, LayeredBatches, layered, layered_batches},
};
use super::{Batch, Context};
use crate::message::Message;

/// One call of a handler, as the request of a service.
#[derive(Clone, Debug)]
pub struct Call {
    /// The message.
    pub message: Arc<Message>,
    /// The circumstances of the call.
    pub context: Context,
}

/// One call of a handler that takes several messages, as the request of a service.
#[derive(Clone, Debug)]
pub struct BatchCall {
    /// The messages, each with its own circumstances.
    pub batch: Batch,
    /// The circumstances of the call as a whole.
    pub context: Context,
}

/// A service of which every call has a clone, as `tower` means services to be shared.
///
/// Behind a lock, because many services can be sent to another thread but not shared between two.
struct Shared<S>(Mutex<S>);

/// Why a service did not answer.
enum CallError<E> {
    /// It could not become ready, so the call was not made.
    NotReady(E),
    /// The call failed.
    Failed(E),
}

impl<S: Clone> Shared<S> {
    fn new(service: S) -> Self {
        Self(Mutex::new(service))
    }

    fn get(&self) -> S {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a clone is ready, and lets it answer.
    async fn call<R>(&self, request: R) -> Result<S::Response, CallError<S::Error>>
    where
        S: Service<R>,
    {
        let mut service = self.get();
        service.ready().await.map_err(CallError::NotReady)?;
        service.call(request).await.map_err(CallError::Failed)
    }

    /// Waits until a clone is ready, and drops it.
    async fn probe<R>(&self) -> Result<(), String>
    where
        S: Service<R, Error: Display>,
    {
        match self.get().ready().await {
            Ok(_) => Ok(()),
            Err(error) => Err(not_ready(&error)),
        }
    }
}

fn not_ready(error: &impl Display) -> String {
    format!("the service does not become ready: {error:#}")
}
