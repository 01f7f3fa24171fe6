//! Converts an HTTP response into the outcome of its message: pure.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;

use super::Settings;
use crate::{
    handler::{
        Outcome,
        outcome::{LONGEST_DELAY, SHORTEST_DELAY},
    },
    telemetry::FailureCause,
};

/// True if a status means that the message is done.
pub(super) fn is_done(settings: &Settings, status: StatusCode) -> bool {
    status.is_success() || settings.success.contains(&status.as_u16())
}

/// Converts a status that does not mean done, with the handler's reason and `Retry-After` for 429 and 503, into an outcome.
pub(super) fn failure(
    settings: &Settings,
    status: StatusCode,
    given: Option<&str>,
    retry_in: Option<Duration>,
) -> Outcome {
    let reason = match given {
        Some(given) => format!("the handler answered {status}: {given}"),
        None => format!("the handler answered {status}"),
    };
    if settings.reject.contains(&status.as_u16()) {
        return Outcome::Reject(reason);
    }
    let is_busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let retry_in = retry_in.filter(|_| is_busy);
    if settings.down.contains(&status.as_u16()) {
        return Outcome::Unavailable { reason, retry_in };
    }
    match retry_in {
        Some(delay) => Outcome::RetryIn(delay, reason),
        None => Outcome::Retry(reason),
    }
}

/// The cause of failure by a status that is no success.
pub(super) fn cause(status: StatusCode) -> FailureCause {
    if status.is_client_error() {
        FailureCause::Status4xx
    } else if status.is_server_error() {
        FailureCause::Status5xx
    } else {
        FailureCause::BadAnswer
    }
}

/// Reads `Retry-After`: seconds or an HTTP date; a past date means the shortest delay.
pub(super) fn delay(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let delay = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_or(LONGEST_DELAY, Duration::from_secs)
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(delay.clamp(SHORTEST_DELAY, LONGEST_DELAY))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings() -> Settings {
        Settings { success: vec![304, 409], reject: vec![400, 422], ..Settings::new("http://host/").unwrap() }
    }

    fn outcome_by(settings: &Settings, status: u16, retry_after: Option<&str>) -> Outcome {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_700);
        let status = StatusCode::from_u16(status).unwrap();
        if is_done(settings, status) {
            return Outcome::Done;
        }
        failure(settings, status, None, retry_after.and_then(|text| delay(text, now)))
    }

    fn outcome_of(status: u16, retry_after: Option<&str>) -> Outcome {
        outcome_by(&settings(), status, retry_after)
    }

    fn delay_of(status: u16, retry_after: &str) -> Option<u64> {
        match outcome_of(status, Some(retry_after)) {
            Outcome::RetryIn(delay, _) => Some(delay.as_secs()),
            Outcome::Unavailable { retry_in, .. } => retry_in.map(|delay| delay.as_secs()),
            _ => None,
        }
    }

    #[test]
    fn a_2xx_or_a_success_status_is_done() {
        for status in [200, 201, 202, 204, 299, 304, 409] {
            assert_eq!(outcome_of(status, None), Outcome::Done, "{status}");
        }
    }

    #[test]
    fn a_reject_status_is_a_reject_that_names_it() {
        let reason = "the handler answered 422 Unprocessable Entity".to_owned();
        assert_eq!(outcome_of(422, Some("5")), Outcome::Reject(reason));
    }

    #[test]
    fn any_other_status_is_a_retry_that_names_it() {
        for status in [302, 404, 429, 500, 505] {
            let Outcome::Retry(reason) = outcome_of(status, None) else { panic!("{status} is not a retry") };
            assert!(reason.contains(&status.to_string()), "{reason}");
        }
    }

    #[test]
    fn a_down_status_means_unavailable_unless_it_means_success_or_reject() {
        for status in [502, 503, 504] {
            let outcome = outcome_of(status, None);
            assert!(matches!(outcome, Outcome::Unavailable { retry_in: None, .. }), "{status}: {outcome:?}");
        }
        let settings = settings().success([502]).reject([503]);
        let of = |settings: &Settings, status| outcome_by(settings, status, None);
        assert_eq!(of(&settings, 502), Outcome::Done);
        assert!(matches!(of(&settings, 503), Outcome::Reject(_)));
        let settings = settings.down([500]);
        assert!(matches!(of(&settings, 500), Outcome::Unavailable { .. }));
        assert!(matches!(of(&settings, 504), Outcome::Retry(_)));
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        assert_eq!(delay_of(429, "7"), Some(7));
        assert_eq!(delay_of(503, "Sun, 06 Nov 1994 08:49:37 GMT"), Some(77));
    }

    #[test]
    fn retry_after_is_a_second_at_least() {
        for text in ["0", " 0 ", "000", "Sat, 05 Nov 1994 08:49:37 GMT"] {
            assert_eq!(delay_of(503, text), Some(1), "{text}");
        }
    }

    #[test]
    fn retry_after_is_capped_at_twelve_hours() {
        for text in ["43201", "99999999999999999999999", "Sat, 06 Nov 2094 08:49:37 GMT"] {
            assert_eq!(delay_of(503, text), Some(43_200), "{text}");
        }
    }

    #[test]
    fn retry_after_counts_with_429_and_503_only() {
        assert_eq!(delay_of(500, "7"), None);
        assert_eq!(delay_of(302, "7"), None);
    }

    #[test]
    fn a_retry_after_that_is_neither_is_a_plain_retry() {
        for text in ["", "soon", "-1", "1.5"] {
            assert_eq!(delay_of(503, text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_retry_after_panics_or_delays_past_the_limit(text in ".*") {
            if let Outcome::Unavailable { retry_in: Some(delay), .. } = outcome_of(503, Some(&text)) {
                prop_assert!((SHORTEST_DELAY..=LONGEST_DELAY).contains(&delay));
            }
        }
    }
}
