//! Draws `longshore top`.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Text},
    widgets::{Block, Cell, Paragraph, Row, Table, TableState, Wrap},
};

use super::model::{ShownCall, ShownFailure, SortBy, TopRow, TopState};
use crate::cli::worker_client::printable;

const KEYS: &str = "↑↓ select · Enter open · s/S sort · r reverse · p pause or resume · q end";
const KEYS_OF_QUEUE: &str = "Esc back · ↑↓ other queue · p pause or resume · q end";

/// Draws the whole state.
pub(super) fn draw(frame: &mut Frame<'_>, state: &TopState) {
    let rows = state.rows();
    let selected = state.selected(&rows);
    let [title, body, footer] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)])
            .areas(frame.area());
    frame.render_widget(title_of(state, rows.get(selected)), title);
    match rows.get(selected) {
        Some(row) if state.is_open => draw_queue(frame, row, body),
        _ => draw_queues(frame, state, (&rows, selected), body),
    }
    frame.render_widget(footer_of(state), footer);
}

fn title_of(state: &TopState, selected: Option<&TopRow>) -> Line<'static> {
    let text = match selected.filter(|_| state.is_open) {
        Some(row) => format!("longshore top · {} at {}", printable(&row.queue.queue), row.address),
        None => {
            let order = if state.is_reversed { ", reversed" } else { "" };
            format!("longshore top · by {}{order}", state.sort.heading())
        }
    };
    Line::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

fn footer_of(state: &TopState) -> Line<'static> {
    if let Some(order) = &state.asked {
        let (queue, address) = (printable(&order.queue), state.address(order.worker));
        let question = format!("{} {queue} at {address}? y: yes, any other key: no", order.verb);
        return Line::styled(question, Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD));
    }
    if let Some(note) = &state.note {
        return Line::styled(printable(note), Style::new().fg(Color::Yellow));
    }
    Line::styled(if state.is_open { KEYS_OF_QUEUE } else { KEYS }, Style::new().add_modifier(Modifier::DIM))
}

/// A column of the table of queues: its heading, its width, and the text of a cell.
struct QueueColumn {
    heading: &'static str,
    width: Constraint,
    sort: Option<SortBy>,
    text: fn(&TopRow) -> String,
}

const COLUMNS: [QueueColumn; 13] = [
    column("queue", Constraint::Min(12), Some(SortBy::Queue), |row| printable(&row.queue.queue)),
    column("state", Constraint::Length(10), Some(SortBy::State), |row| printable(&row.queue.state)),
    column("running", Constraint::Length(9), Some(SortBy::Running), |row| {
        of_open(row, format!("{}/{}", row.queue.running, row.queue.concurrency))
    }),
    column("waiting", Constraint::Length(7), Some(SortBy::Waiting), |row| {
        of_open(row, row.queue.waiting.to_string())
    }),
    column("settling", Constraint::Length(8), None, |row| of_open(row, row.queue.settling.to_string())),
    column("recv/s", Constraint::Length(7), None, |row| rate(row.rates.received)),
    column("done/s", Constraint::Length(7), Some(SortBy::DoneRate), |row| rate(row.rates.done)),
    column("failed/s", Constraint::Length(8), Some(SortBy::FailedRate), |row| rate(row.rates.failed)),
    column("longest", Constraint::Length(8), Some(SortBy::LongestCall), |row| span(row.queue.longest())),
    column("oldest", Constraint::Length(8), None, |row| span(row.queue.oldest_waiting_seconds)),
    column("visible", Constraint::Length(8), Some(SortBy::Visible), |row| {
        count(row.queue.queue_messages.map(|counts| counts.visible))
    }),
    column("in flight", Constraint::Length(9), None, |row| {
        count(row.queue.queue_messages.map(|counts| counts.in_flight))
    }),
    column("dlq", Constraint::Length(6), Some(SortBy::Dlq), |row| count(row.queue.dlq_messages)),
];

const fn column(
    heading: &'static str,
    width: Constraint,
    sort: Option<SortBy>,
    text: fn(&TopRow) -> String,
) -> QueueColumn {
    QueueColumn { heading, width, sort, text }
}

fn of_open(row: &TopRow, text: String) -> String {
    if row.is_open { text } else { "-".to_owned() }
}

fn draw_queues(frame: &mut Frame<'_>, state: &TopState, (rows, selected): (&[TopRow], usize), area: Rect) {
    let [table, why] = Layout::vertical([Constraint::Fill(1), Constraint::Length(4)]).areas(area);
    let has_address = state.has_several_workers();
    let address = has_address.then_some(("worker", Constraint::Min(16)));
    let headings = COLUMNS.iter().map(|column| {
        let style = if column.sort == Some(state.sort) { Modifier::REVERSED } else { Modifier::UNDERLINED };
        Cell::new(column.heading).style(Style::new().add_modifier(style))
    });
    let header = address.iter().map(|(heading, _)| Cell::new(*heading)).chain(headings);
    let widths = address.iter().map(|(_, width)| *width).chain(COLUMNS.iter().map(|column| column.width));
    let lines = rows.iter().map(|row| {
        let cells = COLUMNS.iter().map(|column| Cell::new((column.text)(row)));
        let address = has_address.then(|| Cell::new(row.address.clone()));
        Row::new(address.into_iter().chain(cells)).style(style_of(&row.queue.state))
    });
    let table_widget = Table::new(lines, widths)
        .header(Row::new(header))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(table_widget, table, &mut TableState::new().with_selected(Some(selected)));
    if let Some(row) = rows.get(selected) {
        frame.render_widget(why_of(row), why);
    }
}

fn why_of(row: &TopRow) -> Paragraph<'static> {
    let title = format!(" {}: {} ", printable(&row.queue.queue), printable(&row.queue.state));
    let block = Block::bordered().title(title);
    Paragraph::new(printable(&row.queue.why))
        .wrap(Wrap { trim: true })
        .block(block)
        .style(style_of(&row.queue.state))
}

fn draw_queue(frame: &mut Frame<'_>, row: &TopRow, area: Rect) {
    let calls = u16::try_from(row.queue.calls.len().clamp(1, 8)).unwrap_or(8);
    let [why, running, failed] =
        Layout::vertical([Constraint::Length(4), Constraint::Length(calls + 3), Constraint::Fill(1)])
            .areas(area);
    frame.render_widget(why_of(row), why);
    frame.render_widget(calls_table(&row.queue.calls), running);
    frame.render_widget(failures_text(&row.queue.failures), failed);
}

fn calls_table(calls: &[ShownCall]) -> Table<'static> {
    let widths =
        [Constraint::Length(40), Constraint::Length(8), Constraint::Length(12), Constraint::Length(26)];
    let rows = calls.iter().map(|call| {
        let (id, since) = (printable(&call.message_id), printable(&call.since));
        Row::new([id, call.attempt.to_string(), span(Some(call.seconds)), since])
    });
    let title = if calls.is_empty() { " no call runs " } else { " running calls, the longest first " };
    Table::new(rows, widths)
        .header(Row::new(["message", "attempt", "runs for", "since"]))
        .block(Block::bordered().title(title))
}

/// The failures, each with its reason in a line of its own, which may be long.
fn failures_text(failures: &[ShownFailure]) -> Paragraph<'static> {
    let mut lines = Vec::new();
    for failure in failures {
        let time = failure.ended_at.as_deref().unwrap_or("-");
        let next =
            failure.next_try_at.as_deref().map(|next| format!(", next try {next}")).unwrap_or_default();
        let head = format!(
            "{}  attempt {} ended {} at {time}{next}",
            failure.message_id,
            failure.attempt,
            failure.ending()
        );
        lines.push(Line::styled(printable(&head), Style::new().fg(Color::Red)));
        lines.push(Line::raw(format!("  {}", printable(failure.reason()))));
    }
    let title = if failures.is_empty() { " no failure of late " } else { " latest failures " };
    Paragraph::new(Text::from(lines))
        .alignment(Alignment::Left)
        .wrap(Wrap { trim: false })
        .block(Block::bordered().title(title))
}

fn style_of(state: &str) -> Style {
    match state {
        "receiving" | "empty" => Style::new(),
        "full" | "throttled" | "paused" | "stopping" | "opening" | "starting" | "asking" => {
            Style::new().fg(Color::Yellow)
        }
        _ => Style::new().fg(Color::Red),
    }
}

fn count(count: Option<u64>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

fn rate(rate: Option<f64>) -> String {
    match rate {
        None => "-".to_owned(),
        Some(rate) if rate >= 10.0 => format!("{rate:.0}"),
        Some(rate) => format!("{rate:.1}"),
    }
}

/// Seconds for people, in at most eight columns.
fn span(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else { return "-".to_owned() };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an age is positive and short"
    )]
    let whole = seconds as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3_600 => format!("{}m {:02}s", whole / 60, whole % 60),
        3_600..172_800 => format!("{}h {:02}m", whole / 3_600, whole / 60 % 60),
        _ => format!("{}d {}h", whole / 86_400, whole / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};
    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::*;
    use crate::cli::top::model::TopKey;

    fn status() -> Value {
        json!({ "queues": [
            {
                "queue": "orders", "state": "full", "why": "All 4 slots run calls.", "running": 4, "concurrency": 4,
                "waiting": 2, "settling": 0, "totals": { "received": 9, "done": 3, "failed": 1 },
                "queueMessages": { "visible": 120, "inFlight": 6, "delayed": 0 }, "dlqMessages": 7,
                "calls": [{ "messageId": "long-one", "attempt": 3, "seconds": 754.2, "since": "2026-01-02T03:04:05Z" }],
                "failures": [{
                    "messageId": "bad-one", "attempt": 2, "state": "given_back", "ending": "retry",
                    "reason": "the handler answered 404\u{1b}[2J", "endedAt": "2026-01-02T03:04:05Z",
                }],
            },
            { "queue": "invoices", "state": "empty", "why": "The queue is empty.", "concurrency": 16 },
        ] })
    }

    fn state() -> TopState {
        let mut state = TopState::new(["worker:9090".to_owned()]);
        state.answered(0, Ok(status()), Instant::now());
        state
    }

    /// The screen as text.
    fn screen(state: &TopState, width: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, 24)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_table_has_a_row_for_each_queue_and_the_sentence_of_the_selected_one() {
        let mut state = state();
        let shown = screen(&state, 130);
        let orders = shown.lines().find(|line| line.contains("orders")).unwrap();
        for part in ["full", "4/4", "12m 34s", "120", "7"] {
            assert!(orders.contains(part), "{part} in {orders}");
        }
        assert!(shown.contains("The queue is empty.") && shown.contains("q end"), "{shown}");
        state.press(TopKey::Down);
        assert!(screen(&state, 130).contains("All 4 slots run calls."));
    }

    #[test]
    fn an_open_queue_shows_its_calls_and_its_failures_without_control_characters() {
        let mut state = state();
        state.press(TopKey::Down);
        state.press(TopKey::Open);
        let shown = screen(&state, 130);
        for part in
            ["orders at worker:9090", "long-one", "12m 34s", "bad-one  attempt 2 ended retry", "answered 404"]
        {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }

    #[test]
    fn a_question_and_an_answer_take_the_place_of_the_keys() {
        let mut state = state();
        state.press(TopKey::Pause);
        assert!(screen(&state, 130).contains("pause invoices at worker:9090? y: yes"));
        state.press(TopKey::Other);
        state.note = Some("control is off".to_owned());
        assert!(screen(&state, 130).contains("control is off"));
    }

    #[test]
    fn several_workers_have_a_column_and_a_small_screen_is_no_fault() {
        let mut state = TopState::new(["one:9090".to_owned(), "two:9090".to_owned()]);
        state.answered(0, Ok(status()), Instant::now());
        state.answered(1, Err("connection refused".to_owned()), Instant::now());
        let shown = screen(&state, 150);
        assert!(shown.contains("two:9090") && shown.contains("no answer"), "{shown}");
        for width in [1, 8, 40] {
            screen(&state, width);
        }
    }
}
