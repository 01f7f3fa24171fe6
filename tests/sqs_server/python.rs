//! The clients that people have at hand: boto3 and the AWS CLI, with nothing but an endpoint.

use std::{ffi::OsString, path::Path, process::Output};

use tokio::process::Command;

use super::harness::Served;

/// A Python with this module and nothing of AWS in its environment but dummy credentials; `None`, and a word about
/// it, where Python is to be skipped.
#[expect(clippy::disallowed_methods, reason = "no setting, but how to run the tests")]
async fn python_with(module: &str) -> Option<Command> {
    if std::env::var_os("LONGSHORE_SKIP_PYTHON").is_some_and(|value| value == "1") {
        println!("skipped: LONGSHORE_SKIP_PYTHON is set");
        return None;
    }
    let name = std::env::var_os("LONGSHORE_TEST_PYTHON").unwrap_or_else(|| OsString::from("python3"));
    let probe = Command::new(&name).args(["-c", &format!("import {module}")]).output().await;
    let is_there = probe.is_ok_and(|output| output.status.success());
    let hint = "hint: run make tests, or set LONGSHORE_SKIP_PYTHON=1";
    assert!(is_there, "{} has no {module}, {hint}", name.display());
    let mut python = Command::new(name);
    python
        .env("AWS_ACCESS_KEY_ID", "any")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .kill_on_drop(true);
    Some(python)
}

fn text(output: &Output) -> String {
    [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat()
}

#[tokio::test]
async fn boto3_finds_every_fact_of_the_conformance_script() {
    let Some(mut python) = python_with("boto3").await else { return };
    let served = Served::start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/sqs_conformance.py");
    let output = python.arg(script).arg(served.endpoint()).output().await.unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[tokio::test]
async fn the_aws_cli_works_with_nothing_but_an_endpoint() {
    let served = Served::start().await;
    let url = format!("{}/000000000000/orders", served.endpoint());
    for (arguments, expected) in [
        (vec!["create-queue", "--queue-name", "orders"], url.as_str()),
        (vec!["send-message", "--queue-url", &url, "--message-body", "a & b"], "MD5OfMessageBody"),
        (vec!["receive-message", "--queue-url", &url, "--attribute-names", "All"], "\"Body\": \"a & b\""),
        (vec!["purge-queue", "--queue-url", &url], ""),
        (vec!["list-queues"], url.as_str()),
    ] {
        let Some(mut python) = python_with("awscli").await else { return };
        let command =
            python.args(["-m", "awscli", "--endpoint-url", &served.endpoint(), "sqs"]).args(&arguments);
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(expected), "{arguments:?}: {}", text(&output));
    }
}
