//! `longshore top`: the queues of running workers, live in a terminal.

mod draw;
mod keys;
mod model;
mod rates;
mod requests;
mod rows;
mod screen;
mod status;
mod text;

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, SystemTime},
};

use clap::Args;
use ratatui::crossterm::event::Event;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use self::{
    draw::{ScreenView, Theme},
    keys::KeyEffect,
    model::Model,
    requests::{Answer, Requests},
    screen::{EndSignals, Screen},
};
use super::{
    admin_client::{AccessOptions, AdminClient},
    output::{Exit, Failure},
    runtime,
};
use crate::{config, duration::Span};

/// The shortest interval: a status takes a worker some time.
const SHORTEST_INTERVAL: Span = Span::millis(100);

/// Shows the queues of running workers live in this terminal: rates, running calls, failures, why messages are received or not
///
/// Keys sort, pause, resume and scale queues and open a message that failed; `?` lists them. Several addresses, such as
/// those of all tasks of a service, are shown together, each asked by itself. `NO_COLOR` takes the colours away.
#[derive(Args, Debug)]
pub(super) struct TopCommand {
    /// The admin servers of the workers, such as 10.0.0.7:9090 [default: the configured admin.listen]
    #[arg(value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// The time between two requests for a worker's status
    #[arg(long, value_name = "DURATION", default_value_t = Span::secs(1))]
    interval: Span,
    #[command(flatten)]
    access: AccessOptions,
}

/// An input of the program.
#[derive(Debug)]
enum Input {
    /// A key, or a change of the terminal's size.
    Terminal(Event),
    Answer(Answer),
    /// The terminal is gone.
    NoTerminal(io::Error),
}

impl TopCommand {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let interval = self.interval;
        if interval < SHORTEST_INTERVAL {
            let text = format!("--interval {interval} is too short, hint: at least {SHORTEST_INTERVAL}");
            return Err(Failure::new(Exit::Usage, text));
        }
        let clients = self.clients()?;
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            let address = clients.first().map_or("", AdminClient::authority);
            return Err(Failure::new(Exit::Usage, "top needs a terminal")
                .hint(format!("the same is JSON at http://{address}/status")));
        }
        runtime::run_small(watch(clients, interval.0))?
    }

    /// The clients of the addresses, each once.
    fn clients(self) -> Result<Vec<AdminClient>, Failure> {
        let access = self.access.access()?;
        let addresses = if self.addresses.is_empty() { vec![access.address.clone()] } else { self.addresses };
        let mut clients: Vec<AdminClient> = Vec::new();
        for address in addresses {
            let client = access.client(&address)?;
            if clients.iter().all(|other| other.authority() != client.authority()) {
                clients.push(client);
            }
        }
        Ok(clients)
    }
}

/// Shows the workers until a key or a signal ends it.
async fn watch(clients: Vec<AdminClient>, period: Duration) -> Result<(), Failure> {
    let no_terminal =
        |error: io::Error| Failure::new(Exit::Internal, format!("the terminal cannot be used: {error}"));
    let theme = Theme::by(config::variable("NO_COLOR").as_deref());
    let mut model = Model::new(clients.iter().map(|client| client.authority().to_owned()).collect());
    let (sender, mut inputs) = mpsc::unbounded_channel();
    let requests = Requests::new(clients, sender.clone());
    let mut ends = EndSignals::listen().map_err(no_terminal)?;
    let mut screen = Screen::open().map_err(no_terminal)?;
    screen::read_keys(sender).map_err(no_terminal)?;
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let view = ScreenView { model: &model, theme, now: Instant::now(), time: SystemTime::now() };
        screen.draw(|frame| view.draw(frame)).map_err(no_terminal)?;
        let effect = tokio::select! {
            biased;
            () = ends.received() => KeyEffect::Quit,
            Some(input) = inputs.recv() => taken(&mut model, input).map_err(no_terminal)?,
            _ = ticks.tick() => KeyEffect::Ask(model.due(Instant::now())),
        };
        let KeyEffect::Ask(asked) = effect else { return Ok(()) };
        for request in asked {
            requests.send(request).map_err(no_terminal)?;
        }
    }
}

/// Takes an input in.
fn taken(model: &mut Model, input: Input) -> io::Result<KeyEffect> {
    match input {
        Input::Terminal(Event::Key(key)) => Ok(model.key(key)),
        // The next drawing has the new size.
        Input::Terminal(_) => Ok(KeyEffect::STAY),
        Input::Answer(answer) => Ok(model.answered(answer, Instant::now()).into()),
        Input::NoTerminal(error) => Err(error),
    }
}
