//! The handlers that are measured, kind by kind.

use std::{convert::Infallible, num::NonZeroUsize, process::Stdio, sync::Arc};

use aws_sdk_sns::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
};
use longshore::{
    Message,
    handler::{
        self, AnyHandler, Call,
        exec::{self, ExecHandler},
        http::{self, HttpBatchHandler, HttpHandler},
        lambda::{self, LambdaHandler},
        sns::{self, SnsHandler},
    },
    internals::{AwsSettings, ServiceLocation, SnsPublisher, Source},
    sns::TopicArn,
};
use tokio::{io::AsyncWriteExt as _, process::Command};
use tower::service_fn;
use url::Url;

use super::{
    Failure,
    contender::{Amounts, BODY_BYTES, Contender, Direct},
    noop::FUNCTION,
};

const QUEUE: &str = "bench";
const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:bench";

const QUICK: Amounts = Amounts { single: 2_000, round: 100_000 };
const OVER_HTTP: Amounts = Amounts { single: 2_000, round: 20_000 };
const OVER_HTTP_IN_TENS: Amounts = Amounts { single: 1_000, round: 50_000 };
const PROCESSES: Amounts = Amounts { single: 500, round: 2_000 };
const HOSTED: Amounts = Amounts { single: 1_000, round: 15_000 };
const HOSTED_IN_TENS: Amounts = Amounts { single: 500, round: 50_000 };

fn contender(
    (name, batch, amounts): (&'static str, usize, Amounts),
    direct: Direct,
    make: impl Fn(NonZeroUsize) -> Result<AnyHandler, Failure> + 'static,
) -> Contender {
    Contender { name, batch, amounts, make: Box::new(make), direct }
}

pub(crate) fn rust() -> [Contender; 2] {
    let closure = |_| Ok(handler::from_fn(async |_: Arc<Message>| ()).into());
    let service = |_| {
        let service = service_fn(async |_: Call| Ok::<_, Infallible>(()));
        Ok(handler::from_service(service).into())
    };
    [
        contender(("rust, a closure", 1, QUICK), Direct::Handler, closure),
        contender(("rust, a `tower` service", 1, QUICK), Direct::Handler, service),
    ]
}

pub(crate) fn http(url: &Url) -> Result<[Contender; 2], Failure> {
    // Its builder wants one, although nothing is encrypted here.
    let provider = rustls::crypto::ring::default_provider();
    provider.install_default().map_err(|_| "rustls has a provider already")?;
    let client = reqwest::Client::new();
    let (settings, target) = (http::Settings::new(url)?, url.clone());
    let post = move || {
        let request = client.post(target.clone()).body("x".repeat(BODY_BYTES));
        async move { Ok(request.send().await?.error_for_status()?.bytes().await.map(drop)?) }
    };
    let of_batches = settings.clone();
    let single = move |_| Ok(HttpHandler::new(settings.clone(), QUEUE)?.into());
    let batches = move |_| Ok(HttpBatchHandler::new(of_batches.clone(), QUEUE, Source::of_arn(ARN))?.into());
    Ok([
        contender(("`http`", 1, OVER_HTTP), Direct::call(post), single),
        contender(("`http`, batches of 10", 10, OVER_HTTP_IN_TENS), Direct::Handler, batches),
    ])
}

pub(crate) fn exec() -> [Contender; 2] {
    let made = |name, command: &'static [&'static str]| {
        let settings = exec::Settings::of_command(command.iter().copied());
        let make = move |_| Ok(ExecHandler::new(settings.clone(), QUEUE)?.into());
        contender((name, 1, PROCESSES), Direct::call(move || run(command)), make)
    };
    [
        made("`exec`, `/bin/true`", &["/bin/true"]),
        made("`exec`, `sh -c 'cat >/dev/null'`", &["/bin/sh", "-c", "cat >/dev/null"]),
    ]
}

/// Runs a program with a message on its standard input, and waits for its output and its end.
async fn run(command: &[&str]) -> Result<(), Failure> {
    let (program, arguments) = command.split_first().ok_or("no program")?;
    let mut process = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = process.stdin.take() {
        // A program that does not read may be gone already.
        drop(input.write_all(&[b'x'; BODY_BYTES]).await);
    }
    let output = process.wait_with_output().await?;
    if output.status.success() { Ok(()) } else { Err(format!("{program} failed: {}", output.status).into()) }
}

pub(crate) fn rust_function() -> Result<[Contender; 2], Failure> {
    let own = std::env::current_exe()?;
    let settings = lambda::Settings::of_command([own.to_string_lossy(), FUNCTION.into()]);
    let names = ["`lambda`, Rust", "`lambda`, Rust, batches of 10"];
    Ok(hosted(names, &settings))
}

/// The function in Python, for whoever has one with `awslambdaric`.
pub(crate) fn python_function(python: &str) -> [Contender; 2] {
    let settings = lambda::Settings::of_command([python, "-m", "awslambdaric", "noop.handler"])
        .task_root(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/bench/functions"));
    hosted(["`lambda`, Python", "`lambda`, Python, batches of 10"], &settings)
}

fn hosted([single, tens]: [&'static str; 2], settings: &lambda::Settings) -> [Contender; 2] {
    let made = |name, batch, amounts| {
        let settings = settings.clone();
        let make =
            move |processes| Ok(LambdaHandler::new(&settings, QUEUE, Source::of_arn(ARN), processes)?.into());
        contender((name, batch, amounts), Direct::Handler, make)
    };
    [made(single, 1, HOSTED), made(tens, 10, HOSTED_IN_TENS)]
}

/// Publishes to a topic without subscriptions at this address.
pub(crate) async fn sns(origin: &str) -> Result<Contender, Failure> {
    let client = sns_client(origin);
    let arn = client.create_topic().name(QUEUE).send().await?.topic_arn.ok_or("a topic without an arn")?;
    let topic: TopicArn = arn.parse()?;
    let publish = move || {
        let publish = client.publish().topic_arn(&arn).message("x".repeat(BODY_BYTES));
        async move { Ok(publish.send().await.map(drop)?) }
    };
    let settings = AwsSettings {
        region: Some(topic.region().to_owned()),
        endpoint_url: Some(origin.to_owned()),
        ..AwsSettings::default()
    };
    let make = move |_| {
        let publisher = Arc::new(SnsPublisher::new(settings.clone(), ServiceLocation::default()));
        Ok(SnsHandler::new(sns::Settings::to_topic(topic.clone()), publisher)?.into())
    };
    Ok(contender(("`sns`", 1, OVER_HTTP), Direct::call(publish), make))
}

fn sns_client(origin: &str) -> Client {
    let config = aws_sdk_sns::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .endpoint_url(origin)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}
