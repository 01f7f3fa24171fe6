//! Draws one queue: the sentence about it, the calls that run, the failures.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::Line,
    widgets::{Paragraph, Row, Table, TableState, Wrap},
};

use super::{ScreenView, Theme, above_and_below, overview::ABOUT};
use crate::cli::top::{
    model::{Item, QueueView},
    rows::QueueRow,
    status::{FailedTry, QueueReport, RunningReport},
    text,
};

/// The lines of the whole reason of the chosen failure.
const REASON: u16 = 3;
/// The width from which message ids are shown whole.
const WIDE: u16 = 110;
/// A message id of SQS, and the part of one that distinguishes messages.
const ID: (u16, u16) = (36, 13);

impl ScreenView<'_> {
    pub(super) fn draw_queue(&self, frame: &mut Frame<'_>, area: Rect, row: Option<&QueueRow<'_>>) {
        let [head, body] = area.layout(&Layout::vertical([Constraint::Length(ABOUT), Constraint::Min(1)]));
        let Some(row) = row else {
            let gone = "The worker does not answer, or has no such queue any more. Esc goes back.";
            frame.render_widget(Paragraph::new(gone).wrap(Wrap { trim: true }), area);
            return;
        };
        self.draw_sentence(frame, head, row);
        if let Some((view, queue)) = self.model.open_queue() {
            self.draw_tables(frame, body, view, queue);
        }
    }

    fn draw_tables(&self, frame: &mut Frame<'_>, area: Rect, view: &QueueView, queue: &QueueReport) {
        let failures = queue.latest_failures();
        let items = Item::of(queue);
        let chosen = view.chosen_in(&items);
        let chosen_call = chosen.filter(|at| *at < queue.calls.len());
        let chosen_failure = chosen.and_then(|at| at.checked_sub(queue.calls.len()));
        let [area, reason] = above_and_below(area, REASON);
        // A title, a header and an empty line beside the rows.
        let lines = |rows: usize| u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(3);
        let for_calls = match failures.len() {
            0 => area.height,
            // Failures need no more than this.
            count => {
                lines(queue.calls.len()).min((area.height / 2).max(area.height.saturating_sub(lines(count))))
            }
        };
        let parts = [Constraint::Length(for_calls), Constraint::Min(0)];
        let [calls_area, failures_area] = area.layout(&Layout::vertical(parts));
        let is_wide = area.width >= WIDE;
        let calls: Vec<_> = queue.calls.iter().map(|call| call_row(call, is_wide)).collect();
        let title = format!("Running calls: {}", queue.running);
        draw_table(frame, calls_area, TableParts::calls(title, calls, is_wide), chosen_call);
        let rows: Vec<_> = failures.iter().map(|failure| self.failure_row(failure, is_wide)).collect();
        let title = format!("Latest failures, {} since the start", queue.totals.failed);
        let area = if failures.is_empty() { Rect::default() } else { failures_area };
        draw_table(frame, area, TableParts::failures(title, rows, is_wide), chosen_failure);
        if let Some(failure) = chosen_failure.and_then(|at| failures.get(at)) {
            let whole = format!("{}: {}", failure.message_id, failure.reason());
            frame.render_widget(Paragraph::new(whole).wrap(Wrap { trim: true }), reason);
        }
    }

    fn failure_row(&self, failure: &FailedTry, is_wide: bool) -> Vec<String> {
        let ended_at = failure.ended_at.as_ref().map_or_else(|| text::NONE.to_owned(), text::clock);
        vec![
            text::cut(failure.message_id.to_string(), id_width(is_wide)),
            failure.attempt.to_string(),
            failure.ending().to_string(),
            ended_at,
            text::next_try(failure, self.time),
            failure.reason().to_string(),
        ]
    }
}

/// Draws a table with a line above it.
fn draw_table(frame: &mut Frame<'_>, area: Rect, parts: TableParts, chosen: Option<usize>) {
    let [title, body] = area.layout(&Layout::vertical([Constraint::Length(1), Constraint::Min(0)]));
    frame.render_widget(Line::styled(parts.title, Theme::HEADING), title);
    let header = Row::new(parts.header).style(Theme::DIM);
    let rows = parts.rows.into_iter().map(Row::new);
    let table = Table::new(rows, parts.widths).header(header).row_highlight_style(Theme::CHOSEN);
    let mut state = TableState::default().with_selected(chosen);
    frame.render_stateful_widget(table, body, &mut state);
}

/// The parts of a table.
struct TableParts {
    title: String,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    widths: Vec<Constraint>,
}

impl TableParts {
    fn calls(title: String, rows: Vec<Vec<String>>, is_wide: bool) -> Self {
        let header = vec!["message", "attempt", "runs for", "since (UTC)"];
        let widths = [id_width(is_wide), 7, 9, 11].map(Constraint::Length).to_vec();
        Self { title, header, rows, widths }
    }

    fn failures(title: String, rows: Vec<Vec<String>>, is_wide: bool) -> Self {
        let header = vec!["message", "attempt", "ended", "at (UTC)", "next try", "reason"];
        let mut widths = [id_width(is_wide), 7, 11, 8, 10].map(Constraint::Length).to_vec();
        widths.push(Constraint::Fill(1));
        Self { title, header, rows, widths }
    }
}

fn call_row(call: &RunningReport, is_wide: bool) -> Vec<String> {
    vec![
        text::cut(call.message_id.to_string(), id_width(is_wide)),
        call.attempt.to_string(),
        text::span(Some(call.seconds)),
        text::clock(&call.since),
    ]
}

const fn id_width(is_wide: bool) -> u16 {
    if is_wide { ID.0 } else { ID.1 }
}
