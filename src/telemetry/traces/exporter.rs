//! The exporter that sends spans to the collector over OTLP.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    Compression as OtlpCompression, ExporterBuildError, SpanExporter, WithExportConfig as _,
    WithHttpConfig as _, WithTonicConfig as _,
    tonic_types::transport::{Certificate, ClientTlsConfig},
};
use reqwest::{ClientBuilder, redirect};

use super::{
    TracesError,
    plan::{Compression, Plan, Protocol},
};
use crate::{error_chain::message_with_causes, net};

/// Builds the exporter on the runtime that is to run it; connects to nothing yet.
///
/// It reads the headers from the environment itself. `reason` gets the details that its own errors leave out.
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
    let client = if is_secure(plan) { net::trust_ca_bundle(client)? } else { client.tls_certs_only([]) };
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
    let tls = ClientTlsConfig::new().with_native_roots();
    let tls = match net::ca_bundle() {
        Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
        None => tls,
    };
    exporter.with_tls_config(tls).build()
}

fn is_secure(plan: &Plan) -> bool {
    plan.endpoint.scheme() == "https"
}

/// The reason why the last request had no answer; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Reason(Arc<Mutex<Option<String>>>);

impl Reason {
    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the reason; `None` if every request since was answered.
    pub(super) fn take(&self) -> Option<String> {
        self.lock().take()
    }
}

/// An HTTP client that records the reasons of its failures.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) inner: reqwest::Client,
    pub(super) reason: Reason,
}

impl HttpClient for Client {
    fn send_bytes<'client, 'call>(
        &'client self,
        request: Request<Bytes>,
    ) -> BoxFuture<'call, Result<Response<Bytes>, HttpError>>
    where
        'client: 'call,
        Self: 'call,
    {
        async move {
            let answer = self.inner.send_bytes(request).await.map_err(without_address);
            *self.reason.lock() = answer.as_ref().err().map(|error| message_with_causes(&**error));
            answer
        }
        .boxed()
    }
}

/// The collector's address may hold a password.
fn without_address(error: HttpError) -> HttpError {
    let error: Result<Box<reqwest::Error>, HttpError> = error.downcast();
    match error {
        Ok(error) => error.without_url().into(),
        Err(other) => other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::net;

    #[tokio::test]
    async fn a_connection_error_is_reported_without_the_address() {
        net::provide_tls();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let client = Client { inner: reqwest::Client::new(), reason: Reason::default() };
        let request = Request::post(format!("http://user:canary@{closed}/")).body(Bytes::new()).unwrap();
        assert!(client.send_bytes(request).await.is_err());
        let reason = client.reason.take().unwrap();
        assert!(reason.contains("Connection refused") && !reason.contains("canary"), "{reason}");
        assert_eq!(client.reason.take(), None);
    }
}
