//! Figures out of many samples, as the tables show them.

use std::time::Duration;

/// The times that one thing took, again and again.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// `p50 / p99`, in microseconds.
    pub(crate) fn cell(&self) -> String {
        let mut sorted = self.0.clone();
        sorted.sort();
        format!("{} / {}", micros(at(&sorted, 50)), micros(at(&sorted, 99)))
    }
}

/// The time that so many hundredths of the samples stay below.
fn at(sorted: &[Duration], percent: usize) -> Duration {
    let position = sorted.len() * percent / 100;
    sorted.get(position.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn micros(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    let decimals = usize::from(micros < 10.0);
    grouped(&format!("{micros:.decimals$}"))
}

/// The middle one of several rounds.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A whole number with a comma before every three digits.
pub(crate) fn whole(figure: f64) -> String {
    grouped(&format!("{figure:.0}"))
}

fn grouped(digits: &str) -> String {
    let whole = digits.split('.').next().unwrap_or(digits).len();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && position < whole && (whole - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A row of a Markdown table.
pub(crate) fn row(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}
