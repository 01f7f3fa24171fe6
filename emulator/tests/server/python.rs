//! boto3 and the AWS CLI, with nothing but an endpoint.

use std::{ffi::OsString, path::Path, process::Output};

use tokio::process::Command;

use super::harness::Served;

/// A Python with this module and dummy credentials; `None` if the tests in Python are to be skipped.
fn python_with(module: &str) -> Option<Command> {
    let mut python = Command::new(python_path_with(module)?);
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
    finds_every_fact("sqs_conformance.py").await;
}

#[tokio::test]
async fn boto3_finds_every_fact_of_sns() {
    finds_every_fact("sns_conformance.py").await;
}

async fn finds_every_fact(script: &str) {
    let Some(mut python) = python_with("boto3") else { return };
    let served = Served::start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(script);
    let output = python.arg(script).arg(served.endpoint()).output().await.unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[tokio::test]
async fn the_aws_cli_works_with_nothing_but_an_endpoint() {
    let served = Served::start().await;
    let url = format!("{}/000000000000/orders", served.endpoint());
    let commands = [
        (vec!["create-queue", "--queue-name", "orders"], url.as_str()),
        (vec!["send-message", "--queue-url", &url, "--message-body", "a & b"], "MD5OfMessageBody"),
        (vec!["receive-message", "--queue-url", &url, "--attribute-names", "All"], "\"Body\": \"a & b\""),
        (vec!["purge-queue", "--queue-url", &url], ""),
        (vec!["list-queues"], url.as_str()),
    ];
    the_cli_works(&served, "sqs", &commands).await;
}

#[tokio::test]
async fn the_aws_cli_publishes_with_nothing_but_an_endpoint() {
    if python_with("awscli").is_none() {
        return;
    }
    let served = Served::start().await;
    served.queue("orders").await;
    let topic = "arn:aws:sns:us-east-1:000000000000:orders";
    let queue = "arn:aws:sqs:us-east-1:000000000000:orders";
    let attributes = r#"{"n": {"DataType": "Number", "StringValue": "1"}}"#;
    let subscribe =
        ["subscribe", "--topic-arn", topic, "--protocol", "sqs", "--notification-endpoint", queue];
    let publish = ["publish", "--topic-arn", topic, "--message", "a & b", "--message-attributes", attributes];
    let commands = [
        (vec!["create-topic", "--name", "orders"], topic),
        (subscribe.to_vec(), "SubscriptionArn"),
        (publish.to_vec(), "MessageId"),
        (vec!["publish", "--phone-number", "+15550100123", "--message", "ahoy"], "MessageId"),
        (vec!["list-subscriptions"], queue),
        (vec!["list-topics"], topic),
    ];
    the_cli_works(&served, "sns", &commands).await;
    let body = served.receive_one(&format!("{}/000000000000/orders", served.endpoint())).await.body.unwrap();
    assert!(body.contains(r#""Message":"a & b""#), "{body}");
}

async fn the_cli_works(served: &Served, service: &str, commands: &[(Vec<&str>, &str)]) {
    for (arguments, expected) in commands {
        let Some(mut python) = python_with("awscli") else { return };
        let command =
            python.args(["-m", "awscli", "--endpoint-url", &served.endpoint(), service]).args(arguments);
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(expected), "{arguments:?}: {}", text(&output));
    }
}

/// The path of a Python that has this module; `None` if `LONGSHORE_SKIP_PYTHON=1`.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "not a setting, but a condition of the tests"
)]
fn python_path_with(module: &str) -> Option<String> {
    if std::env::var_os("LONGSHORE_SKIP_PYTHON").is_some_and(|value| value == "1") {
        println!("skipped: LONGSHORE_SKIP_PYTHON is set");
        return None;
    }
    let name = std::env::var_os("LONGSHORE_TEST_PYTHON").unwrap_or_else(|| OsString::from("python3"));
    let probe = format!("import {module}, sys; print(sys.executable)");
    let output = std::process::Command::new(&name).args(["-c", &probe]).output().ok();
    let Some(output) = output.filter(|output| output.status.success()) else {
        panic!("{} has no {module}, hint: run make tests, or set LONGSHORE_SKIP_PYTHON=1", name.display());
    };
    // Its own path: a launcher that looks it up would need an environment.
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}
