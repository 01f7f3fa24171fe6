//! The attributes of queues: their defaults, their bounds and their changes.

use super::harness::{account_with, attribute, code, create, names, redrive_policy};
use crate::{
    message::StringMap,
    sqs::{SqsAccount, SqsErrorCode},
};

fn creation(attributes: &[(&str, &str)]) -> Option<SqsErrorCode> {
    code(SqsAccount::default().create_queue("orders", &names(attributes), &StringMap::new()))
}

#[tokio::test(start_paused = true)]
async fn a_new_queue_has_the_defaults_of_sqs() {
    let account = account_with("orders", &[]);
    let mut shown = account.attributes("orders", &["All".to_owned()]).unwrap();
    let created = shown.remove("CreatedTimestamp");
    assert_eq!(shown.remove("LastModifiedTimestamp"), created);
    let expected = names(&[
        ("ApproximateNumberOfMessages", "0"),
        ("ApproximateNumberOfMessagesDelayed", "0"),
        ("ApproximateNumberOfMessagesNotVisible", "0"),
        ("DelaySeconds", "0"),
        ("MaximumMessageSize", "1048576"),
        ("MessageRetentionPeriod", "345600"),
        ("QueueArn", "arn:aws:sqs:us-east-1:000000000000:orders"),
        ("ReceiveMessageWaitTimeSeconds", "0"),
        ("SqsManagedSseEnabled", "true"),
        ("VisibilityTimeout", "30"),
    ]);
    assert_eq!(shown, expected);
}

#[tokio::test(start_paused = true)]
async fn a_fifo_queue_has_attributes_of_its_own() {
    let account =
        account_with("orders.fifo", &[("FifoQueue", "true"), ("DeduplicationScope", "messageGroup")]);
    for (name, value) in [
        ("FifoQueue", "true"),
        ("ContentBasedDeduplication", "false"),
        ("DeduplicationScope", "messageGroup"),
        ("FifoThroughputLimit", "perQueue"),
    ] {
        assert_eq!(attribute(&account, "orders.fifo", name).as_deref(), Some(value), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn values_outside_their_bounds_are_refused() {
    for (name, good, bad) in [
        ("VisibilityTimeout", ["0", "43200"], ["-1", "43201"]),
        ("DelaySeconds", ["0", "900"], ["901", "ten"]),
        ("MessageRetentionPeriod", ["60", "1209600"], ["59", "1209601"]),
        ("ReceiveMessageWaitTimeSeconds", ["0", "20"], ["21", "1.5"]),
        ("MaximumMessageSize", ["1024", "1048576"], ["1023", "1048577"]),
        ("SqsManagedSseEnabled", ["true", "False"], ["yes", "1"]),
        ("KmsDataKeyReusePeriodSeconds", ["60", "86400"], ["59", "86401"]),
        ("Policy", ["{}", ""], ["{", "nonsense"]),
    ] {
        for value in good {
            assert_eq!(creation(&[(name, value)]), None, "{name}={value}");
        }
        for value in bad {
            assert_eq!(
                creation(&[(name, value)]),
                Some(SqsErrorCode::InvalidAttributeValue),
                "{name}={value}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_names_are_refused() {
    for name in ["Visibility", "QueueArn", "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope"] {
        let refused = account_with("orders", &[]).set_attributes("orders", &names(&[(name, "true")]));
        assert_eq!(code(refused), Some(SqsErrorCode::InvalidAttributeName), "{name}");
    }
    let account = account_with("orders", &[]);
    let refused = account.attributes("orders", &["Visibility".to_owned()]);
    assert_eq!(code(refused), Some(SqsErrorCode::InvalidAttributeName));
    assert_eq!(
        account.attributes("orders", &["FifoQueue".to_owned()]),
        Ok(StringMap::new()),
        "known, not set"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fifo_queue_cannot_become_a_standard_queue() {
    let account = account_with("orders.fifo", &[("FifoQueue", "true")]);
    let refused = account.set_attributes("orders.fifo", &names(&[("FifoQueue", "false")]));
    assert_eq!(code(refused), Some(SqsErrorCode::InvalidAttributeValue));
    assert_eq!(attribute(&account, "orders.fifo", "FifoQueue").as_deref(), Some("true"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_changes_nothing() {
    let account = account_with("orders", &[]);
    let refused =
        account.set_attributes("orders", &names(&[("DelaySeconds", "5"), ("VisibilityTimeout", "x")]));
    assert_eq!(code(refused), Some(SqsErrorCode::InvalidAttributeValue));
    assert_eq!(attribute(&account, "orders", "DelaySeconds").as_deref(), Some("0"));
}

#[tokio::test(start_paused = true)]
async fn a_redrive_policy_names_an_existing_queue_of_the_same_type() {
    let account = account_with("orders", &[]);
    create(&account, "dead.fifo", &[("FifoQueue", "true")]);
    let missing = redrive_policy(&account, "orders", 3).replace("orders", "missing");
    for policy in [
        missing,
        redrive_policy(&account, "dead.fifo", 3),
        redrive_policy(&account, "orders", 0),
        redrive_policy(&account, "orders", 1001),
        r#"{"maxReceiveCount":3}"#.to_owned(),
        "nonsense".to_owned(),
    ] {
        let refused = account.set_attributes("orders", &names(&[("RedrivePolicy", &policy)]));
        assert_eq!(code(refused), Some(SqsErrorCode::InvalidParameterValue), "{policy}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redrive_policy_is_shown_as_written_and_removed_by_an_empty_one() {
    let account = account_with("dead", &[]);
    let policy = redrive_policy(&account, "dead", 3).replace('3', "\"3\"");
    create(&account, "orders", &[("RedrivePolicy", &policy)]);
    assert_eq!(attribute(&account, "orders", "RedrivePolicy"), Some(policy));
    assert_eq!(account.dead_letter_sources("dead"), Ok(vec!["orders".to_owned()]));
    account.set_attributes("orders", &names(&[("RedrivePolicy", "")])).unwrap();
    assert_eq!(attribute(&account, "orders", "RedrivePolicy"), None);
    assert_eq!(account.dead_letter_sources("dead"), Ok(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_queue_restricts_its_sources() {
    let account = account_with("dead", &[]);
    create(&account, "orders", &[]);
    let set = |queue, name, value: &str| account.set_attributes(queue, &names(&[(name, value)]));
    let policy = redrive_policy(&account, "dead", 3);
    set("dead", "RedriveAllowPolicy", r#"{"redrivePermission":"denyAll"}"#).unwrap();
    assert_eq!(code(set("orders", "RedrivePolicy", &policy)), Some(SqsErrorCode::InvalidParameterValue));
    let arn = account.arn("orders").unwrap();
    let by_queue = format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":["{arn}"]}}"#);
    set("dead", "RedriveAllowPolicy", &by_queue).unwrap();
    assert_eq!(attribute(&account, "dead", "RedriveAllowPolicy"), Some(by_queue));
    set("orders", "RedrivePolicy", &policy).unwrap();
    let refused = set("dead", "RedriveAllowPolicy", r#"{"redrivePermission":"some"}"#);
    assert_eq!(code(refused), Some(SqsErrorCode::InvalidParameterValue));
}
