//! `longshore send`, up to the handler.

use std::time::Duration;

use super::support::{Call, Dev, Handler, Launch};

async fn serving() -> (Handler, Dev) {
    let handler = Handler::willing();
    let dev = Dev::launched(Dev::launch().arguments(&["--handler", &handler.url()])).await;
    (handler, dev)
}

fn send(queue: &str, arguments: &[&str]) -> Launch {
    Launch::of(&["send", "--queue-url", queue]).arguments(arguments)
}

#[tokio::test]
async fn an_argument_arrives_with_its_attributes() {
    let (handler, dev) = serving().await;
    let attributes = ["--attribute", "colour=sea blue", "--attribute", "size:Number=42"];
    let ended = send(&dev.queue, &["a & b\n\"c\""]).arguments(&attributes).run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let call = handler.has_ended(1).await.remove(0);
    assert_eq!(call.text(), "a & b\n\"c\"");
    assert_eq!(call.header("x-aws-sqsd-attr-colour"), "sea blue");
    assert_eq!(call.header("x-aws-sqsd-attr-size"), "42");
    assert_eq!(call.header("x-aws-sqsd-msgid"), ended.output.trim(), "the id that was printed");
}

#[tokio::test]
async fn every_line_of_standard_input_is_a_message() {
    let (handler, dev) = serving().await;
    let lines: Vec<_> = (0..25).map(|number| format!("line {number}")).collect();
    let ended = send(&dev.queue, &["--file", "-"]).input(&lines.join("\n")).run().await;
    assert_eq!((ended.code, ended.output.lines().count()), (Some(0), 25), "{}", ended.errors);
    let mut arrived: Vec<_> = handler.has_ended(25).await.iter().map(Call::text).collect();
    let mut expected = lines.clone();
    arrived.sort_unstable();
    expected.sort_unstable();
    assert_eq!(arrived, expected);
}

#[tokio::test]
async fn a_delayed_message_comes_no_sooner() {
    let (handler, dev) = serving().await;
    let began = tokio::time::Instant::now();
    let ended = send(&dev.queue, &["later", "--delay", "2s"]).run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    handler.has_started(1).await;
    assert!(began.elapsed() >= Duration::from_secs(2), "it came after {:?}", began.elapsed());
}

#[tokio::test]
async fn a_fifo_message_carries_its_group_and_is_taken_once() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders.fifo", 3).await;
    let arguments = ["pay", "--group-id", "customer-7", "--deduplication-id", "once"];
    for _ in 0..2 {
        let ended = send(&pair.queue, &arguments).run().await;
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
    }
    assert_eq!(dev.sqs.take_all(&pair.queue).await, [("pay".to_owned(), 1)]);
    let ungrouped = send(&pair.queue, &["pay"]).run().await;
    assert_eq!(ungrouped.code, Some(64), "{}", ungrouped.errors);
    assert!(ungrouped.errors.contains("MessageGroupId"), "{}", ungrouped.errors);
    assert!(ungrouped.errors.contains("hint: give --group-id"), "{}", ungrouped.errors);
}

#[tokio::test]
async fn sending_to_a_missing_queue_is_an_error() {
    let dev = Dev::start().await;
    let ended = send(&format!("{}/000000000000/nowhere", dev.endpoint), &["hello"]).run().await;
    assert_eq!(ended.code, Some(69), "{}", ended.errors);
    assert!(ended.errors.contains("does not exist") && ended.errors.contains("hint:"), "{}", ended.errors);
}

#[tokio::test]
async fn a_quiet_send_counts_and_many_batches_under_way_lose_none() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let lines: Vec<_> = (0..1_005).map(|number| number.to_string()).collect();
    let launch = send(&pair.queue, &["--file", "messages", "--quiet"]).script("messages", &lines.join("\n"));
    let ended = launch.run().await;
    assert_eq!((ended.code, &*ended.errors), (Some(0), ""), "no bar in a pipe");
    assert!(
        ended.output.starts_with("sent 1005 messages in ") && ended.output.lines().count() == 1,
        "{}",
        ended.output
    );
    assert_eq!(dev.sqs.counts(&pair.queue).await.visible, 1_005);
}

#[tokio::test]
async fn a_terminal_shows_a_bar_until_all_is_sent_and_then_the_summary_alone() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let lines: Vec<_> = (0..2_000).map(|number| number.to_string()).collect();
    let launch = send(&pair.queue, &["--file", "messages", "--quiet"]).script("messages", &lines.join("\n"));
    let terminal = launch.start_on_terminal((10, 120));
    let bar = terminal.shows("left").await;
    assert!(bar.contains("% ") && bar.contains(" messages, ") && bar.contains(" a second, "), "{bar}");
    let end = terminal.shows("sent 2000 messages in ").await;
    assert_eq!(end.trim().lines().count(), 1, "{end}");
    assert_eq!(terminal.ended().await, Some(0));
    assert_eq!(dev.sqs.counts(&pair.queue).await.visible, 2_000);
}
