//! `longshore top`: the queues of running workers in a terminal.

mod model;
mod view;

use std::{
    io::{self, IsTerminal as _},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures_util::StreamExt as _;
use ratatui::DefaultTerminal;
use serde_json::{Value, json};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use self::model::{ControlOrder, TopEffect, TopKey, TopState};
use super::{
    output::{Exit, Failure},
    runtime,
    worker_client::{WorkerAddress, WorkerClient},
};
use crate::tasks;

/// The time between two questions to a worker.
const INTERVAL: Duration = Duration::from_secs(1);

/// Shows the queues of running workers in the terminal: rates, running calls, failures, and why messages are not received
#[derive(Args, Debug)]
pub(super) struct TopCommand {
    /// The addresses of the workers' admin servers: host:port, or http URLs [default: the configured admin.listen]
    #[arg(value_name = "ADDRESS")]
    addresses: Vec<WorkerAddress>,
    /// The configuration file that names admin.listen [default: longshore.toml, if it is there]
    #[arg(long, value_name = "FILE", conflicts_with = "addresses")]
    config: Option<std::path::PathBuf>,
}

impl TopCommand {
    pub(super) fn execute(self) -> Result<(), Failure> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(Failure::new(
                Exit::Usage,
                "longshore top needs a terminal, and the standard streams are none",
            )
            .hint("run it in a terminal (docker exec -it, ssh -t), or read /status of the admin server"));
        }
        let addresses = match self.addresses {
            addresses if addresses.is_empty() => vec![WorkerAddress::configured(self.config)?],
            addresses => addresses,
        };
        let clients = addresses.into_iter().map(WorkerClient::new).collect::<Result<Vec<_>, _>>()?;
        let shown = runtime::run_small(async {
            let terminal = ratatui::try_init()?;
            let ended = Top::new(clients, terminal).run().await;
            ratatui::try_restore()?;
            ended
        })?;
        shown.map_err(|error| Failure::new(Exit::Internal, format!("the terminal cannot be used: {error}")))
    }
}

/// The answer of a worker: to a question for its status, or to an order.
enum TopAnswer {
    Status(usize, Result<Value, String>),
    Order(String),
}

/// The running command.
struct Top {
    clients: Arc<[WorkerClient]>,
    terminal: DefaultTerminal,
    state: TopState,
    answers: (mpsc::UnboundedSender<TopAnswer>, mpsc::UnboundedReceiver<TopAnswer>),
    /// Shared while a worker is asked.
    is_asking: Arc<()>,
}

impl Top {
    fn new(clients: Vec<WorkerClient>, terminal: DefaultTerminal) -> Self {
        let state = TopState::new(clients.iter().map(|client| client.address().shown()));
        Self {
            clients: clients.into(),
            terminal,
            state,
            answers: mpsc::unbounded_channel(),
            is_asking: Arc::default(),
        }
    }

    async fn run(mut self) -> io::Result<()> {
        let mut keys = EventStream::new();
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end = signal(SignalKind::terminate())?;
        loop {
            self.terminal.draw(|frame| view::draw(frame, &self.state))?;
            tokio::select! {
                event = keys.next() => match event {
                    None => return Ok(()),
                    Some(event) => if self.handle(&event?) == TopEffect::End {
                        return Ok(());
                    },
                },
                Some(answer) = self.answers.1.recv() => self.answered(answer),
                _ = ticks.tick() => self.ask(),
                _ = end.recv() => return Ok(()),
            }
        }
    }

    fn handle(&mut self, event: &Event) -> TopEffect {
        let Event::Key(key) = event else { return TopEffect::None };
        let effect = match key_of(key) {
            Some(key) => self.state.press(key),
            None => TopEffect::None,
        };
        if let TopEffect::Control(order) = &effect {
            self.send(order.clone());
        }
        effect
    }

    fn answered(&mut self, answer: TopAnswer) {
        match answer {
            TopAnswer::Status(worker, status) => self.state.answered(worker, status, Instant::now()),
            TopAnswer::Order(note) => self.state.note = Some(note),
        }
    }

    /// Asks every worker for its status, unless the last answers are not there yet.
    fn ask(&self) {
        if Arc::strong_count(&self.is_asking) > 1 {
            return;
        }
        for worker in 0..self.clients.len() {
            let (clients, answers, asking) =
                (self.clients.clone(), self.answers.0.clone(), self.is_asking.clone());
            tasks::detach("status", async move {
                let status = clients[worker].get(&["status"]).await.map(|answer| answer.body);
                // The command has ended if nothing receives it.
                drop(answers.send(TopAnswer::Status(worker, status)));
                drop(asking);
            });
        }
    }

    fn send(&self, ControlOrder { worker, queue, verb }: ControlOrder) {
        let (clients, answers) = (self.clients.clone(), self.answers.0.clone());
        tasks::detach("control", async move {
            let Some(client) = clients.get(worker) else { return };
            let answer = client.post(&["queues", &queue, verb], &json!({}), None).await;
            let note = match answer {
                Ok(answer) if answer.status.is_success() => format!("{queue}: {verb} is done"),
                Ok(answer) => format!("{queue}: {}", answer.error()),
                Err(error) => format!("no answer from {}: {error}", client.address().shown()),
            };
            drop(answers.send(TopAnswer::Order(note)));
        });
    }
}

fn key_of(key: &KeyEvent) -> Option<TopKey> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c' | 'd') if is_control => TopKey::End,
        KeyCode::Char('q') => TopKey::End,
        KeyCode::Char('k') | KeyCode::Up => TopKey::Up,
        KeyCode::Char('j') | KeyCode::Down => TopKey::Down,
        KeyCode::Enter => TopKey::Open,
        KeyCode::Esc => TopKey::Back,
        KeyCode::Char('s') => TopKey::Sort,
        KeyCode::Char('S') => TopKey::SortBack,
        KeyCode::Char('r') => TopKey::Reverse,
        KeyCode::Char('p') => TopKey::Pause,
        KeyCode::Char('y') => TopKey::Yes,
        _ => TopKey::Other,
    })
}
