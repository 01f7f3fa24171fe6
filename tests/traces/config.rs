//! The variables of OpenTelemetry as the commands read and show them.

use super::support::Launch;

#[tokio::test]
async fn an_invalid_variable_is_a_configuration_error() {
    let arguments = ["run", "--queue-url", "http://127.0.0.1:1/1/q", "--handler", "http://127.0.0.1:1/"];
    let launch = Launch::of(&arguments)
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
        .variable("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .variable("OTEL_TRACES_SAMPLER", "sometimes");
    let ended = launch.run().await;
    assert_eq!(ended.code, Some(64), "{}", ended.errors);
    for text in ["\"http/json\"", "allowed: http/protobuf, grpc", "environment OTEL_TRACES_SAMPLER"] {
        assert!(ended.errors.contains(text), "{text} is not in {}", ended.errors);
    }
}

#[tokio::test]
async fn set_variables_are_shown_without_their_secrets() {
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
