//! The errors that keep `longshore run` and `longshore dev` from starting.

use std::{net::TcpListener, time::Duration};

use tokio::time::sleep;

use super::support::{
    Dev, Ended, Handler, Launch, Process, Signal, Sqs, Worker,
    clock::ClockProxy,
    http,
    proxy::{Proxy, ProxyMode},
    worker::section,
};

const LISTEN_FLAGS: [&str; 3] = ["--sqs-listen", "--api-listen", "--admin-listen"];

fn run(queue: &str) -> Launch {
    let handler = ["--handler", "http://127.0.0.1:9/", "--admin-listen", "127.0.0.1:0"];
    Launch::of(&["run", "--queue-url", queue]).arguments(&handler)
}

/// The same with little patience.
fn run_impatiently(queue: &str) -> Launch {
    run(queue).variable("LONGSHORE__START__PATIENCE", "1s")
}

fn assert_ended(ended: &Ended, code: i32, texts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.errors);
    for text in texts {
        assert!(ended.errors.contains(text), "{text:?} is not in {}", ended.errors);
    }
}

#[tokio::test]
async fn every_mistake_in_the_configuration_is_reported_at_once() {
    let file = section("orders", "no url", "ftp://handler/", "visibility = \"1s\"\nconcurrancy = 3");
    let ended = Launch::of(&["run", "--drain-limit", "soon"]).file(&file).run().await;
    let texts =
        ["queues.orders.url", "handler.url", "visibility", "concurrancy", "did you mean concurrency?"];
    assert_ended(&ended, 64, &texts);
    assert_ended(&ended, 64, &["drain.limit", "from: flag --drain-limit", "longshore.toml, line"]);
    assert_eq!(ended.output, "");
}

#[tokio::test]
async fn an_sqs_that_refuses_connections_exits_with_69() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = run_impatiently(&format!("http://{free}/000000000000/orders")).run().await;
    let texts = ["queue orders", "within start.patience, which is 1s", "refused", "hint: start the server"];
    assert_ended(&ended, 69, &texts);
    let lines = ended.errors.matches("sqs does not answer yet").count();
    assert_eq!(lines, 1, "one cause, one line: {}", ended.errors);
}

#[tokio::test]
async fn an_sqs_that_never_answers_exits_with_69_when_the_patience_is_over() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let queue = format!("http://{}/000000000000/orders", silent.local_addr().unwrap());
    let ended = run_impatiently(&queue).run().await;
    assert_ended(&ended, 69, &["queue orders", "hint: check the url"]);
    assert!(ended.after < Duration::from_secs(30), "it took {:?}", ended.after);
}

#[tokio::test]
async fn missing_credentials_exit_with_69_and_are_reported_once() {
    let queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
    let ended = run(queue).variable("AWS_EC2_METADATA_DISABLED", "true").run().await;
    assert_ended(&ended, 69, &["queue orders: no credentials for aws", "hint: set AWS_PROFILE"]);
    assert!(!ended.errors.contains("sqs does not answer yet"), "{}", ended.errors);
}

#[tokio::test]
async fn a_worker_that_waits_for_sqs_is_live_and_not_ready_and_stops_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let queue = format!("http://{}/000000000000/orders", silent.local_addr().unwrap());
    let mut worker = Worker::launched(run(&queue)).await;
    assert_eq!(worker.admin.get("/livez").await.0, 200);
    let (status, body) = worker.admin.json("/readyz").await;
    assert_eq!((status, &body["unready"]["worker"]), (503, &"the queues are not open yet".into()));

    worker.process.signal(Signal::Terminate);
    let ended = worker.process.ended().await;
    assert_ended(&ended, 0, &[]);
    assert!(ended.after < Duration::from_secs(5), "it took {:?}", ended.after);
}

/// An emulator in a process of its own, which listens on this address.
async fn emulator_at(address: &str, queue: &str) -> Process {
    let emulator = Launch::of(&["emulator", "--listen", address, "--queue", queue]).start();
    emulator.says("longshore emulator").await;
    emulator
}

#[tokio::test]
async fn an_sqs_that_comes_up_after_some_seconds_is_waited_for() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let queue = format!("http://{address}/000000000000/orders");
    let handler = Handler::willing();
    let worker = Worker::start(&queue, &handler, "").await;
    worker.process.complains("sqs does not answer yet").await;
    // Longer than the four attempts that a start once had.
    sleep(Duration::from_secs(6)).await;
    let (status, body) = worker.admin.json("/readyz").await;
    assert_eq!(status, 503);
    assert!(body["unready"]["worker"].as_str().unwrap().contains("queue orders"), "{body}");
    assert_eq!(worker.admin.get("/livez").await.0, 200);
    let (_, status) = worker.admin.json("/status").await;
    assert_eq!(
        (&status["opening"][0]["queue"], &status["queues"]),
        (&"orders".into(), &serde_json::json!([]))
    );

    let _emulator = emulator_at(&address, "orders").await;
    Sqs::at(&format!("http://{address}")).send(&queue, "1").await;
    handler.has_ended(1).await;
    worker.admin.becomes_ready().await;
}

#[tokio::test]
async fn an_sqs_that_hangs_at_first_is_waited_for() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let pair = dev.sqs.pair("orders", 5).await;
    let proxy = Proxy::before(http::authority(&dev.endpoint)).await;
    proxy.set_mode(ProxyMode::Silent);
    let through_proxy = pair.queue.replace(&dev.endpoint, &format!("http://{}", proxy.address));
    let worker = Worker::start(&through_proxy, &handler, "").await;
    worker.process.complains("sqs does not answer yet").await;
    proxy.set_mode(ProxyMode::Open);
    dev.sqs.send(&pair.queue, "1").await;
    handler.has_ended(1).await;
    worker.admin.becomes_ready().await;
}

#[tokio::test]
async fn a_start_that_waits_between_two_attempts_ends_by_a_signal() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for signal in [Signal::Terminate, Signal::Interrupt, Signal::Quit] {
        let launch = run(&format!("http://{free}/000000000000/orders"));
        let mut worker = Worker::launched(launch.variable("LONGSHORE__START__PATIENCE", "forever")).await;
        worker.process.complains("sqs does not answer yet").await;
        worker.process.signal(signal);
        let ended = worker.process.ended().await;
        assert_ended(&ended, 0, &[]);
        assert!(ended.after < Duration::from_secs(5), "{signal:?}: it took {:?}", ended.after);
    }
}

#[tokio::test]
async fn a_queue_that_is_waited_for_is_consumed_once_it_exists() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let pair = dev.sqs.pair("orders", 5).await;
    let late = format!("{}/000000000000/late", dev.endpoint);
    let short = "receive = { wait = \"1s\" }";
    let late_settings = format!("missing = \"wait\"\n{short}");
    let file = section("orders", &pair.queue, &handler.url(), short)
        + &section("late", &late, &handler.url(), &late_settings);
    let launch = Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&file);
    let mut worker = Worker::launched(launch).await;
    dev.sqs.send(&pair.queue, "of the queue that is there").await;
    handler.has_ended(1).await;
    worker.admin.becomes_ready().await;
    let (_, status) = worker.admin.json("/status").await;
    assert_eq!(status["opening"][0]["queue"], "late", "{status}");
    assert!(worker.admin.sample("queues_unopened").await > 0.0);

    let late = dev.sqs.queue("late", &[]).await;
    dev.sqs.send(&late, "of the other").await;
    handler.has_ended(2).await;
    dev.sqs.becomes_empty(&late).await;
    worker.admin.becomes_ready().await;
    assert!(worker.admin.sample("queues_unopened").await <= 0.0);
    worker.process.signal(Signal::Terminate);
    assert_ended(&worker.process.ended().await, 0, &[]);
}

#[tokio::test]
async fn a_clock_that_is_off_by_twenty_minutes_is_corrected_by_the_second_try() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let pair = dev.sqs.pair("orders", 5).await;
    let proxy = ClockProxy::before(&dev.endpoint, Duration::from_mins(20)).await;
    let queue = pair.queue.replace(&dev.endpoint, &proxy.endpoint);
    let worker = Worker::start(&queue, &handler, "").await;
    dev.sqs.send(&pair.queue, "1").await;
    handler.has_ended(1).await;
    dev.sqs.becomes_empty(&pair.queue).await;
    worker.admin.becomes_ready().await;
    assert_eq!(proxy.refusals(), 2, "one for each client: that of receives, and that of all other calls");
    let line = worker.process.complains("sqs does not answer yet").await;
    assert!(line.contains("this machine's clock is off by "), "{line}");
}

#[tokio::test]
async fn a_missing_queue_exits_with_69_and_a_clear_error() {
    let dev = Dev::start().await;
    let by_url = run(&format!("{}/000000000000/nowhere", dev.endpoint)).run().await;
    assert_ended(&by_url, 69, &["queue nowhere", "does not exist", "hint: create nowhere, or check the url"]);
    let arguments = ["run", "--queue", "nowhere", "--endpoint-url", &dev.endpoint, "--handler", "http://h/"];
    let by_name = Launch::of(&arguments).arguments(&["--admin-listen", "127.0.0.1:0"]).run().await;
    assert_ended(&by_name, 69, &["queue nowhere", "does not exist", "hint:"]);
}

#[tokio::test]
async fn an_address_in_use_exits_with_69_and_names_the_flag() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let file = section("orders", "http://127.0.0.1:9/0/orders", "http://127.0.0.1:9/", "");
    let ended = Launch::of(&["run", "--admin-listen", &taken]).file(&file).run().await;
    assert_ended(&ended, 69, &[&taken, "in use", "--admin-listen"]);
    for flag in LISTEN_FLAGS {
        let mut launch = Launch::of(&["dev", flag, &taken]);
        for other in LISTEN_FLAGS.into_iter().filter(|other| *other != flag) {
            launch = launch.arguments(&[other, "127.0.0.1:0"]);
        }
        assert_ended(&launch.run().await, 69, &[&taken, "in use", flag]);
    }
}

#[tokio::test]
async fn dev_that_listens_on_every_address_is_reached_on_loopback() {
    let mut launch = Launch::of(&["dev"]);
    for flag in LISTEN_FLAGS {
        launch = launch.arguments(&[flag, "0.0.0.0:0"]);
    }
    let dev = Dev::launched(launch).await;
    for address in [&dev.endpoint, &dev.api, &dev.admin.address] {
        assert!(address.contains("127.0.0.1:"), "{address}");
    }
    dev.post("{}").await;
    dev.process.says("✓").await;
}
