//! The history of messages, stage by stage.

use std::time::Duration;

use super::*;
use crate::{
    message::Message,
    telemetry::{Action, Ending},
};

const SECOND: Duration = Duration::from_secs(1);

/// The history of a queue, and the lease of its next message.
struct Traced {
    history: MessageHistory,
    queue: Arc<QueueHistory>,
    last: u64,
}

/// A message that the traced queue holds.
struct TracedMessage<'a>(&'a Traced, LeaseId);

impl Traced {
    fn new() -> Self {
        let history = MessageHistory::default();
        Self { queue: history.of_queue("orders".into()), history, last: 0 }
    }

    fn receive(&mut self, id: &str, attempt: u32) -> TracedMessage<'_> {
        self.last += 1;
        let lease = LeaseId::of(self.last);
        let mut message = Message::new(id, "");
        message.receive_count = attempt;
        self.queue.received(lease, &message, Instant::now());
        TracedMessage(self, lease)
    }

    fn known(&self, id: &str) -> Value {
        self.history.of_message(id).unwrap()
    }

    /// The states of a message's receives.
    fn states(&self, id: &str) -> Vec<String> {
        let known = self.known(id);
        let receives = known["receives"].as_array().unwrap();
        receives.iter().map(|receive| receive["state"].as_str().unwrap().to_owned()).collect()
    }

    /// The steps of the last receive.
    fn steps(&self, id: &str) -> Vec<String> {
        let known = self.known(id);
        let receive = known["receives"].as_array().unwrap().last().unwrap().clone();
        let steps = receive["steps"].as_array().unwrap().iter();
        steps.map(|step| step["step"].as_str().unwrap().to_owned()).collect()
    }

    fn run(&mut self, id: &str, ending: Ending, reason: &str) {
        let message = self.receive(id, 1);
        message.pass(MessageStage::Started);
        message.pass(MessageStage::Ended { ending: Some(ending), reason });
        let (action, delay) = match ending {
            Ending::Done => (Action::Delete, Duration::ZERO),
            _ => (Action::GiveBack, SECOND * 5),
        };
        message.pass(MessageStage::Settling { action, delay });
        message.pass(MessageStage::Settled(action));
        message.pass(MessageStage::Released);
    }
}

impl TracedMessage<'_> {
    fn pass(&self, stage: MessageStage<'_>) {
        self.0.queue.passed(self.1, stage, Instant::now());
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_followed_from_its_receive_to_its_next_try() {
    let mut traced = Traced::new();
    let message = traced.receive("m", 2);
    let waiting = message.0.states("m");
    tokio::time::advance(SECOND).await;
    message.pass(MessageStage::Started);
    let running = (message.0.states("m"), message.0.steps("m").pop().unwrap());
    tokio::time::advance(SECOND * 3).await;
    message.pass(MessageStage::Ended { ending: Some(Ending::Retry), reason: "the handler answered 404" });
    message.pass(MessageStage::Settling { action: Action::GiveBack, delay: SECOND * 5 });
    let settling = message.0.states("m");
    message.pass(MessageStage::Settled(Action::GiveBack));
    message.pass(MessageStage::Released);
    assert_eq!(
        [waiting, running.0, settling, traced.states("m")],
        [["waiting"], ["running"], ["settling"], ["given_back"]]
    );
    assert_eq!(running.1, "runs, for 0s so far");
    let [received, started, ended, given_back] = traced.steps("m").try_into().unwrap();
    assert_eq!(
        (received.as_str(), started.as_str()),
        ("received, attempt 2", "the call of the handler started")
    );
    assert_eq!(ended, "ended retry after 3s: the handler answered 404");
    assert!(
        given_back.starts_with("given back, visible again after 5s, next try not before 20"),
        "{given_back}"
    );
    let receive = traced.known("m")["receives"][0].clone();
    assert_eq!((receive["ending"].as_str(), receive["attempt"].as_u64()), (Some("retry"), Some(2)));
    assert!(receive["nextTryAt"].as_str().unwrap() > receive["endedAt"].as_str().unwrap(), "{receive}");
}

#[tokio::test(start_paused = true)]
async fn each_way_out_has_its_state() {
    let mut traced = Traced::new();
    traced.run("done", Ending::Done, "");
    let rejected = traced.receive("rejected", 1);
    rejected.pass(MessageStage::Started);
    rejected.pass(MessageStage::Ended { ending: Some(Ending::Reject), reason: "no" });
    rejected.pass(MessageStage::Settling { action: Action::Copy, delay: Duration::ZERO });
    rejected.pass(MessageStage::Settled(Action::Copy));
    rejected.pass(MessageStage::Settled(Action::Delete));
    rejected.pass(MessageStage::Released);
    let unrun = traced.receive("unrun", 1);
    unrun.pass(MessageStage::Settling { action: Action::GiveBack, delay: Duration::ZERO });
    unrun.pass(MessageStage::Settled(Action::GiveBack));
    unrun.pass(MessageStage::Released);
    let lost = traced.receive("lost", 1);
    lost.pass(MessageStage::Started);
    lost.pass(MessageStage::Lost { reason: "purged" });
    lost.pass(MessageStage::Ended { ending: Some(Ending::LeaseLost), reason: "the lease was lost" });
    lost.pass(MessageStage::Released);
    let kept = traced.receive("kept", 1);
    kept.pass(MessageStage::Started);
    kept.pass(MessageStage::Ended { ending: None, reason: "502" });
    let stuck = traced.receive("stuck", 1);
    stuck.pass(MessageStage::Started);
    stuck.pass(MessageStage::Ended { ending: Some(Ending::Done), reason: "" });
    stuck.pass(MessageStage::Settling { action: Action::Delete, delay: Duration::ZERO });
    stuck.pass(MessageStage::NotSettled { action: Action::Delete, reason: "AccessDenied" });
    for (id, state, step) in [
        ("done", "deleted", "deleted"),
        ("rejected", "dead_letter", "copied to the dlq and deleted"),
        ("unrun", "given_back", "given back before its call started, visible at once"),
        ("lost", "lost", "the lease was lost, others may receive it: purged"),
        ("kept", "waiting", "waits for a slot, for a full batch, or for an earlier message of its group"),
        ("stuck", "settling", "waits for sqs to confirm the delete; last failure: delete: AccessDenied"),
    ] {
        assert_eq!(
            (traced.states(id), traced.steps(id).pop().unwrap()),
            (vec![state.to_owned()], step.to_owned())
        );
    }
    assert!(traced.steps("kept").contains(&"kept once, to run again here: 502".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_receives_are_used_up_goes_to_the_dlq_and_has_no_next_try() {
    let mut traced = Traced::new();
    let message = traced.receive("last", 3);
    message.pass(MessageStage::Started);
    message.pass(MessageStage::Ended { ending: Some(Ending::Retry), reason: "the handler answered 404" });
    message.pass(MessageStage::Exhausted);
    message.pass(MessageStage::Settling { action: Action::GiveBack, delay: SECOND * 5 });
    message.pass(MessageStage::Settled(Action::GiveBack));
    message.pass(MessageStage::Released);
    let step = traced.steps("last").pop().unwrap();
    assert!(
        step.starts_with("given back, its receives are used up: sqs moves it to the dlq, not before 20"),
        "{step}"
    );
    let receive = traced.known("last")["receives"][0].clone();
    assert_eq!((&receive["exhausted"], receive.get("nextTryAt")), (&Value::Bool(true), None));
    traced.run("earlier", Ending::Retry, "the handler answered 404");
    assert_eq!(traced.known("earlier")["receives"][0].get("exhausted"), None);
}

#[tokio::test(start_paused = true)]
async fn good_messages_do_not_push_out_failures_and_the_rings_are_bounded() {
    let mut traced = Traced::new();
    traced.run("failed", Ending::Retry, "404");
    tokio::time::advance(SECOND).await;
    for number in 0..2 * OF_ONE_RING.1 {
        traced.run(&format!("done {number}"), Ending::Done, "");
    }
    assert_eq!(traced.states("failed"), ["given_back"]);
    assert_eq!(traced.states(&format!("done {}", OF_ONE_RING.1)), ["deleted"]);
    let unknown = traced.history.of_message("done 7").unwrap_err();
    let reach = &unknown["reach"][0];
    assert_eq!(reach["queue"], "orders");
    assert!(reach["doneSince"].as_str() > reach["failedSince"].as_str(), "no failure was left out: {reach}");
    assert!(traced.queue.state().held.is_empty());
}

#[tokio::test(start_paused = true)]
async fn many_queues_share_the_records() {
    let history = MessageHistory::default();
    let queues: Vec<_> = (0..1_000).map(|number| history.of_queue(number.to_string().into())).collect();
    assert!(queues.iter().all(|queue| queue.ring_size.load(Ordering::Relaxed) == OF_ONE_RING.0));
}

#[tokio::test(start_paused = true)]
async fn the_status_has_the_longest_calls_and_the_latest_failures() {
    let mut traced = Traced::new();
    for number in 0..30 {
        traced.run(&format!("failed {number}"), Ending::Retry, "404");
        traced.receive(&format!("runs {number}"), 1).pass(MessageStage::Started);
        tokio::time::advance(SECOND).await;
    }
    let mut queues = json!([{ "queue": "orders" }, { "queue": "other" }]);
    traced.history.add_to(&mut queues);
    let (calls, failures) = (&queues[0]["calls"], &queues[0]["failures"]);
    assert_eq!((calls[0]["messageId"].as_str(), calls[0]["seconds"].as_f64()), (Some("runs 0"), Some(30.0)));
    assert_eq!(
        (&calls[SHOWN - 1]["messageId"], &failures[0]["messageId"]),
        (&json!("runs 19"), &json!("failed 29"))
    );
    assert_eq!([calls, failures].map(|list| list.as_array().unwrap().len()), [SHOWN; 2]);
    assert!(queues[1]["calls"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_long_reason_is_cut() {
    let mut traced = Traced::new();
    traced.run("m", Ending::Retry, &"ü".repeat(1_000));
    let receive = traced.known("m")["receives"][0].clone();
    assert!(receive["reason"].as_str().unwrap().len() < 410, "{receive}");
}
