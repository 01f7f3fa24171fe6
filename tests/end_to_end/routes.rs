//! A queue whose messages go to several handlers.

use serde_json::json;

use super::support::{Dev, Handler, Launch, Worker, until};

fn http(url: &str) -> String {
    format!("handler = {{ kind = \"http\", url = \"{url}\" }}")
}

#[tokio::test]
async fn each_message_goes_to_the_handler_of_its_route_and_the_rest_is_rejected() {
    let (dev, orders, refunds) = (Dev::start().await, Handler::willing(), Handler::willing());
    let pair = dev.sqs.pair("orders", 5).await;
    let file = format!(
        "[queues.orders]\nurl = \"{queue}\"\nbatch.size = 4\n\
         [[queues.orders.route]]\njson.detail-type = [\"Order Placed\", \"Order Paid\"]\n{to_orders}\n\
         [[queues.orders.route]]\njson.type = \"refund.*\"\n{to_refunds}\n\
         [[queues.orders.route]]\nreject = \"nobody wants it\"\n",
        queue = pair.queue,
        to_orders = http(&orders.url()),
        to_refunds = http(&refunds.url()),
    );
    let _worker = Worker::launched(Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&file)).await;
    let bodies: Vec<String> = (0..24)
        .map(|number| match number % 3 {
            0 => json!({"detail-type": "Order Placed", "number": number}).to_string(),
            1 => json!({"type": "refund.whole", "number": number}).to_string(),
            _ => format!("something else {number}"),
        })
        .collect();
    dev.sqs.send_all(&pair.queue, &bodies).await;
    dev.sqs.becomes_empty(&pair.queue).await;

    let taken = |handler: &Handler| handler.ended_bodies().concat();
    assert!(!taken(&orders).contains("refund") && !taken(&refunds).contains("Placed"));
    for (handler, remainder) in [(&orders, 0), (&refunds, 1)] {
        let all = taken(handler);
        for number in (0..24).filter(|number| number % 3 == remainder) {
            // A batch is posted as JSON, in which each body is a text.
            let has = |after: char| all.contains(&format!("\\\"number\\\":{number}{after}"));
            assert!(has('}') || has(','), "{number} is missing");
        }
    }
    until("the rest is in the DLQ", async || dev.sqs.counts(&pair.dlq).await.visible == 8).await;
}

#[tokio::test]
async fn a_wrong_route_is_named_by_its_number_and_its_line() {
    let file = "[queues.orders]\nurl = \"http://127.0.0.1:9/1/orders\"\n\
                [[queues.orders.route]]\ngroup = \"a\"\nhandler = { kind = \"http\", url = \"http://127.0.0.1:9/\" }\n\
                [[queues.orders.route]]\ngruop = \"b\"\nreject = \"b\"\n\
                [[queues.orders.route]]\ngroup = \"c\"\n";
    let ended = Launch::of(&["config", "--check"]).file(file).run().await;
    assert_eq!(ended.code, Some(64), "{}", ended.errors);
    for expected in [
        "queues.orders.route.2.gruop",
        "line 7",
        "did you mean group?",
        "queues.orders.route.3.handler",
        "the route leads nowhere",
    ] {
        assert!(ended.errors.contains(expected), "{expected}: {}", ended.errors);
    }
}
