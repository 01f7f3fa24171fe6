//! `longshore top` on a terminal, with workers that run.

use serde_json::json;
use tokio::net::TcpListener;

use super::support::{Call, Dev, Handler, Launch, Signal, Worker, terminal::OnTerminal, until};

/// The size of a usual terminal: rows and columns.
const SIZE: (u16, u16) = (24, 80);

fn top(addresses: &[&str]) -> OnTerminal {
    Launch::of(&["top", "--interval", "200ms"]).arguments(addresses).start_on_terminal(SIZE)
}

#[tokio::test]
async fn top_shows_every_worker_and_pauses_a_queue_and_gives_the_terminal_back() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let handler = Handler::start(async |_: Call| 404);
    let settings = "retry = { initial = \"10m\", jitter = \"none\" }\nreceive = { wait = \"1s\" }";
    let launch = Worker::launch(&pair.queue, &handler, settings);
    let worker = Worker::launched(launch.variable("LONGSHORE__ADMIN__CONTROL", "loopback")).await;
    dev.sqs.send(&pair.queue, "one").await;
    handler.has_ended(1).await;
    let id = handler.ended()[0].header("x-aws-sqsd-msgid").to_owned();
    // It accepts connections and never answers.
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs = hanging.local_addr().unwrap().to_string();
    let mut top = top(&[&worker.admin.address, &dev.admin.address, &hangs, "127.0.0.1:1"]);
    top.shows("127.0.0.1:1 unreachable for ").await;
    let screen = top.shows("orders").await;
    assert!(top.is_taken(), "{screen}");
    top.shows("longshore-dev-queue").await;
    top.shows(&format!("{hangs} unreachable for ")).await;
    let screen = top.shows("nothing within 4s").await;
    assert!(screen.contains("4 workers: 2 running, 2 unreachable"), "{screen}");

    // The names are in order: longshore-dev-queue, orders.
    top.press("j").await;
    top.shows(&format!(" orders on {} ", worker.admin.address)).await;
    top.press("p").await;
    top.shows("Pause orders on ").await;
    assert_eq!(worker.admin.queue("orders").await["paused"], json!([]), "not without the confirmation");
    top.press("y").await;
    until("the worker has paused the queue", async || {
        worker.admin.queue("orders").await["paused"][0]["reason"] == "operator"
    })
    .await;
    top.shows("orders: paused, 0 calls still run").await;
    top.shows("Polling is paused").await;

    top.press("\r").await;
    top.shows("Latest failures, 1 since the start").await;
    top.shows("the handler answered 404").await;
    top.press("\r").await;
    top.shows("orders, attempt 1: given back").await;
    let screen = top.shows("the call of the handler started").await;
    assert!(screen.contains(&id), "{screen}");
    top.press("q").await;
    assert_eq!(top.ended().await, Some(0));
}

#[tokio::test]
async fn top_shows_the_refusal_of_a_worker_and_control_c_ends_it() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let handler = Handler::willing();
    let worker = Worker::start(&pair.queue, &handler, "").await;
    let mut top = top(&[&worker.admin.address]);
    top.shows("The queue is empty").await;
    top.press("+").await;
    top.shows("Set the concurrency of orders on ").await;
    top.press("y").await;
    top.shows("orders: the worker answers 403: control is off").await;
    top.press("\u{3}").await;
    assert_eq!(top.ended().await, Some(0));
}

#[tokio::test]
async fn a_signal_ends_top_and_the_terminal_is_given_back() {
    for signal in [Signal::Terminate, Signal::HangUp, Signal::Interrupt] {
        let top = top(&["127.0.0.1:1"]);
        top.shows("127.0.0.1:1 · unreachable").await;
        assert!(top.is_taken());
        top.signal(signal);
        assert_eq!(top.ended().await, Some(0), "{signal:?}");
    }
}
