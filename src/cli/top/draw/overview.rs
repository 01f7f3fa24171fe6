//! Draws the table of all queues, and the sentence about the chosen one below it.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Rect},
    text::{Line, Text},
    widgets::{Block, Borders, Cell, Paragraph, Row, Table, TableState, Wrap},
};

use super::{ScreenView, Theme, above_and_below, counts};
use crate::cli::top::{
    rows::{Level, QueueRow, SortKey},
    status::QueueReport,
    text,
};

/// The lines about a queue: a rule, two for the sentence, two for the counts.
pub(super) const ABOUT: u16 = 5;
/// The fewest characters of a sentence that are worth a column.
const SENTENCE: u16 = 24;
/// The characters of a queue's name that a narrow terminal leaves.
const NAME: u16 = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Worker,
    Queue,
    State,
    Running,
    Held,
    Waiting,
    Done,
    Failed,
    Oldest,
    Visible,
    Dlq,
    Why,
}

impl Column {
    /// All of them, from left to right.
    const ALL: [Self; 12] = [
        Self::Worker,
        Self::Queue,
        Self::State,
        Self::Running,
        Self::Held,
        Self::Waiting,
        Self::Done,
        Self::Failed,
        Self::Oldest,
        Self::Visible,
        Self::Dlq,
        Self::Why,
    ];
    /// Those before which the names give way, and that only a very narrow terminal leaves out, the most wanted first.
    const WANTED: [Self; 4] = [Self::Running, Self::Oldest, Self::Failed, Self::Done];
    /// Those that a narrow terminal leaves out, the most wanted first.
    const OPTIONAL: [Self; 5] = [Self::Dlq, Self::Waiting, Self::Held, Self::Visible, Self::Why];

    fn title(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Queue => "queue",
            Self::State => "state",
            Self::Running => "running",
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Done => "done/s",
            Self::Failed => "failed/s",
            Self::Oldest => "oldest",
            Self::Visible => "visible",
            Self::Dlq => "DLQ",
            Self::Why => "why",
        }
    }

    /// The column that a sort key is about; the rate is that of done and failed together.
    fn of(key: SortKey) -> Self {
        match key {
            SortKey::Name => Self::Queue,
            SortKey::Running => Self::Running,
            SortKey::Rate => Self::Done,
            SortKey::Failures => Self::Failed,
            SortKey::Oldest => Self::Oldest,
        }
    }

    fn is_text(self) -> bool {
        matches!(self, Self::Worker | Self::Queue | Self::State | Self::Why)
    }

    fn text(self, row: &QueueRow<'_>) -> String {
        let (queue, rates) = (row.queue(), row.rates());
        match self {
            Self::Worker => row.worker.to_owned(),
            Self::Queue => row.key.queue.as_ref().map_or_else(|| text::NONE.to_owned(), ToString::to_string),
            Self::State => row.state(),
            Self::Running => match queue {
                Some(queue) => format!("{}/{}", queue.running, queue.concurrency),
                None => text::NONE.to_owned(),
            },
            Self::Held => text::count(queue.map(|queue| queue.held)),
            Self::Waiting => text::count(queue.map(|queue| queue.waiting)),
            Self::Done => text::rate(rates.map(|rates| rates.done)),
            Self::Failed => text::rate(rates.map(|rates| rates.failed)),
            Self::Oldest => text::span(queue.and_then(QueueReport::oldest_seconds)),
            Self::Visible => text::count(queue.and_then(|queue| Some(queue.queue_messages?.visible))),
            Self::Dlq => text::count(queue.and_then(|queue| queue.dlq_messages)),
            Self::Why => row.why(),
        }
    }

    /// True for what should be zero and is not.
    fn is_alarming(self, row: &QueueRow<'_>) -> bool {
        match self {
            Self::Failed => row.rates().is_some_and(|rates| rates.failed > 0.0),
            Self::Dlq => row.queue().is_some_and(|queue| queue.dlq_messages.unwrap_or_default() > 0),
            _ => false,
        }
    }

    /// The characters that its rows need, with a mark beside the title.
    fn width(self, rows: &[QueueRow<'_>]) -> u16 {
        if self == Self::Why {
            return SENTENCE;
        }
        let widest = rows.iter().map(|row| Text::raw(self.text(row)).width()).max().unwrap_or_default();
        let (least, most) = if self.is_text() { (0, 30) } else { (self.title().len() + 1, 13) };
        let width = widest.max(self.title().len() + 1).clamp(least, most);
        u16::try_from(width).unwrap_or(u16::MAX)
    }
}

/// The columns with their widths, as many as there is room for: a queue's name and state always.
fn columns(width: u16, rows: &[QueueRow<'_>], workers: usize) -> Vec<(Column, u16)> {
    let all: Vec<_> = Column::ALL.into_iter().map(|column| (column, column.width(rows))).collect();
    let needs = |column: Column| {
        let width = all.iter().find(|(other, _)| *other == column).map_or(0, |(_, width)| *width);
        i32::from(width) + 1
    };
    let name = needs(Column::Queue).min(i32::from(NAME) + 1);
    let mut left = i32::from(width) + 1 - name - needs(Column::State);
    let mut shown = vec![Column::Queue, Column::State];
    let mut show = |columns: &[Column], left: &mut i32| {
        for column in columns {
            *left -= needs(*column);
            if *left < 0 {
                return;
            }
            shown.push(*column);
        }
    };
    if workers > 1 {
        show(&[Column::Worker], &mut left);
    }
    show(&Column::WANTED, &mut left);
    left -= needs(Column::Queue) - name;
    show(&Column::OPTIONAL, &mut left);
    all.into_iter().filter(|(column, _)| shown.contains(column)).collect()
}

impl ScreenView<'_> {
    pub(super) fn draw_overview(&self, frame: &mut Frame<'_>, area: Rect, rows: &[QueueRow<'_>]) {
        let [above, below] = above_and_below(area, ABOUT);
        let chosen = self.model.chosen_in(rows);
        let columns = columns(above.width, rows, self.model.workers.len());
        let is_sorted = |column| Column::of(self.model.sort) == column;
        let header = columns.iter().map(|(column, _)| {
            let mark = if is_sorted(*column) { "▾" } else { "" };
            aligned(*column, format!("{}{mark}", column.title()))
        });
        let header = Row::new(header).style(Theme::HEADING);
        let body = rows.iter().map(|row| Row::new(columns.iter().map(|(column, _)| self.cell(*column, row))));
        let has_sentences = columns.iter().any(|(column, _)| *column == Column::Why);
        let widths = columns.iter().map(|(column, width)| match column {
            Column::Why => Constraint::Fill(1),
            // What is left over goes to the names.
            Column::Queue if !has_sentences => Constraint::Fill(1),
            _ => Constraint::Length(*width),
        });
        let table = Table::new(body, widths).header(header).row_highlight_style(Theme::CHOSEN);
        let mut state = TableState::default().with_selected(chosen);
        frame.render_stateful_widget(table, above, &mut state);
        if let Some(row) = chosen.map(|at| &rows[at]) {
            self.draw_sentence(frame, below, row);
        }
    }

    fn cell(&self, column: Column, row: &QueueRow<'_>) -> Cell<'static> {
        let cell = aligned(column, column.text(row));
        if column == Column::State {
            cell.style(self.theme.level(row.level()))
        } else if column.is_alarming(row) {
            cell.style(self.theme.level(Level::Bad))
        } else {
            cell
        }
    }

    /// The sentence about a queue, and its counts.
    pub(super) fn draw_sentence(&self, frame: &mut Frame<'_>, area: Rect, row: &QueueRow<'_>) {
        let title = match &row.key.queue {
            Some(queue) => format!(" {queue} on {} ", row.worker),
            None => format!(" {} ", row.worker),
        };
        let block = Block::new().borders(Borders::TOP).title(Line::styled(title, Theme::HEADING));
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let [sentence, numbers] = above_and_below(inner, 2);
        let why = Line::styled(row.why(), self.theme.level(row.level()));
        frame.render_widget(Paragraph::new(why).wrap(Wrap { trim: true }), sentence);
        let counts = counts(row).map(|line| Line::styled(line, Theme::DIM));
        frame.render_widget(Paragraph::new(counts.to_vec()), numbers);
    }
}

fn aligned(column: Column, text: String) -> Cell<'static> {
    let alignment = if column.is_text() { Alignment::Left } else { Alignment::Right };
    Cell::from(Text::from(text).alignment(alignment))
}
