//! A Lambda function in Rust as it runs in Lambda: it counts the words of each message.
//!
//! Nothing in it knows of Longshore.
#![expect(clippy::print_stdout, reason = "what a function prints is its log")]

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    body: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    batch_item_failures: Vec<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(count_words)).await
}

async fn count_words(event: LambdaEvent<Event>) -> Result<Answer, Error> {
    let mut batch_item_failures = Vec::new();
    for Record { message_id, body } in event.payload.records {
        match body.split_whitespace().count() {
            0 => batch_item_failures.push(Failure { item_identifier: message_id }),
            words => println!("{words} words in {message_id}"),
        }
    }
    Ok(Answer { batch_item_failures })
}
