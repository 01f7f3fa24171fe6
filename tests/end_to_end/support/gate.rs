//! A gate in front of the calls of a handler.

use tokio::sync::watch;

use super::Handler;

/// Lets calls end while it is open; clones are one gate.
#[derive(Clone, Debug)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    pub(crate) fn opened() -> Self {
        Self(watch::Sender::new(true))
    }

    pub(crate) fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn close(&self) {
        self.0.send_replace(false);
    }

    /// A handler whose calls are done once the gate is open.
    pub(crate) fn handler(&self) -> Handler {
        let gate = self.clone();
        Handler::start(move |_| {
            let mut gate = gate.0.subscribe();
            async move {
                gate.wait_for(|is_open| *is_open).await.unwrap();
                200
            }
        })
    }
}
