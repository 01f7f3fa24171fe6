//! Promise 13, in a deployment: a task whose protection is refused, or which a newer deployment replaces, receives no more,
//! finishes what runs, and leaves.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use longshore::{
    duration::Limit,
    ecs::{ProtectionPlan, ProtectionRequest, ProtectionTiming},
    handler::{Context, Outcome},
    message::Message,
    worker::Drained,
};
use tokio::time::{Instant, sleep};

use crate::support::{
    agent::{AgentBehavior, DeploymentsBehavior, FakeAgent, FakeDeployments},
    scene::{Running, Scene},
    secs,
};

fn scene() -> (Arc<FakeAgent>, Scene) {
    let agent = Arc::new(FakeAgent::default());
    let scene = Scene::new().on_ecs(&agent);
    (agent, scene.options(|options| options.timeout = Limit::After(Duration::from_hours(1))))
}

/// A handler that takes as many seconds as the message says.
async fn takes(message: Arc<Message>, _: Context) -> Outcome {
    sleep(secs(message.body.parse().unwrap())).await;
    Outcome::Done
}

/// Starts a worker whose one call of 50 minutes is protected, and which is refused a longer protection for the next.
async fn refused(agent: &Arc<FakeAgent>, scene: &Scene) -> Running {
    refused_with(agent, scene, 0).await
}

/// The same, with so many messages that wait for a slot.
async fn refused_with(agent: &Arc<FakeAgent>, scene: &Scene, waiting: usize) -> Running {
    scene.send("3000");
    let worker = scene.start(takes);
    scene.journal.began(1).await;
    sleep(secs(1_200)).await;
    assert!(agent.protects());
    agent.set_behavior(AgentBehavior::Blocked);
    scene.send("3000");
    scene.journal.began(2).await;
    for _ in 0..waiting {
        scene.send("1");
    }
    sleep(secs(11)).await;
    worker
}

#[tokio::test(start_paused = true)]
async fn a_task_in_the_way_of_a_deployment_receives_no_more_finishes_releases_and_leaves() {
    let (agent, scene) = scene();
    let worker = refused(&agent, &scene).await;
    let text = worker.metrics.text();
    assert!(text.contains("longshore_polling_paused{queue=\"orders\",reason=\"cordoned\"} 1\n"), "{text}");
    scene.send("1");
    while scene.journal.runs().iter().any(|run| run.ended.is_none()) {
        assert!(!worker.has_ended());
        sleep(secs(60)).await;
    }
    let finished = Instant::now();
    assert_eq!(worker.ended().await, Drained::All);
    assert!(finished.elapsed() < secs(30), "{:?}", finished.elapsed());
    assert_eq!(scene.journal.runs().len(), 2, "none was received any more");
    assert_eq!(scene.visible(), 1, "the next task has it");
    assert_eq!(agent.asked().pop().unwrap().1, ProtectionRequest::Release);
    assert!(!agent.protects());
}

#[tokio::test(start_paused = true)]
async fn a_cordoned_worker_stays_ready_and_says_why_it_receives_nothing() {
    let (agent, scene) = scene();
    let worker = refused(&agent, &scene).await;
    sleep(secs(600)).await;
    assert_eq!(worker.health.unready(), BTreeMap::new());
    let notice = &worker.health.notices()["worker"];
    assert!(notice.starts_with("cordoned, ") && notice.contains("a deployment waits"), "{notice}");
    worker.ended().await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_wait_for_a_slot_are_given_back_to_other_tasks() {
    let (agent, scene) = scene();
    let scene = scene.permits(2, 2);
    let worker = refused_with(&agent, &scene, 2).await;
    sleep(secs(10)).await;
    assert_eq!((scene.visible(), scene.in_flight()), (2, 2));
    assert_eq!(worker.ended().await, Drained::All);
    assert_eq!((scene.journal.runs().len(), scene.visible()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn messages_that_wait_at_their_last_receive_run_before_the_worker_leaves() {
    let (agent, scene) = scene();
    let scene = scene.permits(2, 2).max_receives(1);
    let worker = refused_with(&agent, &scene, 2).await;
    assert_eq!(worker.ended().await, Drained::All);
    assert_eq!((scene.dead(), scene.journal.runs().len(), scene.visible()), (0, 4, 0));
}

#[tokio::test(start_paused = true)]
async fn an_operator_ends_no_cordon() {
    let (agent, scene) = scene();
    let worker = refused(&agent, &scene).await;
    worker.control.resume_all();
    scene.send("1");
    assert_eq!(worker.ended().await, Drained::All);
    assert_eq!(scene.journal.runs().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_answer_lets_no_task_leave() {
    let (agent, scene) = scene();
    agent.set_behavior(AgentBehavior::Hangs);
    scene.send("600");
    let worker = scene.start(takes);
    scene.journal.ended(1).await;
    scene.send("1");
    scene.emptied().await;
    assert!(!worker.has_ended());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_to_stay_goes_on_when_its_protection_is_refused() {
    let agent = Arc::new(FakeAgent::default());
    let plan = ProtectionPlan::with(agent.clone(), ProtectionTiming::default()).stay_when_blocked();
    let scene = Scene::new().protected_by(plan);
    agent.set_behavior(AgentBehavior::Blocked);
    scene.send("60");
    let worker = scene.start(takes);
    scene.journal.ended(1).await;
    scene.send("1");
    scene.emptied().await;
    sleep(secs(60)).await;
    assert!(!worker.has_ended());
    worker.drain().await;
}

/// A worker that looks at the deployments of its service, and one of whose calls takes 50 minutes.
async fn watched(stays: bool) -> (Arc<FakeDeployments>, Arc<FakeAgent>, Scene, Running) {
    let (agent, deployments) = (Arc::new(FakeAgent::default()), Arc::new(FakeDeployments::default()));
    let plan = ProtectionPlan::with(agent.clone(), ProtectionTiming::default()).watching(deployments.clone());
    let plan = if stays { plan.stay_when_blocked() } else { plan };
    let scene = Scene::new().protected_by(plan);
    let scene = scene.options(|options| options.timeout = Limit::After(Duration::from_hours(1)));
    scene.send("3000");
    let worker = scene.start(takes);
    scene.journal.began(1).await;
    (deployments, agent, scene, worker)
}

#[tokio::test(start_paused = true)]
async fn a_task_that_a_newer_deployment_replaces_receives_no_more_finishes_releases_and_leaves() {
    let (deployments, agent, scene, worker) = watched(false).await;
    sleep(secs(600)).await;
    deployments.set_behavior(DeploymentsBehavior::Newer);
    sleep(secs(151)).await;
    let notice = worker.health.notices()["worker"].clone();
    assert!(notice.contains("the deployment ecs-svc/2 of worker:8 replaces this task"), "{notice}");
    scene.send("1");
    sleep(secs(600)).await;
    assert!(!worker.has_ended() && agent.protects(), "its call still runs");
    assert_eq!(worker.ended().await, Drained::All);
    assert_eq!((scene.journal.runs().len(), scene.visible()), (1, 1), "the next task has the other one");
    assert!(!agent.protects());
}

#[tokio::test(start_paused = true)]
async fn deployments_that_cannot_be_read_let_no_task_leave() {
    let (deployments, _, scene, worker) = watched(false).await;
    deployments.set_behavior(DeploymentsBehavior::Unreadable);
    scene.journal.ended(1).await;
    scene.send("1");
    scene.journal.ended(2).await;
    let looks = deployments.looks().len();
    assert!((20..=34).contains(&looks), "{looks} in 50 minutes");
    assert!(!worker.has_ended());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn deployments_are_read_while_the_task_is_protected_only() {
    let (deployments, agent, scene, worker) = watched(false).await;
    scene.journal.ended(1).await;
    sleep(secs(60)).await;
    assert!(!agent.protects());
    let looks = deployments.looks().len();
    for _ in 0..60 {
        scene.send("5");
        sleep(secs(60)).await;
    }
    assert_eq!(deployments.looks().len(), looks, "short calls need no protection");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_to_stay_reads_no_deployments() {
    let (deployments, agent, scene, worker) = watched(true).await;
    sleep(secs(600)).await;
    assert!(agent.protects() && deployments.looks().is_empty());
    scene.journal.ended(1).await;
    worker.drain().await;
}
