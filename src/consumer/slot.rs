//! A slot of the dispatcher: runs one call after another, and frees itself in the end.
//!
//! The next batch is taken in the same step in which a call ends, so that a smaller concurrency is reached as calls end.

use tokio::time::Instant;

use super::{
    dispatcher::{Dispatcher, EndedCall},
    prepare::HeldMessage,
};

/// A slot for one call at a time; its drop frees it, also during a panic.
pub(super) struct Slot {
    dispatcher: Dispatcher,
    is_taken: bool,
}

impl Slot {
    /// A slot that counts as taken in the dispatcher's state.
    pub(super) fn taken(dispatcher: Dispatcher) -> Self {
        Self { dispatcher, is_taken: true }
    }

    /// Runs one call after another while messages wait.
    #[expect(clippy::manual_async_fn, reason = "the future of an async fn has room for its arguments twice")]
    pub(super) fn run(mut self, mut batch: Vec<HeldMessage>) -> impl Future<Output = ()> + Send + 'static {
        async move {
            while !batch.is_empty() {
                let ended = self.dispatcher.handle(&mut batch).await;
                batch = self.next_batch(ended).unwrap_or_default();
                // Lets other tasks run even if no handler ever waits.
                tokio::task::consume_budget().await;
            }
        }
    }

    /// Ends a call, and takes the next batch into the same slot; `None` frees the slot.
    fn next_batch(&mut self, ended: Option<EndedCall>) -> Option<Vec<HeldMessage>> {
        let now = ended.as_ref().map_or_else(Instant::now, |ended| ended.at);
        let (batch, load) = {
            let state = &mut *self.dispatcher.state();
            if let Some(EndedCall { took, messages, at, .. }) = ended {
                state.rate.call_ended(took, messages, at);
            }
            state.call_ended();
            (state.take_startable(self.dispatcher.availability(), now), state.load())
        };
        self.is_taken = batch.is_some();
        if !self.is_taken {
            self.dispatcher.slot_freed(load);
        }
        batch.map(|batch| self.dispatcher.with_turns(batch))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.is_taken {
            // After a panic in the engine, or when the runtime ends.
            self.dispatcher.free_slot();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the future that a function returns.
    fn size<A, F>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_call_in_flight_takes_little_memory() {
        let bytes = size(|slot: Slot| slot.run(Vec::new()));
        // With what tokio adds, the task takes 640 bytes, a multiple of 128.
        assert!(bytes <= 432, "{bytes}");
    }
}
