//! Creating, listing, purging, tagging and deleting queues.

use super::harness::{
    account_with, attribute, bodies, code, create, names, now, receive, send, wait_apart, waiting,
};
use crate::{
    message::StringMap,
    sqs::{AccountIdentity, AccountLimits, SqsAccount, SqsErrorCode},
};
use std::time::Duration;
use tokio::time::Instant;

fn creation(name: &str, attributes: &[(&str, &str)]) -> Option<SqsErrorCode> {
    code(SqsAccount::default().create_queue(name, &names(attributes), &StringMap::new()))
}

#[tokio::test(start_paused = true)]
async fn the_same_queue_may_be_created_again_and_a_different_one_may_not() {
    let account = account_with("orders", &[("DelaySeconds", "5")]);
    send(&account, "orders", "kept");
    create(&account, "orders", &[("DelaySeconds", "5")]);
    create(&account, "orders", &[]);
    let refused =
        account.create_queue("orders", &names(&[("DelaySeconds", "6")]), &StringMap::new()).unwrap_err();
    assert_eq!(refused.code, SqsErrorCode::QueueAlreadyExists);
    let message =
        "A queue already exists with the same name and a different value for attribute DelaySeconds";
    assert_eq!(refused.message, message);
    assert_eq!(attribute(&account, "orders", "ApproximateNumberOfMessagesDelayed").as_deref(), Some("1"));
}

#[test]
fn names_have_the_characters_and_the_length_of_sqs() {
    let longest = "x".repeat(80);
    for name in ["a", "A-b_9", longest.as_str()] {
        assert_eq!(creation(name, &[]), None, "{name}");
    }
    let too_long = "x".repeat(81);
    for name in ["", "a b", "a.fifo", "ä", too_long.as_str()] {
        assert_eq!(creation(name, &[]), Some(SqsErrorCode::InvalidParameterValue), "{name}");
    }
    let longest_fifo = format!("{}.fifo", "x".repeat(75));
    assert_eq!(creation(&longest_fifo, &[("FifoQueue", "true")]), None);
    for name in ["a", ".fifo", "a.b.fifo"] {
        assert_eq!(
            creation(name, &[("FifoQueue", "true")]),
            Some(SqsErrorCode::InvalidParameterValue),
            "{name}"
        );
    }
}

#[test]
fn queues_are_listed_by_prefix() {
    let account = account_with("b-1", &[]);
    for name in ["a", "b-2", "c"] {
        create(&account, name, &[]);
    }
    assert_eq!(account.queue_names("b-"), ["b-1", "b-2"]);
    assert_eq!(account.queue_names(""), ["a", "b-1", "b-2", "c"]);
    assert!(account.queue_names("d").is_empty());
}

#[tokio::test(start_paused = true)]
async fn every_call_reports_a_missing_queue() {
    let account = SqsAccount::default();
    let missing = Some(SqsErrorCode::QueueDoesNotExist);
    assert_eq!(code(account.arn("none")), missing);
    assert_eq!(code(account.delete_queue("none")), missing);
    assert_eq!(code(account.purge("none")), missing);
    assert_eq!(code(account.delete("none", "receipt")), missing);
    assert_eq!(code(account.receive("none", now(None)).await), missing);
}

#[tokio::test(start_paused = true)]
async fn a_purge_drops_all_and_is_refused_within_a_minute() {
    let account = account_with("orders", &[]);
    send(&account, "orders", "held");
    receive(&account, "orders").await;
    send(&account, "orders", "visible");
    account.purge("orders").unwrap();
    assert_eq!(attribute(&account, "orders", "ApproximateNumberOfMessagesNotVisible").as_deref(), Some("0"));
    assert!(receive(&account, "orders").await.is_empty());
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(code(account.purge("orders")), Some(SqsErrorCode::PurgeQueueInProgress));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(account.purge("orders"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_queue_ends_the_receives_that_wait_at_it() {
    let account = account_with("orders", &[]);
    let first = wait_apart(&account, "orders", waiting()).await;
    let second = wait_apart(&account, "orders", waiting()).await;
    let start = Instant::now();
    account.delete_queue("orders").unwrap();
    for receive in [first, second] {
        assert_eq!(code(receive.await.unwrap()), Some(SqsErrorCode::QueueDoesNotExist));
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_the_same_name_is_another_queue() {
    let account = account_with("orders", &[]);
    send(&account, "orders", "old");
    let held = receive(&account, "orders").await;
    account.delete_queue("orders").unwrap();
    create(&account, "orders", &[]);
    send(&account, "orders", "new");
    let refused = account.delete("orders", &held[0].receipt_handle);
    assert_eq!(code(refused), Some(SqsErrorCode::ReceiptHandleIsInvalid), "a receipt of the old queue");
    assert_eq!(bodies(&receive(&account, "orders").await), ["new"]);
}

#[test]
fn tags_are_added_changed_and_removed() {
    let account = SqsAccount::default();
    account.create_queue("orders", &StringMap::new(), &names(&[("team", "a"), ("stage", "dev")])).unwrap();
    account.tag("orders", &names(&[("team", "b"), ("cost", "1")])).unwrap();
    account.untag("orders", &["stage".to_owned()]).unwrap();
    assert_eq!(account.tags("orders"), Ok(names(&[("team", "b"), ("cost", "1")])));
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_deleted_queue_is_free_at_once_or_after_the_delay() {
    let deleted = |delete_delay| {
        let limits = AccountLimits { delete_delay, ..AccountLimits::default() };
        let account = SqsAccount::with_limits(AccountIdentity::default(), limits);
        create(&account, "orders", &[]);
        account.delete_queue("orders").unwrap();
        account
    };
    create(&deleted(Duration::ZERO), "orders", &[]);

    let account = deleted(Duration::from_mins(1));
    create(&account, "others", &[]);
    tokio::time::advance(Duration::from_secs(59)).await;
    let refused = account.create_queue("orders", &StringMap::new(), &StringMap::new()).unwrap_err();
    assert_eq!(refused.code, SqsErrorCode::QueueDeletedRecently);
    let message =
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
    assert_eq!(refused.message, message);
    tokio::time::advance(Duration::from_secs(1)).await;
    create(&account, "orders", &[]);
    create(&account, "orders", &[]);
}
