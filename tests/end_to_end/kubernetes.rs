//! `longshore run` and `longshore check` in a pod of Kubernetes, which they know by a variable.

use serde_json::Value;

use super::support::{Dev, Gate, Handler, Launch, Signal, Worker, worker::section};

/// The launch as in a pod.
fn in_pod(launch: Launch) -> Launch {
    launch.variable("KUBERNETES_SERVICE_HOST", "10.100.0.1")
}

#[tokio::test]
async fn the_drain_limit_follows_from_the_grace_period() {
    let (dev, gate) = (Dev::start().await, Gate::closed());
    let handler = gate.handler();
    let queue = dev.sqs.pair("orders", 5).await.queue;
    let launch = Worker::launch(&queue, &handler, "")
        .variable("LONGSHORE__KUBERNETES__TERMINATION_GRACE_PERIOD", "4s");
    let mut worker = Worker::launched(in_pod(launch)).await;
    dev.sqs.send(&queue, "{}").await;
    handler.has_started(1).await;
    worker.process.signal(Signal::Terminate);
    let line = worker.process.complains("the drain limit is all but over").await;
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["limit_seconds"], 2.0);
    let ended = worker.process.ended().await;
    assert_eq!(ended.code, Some(0));
    assert!(!ended.errors.contains("kubernetes.termination_grace_period is not set"), "{}", ended.errors);
}

#[tokio::test]
async fn a_grace_period_that_is_not_set_and_an_admin_server_on_loopback_are_warnings() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let mut worker = Worker::launched(in_pod(Worker::launch(&dev.queue, &handler, ""))).await;
    worker.process.signal(Signal::Terminate);
    let errors = worker.process.ended().await.errors;
    let line = errors.lines().find(|line| line.contains("kubernetes.termination_grace_period is not set"));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!((&line["level"], &line["limit_seconds"]), (&"WARN".into(), &20.0.into()));
    assert!(errors.contains("the admin server listens on loopback in a pod"), "{errors}");
}

#[tokio::test]
async fn in_no_pod_there_is_no_such_warning() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let mut worker = Worker::start(&dev.queue, &handler, "").await;
    worker.process.signal(Signal::Terminate);
    let errors = worker.process.ended().await.errors;
    assert!(!errors.contains("kubernetes") && !errors.contains("loopback"), "{errors}");
}

#[tokio::test]
async fn check_compares_the_pod_with_the_settings() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let file = section("orders", &dev.queue, &handler.url(), "");
    let open = "[admin]\nlisten = \"0.0.0.0:0\"\n";
    for (settings, code, codes) in [
        (String::new(), 0, &["grace-period-unknown", "admin-on-loopback"][..]),
        (format!("{open}[kubernetes]\ntermination_grace_period = \"2m\""), 0, &[]),
        (format!("{open}[drain]\nlimit = \"20s\""), 0, &[]),
        (
            format!("{open}[drain]\nlimit = \"110s\"\n[kubernetes]\ntermination_grace_period = \"1m\""),
            64,
            &["drain-limit"],
        ),
        (format!("{open}[kubernetes]\ntermination_grace_period = \"0s\""), 64, &["configuration"]),
    ] {
        let launch = in_pod(Launch::of(&["check", "--format", "json"]).file(&format!("{file}{settings}\n")));
        let ended = launch.run().await;
        let report: Value = serde_json::from_str(&ended.output).unwrap();
        let findings = report["findings"].as_array().unwrap().iter();
        let of_process = findings.filter(|finding| finding["queue"].is_null());
        let found: Vec<_> = of_process.map(|finding| finding["code"].as_str().unwrap()).collect();
        assert_eq!((ended.code, found), (Some(code), codes.to_vec()), "{settings}");
    }
}
