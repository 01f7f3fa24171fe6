//! The collector that receives a signal over OTLP, by the standard variables, and clients of it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::ExporterBuildError;
use reqwest::{ClientBuilder, header::HeaderMap, redirect};
use tonic::transport::{Certificate, ClientTlsConfig};
use url::Url;

use super::variables::{Fault, Variables};
use crate::{error_chain::message_with_causes, net};

/// The variables of TLS files, which are not supported.
const TLS_FILES: [&str; 3] = ["CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"];

/// The collector of one signal.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    pub(crate) endpoint: Url,
    pub(crate) protocol: Protocol,
    pub(crate) compression: Compression,
    /// The time limit of one request, retries included.
    pub(crate) timeout: Duration,
    pub(crate) headers: HeaderMap,
}

/// The protocol of the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Grpc,
    Http,
}

/// The compression of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
}

/// The error of starting an export over OTLP.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OtlpError {
    /// A variable is invalid.
    #[error("{0}")]
    Variable(Fault),
    /// The exporter cannot be built.
    #[error("the trace exporter could not be built: {0}")]
    Exporter(#[source] ExporterBuildError),
    /// The gRPC client cannot be built.
    #[error("the grpc client of the collector could not be built")]
    Grpc(#[source] tonic::transport::Error),
    /// The HTTP client cannot be built.
    #[error("the http client of the collector could not be built")]
    Client(#[source] reqwest::Error),
    /// The system provides no thread or no runtime.
    #[error("the thread of an export could not be started: {0}")]
    System(#[source] io::Error),
}

impl OtlpError {
    /// The hint for the operator, if there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Exporter(_) | Self::Grpc(_) => Some("check the OTEL_EXPORTER_OTLP_* variables"),
            Self::Client(_) => Some("https needs the system's ca certificates"),
            Self::Variable(_) | Self::System(_) => None,
        }
    }
}

impl Collector {
    /// Reads the variables of a signal; `None` after a fault in its endpoint.
    pub(crate) fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let protocol = protocol(variables);
        for file in TLS_FILES {
            if let Some((name, value)) = variables.of_signal(file) {
                let problem = "not supported: longshore uses the system's certificates or those that SSL_CERT_FILE names, and those of AWS_CA_BUNDLE";
                variables.fault(&name, &value, problem, "nothing");
            }
        }
        let headers = variables.headers();
        let (compression, timeout) = (compression(variables), timeout(variables));
        let endpoint = endpoint(variables, protocol)?;
        Some(Self { endpoint, protocol, compression, timeout, headers })
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.endpoint.scheme() == "https"
    }

    /// An HTTP client of it, without its headers.
    pub(crate) fn http_client(&self) -> Result<reqwest::Client, OtlpError> {
        net::provide_tls();
        let client = ClientBuilder::new().timeout(self.timeout).redirect(redirect::Policy::none()).no_proxy();
        // The system's certificates are read only where they are needed: it takes longer than the rest of the start.
        let client = if self.is_secure() {
            net::trust_ca_bundle(client).map_err(OtlpError::Client)?
        } else {
            client.tls_certs_only([])
        };
        client.build().map_err(OtlpError::Client)
    }

    /// The TLS settings of a gRPC client; `None` without TLS.
    pub(crate) fn grpc_tls(&self) -> Option<ClientTlsConfig> {
        if !self.is_secure() {
            return None;
        }
        net::provide_tls();
        let tls = ClientTlsConfig::new().with_native_roots();
        Some(match net::ca_bundle() {
            Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
            None => tls,
        })
    }
}

fn endpoint(variables: &mut Variables<'_>, protocol: Protocol) -> Option<Url> {
    let (name, text) = variables.of_signal("ENDPOINT")?;
    let is_http = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let Some(mut url) = Url::parse(&text).ok().filter(is_http) else {
        variables.fault(&name, &text, "not a url", "an http or https url, such as http://localhost:4318");
        return None;
    };
    // The endpoint of all signals gets the signal's path appended; that of the signal is used as it is.
    let is_for_all_signals = !name.starts_with(variables.signal.prefix());
    if protocol == Protocol::Http && is_for_all_signals {
        url.set_path(&format!("{}/{}", url.path().trim_end_matches('/'), variables.signal.path()));
    }
    Some(url)
}

fn protocol(variables: &mut Variables<'_>) -> Protocol {
    match variables.of_signal("PROTOCOL") {
        None => Protocol::Http,
        Some((_, text)) if text == "http/protobuf" => Protocol::Http,
        Some((_, text)) if text == "grpc" => Protocol::Grpc,
        Some((name, text)) => {
            variables.fault(&name, &text, "not a protocol that longshore speaks", "http/protobuf, grpc");
            Protocol::Http
        }
    }
}

fn compression(variables: &mut Variables<'_>) -> Compression {
    match variables.of_signal("COMPRESSION") {
        None => Compression::None,
        Some((_, text)) if text == "none" => Compression::None,
        Some((_, text)) if text == "gzip" => Compression::Gzip,
        Some((name, text)) => {
            variables.fault(&name, &text, "not a compression that longshore has", "gzip, none");
            Compression::None
        }
    }
}

fn timeout(variables: &mut Variables<'_>) -> Duration {
    let name = variables.of_signal("TIMEOUT").map_or_else(String::new, |(name, _)| name);
    variables.milliseconds(&name, 10_000)
}

/// The reason why the last request had no answer; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reason(Arc<Mutex<Option<String>>>);

impl Reason {
    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the reason; `None` if every request since was answered.
    pub(crate) fn take(&self) -> Option<String> {
        self.lock().take()
    }
}

/// An HTTP client that records the reasons of its failures.
#[derive(Debug)]
pub(crate) struct RecordingClient {
    pub(crate) inner: reqwest::Client,
    pub(crate) reason: Reason,
}

impl HttpClient for RecordingClient {
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
    use crate::telemetry::otlp::Signal;

    fn read(signal: Signal, variables: &[(&str, &str)]) -> Result<Option<Collector>, Vec<Fault>> {
        let find =
            |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        let mut variables = Variables::new(signal, &find);
        let collector = Collector::read(&mut variables);
        variables.finish(collector)
    }

    #[test]
    fn the_path_of_the_signal_is_appended_to_the_endpoint_of_all_signals_over_http_only() {
        let (all, own) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT");
        let address = |signal, variables: &[(&str, &str)]| {
            read(signal, variables).unwrap().unwrap().endpoint.to_string()
        };
        assert_eq!(address(Signal::Traces, &[(all, "http://h:1")]), "http://h:1/v1/traces");
        assert_eq!(address(Signal::Metrics, &[(all, "http://h:1")]), "http://h:1/v1/metrics");
        assert_eq!(address(Signal::Metrics, &[(all, "http://h:1/base/")]), "http://h:1/base/v1/metrics");
        assert_eq!(address(Signal::Metrics, &[(all, "http://h:1"), (own, "https://m/x")]), "https://m/x");
        assert_eq!(
            address(Signal::Traces, &[(all, "http://h:1"), (own, "https://m/x")]),
            "http://h:1/v1/traces"
        );
        let grpc = [(all, "http://h:1"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
        assert_eq!(address(Signal::Metrics, &grpc), "http://h:1/");
    }

    #[test]
    fn a_variable_of_the_signal_overrides_that_of_all_signals() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ];
        let collector = read(Signal::Metrics, &variables).unwrap().unwrap();
        assert_eq!((collector.protocol, collector.compression), (Protocol::Grpc, Compression::Gzip));
        assert_eq!(collector.timeout, Duration::from_millis(250));
        let of_traces: Vec<_> =
            read(Signal::Traces, &variables).unwrap_err().into_iter().map(|fault| fault.variable).collect();
        assert_eq!(of_traces, ["OTEL_EXPORTER_OTLP_PROTOCOL"]);
    }

    #[tokio::test]
    async fn a_connection_error_is_reported_without_the_address() {
        net::provide_tls();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let client = RecordingClient { inner: reqwest::Client::new(), reason: Reason::default() };
        let request = Request::post(format!("http://user:canary@{closed}/")).body(Bytes::new()).unwrap();
        assert!(client.send_bytes(request).await.is_err());
        let reason = client.reason.take().unwrap();
        assert!(reason.contains("Connection refused") && !reason.contains("canary"), "{reason}");
        assert_eq!(client.reason.take(), None);
    }
}
