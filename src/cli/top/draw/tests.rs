//! The screen, at the widths of 80 and 140, and of narrow terminals.

use std::time::Duration;

use ratatui::{Terminal, backend::TestBackend, style::Color};
use serde_json::{Value, json};

use super::*;
use crate::cli::top::{
    model::{Item, Prompt, QueueView},
    requests::{Answer, AnswerContent, MessageReport},
    rows::RowKey,
    status::{WorkerReport, WorkerText},
};

/// Two workers, of which one is down, and a queue whose handler is down.
fn fleet() -> (Model, Instant) {
    let now = Instant::now();
    let mut model = Model::new(vec!["10.0.0.7:9090".to_owned(), "10.0.0.8:9090".to_owned()]);
    let failure = |id: &str, reason: &str| {
        json!({
            "messageId": id, "attempt": 2, "state": "given_back", "ending": "retry", "reason": reason,
            "endedAt": "2026-11-29T09:59:50Z", "nextTryAt": "2026-11-29T10:00:20Z", "steps": [],
        })
    };
    let orders = |done: u64| {
        json!({
            "queue": "orders", "state": "receiving", "why": "Messages are received; SQS counts 120 visible ones.",
            "running": 2, "concurrency": 16, "waiting": 3, "held": 5, "permits": 32, "settling": 0, "paused": [],
            "queueMessages": { "visible": 120, "inFlight": 5, "delayed": 0 }, "dlqMessages": 1,
            "totals": { "received": done + 2, "done": done, "failed": done / 10 },
            "calls": [{ "messageId": "0d7f1b1e-56c2-4c4b-8a42-1c6c2b2d6f0a", "attempt": 1, "since": "2026-11-29T09:57:54.1Z", "seconds": 125.9 }],
            "failures": [failure("11111111-2222-3333-4444-555555555555", "the handler answered 404: \u{1b}[2J\u{1b}]0;x\u{7} no such order"), failure("f2", "timed out")],
        })
    };
    let mails = json!({
        "queue": "mails", "state": "paused", "why": "Polling is paused because the handler is down: connection refused.",
        "running": 0, "concurrency": 4, "paused": [{ "reason": "handler_down" }], "totals": {},
    });
    for (second, done) in [(0, 100), (2, 130)] {
        let at = now + Duration::from_secs(second);
        answer(&mut model, 0, Ok(status(&[orders(done), mails.clone()])), at);
        answer(&mut model, 1, Err("Connection refused (os error 111)".to_owned()), at);
    }
    (model, now + Duration::from_secs(12))
}

fn status(queues: &[Value]) -> WorkerReport {
    let opening = json!([{ "queue": "late", "lastError": "AccessDenied" }]);
    WorkerReport::of(json!({ "version": "0.1.0", "queues": queues, "opening": opening })).unwrap()
}

fn answer(model: &mut Model, worker: usize, status: Result<WorkerReport, String>, at: Instant) {
    model.answered(Answer { worker, content: AnswerContent::Status(status) }, at);
}

/// The screen as text, and the backend with the styles.
fn drawn(model: &Model, now: Instant, (width, height): (u16, u16), theme: Theme) -> (String, TestBackend) {
    let time = humantime::parse_rfc3339("2026-11-29T10:00:00Z").unwrap();
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| ScreenView { model, theme, now, time }.draw(frame)).unwrap();
    let backend = terminal.backend().clone();
    let cells: Vec<_> = backend.buffer().content().iter().map(ratatui::buffer::Cell::symbol).collect();
    let lines = cells.chunks(usize::from(width)).map(|line| line.concat().trim_end().to_owned());
    (lines.collect::<Vec<_>>().join("\n"), backend)
}

fn text(model: &Model, now: Instant, width: u16) -> String {
    drawn(model, now, (width, 24), Theme::Plain).0
}

fn opened(mut model: Model) -> Model {
    let row = RowKey { worker: 0, queue: Some(WorkerText::new("orders")) };
    model.queue = Some(QueueView { row, chosen: None });
    model
}

#[test]
fn the_table_at_80_columns_has_what_matters_and_the_rest_below() {
    let (mut model, now) = fleet();
    model.chosen = Some(RowKey { worker: 0, queue: Some(WorkerText::new("orders")) });
    let screen = text(&model, now, 80);
    let head = "longshore top  2 workers: 1 starting, 1 unreachable  sorted by name\n\
                10.0.0.8:9090 unreachable for 12s: Connection refused (os error 111)\n";
    assert!(screen.starts_with(head), "{screen}");
    for part in [
        "10.0.0.7:9090",
        "orders",
        "receiving",
        "2/16",
        "15",
        "1.5",
        "2m 6s",
        "late",
        "opening",
        "mails",
        "paused",
        "unreachable",
        "Messages are received; SQS counts 120 visible ones.",
        "running 2/16 · held 5/32 · waiting 3 · settling 0\nSQS counts visible 120 · in flight 5 · delayed 0 · DLQ 1",
    ] {
        assert!(screen.contains(part), "{part}:\n{screen}");
    }
}

#[test]
fn a_narrow_table_keeps_the_names_of_workers_and_queues() {
    let (model, now) = fleet();
    let shown = |width, parts: &[&str]| {
        let screen = text(&model, now, width);
        let is_row = |line: &&str| parts.iter().all(|part| line.contains(part));
        assert!(screen.lines().any(|line| is_row(&line)), "{width}: {parts:?}\n{screen}");
    };
    shown(60, &["worker", "queue", "state", "running", "oldest"]);
    shown(60, &["10.0.0.7:9090", "orders", "receiving", "2/16", "2m 6s"]);
    shown(40, &["10.0.0.7:9090", "orders", "receiving"]);
    // The worker of the chosen queue is in the lines below.
    shown(24, &["orders", "receiving"]);
}

#[test]
fn the_table_at_140_columns_has_the_sentences_too() {
    let (model, now) = fleet();
    let screen = text(&model, now, 140);
    for part in [
        "held",
        "waiting",
        "visible",
        "DLQ",
        "why",
        "Not open yet: AccessDenied",
        "The worker does not answer: Conn",
    ] {
        assert!(screen.contains(part), "{part}:\n{screen}");
    }
    let line = screen.lines().find(|line| line.contains("mails") && line.contains("paused")).unwrap();
    assert!(line.contains("Polling is paused because the handler is"), "{screen}");
}

#[test]
fn the_sentence_about_a_queue_whose_handler_is_down_is_below_the_table() {
    let (mut model, now) = fleet();
    model.chosen = Some(RowKey { worker: 0, queue: Some(WorkerText::new("mails")) });
    let screen = text(&model, now, 80);
    assert!(screen.contains(" mails on 10.0.0.7:9090 "), "{screen}");
    assert!(
        screen.contains("Polling is paused because the handler is down: connection refused."),
        "{screen}"
    );
}

#[test]
fn a_queue_that_is_open_shows_its_calls_and_failures_with_reason_and_next_try() {
    let (model, now) = fleet();
    let screen = text(&opened(model.clone()), now, 140);
    for part in [
        "Running calls: 2",
        "0d7f1b1e-56c2-4c4b-8a42-1c6c2b2d6f0a 1       2m 6s     09:57:54",
        "Latest failures, 13 since the start",
        "f2                                   2       retry       09:59:50 in 20s     timed out",
    ] {
        assert!(screen.contains(part), "{part}:\n{screen}");
    }
    let narrow = text(&opened(model), now, 80);
    assert!(
        narrow.contains("11111111-222… 2       retry       09:59:50 in 20s     the handler answered 404"),
        "{narrow}"
    );
}

#[test]
fn a_reason_with_a_control_sequence_is_escaped() {
    let (model, now) = fleet();
    let mut model = opened(model);
    let failed = WorkerText::new("11111111-2222-3333-4444-555555555555");
    if let Some(view) = &mut model.queue {
        view.chosen = Some(Item::Failure(failed));
    }
    let screen = text(&model, now, 80);
    assert!(
        screen.contains("the handler answered 404:\n\\u{1b}[2J\\u{1b}]0;x\\u{7} no such order"),
        "{screen}"
    );
    assert!(!screen.contains(|character: char| character.is_control() && character != '\n'), "{screen:?}");
}

#[test]
fn a_message_is_shown_as_trace_prints_it() {
    let (model, now) = fleet();
    let mut model = opened(model);
    let id = WorkerText::new("m1");
    model.open_message(0, id.clone());
    assert!(text(&model, now, 80).contains("The worker was asked for the message."));
    let lines = vec!["orders, attempt 1: given back".to_owned(), "  2026  received".to_owned()];
    let content = AnswerContent::Message(id, Ok(MessageReport { lines, is_held: false }));
    model.answered(Answer { worker: 0, content }, now);
    let screen = text(&model, now, 80);
    assert!(screen.contains("orders, attempt 1: given back\n  2026  received\n"), "{screen}");
}

#[test]
fn a_change_is_asked_about_and_its_refusal_is_shown_in_the_bottom_line() {
    let (mut model, now) = fleet();
    let orders = WorkerText::new("orders");
    model.prompt = Some(Prompt { worker: 0, queue: orders.clone(), change: QueueChange::Pause });
    assert!(text(&model, now, 80).contains("Pause orders on 10.0.0.7:9090? y/n"));
    model.prompt = None;
    let refusal =
        Err("the worker answers 403: control is off, hint: set admin.control to \"loopback\"".to_owned());
    model.answered(Answer { worker: 0, content: AnswerContent::Control(orders, refusal) }, now);
    let screen = text(&model, now, 80);
    assert!(
        screen.contains("orders: the worker answers 403: control is off, hint: set admin.control to"),
        "{screen}"
    );
    assert!(screen.contains("\n\"loopback\"\n"), "{screen}");
}

#[test]
fn colours_are_there_unless_they_are_not_wanted() {
    let (mut model, now) = fleet();
    model.shows_help = true;
    let coloured = |theme| {
        let (_, backend) = drawn(&model, now, (80, 24), theme);
        backend.buffer().content().iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(coloured(Theme::Coloured));
    assert!(!coloured(Theme::Plain));
}

#[test]
fn a_terminal_of_any_size_is_drawn() {
    let (model, now) = fleet();
    let mut message = opened(model.clone());
    message.open_message(0, WorkerText::new("m1"));
    let mut help = model.clone();
    help.shows_help = true;
    for model in [&model, &opened(model.clone()), &message, &help] {
        for size in [(1, 1), (3, 2), (10, 5), (40, 8), (300, 80)] {
            drawn(model, now, size, Theme::Coloured);
        }
    }
}
