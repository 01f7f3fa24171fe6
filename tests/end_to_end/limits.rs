//! Limits of calls, by the settings of the file.

use std::time::Duration;

use tokio::time::sleep;

use super::support::{Dev, Handler, Launch, Worker};

#[tokio::test]
async fn two_queues_share_the_slots_of_a_pool() {
    let dev = Dev::start().await;
    let handler = Handler::start(async |_| {
        sleep(Duration::from_millis(20)).await;
        200
    });
    let (one, other) = (dev.sqs.pair("one", 5).await, dev.sqs.pair("other", 5).await);
    let bodies: Vec<_> = (0..30).map(|number| number.to_string()).collect();
    for queue in [&one.queue, &other.queue] {
        dev.sqs.send_all(queue, &bodies).await;
    }
    let section = |name: &str, url: &str, weight: usize| {
        format!(
            "[queues.{name}]\nurl = \"{url}\"\nconcurrency = 8\npool = \"main\"\nweight = {weight}\n\
             handler = {{ kind = \"http\", url = \"{}\" }}\n",
            handler.url()
        )
    };
    let file = format!(
        "[pool.main]\nconcurrency = 3\n{}{}",
        section("one", &one.queue, 1),
        section("other", &other.queue, 2)
    );
    let _worker = Worker::launched(Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&file)).await;
    handler.has_ended(60).await;
    assert_eq!(handler.most_running(), 3);
    for queue in [&one.queue, &other.queue] {
        dev.sqs.becomes_empty(queue).await;
    }
}
