//! Runs the extensions of one execution environment that are programs: from `/opt/extensions` beside each runtime process.

use std::{io, path::Path, sync::Arc, time::Duration};

use futures_util::future::{join_all, pending, select_all};
use tokio::time::{sleep, timeout};

use super::{
    Shared,
    api::{FunctionEnvironment, RuntimeApi, RuntimePort},
    extension_registry::{EndedProgram, ExtensionEvent, ExtensionRegistry, ShutdownReason},
    output::ProcessOutput,
    peers::RuntimePeers,
    process::{describe, no_port},
    program::Program,
};
use crate::{
    duration::Span,
    handler::{Unavailable, lambda::settings::Extensions},
    process::Process,
    telemetry::events,
};

/// The extensions of an environment; dropped, their programs are killed.
#[derive(Debug)]
pub(super) struct EnvironmentExtensions {
    registry: Arc<ExtensionRegistry>,
    programs: Vec<ExtensionProgram>,
}

impl EnvironmentExtensions {
    /// Starts the programs, and waits until each has registered, as Lambda does before it starts the runtime.
    pub(super) async fn start(
        environment: &FunctionEnvironment,
        program: &Program,
        shared: &Shared,
    ) -> Result<Self, Unavailable> {
        let mut extensions = Self { registry: environment.extensions.clone(), programs: Vec::new() };
        if shared.settings.extensions == Extensions::On {
            let directory = shared.settings.extensions_dir.display();
            let unlisted = |error: io::Error| Unavailable::Down(format!("no list of {directory}: {error}"));
            for path in shared.settings.extension_programs().map_err(unlisted)? {
                let started = ExtensionProgram::start(&path, environment, program, &shared.queue).await?;
                extensions.programs.push(started);
            }
            extensions
                .wait_for_registrations(shared.settings.init_timeout)
                .await
                .map_err(Unavailable::Down)?;
        }
        Ok(extensions)
    }

    async fn wait_for_registrations(&mut self, limit: Span) -> Result<(), String> {
        let registry = self.registry.clone();
        self.wait_for(registry.all_registered(), limit, "register").await
    }

    /// Waits until every extension waits for an event; `Err` has the reason why one never will.
    pub(super) async fn settle(&mut self, limit: Span) -> Result<(), String> {
        let registry = self.registry.clone();
        self.wait_for(registry.settled(), limit, "ask for an event").await
    }

    /// Waits until all extensions have done this; `Err` has the reason why one never will, or those that are late.
    async fn wait_for(
        &mut self,
        done: impl Future<Output = ()>,
        limit: Span,
        what: &str,
    ) -> Result<(), String> {
        let registry = self.registry.clone();
        tokio::select! {
            biased;
            () = done => Ok(()),
            reason = self.failed() => Err(reason),
            () = sleep(limit.0) => {
                Err(format!("did not {what} within {limit}: the extensions {}", registry.awaited()))
            }
        }
    }

    /// Waits until an extension ends or reports a failure, which ends the environment; returns the reason.
    pub(super) async fn failed(&mut self) -> String {
        let Self { registry, programs } = self;
        let ended = async {
            if programs.is_empty() {
                return pending().await;
            }
            select_all(programs.iter_mut().map(|program| Box::pin(program.ended(registry)))).await.0
        };
        tokio::select! {
            biased;
            reason = registry.failed() => reason,
            reason = ended => reason,
        }
    }

    /// Ends the programs: those that have registered for it get the event of the end, and SIGKILL after the limit.
    pub(super) async fn shut_down(mut self, reason: ShutdownReason, limit: Duration) {
        self.registry.shut_down(&ExtensionEvent::of_end(reason, limit));
        let Self { registry, programs } = &mut self;
        join_all(programs.iter_mut().map(|program| program.end(registry, limit))).await;
    }
}

/// The running program of an extension, with an API of its own, for its process group.
#[derive(Debug)]
struct ExtensionProgram {
    name: Arc<str>,
    queue: Arc<str>,
    process: Process,
    api: RuntimeApi,
    output: ProcessOutput,
}

impl ExtensionProgram {
    async fn start(
        path: &Path,
        environment: &FunctionEnvironment,
        program: &Program,
        queue: &Arc<str>,
    ) -> Result<Self, Unavailable> {
        let name: Arc<str> = path.file_name().unwrap_or_default().to_string_lossy().into();
        let refused = |reason: String| Unavailable::Down(format!("the extension {name}: {reason}"));
        environment.extensions.expect_program(&name).map_err(|refusal| refused(refusal.message))?;
        let port = RuntimePort::bind().await.map_err(|error| no_port(&error))?;
        let started = program.start_extension(path, port.address());
        let mut process = started.map_err(|error| Unavailable::of_start(&error))?;
        let peers = RuntimePeers::new(port.address(), process.id(), queue.clone());
        let api = RuntimeApi::serve(port, peers, environment.clone());
        let output = ProcessOutput::of_extension(queue.clone(), &mut process, name.clone());
        Ok(Self { name, queue: queue.clone(), process, api, output })
    }

    /// Waits until the program has ended; returns the reason why its environment ends with it.
    async fn ended(&mut self, registry: &ExtensionRegistry) -> String {
        let status = self.process.wait().await;
        registry.release(EndedProgram::Extension(&self.name));
        // Its last request may be a report of its failure.
        self.api.finish().await;
        self.output.finish().await;
        let ended = || format!("the extension {} ended: {}", self.name, describe(status));
        self.output.explain(registry.failure().unwrap_or_else(ended))
    }

    /// Ends the program, which may have until the limit if it has registered for the event of the end.
    async fn end(&mut self, registry: &ExtensionRegistry, limit: Duration) {
        let may_finish = registry.awaits_shutdown(&self.name) && !self.process.has_ended();
        if may_finish && timeout(limit, self.process.wait()).await.is_err() {
            events::ExtensionKilled { queue: &self.queue, extension: &self.name }.emit();
        }
        self.process.kill();
        drop(self.process.wait().await);
        self.output.finish().await;
    }
}
