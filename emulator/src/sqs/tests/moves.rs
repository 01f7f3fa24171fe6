//! Moving messages out of a dead-letter queue.

use super::harness::{
    account_with_dead_letters, attribute, bodies, code, create, receive, receive_for, redrive_policy, send,
    wait_apart, waiting,
};
use crate::sqs::{MoveStatus, SqsAccount, SqsErrorCode, StartMoveTask};
use std::{num::NonZeroU32, time::Duration};
use tokio::time::{Instant, advance};

const SECOND: Duration = Duration::from_secs(1);

async fn account_with_dead(count: usize) -> SqsAccount {
    let account = account_with_dead_letters(1);
    for number in 0..count {
        send(&account, "source", &number.to_string());
        receive_for(&account, "source", Duration::ZERO).await;
        assert!(receive(&account, "source").await.is_empty(), "moved to the dead-letter queue");
    }
    account
}

fn from_dead(account: &SqsAccount) -> StartMoveTask {
    StartMoveTask { source_arn: account.arn("dead").unwrap(), destination_arn: None, rate: None }
}

#[tokio::test(start_paused = true)]
async fn messages_return_to_their_sources_as_new_ones() {
    let account = account_with_dead(2).await;
    let start = from_dead(&account);
    let handle = account.start_move(&start).unwrap();
    let received = receive(&account, "source").await;
    assert_eq!(bodies(&received), ["0", "1"]);
    assert_eq!((received[0].receive_count, &received[0].dead_letter_source_arn), (1, &None));
    let task = account.move_tasks(&start.source_arn, 1).unwrap().remove(0);
    assert_eq!((task.handle, task.status, task.moved, task.to_move), (handle, MoveStatus::Completed, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_rate_spreads_the_moves_and_each_wakes_a_waiting_receive() {
    let account = account_with_dead(3).await;
    create(&account, "elsewhere", &[]);
    let destination_arn = Some(account.arn("elsewhere").unwrap());
    let start = StartMoveTask { destination_arn, rate: NonZeroU32::new(1), ..from_dead(&account) };
    let began = Instant::now();
    let first = wait_apart(&account, "elsewhere", waiting()).await;
    let second = wait_apart(&account, "elsewhere", waiting()).await;
    account.start_move(&start).unwrap();
    let third = wait_apart(&account, "elsewhere", waiting()).await;
    let mut seconds = Vec::new();
    for receive in [first, second, third] {
        assert_eq!(receive.await.unwrap().unwrap().len(), 1);
        seconds.push(began.elapsed().as_secs());
    }
    assert_eq!(seconds, [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receive_gets_a_message_that_is_moved_later() {
    let account = account_with_dead(1).await;
    create(&account, "other", &[("RedrivePolicy", &redrive_policy(&account, "dead", 1))]);
    send(&account, "other", "second to move");
    receive_for(&account, "other", Duration::ZERO).await;
    assert!(receive(&account, "other").await.is_empty(), "moved to the dead-letter queue");
    let at_other = wait_apart(&account, "other", waiting()).await;
    let began = Instant::now();
    account.start_move(&StartMoveTask { rate: NonZeroU32::new(1), ..from_dead(&account) }).unwrap();
    assert_eq!(bodies(&at_other.await.unwrap().unwrap()), ["second to move"]);
    assert_eq!(began.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_moves_no_more() {
    let account = account_with_dead(5).await;
    let start = StartMoveTask { rate: NonZeroU32::new(1), ..from_dead(&account) };
    let handle = account.start_move(&start).unwrap();
    assert_eq!(code(account.start_move(&start)), Some(SqsErrorCode::InvalidParameterValue), "one at a time");
    advance(SECOND).await;
    assert_eq!(account.cancel_move(&handle), Ok(2));
    advance(10 * SECOND).await;
    assert_eq!(attribute(&account, "dead", "ApproximateNumberOfMessages").as_deref(), Some("3"));
    assert_eq!(account.move_tasks(&start.source_arn, 1).unwrap()[0].status, MoveStatus::Cancelled);
    assert_eq!(code(account.cancel_move(&handle)), Some(SqsErrorCode::ResourceNotFound));
}

#[tokio::test(start_paused = true)]
async fn a_message_without_a_source_fails_the_task() {
    let account = account_with_dead(0).await;
    send(&account, "dead", "sent here");
    let start = from_dead(&account);
    account.start_move(&start).unwrap();
    let task = account.move_tasks(&start.source_arn, 1).unwrap().remove(0);
    let failure = task.failure.as_deref();
    assert_eq!((task.status, failure), (MoveStatus::Failed, Some("CouldNotDetermineMessageSource")));
    assert_eq!(bodies(&receive(&account, "dead").await), ["sent here"]);
}

#[tokio::test(start_paused = true)]
async fn an_impossible_move_is_refused() {
    let account = account_with_dead(0).await;
    let arn_of = |name: &str| account.arn("dead").unwrap().replace("dead", name);
    let refusal = |start: StartMoveTask| code(account.start_move(&start));
    let dead = || from_dead(&account);
    assert_eq!(
        refusal(StartMoveTask { source_arn: arn_of("missing"), ..dead() }),
        Some(SqsErrorCode::ResourceNotFound)
    );
    assert_eq!(
        refusal(StartMoveTask { source_arn: arn_of("source"), ..dead() }),
        Some(SqsErrorCode::InvalidParameterValue)
    );
    let elsewhere = StartMoveTask { destination_arn: Some(arn_of("missing")), ..dead() };
    assert_eq!(refusal(elsewhere), Some(SqsErrorCode::ResourceNotFound));
    let hasty = StartMoveTask { rate: NonZeroU32::new(501), ..dead() };
    assert_eq!(refusal(hasty), Some(SqsErrorCode::InvalidParameterValue));
    assert_eq!(code(account.cancel_move("garbage")), Some(SqsErrorCode::InvalidParameterValue));
    assert_eq!(code(account.move_tasks(&arn_of("missing"), 1)), Some(SqsErrorCode::ResourceNotFound));
}
