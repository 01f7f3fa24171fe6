//! Promise 13: a task of ECS is protected from scale-in while long work runs, and not when it is idle.

use std::{sync::Arc, time::Duration};

use longshore::{
    duration::Limit,
    ecs::{ProtectionPlan, ProtectionRequest, ProtectionTiming},
    handler::{Context, Outcome},
    message::Message,
    worker::Drained,
};
use tokio::time::{Instant, sleep};

use crate::support::{
    agent::{AgentBehavior, FakeAgent},
    calls::Action,
    scene::{Running, Scene},
    secs,
};

fn scene() -> (Arc<FakeAgent>, Scene) {
    let agent = Arc::new(FakeAgent::default());
    let scene = Scene::new().on_ecs(&agent);
    (agent, scene)
}

/// A worker that goes on receiving when its protection is refused.
fn staying() -> (Arc<FakeAgent>, Scene) {
    let agent = Arc::new(FakeAgent::default());
    let plan = ProtectionPlan::with(agent.clone(), ProtectionTiming::default()).stay_when_blocked();
    (agent, Scene::new().protected_by(plan))
}

/// The minutes of the protections that were requested.
fn minutes(agent: &FakeAgent) -> Vec<u32> {
    let minutes = |request: &ProtectionRequest| match request {
        ProtectionRequest::Protect { minutes } => Some(*minutes),
        ProtectionRequest::Release => None,
    };
    agent.asked().iter().filter_map(|(_, request)| minutes(request)).collect()
}

/// A handler that takes as many seconds as the message says.
async fn takes(message: Arc<Message>, _: Context) -> Outcome {
    sleep(secs(message.body.parse().unwrap())).await;
    Outcome::Done
}

/// Starts a worker and lets it begin its first message.
async fn begun(scene: &Scene, seconds: &str) -> Running {
    scene.send(seconds);
    let worker = scene.start(takes);
    scene.journal.began(1).await;
    worker
}

#[tokio::test(start_paused = true)]
async fn a_task_is_protected_while_long_work_runs_and_not_when_it_is_idle() {
    let (agent, scene) = scene();
    let worker = begun(&scene, "60").await;
    assert!(!agent.protects(), "a call that has just begun is not long yet");
    assert!(worker.metrics.text().contains("longshore_task_protected 0\n"));
    sleep(secs(11)).await;
    assert!(agent.protects());
    assert!(worker.metrics.text().contains("longshore_task_protected 1\n"));
    scene.journal.ended(1).await;
    sleep(secs(16)).await;
    assert!(!agent.protects());
    assert!(worker.metrics.text().contains("longshore_task_protected 0\n"));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_protection_is_asked_for_once_for_as_long_as_the_work_may_take() {
    let (agent, scene) = scene();
    let scene = scene.options(|options| options.timeout = Limit::After(Duration::from_hours(11)));
    let worker = begun(&scene, "36000").await;
    sleep(secs(11)).await;
    // No renewal is needed, so none can be refused.
    agent.set_behavior(AgentBehavior::Blocked);
    while scene.journal.runs()[0].ended.is_none() {
        assert!(agent.protects());
        sleep(secs(7)).await;
    }
    assert_eq!(
        minutes(&agent),
        [11 * 60 + 15],
        "ten seconds less than the limit, and a margin of a quarter of an hour"
    );
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_further_request_follows_when_a_call_may_outlast_the_protection() {
    let (agent, scene) = scene();
    let scene = scene.options(|options| options.timeout = Limit::After(Duration::from_hours(1)));
    let worker = begun(&scene, "3000").await;
    for begun in 2..=4 {
        sleep(secs(600)).await;
        scene.send("3000");
        scene.journal.began(begun).await;
    }
    scene.emptied().await;
    assert_eq!(
        minutes(&agent),
        [75, 75],
        "the second call ends within the first protection, the third may not"
    );
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn quick_work_asks_for_no_protection() {
    let (agent, scene) = scene();
    for _ in 0..500 {
        scene.send("3");
    }
    let worker = scene.start(takes);
    scene.emptied().await;
    assert_eq!(agent.asked(), []);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn work_that_a_stop_never_cuts_asks_for_no_protection() {
    let (agent, scene) = scene();
    let scene = scene.options(|options| options.timeout = Limit::After(secs(100)));
    let worker = begun(&scene, "90").await;
    scene.emptied().await;
    assert_eq!(agent.asked(), []);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn long_calls_one_after_another_are_protected_without_a_gap() {
    let (agent, scene) = scene();
    let scene = scene.permits(1, 0);
    for _ in 0..5 {
        scene.send("40");
    }
    let worker = scene.start(takes);
    scene.journal.ended(5).await;
    sleep(secs(20)).await;
    let releases = agent.asked().iter().filter(|(_, request)| *request == ProtectionRequest::Release).count();
    assert_eq!(releases, 1, "{:?}", agent.asked());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_protection_leaves_the_work_alone_and_is_asked_for_less_and_less() {
    let (agent, scene) = staying();
    agent.set_behavior(AgentBehavior::Blocked);
    let worker = begun(&scene, "7200").await;
    sleep(secs(7000)).await;
    let moments: Vec<_> = agent.asked().into_iter().map(|(at, _)| at).collect();
    assert!((10..100).contains(&moments.len()), "asked {} times in two hours", moments.len());
    let last = moments.windows(2).next_back().map(|pair| pair[1] - pair[0]).unwrap();
    assert!(last >= secs(150), "the pauses grow to minutes: {last:?}");
    agent.set_behavior(AgentBehavior::Well);
    sleep(secs(190)).await;
    assert_eq!(scene.journal.runs().len(), 1);
    scene.emptied().await;
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_of_no_service_asks_once() {
    let (agent, scene) = scene();
    agent.set_behavior(AgentBehavior::Standalone);
    let worker = begun(&scene, "7200").await;
    scene.emptied().await;
    worker.drain().await;
    assert_eq!(agent.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_answers_delays_no_handler_and_hardly_the_stop() {
    let (agent, scene) = scene();
    agent.set_behavior(AgentBehavior::Hangs);
    let worker = begun(&scene, "60").await;
    sleep(secs(20)).await;
    scene.send("1");
    let sent = Instant::now();
    scene.journal.ended(1).await;
    assert!(sent.elapsed() < secs(2), "{:?}", sent.elapsed());
    scene.emptied().await;
    let stopped = Instant::now();
    assert_eq!(worker.drain().await, Drained::All);
    assert!(stopped.elapsed() < secs(3), "{:?}", stopped.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_protection_ends_only_after_the_last_message_is_settled() {
    let (agent, scene) = scene();
    let worker = begun(&scene, "60").await;
    sleep(secs(20)).await;
    worker.stop.drain();
    while !worker.has_ended() {
        let is_settled = scene.described().in_flight == 0;
        assert!(is_settled || agent.protects());
        sleep(Duration::from_millis(100)).await;
    }
    let (released, request) = agent.asked().pop().unwrap();
    assert_eq!(request, ProtectionRequest::Release);
    let last = [Action::Delete, Action::ChangeVisibility].map(|action| scene.queue.calls(action).pop());
    assert!(last.into_iter().flatten().all(|call| call.at <= released));
    assert!(!agent.protects());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_killed_leaves_a_protection_that_expires() {
    let (agent, scene) = scene();
    let scene = scene.options(|options| options.timeout = Limit::After(Duration::from_hours(1)));
    let worker = begun(&scene, "3600").await;
    sleep(secs(20)).await;
    worker.stop.halt();
    worker.ended().await;
    assert!(agent.protects(), "no worker was left to end it");
    sleep(secs(75 * 60)).await;
    assert!(!agent.protects());
}
