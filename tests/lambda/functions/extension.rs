//! The extension of the tests over the Rust crate `lambda-extension`, which does what the variable `EXTENSION` says.
#![expect(
    clippy::disallowed_methods,
    clippy::exit,
    clippy::print_stderr,
    reason = "an extension is a program of its own"
)]

use std::{env, fs::OpenOptions, io::Write as _, process, time::Duration};

use lambda_extension::{
    Error, Extension, LambdaEvent, LambdaTelemetry, NextEvent, SharedService, service_fn,
};
use lambda_runtime::LambdaEvent as Invocation;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if mode() == "adapter" {
        return adapt().await;
    }
    let telemetry = SharedService::new(service_fn(ignore));
    let extension = Extension::new()
        .with_events_processor(service_fn(handle))
        .with_telemetry_port_number(0)
        .with_telemetry_processor(telemetry);
    let extension = extension.register().await?;
    note(&format!("agent of {} {} {}", extension.function_name, extension.function_version, process::id()))?;
    extension.run().await
}

/// Receives the function's invocations in its place, as the AWS Lambda Web Adapter does.
async fn adapt() -> Result<(), Error> {
    let extension = Extension::new().with_events(&[]).register().await?;
    tokio::spawn(async move { extension.run().await.map_err(|error| error.to_string()) });
    lambda_runtime::run(service_fn(pass_on)).await
}

async fn pass_on(event: Invocation<Value>) -> Result<Value, Error> {
    let record = &event.payload["Records"][0];
    note(&format!("adapted {}", record["body"].as_str().unwrap_or_default()))?;
    Ok(json!({}))
}

async fn ignore(_events: Vec<LambdaTelemetry>) -> Result<(), Error> {
    Ok(())
}

async fn handle(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(event) => {
            note(&format!("agent INVOKE {}", event.request_id))?;
            match mode().as_str() {
                "crash" if !has("agent crashes")? => {
                    wait_for("crash").await?;
                    note("agent crashes")?;
                    eprintln!("the agent has lost its licence");
                    process::exit(9);
                }
                "slow" => {
                    wait_for("go").await?;
                    note("agent flushed")?;
                }
                _ => {}
            }
        }
        NextEvent::Shutdown(event) => {
            note(&format!("agent SHUTDOWN {}", event.shutdown_reason))?;
            if mode() == "stubborn" {
                std::future::pending::<()>().await;
            }
            process::exit(0);
        }
    }
    Ok(())
}

fn mode() -> String {
    env::var("EXTENSION").unwrap_or_default()
}

async fn wait_for(line: &str) -> Result<(), Error> {
    while !has(line)? {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn has(line: &str) -> Result<bool, Error> {
    Ok(std::fs::read_to_string(env::var("JOURNAL")?)?.lines().any(|own| own == line))
}

fn note(line: &str) -> Result<(), Error> {
    let mut journal = OpenOptions::new().append(true).create(true).open(env::var("JOURNAL")?)?;
    Ok(journal.write_all(format!("{line}\n").as_bytes())?)
}
