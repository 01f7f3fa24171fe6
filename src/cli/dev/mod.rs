//! `longshore dev`: everything on one machine with no account.

mod demo;
pub(crate) mod ingest;
mod lines;
mod round;
mod servers;
mod watch;
mod welcome;

use std::{
    io::{self, IsTerminal as _},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use clap::Args;

use self::{
    demo::{DemoHandler, DemoStep},
    lines::{LineStyle, Notices, Printer},
    round::Rounds,
    servers::DevServers,
    welcome::welcome,
};
use super::{
    options::Options,
    output::{self, Exit, Failure},
    runtime::{self, Exporters},
};
use crate::{
    admin::ControlFrom,
    config::{self, Config, Purpose, Settings, Sources},
    duration::Span,
    telemetry::events,
    worker::{self, Reload, Signals, Worker, consumer_of},
};

/// The queue of `dev` if no other is configured.
const QUEUE: &str = "longshore-dev-queue";
/// The time limit of a stop where changes restart the worker, unless another one is set.
const WATCHED_DRAIN: Span = Span::secs(5);

/// Runs everything on this machine with no account: SQS and SNS, the ingest API, the worker, the live page
///
/// Shows a line for each message as it ends. docs/dev.md describes it.
#[derive(Args, Debug)]
pub(super) struct Dev {
    /// Send sample traffic through the ingest API, show its progress, and exit with a report
    #[arg(long, conflicts_with_all = ["watch", "handler_kind", "batch"])]
    demo: bool,
    /// Read longshore.toml again and start the worker and its handlers anew when it or a program of theirs changes, or a file at PATH; may be repeated
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    watch: Vec<String>,
    /// Write a log on standard error beside the lines; twice for more detail
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "log")]
    verbose: u8,
    /// Show no line for each message, only what a person should know
    #[arg(short, long)]
    quiet: bool,
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
        let sources = self.sources();
        refuse_ignored(&sources)?;
        let mut config = config::load(&sources, Purpose::Inspect)?;
        // What a handler writes is its own affair, not the log's.
        config.settings.log.filter = format!("{OUTPUT_DIRECTIVES},{}", config.settings.log.filter);
        let notices = Notices::default();
        let shown = (!is_log_asked_for(&config)).then(|| notices.shower());
        let exporters = runtime::start_logging_as(&config, shown)?;
        let session = Session { dev: self, sources, config, notices };
        runtime::run_large(session.serve(exporters, signals))?
    }

    fn sources(&self) -> Sources {
        let mut sources = Sources { own_queue: Some(("dev", QUEUE)), ..self.options.sources() };
        let filter = match self.verbose {
            0 => return sources,
            1 => "info",
            _ => "info,longshore=debug",
        };
        sources.flags.values.push(("--log", filter.to_owned()));
        sources
    }

    /// The settings of `dev` by those of the configuration.
    fn adjusted(&self, mut settings: Settings) -> Settings {
        settings.admin.control.get_or_insert(ControlFrom::Loopback);
        if self.demo {
            demo::adjust(&mut settings);
        }
        if !self.watch.is_empty() {
            settings.drain.limit.get_or_insert(WATCHED_DRAIN);
        }
        settings
    }
}

/// The directives that show what handlers write, unless the filter has others for them.
const OUTPUT_DIRECTIVES: &str = "longshore::function=info,longshore::handler::exec::log=info";

/// The flags that name where SQS is, which is here.
const IGNORED: [&str; 2] = ["--region", "--endpoint-url"];

/// Refuses flags without an effect.
fn refuse_ignored(sources: &Sources) -> Result<(), Failure> {
    let mut given = sources.flags.values.iter().map(|(flag, _)| *flag);
    match given.find(|flag| IGNORED.contains(flag)) {
        None => Ok(()),
        Some(flag) => {
            Err(Failure::new(Exit::Usage, format!("{flag} has no effect in dev, which serves SQS itself"))
                .hint("leave it out, or use longshore run with an SQS elsewhere"))
        }
    }
}

/// True if a flag or a variable asks for the log, which then has its usual form.
fn is_log_asked_for(config: &Config) -> bool {
    ["log.filter", "log.format"].iter().any(|key| config.is_set_for_process(key))
}

/// One run of `dev`.
struct Session<'a> {
    dev: &'a Dev,
    sources: Sources,
    config: Config,
    notices: Notices,
}

impl Session<'_> {
    async fn serve(self, exporters: Exporters, signals: Option<Signals>) -> Result<(), Failure> {
        let Self { dev, sources, config, notices } = self;
        let reload = Reload::new(sources.clone(), Purpose::Inspect, &config.settings);
        let file = config.file.as_ref().map(|file| file.display().to_string());
        let settings = dev.adjusted(config.settings.clone());
        let style = style_of(&settings);
        let hosts = dev.hosts.clone();
        let starting = DevServers::start(settings, dev.sqs_listen, dev.api_listen, hosts, notices.clone());
        let servers = Box::pin(starting).await?;
        output::print(&welcome(&servers, file.as_deref(), &config.overrides))?;
        let printing = Printer::start(style);
        notices.print_by(printing.printer());
        let (servers, ended) = if dev.demo {
            let ended = Box::pin(demo::run(&servers, &exporters, signals)).await;
            (servers, ended)
        } else {
            let printer = printing.printer().clone();
            let mut rounds = Rounds { dev, sources, servers, exporters, printer };
            let ended = Box::pin(rounds.run(signals, reload)).await;
            (rounds.servers, ended)
        };
        servers.close().await;
        printing.end().await;
        ended
    }
}

/// The form of the lines: colours and short ids on a terminal, aligned to the longest name of a queue.
fn style_of(settings: &Settings) -> LineStyle {
    let is_terminal = io::stdout().is_terminal();
    let is_set = |name: &str| config::variable(name).is_some_and(|value| !value.is_empty());
    let is_dumb = config::variable("TERM").is_some_and(|terminal| terminal == "dumb");
    LineStyle {
        has_colours: is_terminal && !is_dumb && !is_set("NO_COLOR"),
        has_short_ids: is_terminal,
        queue_width: settings.queues.keys().map(|name| name.chars().count()).max().unwrap_or(0),
    }
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
