//! What `dev` does on its ground: work until told to stop, or play the demonstration.

use std::{sync::Arc, time::Duration};

use super::{
    ground::{Ground, queue_url},
    own_fault, show,
};
use crate::{
    cli::{
        failure::{Exit, Failure},
        output, telling, working,
    },
    config::Settings,
    dev::{
        demo::{self, Demo, Record},
        demo_handler::{Action, DemoHandler, Step},
    },
    duration::Span,
    sns::notifications,
    stop::Stop,
    tasks,
    worker::{self, Worker, consumer_of},
};

/// Sets what the demonstration is about: a visibility far shorter than its longest task, and quick retries.
///
/// Whoever interrupts it waits for none of its tasks: they are sleep.
pub(super) fn prepare(settings: &mut Settings) {
    settings.drain.limit = Some(Span::secs(0));
    for queue in settings.queues.values_mut() {
        queue.handler = None;
        queue.notify = notifications::Settings::default();
        queue.consumer.visibility = Span(demo::VISIBILITY);
        queue.consumer.visibility_max = None;
        queue.consumer.retry.initial = Duration::from_secs(1);
        queue.consumer.retry.max = Duration::from_secs(2);
    }
}

/// Works until SIGTERM or SIGINT.
pub(super) async fn work(ground: &Ground) -> Result<(), Failure> {
    welcome(ground)?;
    working::verdict(worker(ground, |step| show(step))?.run().await)
}

/// Plays the demonstration, and fails unless every message ends where it should.
pub(super) async fn demo(ground: &Ground) -> Result<(), Failure> {
    welcome(ground)?;
    let (record, stop) = (Record::default(), Stop::new());
    let noted = record.clone();
    let worker = worker(ground, move |step| {
        noted.note(step);
        let is_quick = step.action == Action::Done && step.receive_count == 1;
        if !is_quick {
            show(step);
        }
    })?;
    let name = ground.settings.queues.keys().next().map(String::as_str).unwrap_or_default();
    let demo = Demo {
        api: ground.api,
        queue: ground.queue.clone(),
        dlq: ground.dlq().await?,
        metrics: worker.metrics().queue(name),
        record,
        say: Box::new(|line| show(line)),
    };
    let working = tasks::detach("worker", worker.run_with(stop.clone()));
    let report = tokio::select! {
        report = demo.run() => report.map_err(own_fault),
        () = stop.draining() => Err(Failure::new(Exit::Unfinished, "the demonstration was interrupted")),
    };
    stop.drain();
    let ended = working::verdict(working.await.map_err(own_fault)?);
    let report = report?;
    output::print(&format!("\n{report}"))?;
    ended?;
    if report.is_good() { Ok(()) } else { Err(Failure::new(Exit::Internal, "the demonstration failed")) }
}

/// The worker of `dev`: every queue with its handler, or with the demo handler.
fn worker(ground: &Ground, say: impl Fn(&Step) + Send + Sync + 'static) -> Result<Worker, Failure> {
    let settings = &ground.settings;
    let admin = ground.admin.try_clone().map_err(own_fault)?;
    let mut worker = telling::traced(worker::worker(settings)?, ground.traces.clone()).admin_on(admin);
    let say: Arc<dyn Fn(&Step) + Send + Sync> = Arc::new(say);
    for (name, queue) in settings.queues.iter().filter(|(_, queue)| queue.handler.is_none()) {
        let say = say.clone();
        let handler = DemoHandler::new(move |step: &Step| say(step));
        worker = worker.consumer(consumer_of(name, queue, &settings.aws, handler));
    }
    Ok(worker)
}

fn welcome(ground: &Ground) -> Result<(), Failure> {
    let Ground { sqs, api, pair, settings, topics, .. } = ground;
    let lines: Vec<_> = topics.iter().map(|topic| format!("  topic       {topic}\n")).collect();
    let topics = lines.concat();
    output::print(&format!(
        "longshore dev\n  \
         queue       {}\n  \
         dlq         {}\n{topics}  \
         front door  http://{api}/v1/messages\n  \
         admin       http://{}/status\n  \
         try         curl -d '{{\"sleep_ms\": 2000}}' http://{api}/v1/messages\n\n",
        queue_url(*sqs, &pair.queue),
        queue_url(*sqs, &pair.dlq),
        settings.admin.listen,
    ))
}
