//! The rounds of `longshore dev`: a worker runs until a signal, or with `--watch` until files change and the next one starts.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{task::JoinHandle, time::Instant};

use super::{
    Dev,
    lines::{DevLine, Mark, MessageLines, Printer},
    servers::{DevServers, MAX_RECEIVE_COUNT},
    show,
    watch::Watch,
    welcome, worker as worker_of,
};
use crate::{
    cli::{
        output::{self, Failure},
        runtime::{self, Exporters},
    },
    config::{self, Purpose, Sources},
    consumer::lease::StageObserver,
    stop::Stop,
    tasks,
    worker::{self, Reload, Signals, Worker, WorkerError, end_of_task},
};

/// The interval of looking for calls that run for long.
const INTERVAL: Duration = Duration::from_millis(500);

/// The lines of every queue of a round.
type AllLines = Arc<Mutex<Vec<Arc<MessageLines>>>>;

/// The rounds of one `dev`.
pub(super) struct Rounds<'a> {
    pub(super) dev: &'a Dev,
    pub(super) sources: Sources,
    pub(super) servers: DevServers,
    pub(super) exporters: Exporters,
    pub(super) printer: Printer,
}

impl Rounds<'_> {
    /// Runs workers until a signal.
    pub(super) async fn run(&mut self, signals: Option<Signals>, reload: Reload) -> Result<(), Failure> {
        let mut next = Some(self.worker(signals)?.reload(reload));
        while let Some(worker) = next.take() {
            next = Box::pin(self.round(worker)).await?;
        }
        Ok(())
    }

    /// Runs a worker; returns the next one if files have changed.
    async fn round(&mut self, worker: Worker) -> Result<Option<Worker>, Failure> {
        let lines = AllLines::default();
        let worker = if self.dev.quiet { worker } else { self.observed(worker, &lines) };
        let mut watch = self.watch();
        let _showing = AbortOnDrop(tasks::detach("running calls", show_running(lines)));
        let stop = Stop::new();
        let mut running = tasks::detach("worker", worker.run_with(stop.clone()));
        loop {
            let changed = tokio::select! {
                ended = &mut running => {
                    return runtime::exit_result(end_of_task("worker", ended)).map(|()| None);
                }
                changed = changed(watch.as_mut()) => changed,
            };
            if !Box::pin(self.accept(&changed)).await {
                continue;
            }
            // Before the worker that has listened so far ends, so that no signal is lost in between.
            let signals = Signals::listen_again().map_err(WorkerError::System)?;
            stop.drain();
            // What could not be drained comes back after its visibility timeout.
            end_of_task("worker", running.await)?;
            return self.worker(Some(signals)).map(Some);
        }
    }

    /// The worker of the present settings.
    fn worker(&self, signals: Option<Signals>) -> Result<Worker, Failure> {
        let worker = self.exporters.export(worker_of(&self.servers, |_| ())?)?;
        Ok(runtime::with_signals(worker, signals))
    }

    fn watch(&self) -> Option<Watch> {
        let named = self.dev.watch.iter().filter(|path| !path.is_empty());
        let further: Vec<PathBuf> = named.map(PathBuf::from).collect();
        let is_on = !self.dev.watch.is_empty();
        let file = self.sources.file_path();
        is_on.then(|| Watch::new(file.as_deref(), &self.servers.settings, &further))
    }

    /// Takes over the configuration; returns false if it has problems, so that the worker goes on as it is.
    async fn accept(&mut self, changed: &[PathBuf]) -> bool {
        let names: Vec<_> = changed.iter().map(|path| path.display().to_string()).collect();
        let names = names.join(", ");
        let known = welcome::known(&self.servers);
        let taken = match config::load(&self.sources, Purpose::Inspect) {
            Ok(config) => {
                let settings = self.dev.adjusted(config.settings);
                // A worker that cannot be built would leave none.
                match worker::worker(&settings) {
                    Ok(_) => self.servers.apply(settings).await,
                    Err(error) => Err(error.into()),
                }
            }
            Err(problems) => Err(problems.into()),
        };
        match taken {
            Ok(()) => {
                self.printer.print(DevLine::of(
                    Mark::Changed,
                    "",
                    format!("{names} changed, the worker starts anew"),
                ));
                let new = welcome::of_new(&self.servers, &known);
                if !new.is_empty() {
                    show(new);
                }
                true
            }
            Err(failure) => {
                let text = format!("{names} changed, and cannot be used: the worker goes on as it was");
                self.printer.print(DevLine::of(Mark::Alert, "", text));
                output::print_error(&format!("error: {failure}"));
                false
            }
        }
    }

    fn observed(&self, worker: Worker, lines: &AllLines) -> Worker {
        let (printer, lines) = (self.printer.clone(), lines.clone());
        worker.observe_stages(Arc::new(move |name: &Arc<str>| {
            let of_queue =
                Arc::new(MessageLines::new(name.clone(), MAX_RECEIVE_COUNT.get(), printer.clone()));
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(of_queue.clone());
            of_queue as Arc<dyn StageObserver>
        }))
    }
}

/// Waits for changed files; for ever where none are watched.
async fn changed(watch: Option<&mut Watch>) -> Vec<PathBuf> {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// Shows the calls that run for long, for ever.
async fn show_running(lines: AllLines) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        for lines in lines.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            lines.show_running(Instant::now());
        }
    }
}

/// Ends a task with the round.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
