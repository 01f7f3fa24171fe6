//! The variables of OpenTelemetry as the commands read and show them.

use super::support::Launch;

#[tokio::test]
async fn a_variable_that_cannot_be_meant_is_an_error_of_the_configuration() {
    let arguments = ["run", "--queue-url", "http://127.0.0.1:1/1/q", "--handler", "http://127.0.0.1:1/"];
    let launch = Launch::of(&arguments)
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
        .variable("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .variable("OTEL_TRACES_SAMPLER", "sometimes");
    let ended = launch.run().await;
    assert_eq!(ended.code, Some(64), "{}", ended.errors);
    for words in ["\"http/json\"", "allowed: http/protobuf, grpc", "environment OTEL_TRACES_SAMPLER"] {
        assert!(ended.errors.contains(words), "{words} is not in {}", ended.errors);
    }
}

#[tokio::test]
async fn what_is_set_is_shown_without_its_secrets() {
    for form in [&["config"][..], &["config", "--json"]] {
        let launch = Launch::of(form)
            .variable("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318")
            .variable("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer hunter2");
        let ended = launch.run().await;
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        let shown = ended.output;
        assert!(shown.contains("https://collector:4318") && shown.contains("authorization=***"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
