//! Tests of dead letters on queues in memory, whose clock is paused.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use longshore_emulator::{ReceiveOptions, SqsAccount, StringMap};
use tokio::time::Instant;

use super::*;
use crate::{
    handler::{self, AnyHandler, Outcome},
    message::{AttributeValue, Message, OutgoingMessage},
    queue::{EmulatorQueue, MoveReport, MoveRequest, MoveState, Queue},
    stop::Stop,
};

/// A queue and its DLQ.
struct Pair {
    account: SqsAccount,
    suffix: &'static str,
}

impl Pair {
    fn new() -> Self {
        Self::of("", &[])
    }

    fn fifo() -> Self {
        Self::of(".fifo", &[("FifoQueue", "true")])
    }

    fn of(suffix: &'static str, attributes: &[(&str, &str)]) -> Self {
        let account = SqsAccount::default();
        let mut attributes: StringMap =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        account.create_queue(&format!("dlq{suffix}"), &attributes, &StringMap::new()).unwrap();
        let arn = account.arn(&format!("dlq{suffix}")).unwrap();
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":3}}"#);
        attributes.insert("RedrivePolicy".to_owned(), policy);
        account.create_queue(&format!("orders{suffix}"), &attributes, &StringMap::new()).unwrap();
        Self { account, suffix }
    }

    fn queue(&self, name: &str) -> Arc<dyn Queue> {
        Arc::new(EmulatorQueue::new(&self.account, &format!("{name}{}", self.suffix)))
    }

    fn send(&self, name: &str, message: OutgoingMessage) -> String {
        self.account.send(&format!("{name}{}", self.suffix), message).unwrap().id.to_string()
    }

    fn send_many(&self, count: usize) {
        for number in 0..count {
            self.send("dlq", OutgoingMessage::new(number.to_string()));
        }
    }

    /// The messages of a queue, in its order.
    fn messages(&self, name: &str) -> Vec<Message> {
        let messages = self.account.messages(&format!("{name}{}", self.suffix)).unwrap();
        messages.iter().map(|content| Message::from(&**content)).collect()
    }

    fn visible(&self, name: &str) -> u64 {
        self.account.snapshot(&format!("{name}{}", self.suffix)).unwrap().visible
    }

    fn plan(&self) -> RedrivePlan {
        RedrivePlan {
            dlq: self.queue("dlq"),
            dlq_arn: self.account.arn(&format!("dlq{}", self.suffix)).unwrap(),
            target: RedriveDestination::One(self.queue("orders")),
            filter: MessageFilter::default(),
            limit: None,
            pace: Pace::Unlimited,
            stop_after: 1,
            watch: Duration::ZERO,
            is_dry: false,
            stop: Stop::new(),
        }
    }
}

async fn run(plan: RedrivePlan) -> (RedriveEnd, RedriveCounts) {
    Redrive::new(plan, None).run(|_, _| ()).await
}

/// A receive whose message is visible again at once.
fn at_once() -> ReceiveOptions {
    ReceiveOptions { visibility: Some(Duration::ZERO), ..ReceiveOptions::default() }
}

fn rejected(body: &str, reason: &str, original: &str) -> OutgoingMessage {
    let mut message = OutgoingMessage::new(body);
    for (name, value) in [("reason", reason), ("kind", "http"), ("message-id", original)] {
        let value = AttributeValue::string(value);
        message.attributes.insert(format!("longshore.reject.{name}"), value);
    }
    message
}

#[tokio::test(start_paused = true)]
async fn each_message_is_read_once_and_visible_again_at_once() {
    let pair = Pair::new();
    pair.send_many(25);
    let mut bodies = Vec::new();
    let visited = Visit {
        queue: pair.queue("dlq"),
        filter: MessageFilter::default(),
        limit: None,
        deletes: false,
        stop: Stop::new(),
    };
    let end = visit(&visited, |(message, before)| {
        assert_eq!((message.receive_count, before), (1, bodies.len()));
        bodies.push(message.body.clone());
        true
    })
    .await;
    assert_eq!((end.chosen, end.left_out, end.unreleased, bodies.len()), (25, 0, 0, 25));
    assert_eq!(pair.visible("dlq"), 25);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_received_than_the_limit_and_only_chosen_ones_are_deleted() {
    let pair = Pair::new();
    pair.send_many(25);
    let visited = async |filter, limit, deletes| {
        let queue = pair.queue("dlq");
        visit(&Visit { queue, filter, limit, deletes, stop: Stop::new() }, |_| true).await
    };
    assert_eq!(visited(MessageFilter::default(), Some(3), false).await.chosen, 3);
    assert_eq!(pair.visible("dlq"), 25);
    let mut counts = Vec::new();
    let all = Visit {
        queue: pair.queue("dlq"),
        filter: MessageFilter::default(),
        limit: None,
        deletes: false,
        stop: Stop::new(),
    };
    visit(&all, |(message, _)| {
        counts.push(message.receive_count);
        true
    })
    .await;
    assert_eq!(
        counts.iter().filter(|count| **count == 2).count(),
        3,
        "three were received before: {counts:?}"
    );
    let by_receives = MessageFilter { receives: Some(3..=3), ..MessageFilter::default() };
    let purged = visited(by_receives, None, true).await;
    assert_eq!((purged.chosen, purged.left_out, purged.undeleted), (3, 22, 0));
    assert_eq!((pair.visible("dlq"), pair.messages("dlq").len()), (22, 22));
}

#[tokio::test(start_paused = true)]
async fn a_redrive_sends_what_the_sender_has_sent_and_leaves_the_rest() {
    let pair = Pair::new();
    let mut message = rejected("order", "no such order", "other");
    message.attributes.insert("kind".to_owned(), AttributeValue::number("7"));
    message.group_id = Some("tenant".to_owned());
    message.trace_header = Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned());
    pair.send("dlq", message);
    pair.send("dlq", rejected("late", "timeout", "another"));
    let filter = MessageFilter { reason: Some("no such".to_owned()), ..MessageFilter::default() };
    let (end, counts) = run(RedrivePlan { filter, ..pair.plan() }).await;
    assert!(matches!(end, RedriveEnd::Finished), "{end:?}");
    assert_eq!(counts, RedriveCounts { sent: 1, left_out: 1, ..RedriveCounts::default() });
    let [sent] = &pair.messages("orders")[..] else { panic!("one was sent") };
    assert_eq!((sent.body.as_str(), sent.attributes.len()), ("order", 1));
    assert_eq!(sent.attributes["kind"].text(), Some("7"));
    assert_eq!(sent.system.group_id.as_deref(), Some("tenant"));
    assert_eq!(sent.system.trace_header.as_deref(), Some("Root=1-5759e988-bd862e3fe1be46a994272793"));
    assert_eq!((pair.visible("dlq"), pair.messages("dlq").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_redrive_keeps_to_its_rate_and_sends_each_message_once() {
    let pair = Pair::new();
    pair.send_many(30);
    let began = Instant::now();
    let (_, counts) = run(RedrivePlan { pace: "2/m".parse().unwrap(), ..pair.plan() }).await;
    assert_eq!((counts.sent, counts.undeleted, pair.messages("orders").len()), (30, 0, 30));
    let minutes = began.elapsed().as_secs() / 60;
    assert!((14..=15).contains(&minutes), "{minutes}");
    assert!(pair.messages("dlq").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_redrive_stops_when_what_it_sends_fails_again() {
    for is_rejected in [true, false] {
        let pair = Pair::new();
        pair.send_many(100);
        let plan = RedrivePlan { pace: "5/s".parse().unwrap(), ..pair.plan() };
        let mut sent = Vec::new();
        let (end, counts) = Redrive::new(plan, None)
            .run(|_, event| {
                let RedriveEvent::Sent { new_id: Some(new_id), .. } = event else { return };
                sent.push(new_id.clone());
                // The first message is rejected, and its copy is in the DLQ.
                if is_rejected && sent.len() == 1 {
                    pair.send("dlq", rejected("copy", "still wrong", new_id.as_str()));
                } else if !is_rejected && sent.len() == 1 {
                    // It is received once too often.
                    for _ in 0..4 {
                        let received = pair.account.receive("orders", at_once()).now_or_never();
                        assert!(received.unwrap().is_ok());
                    }
                }
            })
            .await;
        assert!(matches!(end, RedriveEnd::CameBack), "{end:?}");
        assert_eq!(counts.came_back, 1);
        assert!(counts.sent < 30, "it stops early: {}", counts.sent);
        let left = pair.messages("dlq").len();
        assert_eq!(left, 101 - counts.sent, "nothing is lost");
        assert_eq!(pair.visible("dlq"), left as u64, "all of it is visible");
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_last_message_a_redrive_looks_for_those_that_come_back() {
    let pair = Pair::new();
    pair.send("dlq", OutgoingMessage::new("poison"));
    let account = pair.account.clone();
    let plan = RedrivePlan { watch: Duration::from_secs(5), ..pair.plan() };
    let (end, counts) = Redrive::new(plan, None)
        .run(|_, event| {
            if let RedriveEvent::Sent { new_id: Some(id), .. } = event {
                account.send("dlq", rejected("poison", "still wrong", id.as_str())).unwrap();
            }
        })
        .await;
    assert!(matches!(end, RedriveEnd::CameBack), "{end:?}");
    assert_eq!((counts.sent, counts.came_back), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_limited_redrive_looks_for_what_comes_back_behind_other_messages() {
    for (watch, expected) in [(5, "CameBack"), (0, "Finished")] {
        let pair = Pair::new();
        pair.send_many(30);
        let account = pair.account.clone();
        let plan = RedrivePlan { limit: Some(3), watch: Duration::from_secs(watch), ..pair.plan() };
        let (end, counts) = Redrive::new(plan, None)
            .run(|counts, event| {
                let RedriveEvent::Sent { new_id: Some(id), .. } = event else { return };
                if counts.sent == 3 {
                    account.send("dlq", rejected("copy", "still wrong", id.as_str())).unwrap();
                }
            })
            .await;
        assert_eq!((format!("{end:?}").as_str(), counts.sent), (expected, 3));
        assert_eq!(pair.visible("dlq"), 28, "the rest and the copy are visible");
        let read = if watch > 0 { 27 } else { 0 };
        assert_eq!(counts.left_out, read, "without a watch none is received beyond the limit");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_limited_redrive_stops_before_its_limit_when_what_it_sends_fails_again() {
    let pair = Pair::new();
    pair.send_many(50);
    let account = pair.account.clone();
    let watch = Duration::from_secs(5);
    let plan = RedrivePlan { limit: Some(50), pace: "1/s".parse().unwrap(), watch, ..pair.plan() };
    let (end, counts) = Redrive::new(plan, None)
        .run(|counts, event| {
            let RedriveEvent::Sent { new_id: Some(id), .. } = event else { return };
            if counts.sent == 10 {
                account.send("dlq", rejected("copy", "still wrong", id.as_str())).unwrap();
            }
        })
        .await;
    assert!(matches!(end, RedriveEnd::CameBack), "{end:?}");
    assert!(counts.sent < 20, "it stops early: {}", counts.sent);
}

#[tokio::test(start_paused = true)]
async fn groups_keep_their_order_and_no_message_is_dropped_as_a_duplicate() {
    let pair = Pair::fifo();
    for number in 0..30 {
        let mut message = OutgoingMessage::new(number.to_string());
        message.group_id = Some(format!("group-{}", number % 2));
        message.deduplication_id = Some(format!("id-{number}"));
        // It was sent to its queue a moment ago.
        pair.send("orders", message.clone());
        pair.send("dlq", message);
    }
    let (end, counts) = run(pair.plan()).await;
    assert!(matches!(end, RedriveEnd::Finished), "{end:?}");
    assert_eq!((counts.sent, pair.messages("orders").len()), (30, 60));
    for group in ["group-0", "group-1"] {
        let of_group = pair.messages("orders").into_iter().skip(30);
        let of_group = of_group.filter(|message| message.system.group_id.as_deref() == Some(group));
        let numbers: Vec<u32> = of_group.map(|message| message.body.parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_message_goes_back_to_the_queue_that_it_was_moved_from() {
    let pair = Pair::new();
    pair.send("orders", OutgoingMessage::new("moved"));
    for _ in 0..4 {
        pair.account.receive("orders", at_once()).await.unwrap();
    }
    pair.send("dlq", OutgoingMessage::new("from nowhere"));
    let (_, counts) = run(RedrivePlan { target: RedriveDestination::EachSource, ..pair.plan() }).await;
    assert_eq!((counts.sent, counts.refused), (1, 1));
    assert_eq!(pair.messages("orders")[0].body, "moved");
    assert_eq!(pair.messages("dlq")[0].body, "from nowhere");
    assert_eq!(pair.visible("dlq"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_moves_nothing_and_an_edited_body_is_sent() {
    let pair = Pair::new();
    pair.send_many(3);
    let (_, counts) = run(RedrivePlan { is_dry: true, ..pair.plan() }).await;
    assert_eq!((counts.sent, pair.visible("dlq"), pair.messages("orders").len()), (3, 3, 0));
    let edit = |message: Message| -> futures_util::future::BoxFuture<'static, _> {
        let edited = match message.body.as_str() {
            "0" => Ok(Some("edited".to_owned())),
            "1" => Ok(None),
            _ => Err("the editor has failed".to_owned()),
        };
        Box::pin(std::future::ready(edited))
    };
    let (_, counts) = Redrive::new(pair.plan(), Some(Box::new(edit))).run(|_, _| ()).await;
    assert_eq!((counts.sent, counts.refused, pair.visible("dlq")), (1, 2, 2));
    assert_eq!(pair.messages("orders")[0].body, "edited");
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_redrive_makes_the_rest_visible() {
    let pair = Pair::new();
    pair.send_many(50);
    let plan = RedrivePlan { pace: "5/s".parse().unwrap(), ..pair.plan() };
    let stop = plan.stop.clone();
    let (end, counts) = Redrive::new(plan, None)
        .run(|counts, _| {
            if counts.sent >= 10 {
                stop.drain();
            }
        })
        .await;
    assert!(matches!(end, RedriveEnd::Interrupted), "{end:?}");
    assert_eq!(pair.visible("dlq"), 50 - counts.sent as u64);
    assert_eq!(pair.messages("orders").len(), counts.sent);
}

#[tokio::test(start_paused = true)]
async fn a_replay_calls_the_handler_as_a_first_receive_would_and_settles_nothing() {
    let pair = Pair::new();
    pair.send_many(12);
    let id = pair.send("dlq", rejected("wanted", "no such order", "other"));
    let handler: AnyHandler = handler::from_fn_with(async |message: Arc<Message>, _| {
        assert_eq!(
            (message.body.as_str(), message.receive_count, message.attributes.len()),
            ("wanted", 1, 0)
        );
        tokio::time::sleep(Duration::from_mins(10)).await;
        Outcome::Reject("still wrong".to_owned())
    })
    .into();
    let replayed = replay(pair.queue("dlq"), &id, &handler, &Stop::new()).await.unwrap();
    assert_eq!(replayed, Some(Outcome::Reject("still wrong".to_owned())));
    assert_eq!((pair.visible("dlq"), pair.messages("dlq").len()), (13, 13));
    assert_eq!(replay(pair.queue("dlq"), "none", &handler, &Stop::new()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_move_task_is_followed_to_its_end_and_cancelled_by_a_stop() {
    for is_stopped in [false, true] {
        let pair = Pair::new();
        pair.send_many(100);
        let dlq = pair.queue("dlq");
        let arn = |name: &str| pair.account.arn(name).unwrap();
        let request = MoveRequest {
            dlq_arn: arn("dlq"),
            destination_arn: Some(arn("orders")),
            per_second: std::num::NonZeroU32::new(10),
        };
        let moves = dlq.moves().unwrap();
        let (started, stop) = (StartedMove::start(moves, &request).await.unwrap(), Stop::new());
        let again = StartedMove::start(moves, &request).await;
        assert!(again.is_err(), "one task runs at a time");
        let mut looks = 0;
        let observe = |report: &MoveReport| {
            looks += 1;
            if is_stopped && report.moved >= 30 {
                stop.drain();
            }
        };
        let end = started.follow(moves, &stop, observe).await.unwrap();
        let in_queue = pair.messages("orders").len();
        assert_eq!(end.moved, in_queue as u64);
        if is_stopped {
            assert_eq!(end.state, MoveState::Cancelled);
            assert!((30..50).contains(&in_queue), "{in_queue}");
            assert_eq!(cancel_running(moves, &arn("dlq")).await.unwrap(), None);
        } else {
            assert_eq!((end.state, in_queue), (MoveState::Completed, 100));
            assert!((8..=12).contains(&looks), "{looks}");
        }
    }
}
