//! A call's hold on its run, which outlives the call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{handler::Outcome, tasks};

/// One run of a program, as its call sees it.
///
/// A call that is dropped tells its run to stop and leaves it to the [`Leftovers`]: a program takes longer to end
/// than a call to be dropped.
#[derive(Debug)]
pub(super) struct Call {
    /// There until the run has ended.
    run: Option<JoinHandle<Outcome>>,
    stop: CancellationToken,
    leftovers: Leftovers,
}

impl Call {
    /// Starts a run, which ends its program when it is told to stop.
    pub(super) fn start<F>(leftovers: &Leftovers, run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let run = tasks::detach("exec", run(stop.clone()));
        Self { run: Some(run), stop, leftovers: leftovers.clone() }
    }

    /// Tells the run to stop.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for the run's end.
    pub(super) async fn outcome(&mut self) -> Outcome {
        let Some(run) = &mut self.run else { return Outcome::Retry("the run has ended".to_owned()) };
        let outcome = run.await;
        self.run = None;
        outcome.unwrap_or_else(|error| Outcome::Retry(format!("the run broke off: {error}")))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(run) = self.run.take_if(|run| !run.is_finished()) {
            self.stop.cancel();
            self.leftovers.lock().push(run);
        }
    }
}

/// The runs whose calls are over and whose programs still end.
///
/// There are never more programs than calls allowed at once: each new call first takes one of these over and
/// waits for its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Leftovers(Arc<Mutex<Vec<JoinHandle<Outcome>>>>);

impl Leftovers {
    /// Waits until a program may be started in the place of one that still ends, if there is any.
    pub(super) async fn make_room(&self) {
        if let Some(mut call) = self.take() {
            // Its outcome was told when its call was dropped.
            drop(call.outcome().await);
        }
    }

    /// Waits until the last program has ended.
    pub(super) async fn ended(&self) {
        while let Some(mut call) = self.take() {
            drop(call.outcome().await);
        }
    }

    /// Takes over one run that has not ended; dropped before its end, it comes back.
    fn take(&self) -> Option<Call> {
        let mut runs = self.lock();
        runs.retain(|run| !run.is_finished());
        let run = runs.pop()?;
        drop(runs);
        Some(Call { run: Some(run), stop: CancellationToken::new(), leftovers: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<JoinHandle<Outcome>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
