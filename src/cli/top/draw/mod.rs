//! Draws the state of the program; pure.

mod overview;
mod queue;
mod theme;

use std::time::SystemTime;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span as Styled},
    widgets::{Block, Borders, Clear, Paragraph, Wrap},
};
use tokio::time::Instant;

pub(super) use self::theme::Theme;
use super::{
    keys::KEYS,
    model::{MessageView, Model, Reach},
    requests::QueueChange,
    rows::{Level, QueueRow},
    status::CountsReport,
    text,
};

/// The most unreachable workers whose reasons the head has.
const REASONS: usize = 3;
/// The most lines of a question or of the outcome of a change.
const BOTTOM: usize = 3;

/// The state of the program and the time at which it is drawn.
#[derive(Clone, Copy)]
pub(super) struct ScreenView<'a> {
    pub(super) model: &'a Model,
    pub(super) theme: Theme,
    pub(super) now: Instant,
    /// The time of day, for the times that workers give.
    pub(super) time: SystemTime,
}

impl ScreenView<'_> {
    /// Draws everything.
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let (head, asked) = (self.head(), self.bottom_line());
        let lines = |count: usize| Constraint::Length(u16::try_from(count).unwrap_or(u16::MAX));
        // A refusal says what to do about it, and may be longer than a line.
        let bottom = asked.width().div_ceil(usize::from(frame.area().width).max(1)).clamp(1, BOTTOM);
        let parts = [lines(head.len()), Constraint::Min(3), lines(bottom), lines(1)];
        let [top, body, bottom, keys] = frame.area().layout(&Layout::vertical(parts));
        frame.render_widget(Paragraph::new(head), top);
        let (model, rows) = (self.model, self.model.rows());
        match (&model.message, &model.queue) {
            (Some(message), _) => self.draw_message(frame, body, message),
            (None, Some(_)) => self.draw_queue(frame, body, model.current(&rows)),
            (None, None) => self.draw_overview(frame, body, &rows),
        }
        frame.render_widget(Paragraph::new(asked).wrap(Wrap { trim: true }), bottom);
        frame.render_widget(Line::from(self.key_line()).style(Theme::DIM), keys);
        if model.shows_help {
            draw_help(frame);
        }
    }

    /// The workers in a line, and a line for each of those that cannot be reached.
    fn head(&self) -> Vec<Line<'static>> {
        let workers = &self.model.workers;
        let mut unreachable = Vec::new();
        for worker in workers {
            if let Reach::Unreachable { since, reason } = &worker.reach {
                let time = text::span(Some((self.now - *since).as_secs_f64()));
                unreachable.push(format!("{} unreachable for {time}: {reason}", worker.label));
            }
        }
        let mut lines = vec![Line::from(vec![
            Styled::styled("longshore top", self.theme.title()),
            Styled::raw(format!("  {}", self.workers())),
            Styled::styled(format!("  sorted by {}", self.model.sort.as_str()), Theme::DIM),
        ])];
        let further = unreachable.len().saturating_sub(REASONS);
        unreachable.truncate(REASONS);
        if further > 0 {
            unreachable.push(format!("and {further} more"));
        }
        let bad = self.theme.level(Level::Bad);
        lines.extend(unreachable.into_iter().map(|line| Line::styled(line, bad)));
        lines
    }

    /// The one worker with its version and state, or the number of workers by their states.
    fn workers(&self) -> String {
        let state = |reach: &Reach| match reach {
            Reach::Awaited => "asked",
            Reach::Live(report) if report.draining => "stopping",
            Reach::Live(report) if !report.opening.is_empty() => "starting",
            Reach::Live(_) => "running",
            Reach::Unreachable { .. } => "unreachable",
        };
        let workers = &self.model.workers;
        if let [worker] = workers.as_slice() {
            let version = match &worker.reach {
                Reach::Live(report) => format!(" · {}", report.version),
                _ => String::new(),
            };
            return format!("{}{version} · {}", worker.label, state(&worker.reach));
        }
        let counts = ["running", "starting", "stopping", "asked", "unreachable"].map(|name| {
            let count = workers.iter().filter(|worker| state(&worker.reach) == name).count();
            (count > 0).then(|| format!("{count} {name}"))
        });
        let counts: Vec<_> = counts.into_iter().flatten().collect();
        format!("{} workers: {}", workers.len(), counts.join(", "))
    }

    /// The change that waits for its confirmation, or the outcome of the last one.
    fn bottom_line(&self) -> Line<'static> {
        if let Some(prompt) = &self.model.prompt {
            let (worker, queue) = (&self.model.workers[prompt.worker].label, &prompt.queue);
            let question = match prompt.change {
                QueueChange::Pause => format!("Pause {queue} on {worker}?"),
                QueueChange::Resume => format!("Resume {queue} on {worker}?"),
                QueueChange::Scale(concurrency) => {
                    format!("Set the concurrency of {queue} on {worker} to {concurrency}?")
                }
            };
            return Line::styled(format!("{question} y/n"), self.theme.prompt());
        }
        match &self.model.note {
            Some(note) => Line::styled(note.text.clone(), self.theme.level(note.level)),
            None => Line::default(),
        }
    }

    fn key_line(&self) -> &'static str {
        match (&self.model.prompt, &self.model.message, &self.model.queue) {
            (Some(prompt), _, _) => match prompt.change {
                QueueChange::Scale(_) => "y confirm  n drop  + more  - fewer",
                QueueChange::Pause | QueueChange::Resume => "y confirm  n drop",
            },
            (None, Some(_), _) => "↑↓ scroll  Esc back  q quit  ? help",
            (None, None, Some(_)) => {
                "↑↓ choose  Enter message  p pause/resume  +- scale  Esc back  q quit  ? help"
            }
            (None, None, None) => "↑↓ choose  Enter open  s sort  p pause/resume  +- scale  q quit  ? help",
        }
    }

    /// The report of a message, in the lines of `longshore trace`.
    fn draw_message(&self, frame: &mut Frame<'_>, area: Rect, message: &MessageView) {
        let worker = &self.model.workers[message.worker].label;
        let title = Line::styled(format!(" {} on {worker} ", message.id), Theme::HEADING);
        let block = Block::new().borders(Borders::TOP).title(title);
        let lines = match &message.report {
            None => vec![Line::styled("The worker was asked for the message.", Theme::DIM)],
            Some(Err(reason)) => vec![Line::styled(reason.clone(), self.theme.level(Level::Bad))],
            Some(Ok(report)) => {
                report.lines.iter().skip(message.scroll).map(|line| report_line(line)).collect()
            }
        };
        frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), area);
    }
}

/// A receive's first line, or one of its steps.
fn report_line(line: &str) -> Line<'_> {
    if line.starts_with(' ') { Line::raw(line) } else { Line::styled(line, Theme::HEADING) }
}

/// The keys and their effects, above everything else.
fn draw_help(frame: &mut Frame<'_>) {
    let lines: Vec<_> = KEYS.iter().map(|(keys, effect)| Line::from(format!("{keys:12}{effect}"))).collect();
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let area = frame.area().centered(Constraint::Max(74), Constraint::Max(height));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Keys ")), area);
}

/// The counts of a queue: a line about this worker, and one about SQS.
fn counts(row: &QueueRow<'_>) -> [String; 2] {
    let Some(queue) = row.queue() else { return Default::default() };
    let here = format!(
        "running {}/{} · held {}/{} · waiting {} · settling {}",
        queue.running, queue.concurrency, queue.held, queue.permits, queue.waiting, queue.settling
    );
    let sqs = queue.queue_messages.map(|counts| {
        let CountsReport { visible, in_flight, delayed } = counts;
        format!("SQS counts visible {visible} · in flight {in_flight} · delayed {delayed}")
    });
    let dlq = queue.dlq_messages.map(|count| format!("DLQ {count}"));
    [here, sqs.into_iter().chain(dlq).collect::<Vec<_>>().join(" · ")]
}

/// Shares an area between what is above and so many lines below.
fn above_and_below(area: Rect, lines: u16) -> [Rect; 2] {
    area.layout(&Layout::vertical([Constraint::Min(1), Constraint::Length(lines)]))
}

#[cfg(test)]
mod tests;
