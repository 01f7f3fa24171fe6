//! The texts of numbers and times; pure.

use std::time::SystemTime;

use super::status::{FailedTry, WorkerText};

/// The text where there is no value.
pub(super) const NONE: &str = "–";

/// A rate a second.
pub(super) fn rate(rate: Option<f64>) -> String {
    match rate {
        None => NONE.to_owned(),
        Some(rate) if rate >= 9.95 => format!("{rate:.0}"),
        Some(rate) => format!("{rate:.1}"),
    }
}

/// A count, if it is known.
pub(super) fn count(count: Option<u64>) -> String {
    count.map_or_else(|| NONE.to_owned(), |count| count.to_string())
}

/// A time in its two largest units.
pub(super) fn span(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else { return NONE.to_owned() };
    if seconds < 9.95 {
        return format!("{:.1}s", seconds.max(0.0));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float's cast saturates")]
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..172_800 => format!("{}h {}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A text of at most so many characters, the last of which shows a cut.
pub(super) fn cut(text: String, most: u16) -> String {
    let most = usize::from(most);
    if text.chars().count() <= most {
        return text;
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// The time of day in a worker's time, which is in UTC.
pub(super) fn clock(time: &WorkerText) -> String {
    let text = time.to_string();
    let (_, clock) = text.split_once('T').unwrap_or_default();
    clock.split(['.', 'Z']).next().filter(|clock| !clock.is_empty()).unwrap_or(NONE).to_owned()
}

/// The next try of a message that failed.
pub(super) fn next_try(failure: &FailedTry, now: SystemTime) -> String {
    let Some(at) = &failure.next_try_at else {
        let dead = match failure.state.raw() {
            "dead_letter" => "in the DLQ",
            _ if failure.exhausted => "to the DLQ",
            _ => NONE,
        };
        return dead.to_owned();
    };
    let left = humantime::parse_rfc3339(at.raw()).ok().and_then(|at| at.duration_since(now).ok());
    match left {
        Some(left) if !left.is_zero() => format!("in {}", span(Some(left.as_secs_f64()))),
        _ => clock(at),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rates_and_times_have_few_digits() {
        for (given, text) in [(None, "–"), (Some(0.04), "0.0"), (Some(9.94), "9.9"), (Some(9.96), "10")] {
            assert_eq!(rate(given), text);
        }
        for (seconds, text) in [
            (-1.0, "0.0s"),
            (9.94, "9.9s"),
            (59.6, "1m 0s"),
            (3_599.0, "59m 59s"),
            (86_400.0, "24h 0m"),
            (1.8e5, "2d 2h"),
        ] {
            assert_eq!(span(Some(seconds)), text);
        }
    }

    #[test]
    fn a_text_that_is_too_long_ends_in_a_mark() {
        let cut = |text: &str| cut(text.to_owned(), 4);
        assert_eq!((cut("üüüü"), cut("üüüüü")), ("üüüü".to_owned(), "üüü…".to_owned()));
    }

    #[test]
    fn the_time_of_day_is_read_from_any_text() {
        let clock = |text: &str| clock(&WorkerText::new(text));
        assert_eq!(clock("2026-11-29T10:00:07.001Z"), "10:00:07");
        assert_eq!(clock("2026-11-29T10:00:07Z"), "10:00:07");
        assert_eq!((clock("soon"), clock("T")), (NONE.to_owned(), NONE.to_owned()));
        assert!(!clock("T\u{1b}[2J").contains('\u{1b}'));
    }

    #[test]
    fn the_next_try_is_in_a_while_or_was_at_a_time_or_is_none() {
        let now = humantime::parse_rfc3339("2026-11-29T10:00:00Z").unwrap();
        let next = |failure| next_try(&serde_json::from_value(failure).unwrap(), now);
        assert_eq!(next(json!({ "nextTryAt": "2026-11-29T10:00:05Z" })), "in 5.0s");
        assert_eq!(next(json!({ "nextTryAt": "2026-11-29T09:59:05Z" })), "09:59:05");
        assert_eq!(next(json!({ "state": "dead_letter", "exhausted": true })), "in the DLQ");
        assert_eq!(next(json!({ "state": "given_back", "exhausted": true })), "to the DLQ");
        assert_eq!(next(json!({ "state": "lost" })), "–");
    }
}
