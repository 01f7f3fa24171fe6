//! `longshore run` as a task of ECS: its protection, its stop and its scaling signal, with an agent over HTTP.

use serde_json::{Value, json};

use super::support::{
    Dev, Gate, Handler, Launch, Signal, Worker,
    ecs::{Agent, Ecs},
    until,
    worker::section,
};

/// Protected after a tenth of a second, and a line of metrics each second.
const SOON: &str = "timeout = \"1h\"\n[ecs]\nprotect_after = \"100ms\"\nmetrics_interval = \"1s\"";

/// One slot, nine messages, and at most four tasks, which are to start all that waits within a second.
const CROWDED: &str = "concurrency = 1\nprefetch = 0\ndepth.interval = \"5s\"\n[ecs]\nscale_out_to = 4\nbacklog_target = \"1s\"";

/// A server with a queue that has no worker yet.
async fn served() -> (Dev, String) {
    let dev = Dev::start().await;
    let queue = dev.sqs.pair("orders", 5).await.queue;
    (dev, queue)
}

/// A worker in a task of ECS.
async fn worker(ecs: &Ecs, queue: &str, handler: &Handler, settings: &str) -> Worker {
    Worker::launched(ecs.around(Worker::launch(queue, handler, settings))).await
}

#[tokio::test]
async fn a_task_is_protected_in_the_agents_own_protocol_until_its_long_work_is_done() {
    let ((dev, queue), gate) = (served().await, Gate::closed());
    let ecs = Ecs::start(Agent::Well).await;
    let handler = gate.handler();
    let mut worker = worker(&ecs, &queue, &handler, SOON).await;
    dev.sqs.send(&queue, "{}").await;
    handler.has_started(1).await;
    ecs.is_asked().await;
    worker.process.complains("the task is protected from scale-in").await;
    assert_eq!(ecs.asked(), [r#"{"ProtectionEnabled":true,"ExpiresInMinutes":75}"#]);
    worker.process.signal(Signal::Terminate);
    gate.open();
    let ended = worker.process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert_eq!(ecs.asked()[1..], [r#"{"ProtectionEnabled":false}"#]);
    dev.sqs.becomes_empty(&queue).await;
}

#[tokio::test]
async fn an_agent_that_refuses_does_no_harm_to_the_work() {
    for (agent, text) in [
        (Agent::Denied, "grant the task role ecs:UpdateTaskProtection"),
        (Agent::Standalone, "nothing scales this task in"),
    ] {
        let ((dev, queue), gate) = (served().await, Gate::closed());
        let ecs = Ecs::start(agent).await;
        let handler = gate.handler();
        let mut worker = worker(&ecs, &queue, &handler, SOON).await;
        dev.sqs.send(&queue, "{}").await;
        worker.process.complains(text).await;
        gate.open();
        dev.sqs.becomes_empty(&queue).await;
        worker.process.signal(Signal::Terminate);
        let ended = worker.process.ended().await;
        assert_eq!(ended.code, Some(0), "{agent:?}: {}", ended.errors);
        assert_eq!(ecs.asked().len(), 1, "{agent:?} is not asked again at once, nor for an end of nothing");
    }
}

#[tokio::test]
async fn an_agent_that_is_throttled_talks_nonsense_or_is_not_there_lets_no_task_leave() {
    for (agent, text) in [
        (Some(Agent::Throttled), "ThrottlingException"),
        (Some(Agent::Nonsense), "no usable answer from the ecs agent"),
        (None, "no usable answer from the ecs agent"),
    ] {
        let ((dev, queue), gate) = (served().await, Gate::closed());
        let ecs = Ecs::start(agent.unwrap_or(Agent::Well)).await;
        let handler = gate.handler();
        let launch = ecs.around(Worker::launch(&queue, &handler, SOON));
        // Nothing listens on the discard port.
        let launch =
            if agent.is_none() { launch.variable("ECS_AGENT_URI", "http://127.0.0.1:9") } else { launch };
        let mut worker = Worker::launched(launch).await;
        dev.sqs.send(&queue, "{}").await;
        let line = worker.process.complains("protection from scale-in not changed").await;
        assert!(line.contains(text), "{line}");
        gate.open();
        dev.sqs.becomes_empty(&queue).await;
        dev.sqs.send(&queue, "{}").await;
        handler.has_ended(2).await;
        worker.process.signal(Signal::Terminate);
        let ended = worker.process.ended().await;
        assert_eq!(ended.code, Some(0), "{agent:?}: {}", ended.errors);
    }
}

#[tokio::test]
async fn a_refused_task_receives_no_more_finishes_its_work_and_leaves_with_code_0() {
    let ((dev, queue), gate) = (served().await, Gate::closed());
    let ecs = Ecs::start(Agent::Blocked).await;
    let handler = gate.handler();
    let worker = worker(&ecs, &queue, &handler, SOON).await;
    dev.sqs.send(&queue, "{}").await;
    worker.process.complains("the worker is cordoned").await;
    let state = worker.admin.queue("orders").await;
    assert_eq!((&state["state"], &state["paused"][0]["reason"]), (&json!("paused"), &json!("cordoned")));
    let why = state["why"].as_str().unwrap();
    assert!(why.contains("leaves once what it holds has ended (a deployment waits"), "{why}");
    let (status, ready) = worker.admin.get("/readyz").await;
    assert!(status == 200 && ready.contains("cordoned, leaves once"), "{status} {ready}");
    let paused = "polling_paused{queue=\"orders\",reason=\"cordoned\"}";
    assert!(worker.admin.sample(paused).await > 0.5);
    dev.sqs.send(&queue, "{}").await;
    gate.open();
    let ended = worker.process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.errors.contains("the cordoned worker runs nothing any more"), "{}", ended.errors);
    assert_eq!(handler.started().len(), 1);
    // A receive that was under way may have brought it, and given it back.
    until("the next task may receive it", async || dev.sqs.counts(&queue).await.visible == 1).await;
}

#[tokio::test]
async fn a_task_whose_service_has_a_newer_deployment_finishes_its_work_and_leaves_with_code_0() {
    let ((dev, queue), gate) = (served().await, Gate::closed());
    let ecs = Ecs::start(Agent::Well).await;
    let handler = gate.handler();
    let worker = worker(&ecs, &queue, &handler, SOON).await;
    ecs.deploy();
    dev.sqs.send(&queue, "{}").await;
    let line = worker.process.complains("the worker is cordoned").await;
    assert!(line.contains("the deployment ecs-svc/2 of worker:8 replaces this task"), "{line}");
    gate.open();
    let ended = worker.process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert_eq!(handler.ended().len(), 1);
    assert_eq!(ecs.asked().last().unwrap(), r#"{"ProtectionEnabled":false}"#);
}

#[tokio::test]
async fn a_worker_orders_the_tasks_that_its_queue_lacks_and_changes_nothing_else_of_its_service() {
    let ((dev, queue), gate) = (served().await, Gate::closed());
    let ecs = Ecs::start(Agent::Well).await;
    let handler = gate.handler();
    let worker = worker(&ecs, &queue, &handler, CROWDED).await;
    for _ in 0..9 {
        dev.sqs.send(&queue, "{}").await;
    }
    let line = worker.process.complains("desired count raised").await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["desired"], &line["needed"]), (&json!(2), &json!(4)));
    assert_eq!(ecs.desired(), 4);
    gate.open();
    dev.sqs.becomes_empty(&queue).await;
}

#[tokio::test]
async fn a_worker_that_may_not_order_tasks_says_so_and_works_on() {
    let ((dev, queue), gate) = (served().await, Gate::closed());
    let ecs = Ecs::start(Agent::Denied).await;
    let handler = gate.handler();
    let worker = worker(&ecs, &queue, &handler, CROWDED).await;
    for _ in 0..9 {
        dev.sqs.send(&queue, "{}").await;
    }
    let line = worker.process.complains("could not be raised").await;
    assert!(line.contains("ecs:UpdateService") && line.contains("AccessDeniedException"), "{line}");
    gate.open();
    dev.sqs.becomes_empty(&queue).await;
    assert_eq!(ecs.desired(), 2);
}

#[tokio::test]
async fn a_task_that_is_refused_a_longer_protection_releases_the_one_it_has() {
    let (dev, gate) = (Dev::start().await, Gate::closed());
    let (orders, films) = (dev.sqs.pair("orders", 5).await, dev.sqs.pair("films", 5).await);
    let ecs = Ecs::start(Agent::BlockedLater).await;
    let handler = gate.handler();
    let queues = section("orders", &orders.queue, &handler.url(), "timeout = \"1h\"")
        + &section("films", &films.queue, &handler.url(), SOON.replace("1h", "12h").as_str());
    let launch = Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&queues);
    let worker = Worker::launched(ecs.around(launch)).await;
    dev.sqs.send(&orders.queue, "{}").await;
    worker.process.complains("the task is protected from scale-in").await;
    dev.sqs.send(&films.queue, "{}").await;
    worker.process.complains("the worker is cordoned").await;
    gate.open();
    let ended = worker.process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let asked = ecs.asked();
    assert_eq!(asked.first().unwrap(), r#"{"ProtectionEnabled":true,"ExpiresInMinutes":75}"#);
    assert_eq!(asked[1], r#"{"ProtectionEnabled":true,"ExpiresInMinutes":735}"#);
    assert_eq!(asked.last().unwrap(), r#"{"ProtectionEnabled":false}"#);
    assert_eq!(handler.ended().len(), 2);
}

#[tokio::test]
async fn the_drain_limit_follows_from_the_stop_timeout() {
    let ((dev, queue), gate) = (served().await, Gate::closed());
    let handler = gate.handler();
    let launch = Worker::launch(&queue, &handler, "\n[ecs]\nstop_timeout = \"4s\"");
    let mut worker = Worker::launched(launch).await;
    dev.sqs.send(&queue, "{}").await;
    handler.has_started(1).await;
    worker.process.signal(Signal::Terminate);
    let line = worker.process.complains("the drain limit is all but over").await;
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["limit_seconds"], 2.0);
    assert_eq!(worker.process.ended().await.code, Some(0));
}

#[tokio::test]
async fn the_scaling_signal_is_lines_of_the_embedded_metric_format_on_standard_output() {
    let ((dev, queue), handler) = (served().await, Handler::willing());
    let ecs = Ecs::start(Agent::Well).await;
    let mut worker = worker(&ecs, &queue, &handler, SOON).await;
    for _ in 0..3 {
        dev.sqs.send(&queue, "{}").await;
    }
    dev.sqs.becomes_empty(&queue).await;
    let line: Value = serde_json::from_str(&worker.process.says("SecondsPerMessage").await).unwrap();
    assert_eq!((&line["QueueName"], &line["Concurrency"]), (&json!("orders"), &json!(16)));
    assert_eq!((&line["Cluster"], &line["Family"]), (&json!("jobs"), &json!("worker")));
    assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Longshore");
    assert!(line["SecondsPerMessage"].as_f64().unwrap() > 0.0, "{line}");
    worker.process.signal(Signal::Terminate);
    let ended = worker.process.ended().await;
    for line in ended.output.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line["_aws"].is_object()), "{line}");
    }
}

#[tokio::test]
async fn elsewhere_nothing_is_printed_unless_it_is_asked_for() {
    let ((dev, queue), handler) = (served().await, Handler::willing());
    let other = dev.sqs.queue("bills", &[]).await;
    let settings = "\n[ecs]\nmetrics_interval = \"1s\"";
    let mut quiet = Worker::start(&queue, &handler, CROWDED).await;
    let asked = Worker::start(&other, &handler, &format!("{settings}\nmetrics = \"on\"")).await;
    asked.process.says("CloudWatchMetrics").await;
    asked.process.says("CallsRunning").await;
    quiet.process.signal(Signal::Terminate);
    assert_eq!(quiet.process.ended().await.output, "");
}
