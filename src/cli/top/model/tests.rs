//! The state of the program: answers of workers, the order of rows, keys.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::*;
use crate::cli::top::keys::KeyEffect;

const SECOND: Duration = Duration::from_secs(1);

/// A model, and the time.
struct Watched {
    model: Model,
    now: Instant,
}

impl Watched {
    fn new(workers: &[&str]) -> Self {
        let model = Model::new(workers.iter().map(|label| (*label).to_owned()).collect());
        Self { model, now: Instant::now() }
    }

    /// Asks what is due, and lets a second pass.
    fn tick(&mut self) -> Vec<Request> {
        let due = self.model.due(self.now);
        self.now += SECOND;
        due
    }

    fn answers(&mut self, worker: usize, status: Result<Value, &str>) {
        let status = status.map_err(str::to_owned).and_then(WorkerReport::of);
        let answer = Answer { worker, content: AnswerContent::Status(status) };
        assert_eq!(self.model.answered(answer, self.now), None);
    }

    fn presses(&mut self, keys: &str) -> KeyEffect {
        let press = |key| self.model.key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
        keys.chars().map(press).last().unwrap()
    }

    fn press(&mut self, key: KeyCode) -> KeyEffect {
        self.model.key(KeyEvent::new(key, KeyModifiers::NONE))
    }

    fn names(&self) -> Vec<String> {
        let name = |row: &QueueRow<'_>| {
            let queue = row.key.queue.as_ref().map_or_else(|| row.state(), ToString::to_string);
            format!("{} {queue}", row.worker)
        };
        self.model.rows().iter().map(name).collect()
    }
}

fn status(queues: &[Value]) -> Value {
    json!({ "version": "0.1.0", "draining": false, "queues": queues, "opening": [] })
}

fn queue(name: &str, running: u64, (done, failed): (u64, u64), oldest: f64) -> Value {
    json!({
        "queue": name, "state": "receiving", "running": running, "concurrency": 8, "oldestRunningSeconds": oldest,
        "totals": { "received": done + failed, "done": done, "failed": failed }, "paused": [],
    })
}

const fn poll(worker: usize) -> Request {
    Request { worker, question: Question::Status }
}

#[test]
fn a_worker_that_hangs_delays_no_other_and_becomes_unreachable() {
    let mut watched = Watched::new(&["a:1", "b:1"]);
    assert_eq!(watched.tick(), [poll(0), poll(1)]);
    watched.answers(1, Ok(status(&[queue("orders", 1, (0, 0), 1.0)])));
    for _ in 0..9 {
        assert_eq!(watched.tick(), [poll(1)], "the first still owes an answer");
        watched.answers(1, Ok(status(&[queue("orders", 1, (0, 0), 1.0)])));
    }
    assert_eq!(watched.names(), ["b:1 orders", "a:1 asked"]);
    watched.tick();
    assert_eq!(watched.names(), ["b:1 orders", "a:1 unreachable"]);
    assert!(watched.model.rows()[1].why().contains("no complete answer within 10s"));
    watched.answers(0, Ok(status(&[queue("mails", 0, (0, 0), 0.0)])));
    assert_eq!(watched.names(), ["a:1 mails", "b:1 orders"], "a late answer is one");
}

#[test]
fn a_worker_that_is_down_is_unreachable_since_its_first_refusal_and_asked_again() {
    let mut watched = Watched::new(&["a:1"]);
    watched.tick();
    watched.answers(0, Err("Connection refused"));
    let began = watched.now;
    assert_eq!(watched.tick(), [poll(0)]);
    watched.answers(0, Err("No route to host"));
    let Reach::Unreachable { since, reason } = &watched.model.workers[0].reach else { panic!("reached") };
    assert_eq!((*since, reason.as_str()), (began, "No route to host"));
}

#[test]
fn rows_are_in_order_of_the_key_and_the_chosen_row_stays_chosen() {
    let mut watched = Watched::new(&["a:1", "b:1"]);
    for round in [0, 1] {
        watched.tick();
        let orders = queue("orders", 5, (10 * round, 0), 3.0);
        watched.answers(0, Ok(status(&[orders, queue("mails", 2, (30 * round, 0), 9.0)])));
        watched.answers(1, Ok(status(&[queue("orders", 7, (0, 4 * round), 5.0)])));
    }
    assert_eq!(watched.names(), ["a:1 mails", "a:1 orders", "b:1 orders"]);
    watched.presses("jj");
    for (sort, expected) in [
        ("running", ["b:1 orders", "a:1 orders", "a:1 mails"]),
        ("rate", ["a:1 mails", "a:1 orders", "b:1 orders"]),
        ("failures", ["b:1 orders", "a:1 mails", "a:1 orders"]),
        ("oldest", ["a:1 mails", "b:1 orders", "a:1 orders"]),
    ] {
        watched.presses("s");
        assert_eq!(
            (watched.model.sort.as_str(), watched.names().as_slice()),
            (sort, &expected.map(str::to_owned)[..])
        );
        let rows = watched.model.rows();
        let chosen = &rows[watched.model.chosen_in(&rows).unwrap()];
        assert_eq!((chosen.worker, chosen.key.queue.as_ref().unwrap().raw()), ("b:1", "orders"));
    }
    watched.presses("s");
    assert_eq!(watched.model.sort, SortKey::Name);
    watched.presses("S");
    assert_eq!(watched.model.sort, SortKey::Oldest);
}

#[test]
fn a_change_needs_its_confirmation_and_a_refusal_is_shown() {
    let mut watched = Watched::new(&["a:1"]);
    watched.tick();
    watched.answers(0, Ok(status(&[queue("orders", 1, (0, 0), 1.0)])));
    let orders = WorkerText::new("orders");
    assert_eq!(watched.presses("pxn"), KeyEffect::STAY);
    assert_eq!((watched.presses("y"), &watched.model.prompt), (KeyEffect::STAY, &None), "n drops it");
    let control = |change| {
        KeyEffect::Ask(vec![Request { worker: 0, question: Question::Control(orders.clone(), change) }])
    };
    assert_eq!(watched.presses("py"), control(QueueChange::Pause));
    assert_eq!(watched.presses("+++-y"), control(QueueChange::Scale(10)));
    assert_eq!(watched.presses("---------y"), control(QueueChange::Scale(1)), "never to zero");
    let refusal =
        AnswerContent::Control(orders.clone(), Err("the worker answers 403: control is off".to_owned()));
    let due = watched.model.answered(Answer { worker: 0, content: refusal }, watched.now);
    assert_eq!(due, Some(poll(0)), "its effect is looked at at once");
    let note = watched.model.note.clone().unwrap();
    assert_eq!(
        (note.text.as_str(), note.level),
        ("orders: the worker answers 403: control is off", Level::Bad)
    );
    let mut paused = queue("orders", 1, (0, 0), 1.0);
    paused["paused"] = json!([{ "reason": "operator", "details": "x" }]);
    watched.answers(0, Ok(status(&[paused])));
    assert_eq!(watched.presses("py"), control(QueueChange::Resume));
    assert_eq!(watched.model.note, None, "a note lasts until the next key");
}

#[test]
fn calls_and_failures_of_a_queue_open_their_message_and_esc_goes_back_step_by_step() {
    let mut watched = Watched::new(&["a:1"]);
    watched.tick();
    let mut orders = queue("orders", 1, (0, 2), 1.0);
    orders["calls"] = json!([{ "messageId": "runs" }]);
    orders["failures"] = json!([{ "messageId": "failed" }, { "messageId": "other" }]);
    watched.answers(0, Ok(status(&[orders])));
    let asks = |id: &str| {
        KeyEffect::Ask(vec![Request { worker: 0, question: Question::Message(WorkerText::new(id)) }])
    };
    assert_eq!(watched.press(KeyCode::Enter), KeyEffect::STAY);
    assert_eq!(watched.press(KeyCode::Enter), asks("runs"));
    assert_eq!(watched.press(KeyCode::Esc), KeyEffect::STAY);
    watched.presses("j");
    assert_eq!(watched.press(KeyCode::Enter), asks("failed"));
    let report = |is_held| {
        AnswerContent::Message(
            WorkerText::new("failed"),
            Ok(MessageReport { lines: vec!["x".to_owned()], is_held }),
        )
    };
    watched.tick();
    for (is_held, due) in [(true, 1), (false, 0)] {
        watched.model.answered(Answer { worker: 0, content: report(is_held) }, watched.now);
        let asked = watched.tick().into_iter().filter(|request| request.question != Question::Status);
        assert_eq!(asked.count(), due, "it is asked for while the worker holds it");
    }
    assert!(watched.model.message.as_ref().is_some_and(|open| open.report.is_some()));
    watched.press(KeyCode::Esc);
    assert!(watched.model.message.is_none() && watched.model.queue.is_some());
    watched.press(KeyCode::Esc);
    assert!(watched.model.queue.is_none());
    assert_eq!(watched.press(KeyCode::Esc), KeyEffect::Quit);
}

#[test]
fn q_and_control_c_quit_from_everywhere_and_help_closes_at_any_key() {
    let mut watched = Watched::new(&["a:1"]);
    assert_eq!(watched.presses("jkpGg+s"), KeyEffect::STAY, "nothing has answered");
    watched.presses("?");
    assert!(watched.model.shows_help);
    watched.presses("s");
    assert!(!watched.model.shows_help);
    assert_eq!(watched.presses("?q"), KeyEffect::Quit);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(watched.model.key(control_c), KeyEffect::Quit);
}
