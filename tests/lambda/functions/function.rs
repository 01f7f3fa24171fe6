//! The Rust function of the tests, which does what each message's body says.
#![expect(
    clippy::disallowed_methods,
    clippy::exit,
    clippy::print_stdout,
    reason = "a function is a program of its own"
)]

use std::{fs::OpenOptions, io::Write as _, time::Duration};

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::var_os("GRACEFUL").is_some() {
        // Registers an internal extension, without which Lambda would not send SIGTERM.
        lambda_runtime::spawn_graceful_shutdown_handler(|| async { drop(note("graceful")) }).await;
    }
    run(service_fn(handle)).await
}

fn note(line: &str) -> Result<(), Error> {
    let journal = std::env::var("JOURNAL")?;
    let mut journal = OpenOptions::new().append(true).create(true).open(journal)?;
    Ok(journal.write_all(format!("{line}\n").as_bytes())?)
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let mut failures = Vec::new();
    for record in event.payload["Records"].as_array().ok_or("no records")? {
        let count = record["attributes"]["ApproximateReceiveCount"].as_str().unwrap_or_default();
        let (body, id) = (record["body"].as_str().unwrap_or_default(), &record["messageId"]);
        note(&format!("{body} {count} {}", std::process::id()))?;
        println!("handling {id}");
        let (what, how) = body.split_once(':').unwrap_or((body, ""));
        match (what, count == "1") {
            ("sleep", _) => tokio::time::sleep(Duration::from_secs_f64(how.parse()?)).await,
            ("fail", true) => failures.push(json!({ "itemIdentifier": id })),
            ("trace", _) => println!("traced by {:?}", event.context.xray_trace_id),
            ("raise", true) => return Err("raised on request".into()),
            ("crash", true) => std::process::exit(7),
            ("deadline", _) if left(&event) < Duration::from_secs_f64(how.parse()?) => {
                return Err("too little time left".into());
            }
            _ => {}
        }
    }
    Ok(json!({ "batchItemFailures": failures }))
}

fn left(event: &LambdaEvent<Value>) -> Duration {
    event.context.deadline().duration_since(std::time::SystemTime::now()).unwrap_or_default()
}
