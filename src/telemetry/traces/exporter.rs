//! The exporter that speaks OTLP with the collector.

use opentelemetry_otlp::{
    Compression as OtlpCompression, ExporterBuildError, SpanExporter, WithExportConfig as _,
    WithHttpConfig as _, WithTonicConfig as _, tonic_types::transport::ClientTlsConfig,
};
use reqwest::{ClientBuilder, redirect};

use super::{
    TracesError,
    client::{Client, Reason},
    plan::{Compression, Plan, Protocol},
};
use crate::net;

/// Makes the exporter, on the runtime that it is to run on; connects to nothing yet.
///
/// It reads the headers from the environment itself. What its own errors leave out is in `reason`.
pub(super) fn build(plan: &Plan, reason: &Reason) -> Result<SpanExporter, TracesError> {
    match plan.protocol {
        Protocol::Http => over_http(plan, reason.clone()),
        Protocol::Grpc => over_grpc(plan).map_err(TracesError::Exporter),
    }
}

fn over_http(plan: &Plan, reason: Reason) -> Result<SpanExporter, TracesError> {
    let client = Client { inner: client(plan).map_err(TracesError::Client)?, reason };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_endpoint(plan.endpoint.as_str())
        .with_timeout(plan.timeout);
    let exporter = match plan.compression {
        Compression::None => exporter,
        Compression::Gzip => exporter.with_compression(OtlpCompression::Gzip),
    };
    exporter.build().map_err(TracesError::Exporter)
}

fn client(plan: &Plan) -> reqwest::Result<reqwest::Client> {
    net::provide_tls();
    let client = ClientBuilder::new().timeout(plan.timeout).redirect(redirect::Policy::none()).no_proxy();
    // The system's certificates are read only where they are needed: it takes longer than the rest of the start.
    let client = if is_secure(plan) { client } else { client.tls_certs_only([]) };
    client.build()
}

fn over_grpc(plan: &Plan) -> Result<SpanExporter, ExporterBuildError> {
    let exporter =
        SpanExporter::builder().with_tonic().with_endpoint(plan.endpoint.as_str()).with_timeout(plan.timeout);
    let exporter = match plan.compression {
        Compression::None => exporter,
        Compression::Gzip => exporter.with_compression(OtlpCompression::Gzip),
    };
    if !is_secure(plan) {
        return exporter.build();
    }
    net::provide_tls();
    exporter.with_tls_config(ClientTlsConfig::new().with_native_roots()).build()
}

fn is_secure(plan: &Plan) -> bool {
    plan.endpoint.scheme() == "https"
}
