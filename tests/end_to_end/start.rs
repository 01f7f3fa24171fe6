//! The errors that keep `longshore run` and `longshore dev` from starting.

use std::{net::TcpListener, time::Duration};

use super::support::{Dev, Ended, Launch, Signal, Worker, worker::section};

const LISTEN_FLAGS: [&str; 3] = ["--sqs-listen", "--api-listen", "--admin-listen"];

fn run(queue: &str) -> Launch {
    let handler = ["--handler", "http://127.0.0.1:9/", "--admin-listen", "127.0.0.1:0"];
    Launch::of(&["run", "--queue-url", queue]).arguments(&handler)
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
    let ended = run(&format!("http://{free}/000000000000/orders")).run().await;
    assert_ended(&ended, 69, &["queue orders", "refused", "hint: check the url"]);
}

#[tokio::test]
async fn an_sqs_that_never_answers_exits_with_69_within_the_time_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let queue = format!("http://{}/000000000000/orders", silent.local_addr().unwrap());
    let ended = run(&queue).run().await;
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

#[tokio::test]
async fn a_missing_queue_exits_with_69_and_a_clear_error() {
    let dev = Dev::start().await;
    let by_url = run(&format!("{}/000000000000/nowhere", dev.endpoint)).run().await;
    assert_ended(&by_url, 69, &["queue nowhere", "does not exist", "hint: check the url"]);
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
    dev.process.says("done").await;
}
