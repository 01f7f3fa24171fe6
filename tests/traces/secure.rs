//! A collector over https gets spans only if `SSL_CERT_FILE` or `AWS_CA_BUNDLE` names its certificate.

use super::{
    spans::SETTINGS,
    support::{Dev, Handler, Launch, Process, Worker, python::python_with},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/traces/secure_collector.py");

/// A worker that has handled one message, and exports to this collector.
async fn exporting(address: &str, variables: &[(&str, &str)]) -> (Dev, Handler, Worker) {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let pair = dev.sqs.pair("orders", 3).await;
    let launch: Launch = Worker::launch(&pair.queue, &handler, SETTINGS)
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        .variable("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20canary-header")
        .variable("OTEL_BSP_SCHEDULE_DELAY", "50");
    let launch = variables.iter().fold(launch, |launch, (name, value)| launch.variable(name, value));
    let worker = Worker::launched(launch).await;
    dev.sqs.send(&pair.queue, "x").await;
    handler.has_ended(1).await;
    (dev, handler, worker)
}

#[tokio::test]
async fn a_collector_is_trusted_over_https_only_by_the_named_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = directory.path().join("certificate.pem");
    let certificate = certificate.to_str().unwrap();
    let Some(python) = python_with("cryptography") else { return };
    let collector: Process = python.arguments(&[SCRIPT, certificate]).start();
    let line = collector.says("listens at").await;
    let address = line.split_whitespace().last().unwrap();

    let (_dev, _handler, trusting) = exporting(address, &[("SSL_CERT_FILE", certificate)]).await;
    collector.says("took /v1/traces with Bearer canary-header").await;
    drop(trusting);

    let (_dev, _handler, of_bundle) = exporting(
        address,
        &[
            ("AWS_CA_BUNDLE", certificate),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20canary-bundle"),
        ],
    )
    .await;
    collector.says("took /v1/traces with Bearer canary-bundle").await;
    drop(of_bundle);

    let (_dev, _handler, untrusting) = exporting(address, &[]).await;
    let line = untrusting.process.complains("traces are lost on their way to the collector").await;
    assert!(line.contains("certificate") && !line.contains("canary"), "{line}");
}
