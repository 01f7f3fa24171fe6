//! A worker with secrets in its environment, whose program shows what it has inherited.

use super::{Launch, Signal};

/// Checks that a handler's program, which must print its environment and `whole environment`, inherits no secrets.
pub(crate) async fn inherits_no_secret(queue: &str, handler: &str) {
    let file = format!(
        "admin.listen = '127.0.0.1:0'\n[queues.q]\nurl = '{queue}'\n[queues.q.handler]\n{handler}\n\
         inherit = ['OTEL_EXPORTER_OTLP_TRACES_HEADERS']\n"
    );
    let launch = Launch::of(&["run"])
        .file(&file)
        .variable("PATH", "/usr/bin:/bin")
        .variable("LONGSHORE__QUEUES__Q__HANDLER__ENV__DB", "of-the-settings")
        .variable("OTEL_EXPORTER_OTLP_HEADERS", "authorization=of-the-collector")
        .variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=kept")
        .variable("SHIP", "kept");
    let mut worker = launch.start();
    worker.complains("whole environment").await;
    worker.signal(Signal::Terminate);
    let seen = worker.ended().await.errors;
    for kept in ["SHIP=kept", "DB=of-the-settings", "OTEL_EXPORTER_OTLP_TRACES_HEADERS=authorization=kept"] {
        assert!(seen.contains(kept), "{kept}: {seen}");
    }
    assert!(!seen.contains("LONGSHORE__") && !seen.contains("of-the-collector"), "{seen}");
}
