//! Starts the engine of each open queue, with its metrics, its observers and the polls of its depth.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::runtime::Handle;

#[cfg(feature = "sns")]
use super::observers::NotifyEnds;
use super::{
    Consumer, DeadLetters, WorkerError, WorkerStatus,
    credentials_watch::{CredentialsWatch, WatchedQueue},
    first_success::FirstSuccess,
    late::LateQueues,
    metrics::QueueMeasurements,
    observers::ExhaustedMessages,
    open::Opened,
    opening::OpenedOrMissing,
    redrive::{DlqOpener, RedriveFollower},
    shutdown::RunningParts,
};
#[cfg(feature = "ecs")]
use super::{embedded_metrics::Meter, observers::CountCalls, shutdown::may_outlast};
#[cfg(feature = "cli")]
use crate::consumer::lease::StageObserverOf;
#[cfg(feature = "admin")]
use crate::history::MessageHistory;
#[cfg(feature = "sns")]
use crate::sns::notifications::Notifier;
#[cfg(feature = "otel")]
use crate::telemetry::spans::QueueIdentity;
use crate::{
    consumer::{
        CallObserver, Engine, EngineParts,
        depth::{self, Interval, PollTurns, RedrivePublisher},
        lease::{self, StageObserver},
    },
    health::Health,
    queue::Queue,
    stop::Stop,
    tasks::{End, Tasks},
    telemetry::{MetricScope, Metrics, events, spans::QueueTraces},
};

/// The surroundings of the engines.
pub(super) struct Environment {
    pub(super) metrics: Metrics,
    pub(super) health: Health,
    pub(super) status: WorkerStatus,
    pub(super) stop: Stop,
    pub(super) tasks: Tasks,
    /// The runtime of handlers that may block.
    pub(super) caller: Handle,
    /// The runtime of everything else.
    pub(super) runtime: Handle,
    pub(super) drain_limit: Duration,
    /// The turns of the polls of depths.
    pub(super) depth_turns: PollTurns,
    /// The time after which dead credentials end the liveness.
    pub(super) credentials_dead_after: Option<Duration>,
    /// The history of messages, if an admin server shows it.
    #[cfg(feature = "admin")]
    pub(super) history: Option<MessageHistory>,
    /// The further observers of stages, if the program shows messages as they pass.
    #[cfg(feature = "cli")]
    pub(super) stages: Option<StageObserverOf>,
}

impl Environment {
    /// An open queue of SQS, with its credentials watched.
    fn watched(&self, consumer: &Consumer, opened: Opened) -> Opened {
        let limit = self.credentials_dead_after.filter(|_| consumer.is_by_address());
        let Some(limit) = limit else { return opened };
        let watch = CredentialsWatch::new(&consumer.name, &self.health, limit);
        let queue: Arc<dyn Queue> = Arc::new(WatchedQueue { queue: opened.queue, watch });
        Opened { queue, ..opened }
    }
}

/// The engines of a worker that run, beside its other parts, and the queues that are not there yet.
pub(super) struct Engines {
    environment: Environment,
    pub(super) parts: RunningParts,
    /// The ARNs of the queues that are open, as far as they are known.
    arns: HashSet<String>,
    late: LateQueues,
}

impl Engines {
    /// A worker without engines yet, which has these parts.
    pub(super) fn new(environment: Environment, parts: RunningParts) -> Self {
        Self { environment, parts, arns: HashSet::new(), late: LateQueues::default() }
    }

    /// Spawns tasks beside the engines.
    #[cfg(feature = "ecs")]
    pub(super) fn tasks(&self) -> &Tasks {
        &self.environment.tasks
    }

    /// The stop of the worker.
    #[cfg(feature = "ecs")]
    pub(super) fn stop(&self) -> &Stop {
        &self.environment.stop
    }

    /// Starts the engine of each queue, or waits for the queue where it is missing.
    ///
    /// Refuses two consumers of one queue before anything is started.
    pub(super) fn start_all(
        &mut self,
        consumers: Vec<Consumer>,
        opened: Vec<OpenedOrMissing>,
    ) -> Result<(), WorkerError> {
        for (consumer, opened) in consumers.iter().zip(&opened) {
            if let Ok(opened) = opened {
                self.claim(consumer, opened)?;
            }
        }
        for (consumer, opened) in consumers.into_iter().zip(opened) {
            match opened {
                Ok(opened) => self.start(consumer, opened),
                Err(missing) => {
                    let Environment { health, status, .. } = &self.environment;
                    self.late.add(consumer, &missing, health, status.clone());
                }
            }
        }
        Ok(())
    }

    /// Starts the engines of missing queues once these exist, until the stop.
    pub(super) async fn start_late(&mut self) {
        let stop = self.environment.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.draining() => return,
                Some((consumer, opened)) = self.late.next() => self.start_one_late(consumer, opened),
            }
        }
    }

    fn start_one_late(&mut self, consumer: Consumer, opened: Opened) {
        match self.claim(&consumer, &opened) {
            Ok(()) => self.start(consumer, opened),
            Err(error) => {
                self.environment.status.opening(&consumer.name, Some(error.to_string()));
                events::QueueDuplicate { queue: &consumer.name, error: &error }.emit();
            }
        }
    }

    /// Refuses a second consumer of one queue, because each would receive messages that the other holds.
    fn claim(&mut self, consumer: &Consumer, opened: &Opened) -> Result<(), WorkerError> {
        if opened.arn.is_empty() || self.arns.insert(opened.arn.clone()) {
            return Ok(());
        }
        Err(WorkerError::Duplicate { queue: consumer.name.to_string() })
    }

    fn start(&mut self, consumer: Consumer, opened: Opened) {
        let opened = &self.environment.watched(&consumer, opened);
        let measurements = QueueMeasurements::new(&self.environment.metrics, &consumer, opened);
        #[cfg(feature = "ecs")]
        if let Some(scaling) = &self.parts.scaling {
            let name = consumer.name_in_sqs(&opened.arn);
            scaling.add(Meter::new(
                name,
                &measurements.scope,
                measurements.depth.clone(),
                measurements.running.clone(),
                measurements.work(),
            ));
        }
        let redrive = RedrivePublisher::new(opened.redrive.clone());
        let (policy, follows) = (redrive.view(), follows_policy(&consumer));
        let dlq = DlqOpener {
            name: consumer.name.clone(),
            kind: consumer.kind,
            queue: opened.queue.clone(),
            description: opened.description(),
        };
        self.environment.poll_depth(&consumer, opened, (&measurements, redrive));
        let observers = self.environment.observers(&consumer, &self.parts, &measurements.scope);
        if !opened.arn.is_empty() {
            consumer.handler.opened(&opened.arn);
        }
        let Environment { health, stop, caller, runtime, tasks, status, .. } = &self.environment;
        let preparations = consumer.preparations(opened, health, &measurements.scope);
        let parts = EngineParts {
            queue: opened.queue.clone(),
            dead_letters: opened.dead_letters.clone(),
            order: opened.order,
            redrive: policy.clone(),
            handler: consumer.handler,
            preparations,
            observers,
            stages: self.environment.stage_observer(&consumer.name),
            settings: consumer.settings,
            pool: consumer.pool,
            metrics: measurements.scope,
            failures: measurements.failures,
            depth: measurements.depth,
            running: measurements.running,
            traces: self.queue_traces(opened, &consumer.name),
            name: consumer.name,
            health: health.clone(),
            stop: stop.clone(),
            caller: caller.clone(),
            runtime: runtime.clone(),
        };
        let running = Engine::start(&parts, tasks);
        let engine = running.engine().clone();
        status.opened(engine.clone());
        if follows {
            let follower = RedriveFollower { policy, dlq, engine };
            tasks.spawn("redrive", End::Fine, follower.run(stop.clone()));
        }
        self.parts.engines.push(running);
    }

    /// The spans of a queue's messages, if there are any.
    #[cfg_attr(not(feature = "otel"), expect(clippy::unused_self, reason = "only traces are asked"))]
    fn queue_traces(&self, opened: &Opened, name: &str) -> Option<QueueTraces> {
        #[cfg(feature = "otel")]
        {
            let identity = QueueIdentity::of(opened.queue.url(), name);
            self.parts.traces.as_ref().map(|traces| traces.queue(&identity))
        }
        #[cfg(not(feature = "otel"))]
        None
    }
}

/// True if rejected messages are copied to the DLQ of the redrive policy, and polls notice its changes.
fn follows_policy(consumer: &Consumer) -> bool {
    let is_polled = matches!(consumer.settings.depth.interval, Interval::Every(_));
    is_polled && matches!(consumer.dead_letters, DeadLetters::ByPolicy)
}

impl Environment {
    /// The observers of a consumer's calls: for its readiness, for messages that use up their receives, for the
    /// protection of the task, and for notifications.
    #[cfg_attr(
        not(feature = "ecs"),
        expect(unused_variables, reason = "only the protection asks for the parts")
    )]
    fn observers(
        &self,
        consumer: &Consumer,
        parts: &RunningParts,
        scope: &MetricScope,
    ) -> Vec<Arc<dyn CallObserver>> {
        let ready = self.health.condition(format!("{} messages", consumer.name), "not started");
        let mut observers: Vec<Arc<dyn CallObserver>> = vec![
            Arc::new(FirstSuccess::new(consumer.name.clone(), ready)),
            Arc::new(ExhaustedMessages::new(consumer.name.clone(), scope)),
        ];
        #[cfg(feature = "ecs")]
        let timeout = consumer.settings.timeout.duration();
        #[cfg(feature = "ecs")]
        if let Some(protection) = &parts.protection
            && may_outlast(timeout, self.drain_limit)
        {
            observers.push(Arc::new(CountCalls { calls: protection.calls_in_flight().clone(), timeout }));
        }
        #[cfg(feature = "sns")]
        if let Some(plan) = &consumer.notify {
            let notifier = Notifier::start(consumer.name.clone(), plan, scope, &self.tasks);
            observers.push(Arc::new(NotifyEnds(notifier)));
        }
        observers
    }

    /// The observer of the stages that a queue's messages pass, if anything shows them.
    #[cfg_attr(
        not(feature = "admin"),
        expect(clippy::unused_self, unused_variables, unused_mut, reason = "the admin server shows them")
    )]
    fn stage_observer(&self, name: &Arc<str>) -> Option<Arc<dyn StageObserver>> {
        let mut observers: Vec<Arc<dyn StageObserver>> = Vec::new();
        #[cfg(feature = "admin")]
        observers.extend(self.history.as_ref().map(|history| history.of_queue(name.clone()) as Arc<_>));
        #[cfg(feature = "cli")]
        observers.extend(self.stages.as_ref().map(|of_queue| of_queue(name)));
        lease::joined(observers)
    }

    /// Polls the number of messages in a queue, if an interval is set.
    fn poll_depth(
        &self,
        consumer: &Consumer,
        opened: &Opened,
        (measurements, redrive): (&QueueMeasurements, RedrivePublisher),
    ) {
        let Interval::Every(interval) = consumer.settings.depth.interval else { return };
        let parts = depth::DepthPollerParts {
            name: consumer.name.clone(),
            queue: opened.queue.clone(),
            dlq: opened.dlq.clone(),
            depth: measurements.depth.clone(),
            calls: measurements.scope.group(),
            turns: self.depth_turns.clone(),
            redrive,
        };
        let polls = depth::DepthPoller::new(parts, measurements.work(), interval).run(self.stop.clone());
        self.tasks.spawn("depth", End::Fine, polls);
    }
}
