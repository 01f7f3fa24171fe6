//! Converts SNS's errors into outcomes: pure.

use super::Settings;
use crate::{
    handler::{Outcome, Unavailable},
    shortage::Shortage,
    sns::{PublishRetryClass, Target, TopicError},
    telemetry::FailureCause,
};

/// Converts an error into an outcome.
pub(super) fn outcome(error: &TopicError, target: &Target, settings: &Settings) -> Outcome {
    let reason = reason(error, target);
    match error.retry_class() {
        PublishRetryClass::Transient => Outcome::Retry(reason),
        PublishRetryClass::NotSent => unavailable(error, reason).into(),
        PublishRetryClass::Refused => Outcome::Down(reason),
        PublishRetryClass::BadMessage if is_in_the_settings(error, settings) => Outcome::Down(reason),
        PublishRetryClass::BadMessage => Outcome::Reject(reason),
    }
}

/// SNS cannot be called, or the worker has nothing to call it with.
pub(super) fn unavailable(error: &TopicError, reason: String) -> Unavailable {
    Unavailable::by(Shortage::behind(error), reason)
}

/// The cause of failure by an error.
pub(super) fn cause(error: &TopicError) -> FailureCause {
    match error.retry_class() {
        PublishRetryClass::Transient | PublishRetryClass::NotSent => FailureCause::Connection,
        PublishRetryClass::Refused | PublishRetryClass::BadMessage => FailureCause::Refused,
    }
}

/// True if SNS refused the phone number in the settings, for which no message may be rejected.
fn is_in_the_settings(error: &TopicError, settings: &Settings) -> bool {
    let is_only_number = settings.phone_number.is_some() && settings.phone_number_attribute.is_none();
    is_only_number && error.to_string().contains("PhoneNumber")
}

/// The error's message, with a hint if needed, and with the phone number shortened, because reasons are logged.
fn reason(error: &TopicError, target: &Target) -> String {
    let message = error.to_string();
    match target {
        Target::Phone(number) => message.replace(number.as_str(), &number.to_string()),
        Target::Topic(_) if message.contains("Message too long") => {
            format!("{message}, hint: raise the topic's MaximumMessageSize, up to 1048576 bytes")
        }
        Target::Topic(_) => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sns::TopicArn;

    fn of_topic(error: &TopicError) -> Outcome {
        let arn = TopicArn::new("eu-west-1", "123456789012", "orders").unwrap();
        outcome(error, &Target::Topic(arn.clone()), &Settings::to_topic(arn))
    }

    fn is_down(code: &str, message: &str) -> bool {
        matches!(of_topic(&TopicError::answered(code, message)), Outcome::Down(_))
    }

    #[test]
    fn a_busy_sns_is_a_retry() {
        for code in ["Throttled", "Throttling", "KMSThrottling", "InternalError"] {
            let outcome = of_topic(&TopicError::answered(code, ""));
            assert!(matches!(outcome, Outcome::Retry(_)), "{code}: {outcome:?}");
        }
        let unavailable = TopicError::answered("Strange", "").with_retry_class(PublishRetryClass::Transient);
        assert!(matches!(of_topic(&unavailable), Outcome::Retry(_)));
    }

    #[test]
    fn an_error_that_someone_must_fix_is_down() {
        assert!(is_down("NotFound", "Topic does not exist"));
        assert!(is_down("AuthorizationError", "not authorized to perform: SNS:Publish"));
        assert!(is_down("KMSAccessDenied", ""));
        assert!(is_down("ExpiredToken", ""));
        assert!(is_down("InvalidParameter", "Invalid parameter: TopicArn Reason: no such region"));
    }

    #[test]
    fn an_unreachable_sns_is_down() {
        let unsent = TopicError::new(PublishRetryClass::NotSent, "no connection to sns");
        assert!(matches!(of_topic(&unsent), Outcome::Down(_)));
    }

    #[test]
    fn a_message_that_sns_refuses_is_rejected_with_its_error() {
        let long = TopicError::answered("InvalidParameter", "Invalid parameter: Message too long");
        let Outcome::Reject(reason) = of_topic(&long) else { panic!("not a reject") };
        assert!(reason.contains("Message too long") && reason.contains("MaximumMessageSize"), "{reason}");
        let odd = TopicError::answered("ParameterValueInvalid", "an invalid message attribute type");
        assert!(matches!(of_topic(&odd), Outcome::Reject(_)));
    }

    #[test]
    fn a_refused_number_of_the_settings_is_down_and_one_of_the_message_a_reject() {
        let number: crate::sns::PhoneNumber = "+15550100123".parse().unwrap();
        let message = "Invalid parameter: PhoneNumber Reason: +15550100123 is not valid to publish to";
        let error = TopicError::answered("InvalidParameter", message);
        let target = Target::Phone(number.clone());
        let configured = Settings { phone_number: Some(number), ..Settings::default() };
        let Outcome::Down(reason) = outcome(&error, &target, &configured) else { panic!("not down") };
        assert!(!reason.contains("5550100"), "{reason}");
        let by_message = Settings { phone_number_attribute: Some("phone".to_owned()), ..configured };
        assert!(matches!(outcome(&error, &target, &by_message), Outcome::Reject(_)));
    }
}
