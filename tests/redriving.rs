//! A redrive policy that changes while its queue is consumed.

use longshore::{handler::Outcome, worker::DeadLetters};
use longshore_emulator::{SqsAccount, StringMap};
use tokio::{sync::mpsc, time::sleep};

use crate::support::{calls::Action, faulty::Fault, scene::Scene, secs};

/// Sets the redrive policy of a queue; without a DLQ it has none.
fn set_policy(account: &SqsAccount, queue: &str, policy: Option<(&str, u32)>) {
    let policy = policy.map_or_else(String::new, |(dlq, count)| {
        let arn = account.arn(dlq).unwrap();
        format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#)
    });
    account.set_attributes(queue, &StringMap::from([("RedrivePolicy".to_owned(), policy)])).unwrap();
}

/// Longer than the interval of polls that a queue without traffic has.
const POLL: std::time::Duration = secs(340);

#[tokio::test(start_paused = true)]
async fn a_changed_max_receive_count_is_seen_within_a_poll() {
    let scene = Scene::new().max_receives(5);
    let (sender, mut attempts) = mpsc::unbounded_channel();
    let worker = scene.start(move |_, context| {
        sender.send(context.is_last_attempt()).unwrap();
        std::future::ready(Outcome::Done)
    });
    scene.send("before");
    assert_eq!(attempts.recv().await, Some(false));
    set_policy(&scene.account, scene.queue().name(), Some((scene.dead_letter_queue().name(), 1)));
    sleep(POLL).await;
    scene.send("after");
    assert_eq!(attempts.recv().await, Some(true));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn rejects_are_copied_to_the_dlq_that_the_policy_names_now() {
    let scene = Scene::new().max_receives(5).dead_letters(DeadLetters::ByPolicy);
    let (account, name) = (scene.account.clone(), scene.queue().name().to_owned());
    account.create_queue("other-dlq", &StringMap::new(), &StringMap::new()).unwrap();
    let worker = scene.start(async |_, _| Outcome::Reject("bad".to_owned()));
    scene.send("to the first");
    scene.emptied().await;
    assert_eq!(scene.dead(), 1);
    set_policy(&account, &name, Some(("other-dlq", 5)));
    sleep(POLL).await;
    scene.send("to the other");
    scene.emptied().await;
    assert_eq!((scene.dead(), account.snapshot("other-dlq").unwrap().visible), (1, 1));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_any_more_a_reject_is_a_retry() {
    let scene = Scene::new().max_receives(5).dead_letters(DeadLetters::ByPolicy);
    let worker = scene.start(async |_, _| Outcome::Reject("bad".to_owned()));
    scene.send("copied");
    scene.emptied().await;
    set_policy(&scene.account, scene.queue().name(), None);
    sleep(POLL).await;
    scene.send("retried");
    sleep(secs(60)).await;
    assert_eq!(scene.dead(), 1);
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_hangs_holds_its_permits_no_longer_than_its_watchdog() {
    let scene = Scene::new().permits(1, 0);
    scene.queue.once(Action::Receive, Fault::Hangs);
    let worker = scene.start(async |_, _| Outcome::Done);
    scene.send("1");
    let began = tokio::time::Instant::now();
    scene.emptied().await;
    // The first receive does not wait, its watchdog waits for 15 s, and the pause after it is short.
    assert!(began.elapsed() <= secs(18), "{:?}", began.elapsed());
    worker.drain().await;
}
