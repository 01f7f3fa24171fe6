//! The keys: what each does to the state of the program; pure.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{
    model::{Item, Model, Prompt, QueueView},
    requests::{Question, QueueChange, Request},
    status::QueueReport,
};

/// The rows of a page up or down.
const PAGE: usize = 10;

/// The keys and their effects, for the help.
pub(super) const KEYS: [(&str, &str); 11] = [
    ("↑ ↓  k j", "choose a row; PgUp, PgDn, Home and End, too"),
    ("Enter", "open the queue, then the message of a call or a failure"),
    ("Esc", "go back, and quit at the table of queues"),
    ("s  S", "sort by the next key, or the one before"),
    ("p", "pause the queue, or resume it"),
    ("+  -", "change the queue's concurrency"),
    ("y", "confirm a change"),
    ("n  Esc", "drop a change"),
    ("?", "this help"),
    ("q  Ctrl-C", "quit"),
    ("", "Pause, resume and scale need admin.control or the token."),
];

/// The effect of a key outside the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyEffect {
    /// Goes on after sending these requests.
    Ask(Vec<Request>),
    Quit,
}

impl KeyEffect {
    pub(super) const STAY: Self = Self::Ask(Vec::new());
}

impl From<Option<Request>> for KeyEffect {
    fn from(request: Option<Request>) -> Self {
        Self::Ask(request.into_iter().collect())
    }
}

/// A movement among rows.
#[derive(Clone, Copy, Debug)]
enum Movement {
    Up(usize),
    Down(usize),
    First,
    Last,
}

impl Movement {
    fn of(key: KeyCode) -> Option<Self> {
        Some(match key {
            KeyCode::Up | KeyCode::Char('k') => Self::Up(1),
            KeyCode::Down | KeyCode::Char('j') => Self::Down(1),
            KeyCode::PageUp => Self::Up(PAGE),
            KeyCode::PageDown => Self::Down(PAGE),
            KeyCode::Home | KeyCode::Char('g') => Self::First,
            KeyCode::End | KeyCode::Char('G') => Self::Last,
            _ => return None,
        })
    }

    /// The place after the movement among so many.
    fn from(self, at: usize, count: usize) -> usize {
        let last = count.saturating_sub(1);
        match self {
            Self::Up(steps) => at.saturating_sub(steps),
            Self::Down(steps) => (at + steps).min(last),
            Self::First => 0,
            Self::Last => last,
        }
    }
}

/// The concurrency after a key.
fn stepped(concurrency: u64, key: KeyCode) -> u64 {
    match key {
        KeyCode::Char('+' | '=') => concurrency.saturating_add(1),
        KeyCode::Char('-') => concurrency.saturating_sub(1).max(1),
        _ => concurrency,
    }
}

impl Model {
    /// Does what a key means where the program is.
    pub(super) fn key(&mut self, key: KeyEvent) -> KeyEffect {
        if key.kind == KeyEventKind::Release {
            return KeyEffect::STAY;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { KeyEffect::Quit } else { KeyEffect::STAY };
        }
        self.note = None;
        if let Some(prompt) = self.prompt.take() {
            return self.prompted(prompt, key.code);
        }
        if self.shows_help {
            self.shows_help = false;
            return if key.code == KeyCode::Char('q') { KeyEffect::Quit } else { KeyEffect::STAY };
        }
        if let Some(movement) = Movement::of(key.code) {
            self.move_by(movement);
            return KeyEffect::STAY;
        }
        match key.code {
            KeyCode::Char('q') => return KeyEffect::Quit,
            KeyCode::Char('?') => self.shows_help = true,
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => return self.back(key.code),
            KeyCode::Enter | KeyCode::Right => return self.open().into(),
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('S') => self.sort = self.sort.previous(),
            KeyCode::Char('p') => self.ask_to_pause(),
            KeyCode::Char('+' | '=' | '-') => self.ask_to_scale(key.code),
            _ => {}
        }
        KeyEffect::STAY
    }

    /// A key while a change waits for its confirmation; any key but these leaves it waiting.
    fn prompted(&mut self, prompt: Prompt, key: KeyCode) -> KeyEffect {
        match (key, prompt.change) {
            (KeyCode::Char('y'), change) => {
                let question = Question::Control(prompt.queue, change);
                return Some(Request { worker: prompt.worker, question }).into();
            }
            (KeyCode::Char('n' | 'q') | KeyCode::Esc, _) => {}
            (key, QueueChange::Scale(concurrency)) => {
                let change = QueueChange::Scale(stepped(concurrency, key));
                self.prompt = Some(Prompt { change, ..prompt });
            }
            _ => self.prompt = Some(prompt),
        }
        KeyEffect::STAY
    }

    fn move_by(&mut self, movement: Movement) {
        if let Some(message) = &mut self.message {
            let lines = message.report.as_ref().and_then(|report| report.as_ref().ok());
            message.scroll = movement.from(message.scroll, lines.map_or(0, |report| report.lines.len()));
        } else if self.queue.is_some() {
            let Some((view, queue)) = self.open_queue() else { return };
            let mut items = Item::of(queue);
            let Some(at) = view.chosen_in(&items) else { return };
            let chosen = items.swap_remove(movement.from(at, items.len()));
            if let Some(view) = &mut self.queue {
                view.chosen = Some(chosen);
            }
        } else {
            let rows = self.rows();
            let Some(at) = self.chosen_in(&rows) else { return };
            self.chosen = Some(rows[movement.from(at, rows.len())].key.clone());
        }
    }

    /// Closes what is open; Esc quits where nothing is.
    fn back(&mut self, key: KeyCode) -> KeyEffect {
        if self.message.take().is_some() || self.queue.take().is_some() || key != KeyCode::Esc {
            return KeyEffect::STAY;
        }
        KeyEffect::Quit
    }

    /// Opens the chosen queue, or the message of the chosen call or failure.
    fn open(&mut self) -> Option<Request> {
        if self.message.is_some() {
            return None;
        }
        if let Some((view, queue)) = self.open_queue() {
            let items = Item::of(queue);
            let (worker, item) = (view.row.worker, &items[view.chosen_in(&items)?]);
            return self.open_message(worker, item.message_id().clone());
        }
        let rows = self.rows();
        let row = rows[self.chosen_in(&rows)?].key.clone();
        if self.queue.is_none() && row.queue.is_some() {
            self.chosen = Some(row.clone());
            self.queue = Some(QueueView { row, chosen: None });
        }
        None
    }

    fn ask_to_pause(&mut self) {
        let rows = self.rows();
        let Some(row) = self.current(&rows) else { return };
        let is_paused = row.queue().is_some_and(QueueReport::is_paused_by_operator);
        let change = if is_paused { QueueChange::Resume } else { QueueChange::Pause };
        let (worker, queue) = (row.key.worker, row.key.queue.clone());
        self.prompt = queue.map(|queue| Prompt { worker, queue, change });
    }

    fn ask_to_scale(&mut self, key: KeyCode) {
        let rows = self.rows();
        let Some(queue) = self.current(&rows).and_then(|row| Some((row.key.worker, row.queue()?))) else {
            return;
        };
        let (worker, QueueReport { queue, concurrency, .. }) = queue;
        let change = QueueChange::Scale(stepped(*concurrency, key));
        self.prompt = Some(Prompt { worker, queue: queue.clone(), change });
    }
}
