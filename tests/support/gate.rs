//! A gate that handlers wait at until a test opens it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

/// A gate, closed until it is opened; clones are the same gate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<CancellationToken>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.cancel();
    }

    pub(crate) async fn passed(&self) {
        self.0.cancelled().await;
    }
}
