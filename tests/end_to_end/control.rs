//! `longshore pause`, `resume` and `scale`, the signals of an operator, and reloads of the configuration.

use std::{fs, path::PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::support::{Dev, Ended, Gate, Handler, Launch, Pair, Signal, Worker, http, until, worker::section};

const TOKEN: &str = "0123456789abcdef";

/// A worker on a queue of its own, whose configuration can be written anew.
struct Steered {
    dev: Dev,
    pair: Pair,
    handler: Handler,
    worker: Worker,
    file: PathBuf,
    _directory: TempDir,
}

impl Steered {
    async fn start(handler: Handler, settings: &str, variables: &[(&str, &str)]) -> Self {
        let dev = Dev::start().await;
        let pair = dev.sqs.pair("orders", 5).await;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("worker.toml");
        fs::write(&file, section("orders", &pair.queue, &handler.url(), settings)).unwrap();
        let launch =
            Launch::of(&["run", "--admin-listen", "127.0.0.1:0", "--config", file.to_str().unwrap()]);
        let launch = variables.iter().fold(launch, |launch, (name, value)| launch.variable(name, value));
        let worker = Worker::launched(launch).await;
        Self { dev, pair, handler, worker, file, _directory: directory }
    }

    fn rewrite(&self, settings: &str) {
        fs::write(&self.file, section("orders", &self.pair.queue, &self.handler.url(), settings)).unwrap();
    }

    /// Runs a command of `longshore` against the worker.
    async fn run(&self, arguments: &[&str]) -> Ended {
        Launch::of(arguments).arguments(&["--admin", &self.worker.admin.address]).run().await
    }

    async fn send(&self, count: usize) {
        let bodies: Vec<_> = (0..count).map(|number| number.to_string()).collect();
        self.dev.sqs.send_all(&self.pair.queue, &bodies).await;
    }

    async fn is_paused(&self) -> bool {
        self.worker.admin.queue("orders").await["paused"] != json!([])
    }
}

const LOOPBACK: [(&str, &str); 1] = [("LONGSHORE__ADMIN__CONTROL", "loopback")];

#[tokio::test]
async fn a_queue_is_paused_and_resumed_by_commands_and_the_pause_is_shown_everywhere() {
    let gate = Gate::closed();
    let settings = "concurrency = 2\nprefetch = 4\nreceive = { wait = \"1s\" }";
    let steered = Steered::start(gate.handler(), settings, &LOOPBACK).await;
    steered.send(20).await;
    let admin = &steered.worker.admin;
    until("six are held", async || admin.queue("orders").await["held"] == 6).await;
    let paused = steered.run(&["pause", "orders", "--reason", "maintenance"]).await;
    assert_eq!(
        (paused.code, paused.output.as_str()),
        (Some(0), "orders: paused, 2 calls still run\n"),
        "{}",
        paused.errors
    );
    until("what waits is given back", async || admin.queue("orders").await["held"] == 2).await;
    let shown = &admin.queue("orders").await["paused"];
    assert_eq!(shown, &json!([{ "reason": "operator", "details": "maintenance" }]));
    let (status, ready) = admin.json("/readyz").await;
    assert_eq!(
        (status, &ready["notices"]["orders polling"]),
        (200, &json!("paused by the operator: maintenance"))
    );
    assert!(admin.sample(r#"polling_paused{queue="orders",reason="operator"}"#).await > 0.5);
    steered.worker.process.complains("polling is paused by the operator").await;
    gate.open();
    steered.handler.has_ended(2).await;
    until("nothing is held", async || admin.queue("orders").await["held"] == 0).await;
    until("the rest is visible", async || steered.dev.sqs.counts(&steered.pair.queue).await.visible == 18)
        .await;

    let resumed = steered.run(&["resume", "--all"]).await;
    assert_eq!((resumed.code, resumed.output.as_str()), (Some(0), "orders: resumed\n"), "{}", resumed.errors);
    steered.handler.has_ended(20).await;
    assert!(admin.sample(r#"polling_paused{queue="orders",reason="operator"}"#).await < 0.5);
}

#[tokio::test]
async fn the_concurrency_changes_both_ways_without_dropping_a_call() {
    let gate = Gate::closed();
    let settings = "concurrency = 2\nprefetch = 0\nreceive = { wait = \"1s\" }";
    let steered = Steered::start(gate.handler(), settings, &LOOPBACK).await;
    steered.send(30).await;
    steered.handler.has_started(2).await;
    let scaled = steered.run(&["scale", "orders", "12"]).await;
    assert_eq!(scaled.code, Some(0), "{}", scaled.errors);
    steered.handler.has_started(12).await;
    let scaled = steered.run(&["scale", "orders", "1"]).await;
    assert_eq!(
        (scaled.code, scaled.output.as_str()),
        (Some(0), "orders: concurrency 1, 12 calls run\n"),
        "{}",
        scaled.errors
    );
    assert!(steered.worker.admin.sample(r#"concurrency{queue="orders"}"#).await < 1.5);
    gate.open();
    steered.handler.has_ended(30).await;
    let calls = steered.handler.ended();
    assert!(calls.iter().all(|call| call.receive_count() == 1), "no call was dropped");
    assert_eq!((calls.len(), steered.handler.most_running()), (30, 12));
}

#[tokio::test]
async fn commands_are_refused_without_permission_and_for_what_does_not_exist() {
    let off = Steered::start(Handler::willing(), "", &[]).await;
    off.worker.admin.queue("orders").await;
    let refused = off.run(&["pause", "orders"]).await;
    assert_eq!(refused.code, Some(64));
    assert!(refused.errors.contains("control is off"), "{}", refused.errors);

    let token = Steered::start(Handler::willing(), "", &[("LONGSHORE__ADMIN__TOKEN", TOKEN)]).await;
    token.worker.admin.queue("orders").await;
    let without = token.run(&["pause", "orders"]).await;
    assert_eq!(without.code, Some(64), "{}", without.errors);
    let wrong = token.run(&["pause", "orders", "--token", "0123456789abcdeX"]).await;
    assert!(wrong.errors.contains("401") && !token.is_paused().await, "{}", wrong.errors);
    let with = token.run(&["pause", "orders", "--token", TOKEN]).await;
    assert_eq!((with.code, token.is_paused().await), (Some(0), true), "{}", with.errors);
    let address = token.worker.admin.address.clone();
    let configured = Launch::of(&["resume", "orders", "--admin", &address]);
    let configured = configured.variable("LONGSHORE__ADMIN__TOKEN", TOKEN).run().await;
    assert_eq!((configured.code, token.is_paused().await), (Some(0), false), "{}", configured.errors);

    let missing = token.run(&["scale", "mails", "3", "--token", TOKEN]).await;
    assert!(
        missing.code == Some(64) && missing.errors.contains("no such queue: mails"),
        "{}",
        missing.errors
    );
    let zero = token.run(&["scale", "orders", "0", "--token", TOKEN]).await;
    let refused = "queue orders: concurrency = 0: out of range, allowed: a whole number from 1 to 100000";
    assert!(zero.code == Some(64) && zero.errors.contains(refused), "{}", zero.errors);
    let nobody = Launch::of(&["pause", "orders", "--admin", "127.0.0.1:9"]).run().await;
    assert_eq!(nobody.code, Some(69), "{}", nobody.errors);
}

#[tokio::test]
async fn a_signal_pauses_every_queue_and_another_one_resumes_them() {
    let settings = "receive = { wait = \"1s\" }";
    let mut steered = Steered::start(Handler::willing(), settings, &[]).await;
    steered.worker.admin.becomes_ready().await;
    steered.worker.process.signal(Signal::User1);
    until("it is paused", async || steered.is_paused().await).await;
    let details = &steered.worker.admin.queue("orders").await["paused"][0]["details"];
    assert_eq!(details, "SIGUSR1");
    steered.worker.process.signal(Signal::User2);
    until("it is resumed", async || !steered.is_paused().await).await;
    steered.send(3).await;
    steered.handler.has_ended(3).await;
}

#[tokio::test]
async fn a_queue_that_the_configuration_pauses_says_so_at_the_start_and_is_ready() {
    let steered = Steered::start(Handler::willing(), "paused = true", &LOOPBACK).await;
    steered.send(2).await;
    steered.worker.admin.becomes_ready().await;
    let line = steered.worker.process.complains("polling is paused by the operator").await;
    assert!(line.contains("paused = true in its settings"), "{line}");
    assert!(steered.handler.started().is_empty());
    assert_eq!(steered.run(&["resume", "orders"]).await.code, Some(0));
    steered.handler.has_ended(2).await;
}

#[tokio::test]
async fn a_hangup_reloads_what_can_be_reloaded_and_names_what_cannot() {
    let variables = [("LONGSHORE__DRAIN__HANGUP", "reload")];
    let mut steered = Steered::start(Handler::willing(), "concurrency = 3", &variables).await;
    steered.worker.admin.becomes_ready().await;
    steered.rewrite("concurrency = 7\npaused = true\nvisibility = \"40s\"\n[drain]\nlimit = \"9s\"");
    steered.worker.process.signal(Signal::HangUp);
    let line = steered.worker.process.complains("configuration reloaded").await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["applied"], &line["needs_restart"]), (&json!(2), &json!(2)));
    let queue = steered.worker.admin.queue("orders").await;
    assert_eq!((&queue["concurrency"], &queue["paused"][0]["reason"]), (&json!(7), &json!("operator")));
    for setting in ["queues.orders.visibility", "drain.limit"] {
        steered.worker.process.complains(setting).await;
    }

    steered.rewrite("concurrency = none");
    steered.worker.process.signal(Signal::HangUp);
    let line = steered.worker.process.complains("configuration not reloaded").await;
    assert!(line.contains("queues.orders.concurrency") || line.contains("TOML"), "{line}");
    assert_eq!(steered.worker.admin.queue("orders").await["concurrency"], 7, "the settings in force stay");

    steered.worker.process.signal(Signal::Terminate);
    assert_eq!(steered.worker.process.ended().await.code, Some(0));
}

#[tokio::test]
async fn dev_is_controlled_from_this_machine() {
    let dev = Dev::start().await;
    let name = "longshore-dev-queue";
    dev.admin.queue(name).await;
    let (status, answer) = http::post(&dev.admin.address, &format!("/queues/{name}/pause"), "").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(dev.admin.queue(name).await["paused"][0]["reason"], "operator");
}
