//! The exporter that sends spans to the collector over OTLP.

use opentelemetry_otlp::{
    Compression as OtlpCompression, ExporterBuildError, SpanExporter, WithExportConfig as _,
    WithHttpConfig as _, WithTonicConfig as _,
};

use crate::telemetry::otlp::{Collector, Compression, OtlpError, Protocol, Reason, RecordingClient};

/// Builds the exporter on the runtime that is to run it; connects to nothing yet.
///
/// It reads the headers from the environment itself. `reason` gets the details that its own errors leave out.
pub(super) fn build(collector: &Collector, reason: &Reason) -> Result<SpanExporter, OtlpError> {
    match collector.protocol {
        Protocol::Http => over_http(collector, reason.clone()),
        Protocol::Grpc => over_grpc(collector).map_err(OtlpError::Exporter),
    }
}

fn over_http(collector: &Collector, reason: Reason) -> Result<SpanExporter, OtlpError> {
    let client = RecordingClient { inner: collector.http_client()?, reason };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_endpoint(collector.endpoint.as_str())
        .with_timeout(collector.timeout);
    let exporter = match collector.compression {
        Compression::None => exporter,
        Compression::Gzip => exporter.with_compression(OtlpCompression::Gzip),
    };
    exporter.build().map_err(OtlpError::Exporter)
}

fn over_grpc(collector: &Collector) -> Result<SpanExporter, ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(collector.endpoint.as_str())
        .with_timeout(collector.timeout);
    let exporter = match collector.compression {
        Compression::None => exporter,
        Compression::Gzip => exporter.with_compression(OtlpCompression::Gzip),
    };
    match collector.grpc_tls() {
        Some(tls) => exporter.with_tls_config(tls).build(),
        None => exporter.build(),
    }
}
