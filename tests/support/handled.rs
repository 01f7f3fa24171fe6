//! The messages that a test's own handler was called for, and those that it has done.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use longshore::message::Message;
use tokio::time::sleep;

/// The calls of a handler; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct HandledMessages {
    calls: Arc<AtomicUsize>,
    done: Arc<Mutex<Vec<(String, u32)>>>,
}

impl HandledMessages {
    pub(crate) fn called(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn did(&self, message: &Message) {
        self.done.lock().unwrap().push((message.body.clone(), message.receive_count));
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// The body and the receive count of each message that was done.
    pub(crate) fn done(&self) -> Vec<(String, u32)> {
        self.done.lock().unwrap().clone()
    }

    /// Waits until so many messages are done.
    pub(crate) async fn has_done(&self, messages: usize) {
        while self.done().len() < messages {
            sleep(Duration::from_millis(10)).await;
        }
    }
}
