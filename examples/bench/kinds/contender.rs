//! What is measured: a handler, and what calling the same without a worker is.

use std::{num::NonZeroUsize, sync::Arc};

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use longshore::{
    Message,
    handler::{AnyHandler, Batch, BatchItem, Outcome},
    testing,
};

use crate::Failure;

pub(crate) const BODY_BYTES: usize = 100;

/// One row of the tables.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// The messages of one call.
    pub(crate) batch: usize,
    pub(crate) amounts: Amounts,
    pub(crate) make: Make,
    pub(crate) direct: Direct,
}

/// Makes the handler, with so many processes where it has its own.
pub(crate) type Make = Box<dyn Fn(NonZeroUsize) -> Result<AnyHandler, Failure>>;

type Call = Box<dyn Fn() -> LocalBoxFuture<'static, Result<(), Failure>>>;

/// How often a kind is called.
#[derive(Clone, Copy)]
pub(crate) struct Amounts {
    /// Calls one at a time.
    pub(crate) single: usize,
    /// Messages as fast as can be, in one round.
    pub(crate) round: usize,
}

/// What the worker is compared with.
pub(crate) enum Direct {
    /// The handler object itself.
    Handler,
    /// What somebody would write who had no such handler.
    Call(Call),
}

impl Direct {
    pub(crate) fn call<F>(call: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<(), Failure>> + 'static,
    {
        Self::Call(Box::new(move || call().boxed_local()))
    }
}

/// Something that can be called without a worker.
pub(crate) enum Ready<'a> {
    Handler { handler: AnyHandler, messages: Vec<Arc<Message>> },
    Call(&'a Call),
}

impl Contender {
    /// Gets the direct call ready; a handler has so many processes.
    pub(crate) fn ready(&self, processes: NonZeroUsize) -> Result<Ready<'_>, Failure> {
        if let Direct::Call(call) = &self.direct {
            return Ok(Ready::Call(call));
        }
        let message = |_| testing::message("x".repeat(BODY_BYTES)).into();
        let messages = (0..self.batch).map(message).collect();
        Ok(Ready::Handler { handler: (self.make)(processes)?, messages })
    }
}

impl Ready<'_> {
    pub(crate) async fn call(&self) -> Result<(), Failure> {
        match self {
            Self::Handler { handler, messages } => call(handler, messages).await,
            Self::Call(call) => call().await,
        }
    }

    /// Ends the processes of a handler.
    pub(crate) async fn close(&self) {
        if let Self::Handler { handler, .. } = self {
            handler.close().await;
        }
    }
}

async fn call(handler: &AnyHandler, messages: &[Arc<Message>]) -> Result<(), Failure> {
    let context = testing::context().build();
    let item = |message: &Arc<Message>| BatchItem::new(message.clone(), context.clone());
    let batch = Batch::new(messages.iter().map(item).collect()).ok_or("a batch of nothing")?;
    let outcomes = handler.call(batch, context.clone()).await.spread(messages.len());
    match outcomes.into_iter().find(|outcome| *outcome != Outcome::Done) {
        Some(outcome) => Err(format!("a direct call ended badly: {outcome:?}").into()),
        None => Ok(()),
    }
}
