//! `longshore dev`: everything on one machine with no account.

mod demo;
pub(crate) mod ingest;
mod servers;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use clap::Args;

use self::{
    demo::{DemoHandler, DemoStep},
    servers::DevServers,
};
use super::{
    options::Options,
    output::{self, Exit, Failure},
    runtime::{self, Exporters},
};
use crate::{
    admin::ControlFrom,
    config::{self, Purpose, Settings},
    telemetry::events,
    worker::{self, Reload, Signals, Worker, consumer_of},
};

/// The queue of `dev` if no other is configured.
const QUEUE: &str = "longshore-dev-queue";

/// Runs everything on this machine with no account: SQS and SNS, the ingest API, the worker, the admin page
#[derive(Args, Debug)]
pub(super) struct Dev {
    /// Send sample traffic through the ingest API, show its progress, and exit with a report
    #[arg(long)]
    demo: bool,
    /// The address of the SQS and SNS emulator
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 9324)))]
    sqs_listen: SocketAddr,
    /// The address of the ingest API
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)))]
    api_listen: SocketAddr,
    /// A further host name by which clients reach the emulator and the ingest API, with the names below it; may be repeated
    #[arg(long = "allow-host", value_name = "NAME")]
    hosts: Vec<String>,
    #[command(flatten)]
    options: Options,
}

impl Dev {
    pub(super) fn execute(&self, signals: Option<Signals>) -> Result<(), Failure> {
        let sources = config::Sources { own_queue: Some(("dev", QUEUE)), ..self.options.sources() };
        let config = config::load(&sources, Purpose::Inspect)?;
        let exporters = runtime::start_logging(&config)?;
        let reload = Reload::new(sources, Purpose::Inspect, &config.settings);
        let mut settings = config.settings;
        settings.admin.control.get_or_insert(ControlFrom::Loopback);
        if self.demo {
            demo::adjust(&mut settings);
        }
        runtime::run_large(self.serve(settings, exporters, (signals, reload)))?
    }

    async fn serve(
        &self,
        settings: Settings,
        exporters: Exporters,
        (signals, reload): (Option<Signals>, Reload),
    ) -> Result<(), Failure> {
        let starting = DevServers::start(settings, self.sqs_listen, self.api_listen, self.hosts.clone());
        let servers = Box::pin(starting).await?;
        let ended = if self.demo {
            Box::pin(demo::run(&servers, exporters, signals)).await
        } else {
            work(&servers, exporters, (signals, reload)).await
        };
        servers.close().await;
        ended
    }
}

/// Runs the worker until a signal.
async fn work(
    servers: &DevServers,
    exporters: Exporters,
    (signals, reload): (Option<Signals>, Reload),
) -> Result<(), Failure> {
    show_welcome(servers)?;
    let worker = runtime::with_exporters(worker(servers, |step| show(step))?, exporters);
    runtime::exit_result(runtime::with_signals(worker, signals).reload(reload).run().await)
}

/// The worker of `dev`: every queue with its configured handler, or with the demo handler.
fn worker(servers: &DevServers, show: impl Fn(&DemoStep) + Send + Sync + 'static) -> Result<Worker, Failure> {
    let settings = &servers.settings;
    let admin = servers.admin.try_clone().map_err(internal_error)?;
    let mut worker = worker::worker(settings)?.admin_on(admin);
    let show: Arc<dyn Fn(&DemoStep) + Send + Sync> = Arc::new(show);
    for (name, queue) in settings.queues.iter().filter(|(_, queue)| queue.has_no_handler()) {
        let show = show.clone();
        let handler = DemoHandler::new(move |step: &DemoStep| show(step));
        worker = worker.consumer(consumer_of(name, queue, &settings.aws, handler));
    }
    Ok(worker)
}

fn show_welcome(servers: &DevServers) -> Result<(), Failure> {
    let DevServers { api, queue_name, dlq_name, settings, topics, .. } = servers;
    let lines: Vec<_> = topics.iter().map(|topic| format!("  topic       {topic}\n")).collect();
    let topics = lines.concat();
    output::print(&format!(
        "longshore dev\n  \
         queue       {}\n  \
         dlq         {}\n{topics}  \
         ingest api  http://{api}/v1/messages\n  \
         admin       http://{}/status\n  \
         try         curl -d '{{\"sleep_ms\": 2000}}' http://{api}/v1/messages\n\n",
        servers.queue_url(queue_name),
        servers.queue_url(dlq_name),
        settings.admin.listen,
    ))
}

/// Shows a line; a closed standard output does not stop the work.
fn show(line: impl std::fmt::Display) {
    if let Err(failure) = output::print_line(&line.to_string()) {
        events::LineUnread { error: &failure.to_string() }.emit();
    }
}

/// The failure of a part that `dev` itself starts.
fn internal_error(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Internal, error.to_string())
}
