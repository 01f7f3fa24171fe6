//! Promise 1: a message is deleted only after its handler said done.

use longshore::{duration::Limit, handler::Outcome};

use crate::support::{calls::Action, gate::Gate, scene::Scene, secs};

#[tokio::test(start_paused = true)]
async fn a_message_is_deleted_only_after_its_handler_returned_done() {
    let (scene, gate) = (Scene::new(), Gate::default());
    let id = scene.send("a");
    let worker = scene.start_gated(&gate, Outcome::Done);
    scene.journal.began(1).await;
    scene.other_consumer().gets_nothing_for(secs(100)).await;
    assert!(scene.queue.calls(Action::Delete).is_empty());
    gate.open();
    scene.emptied().await;
    assert_eq!(scene.queue.deletes_of(&id).len(), 1);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_handler_asks_for_a_retry_is_not_deleted() {
    assert_nothing_deleted_when(|| async { Outcome::Retry("not yet".to_owned()) }).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_handler_panics_is_not_deleted() {
    assert_nothing_deleted_when(|| async { panic!("on purpose") }).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_handler_takes_too_long_is_not_deleted() {
    assert_nothing_deleted_when(std::future::pending).await;
}

async fn assert_nothing_deleted_when<A>(handle: fn() -> A)
where
    A: Future<Output = Outcome> + Send + 'static,
{
    let scene = Scene::new().options(|options| options.timeout = Limit::After(secs(10)));
    scene.send("a");
    let worker = scene.start(move |_, _| handle());
    scene.journal.ended(3).await;
    worker.drain().await;
    assert!(scene.queue.calls(Action::Delete).is_empty());
    assert!(scene.other_consumer().gets_within(secs(1_000)).await.is_some(), "the message is still there");
}
