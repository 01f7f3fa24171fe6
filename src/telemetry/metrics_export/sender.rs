//! Sends metrics to the collector, over HTTP or gRPC.

use std::io::{self, Write as _};

use flate2::{Compression as Level, write::GzEncoder};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
    metrics_service_client::MetricsServiceClient,
};
use prost::Message as _;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tonic::{
    codec::CompressionEncoding,
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};

use crate::{
    error_chain::message_with_causes,
    telemetry::otlp::{Collector, Compression, OtlpError, Protocol},
};

/// The longest answer that is read.
const MOST_ANSWER_BYTES: usize = 64 * 1024;

/// Sends metrics to one collector.
pub(super) struct MetricsSender {
    collector: Collector,
    client: Client,
}

enum Client {
    Http(reqwest::Client),
    Grpc(MetricsServiceClient<Channel>),
}

impl MetricsSender {
    /// Builds the client on the runtime that is to run it; connects to nothing yet.
    pub(super) fn new(collector: &Collector) -> Result<Self, OtlpError> {
        let client = match collector.protocol {
            Protocol::Http => Client::Http(collector.http_client()?),
            Protocol::Grpc => Client::Grpc(grpc_client(collector).map_err(OtlpError::Grpc)?),
        };
        Ok(Self { collector: collector.clone(), client })
    }

    /// Sends one request; returns the reason if the collector did not take all of it.
    pub(super) async fn send(&self, request: ExportMetricsServiceRequest) -> Result<(), String> {
        let answer = match &self.client {
            Client::Http(client) => self.over_http(client, &request).await?,
            Client::Grpc(client) => self.over_grpc(client.clone(), request).await?,
        };
        match answer.partial_success {
            Some(ExportMetricsPartialSuccess { rejected_data_points: rejected @ 1.., error_message }) => {
                Err(format!("the collector refused {rejected} data points: {error_message}"))
            }
            _ => Ok(()),
        }
    }

    async fn over_http(
        &self,
        client: &reqwest::Client,
        request: &ExportMetricsServiceRequest,
    ) -> Result<ExportMetricsServiceResponse, String> {
        let (endpoint, headers) = (self.collector.endpoint.clone(), self.collector.headers.clone());
        let post = client.post(endpoint).headers(headers).header(CONTENT_TYPE, "application/x-protobuf");
        let body = request.encode_to_vec();
        let post = match self.collector.compression {
            Compression::None => post.body(body),
            Compression::Gzip => {
                let body = gzip(&body).map_err(|error| error.to_string())?;
                post.header(CONTENT_ENCODING, "gzip").body(body)
            }
        };
        let mut answer = post.send().await.map_err(without_address)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("the collector answered {status}"));
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(without_address)? {
            body.extend_from_slice(&part);
            if body.len() > MOST_ANSWER_BYTES {
                break;
            }
        }
        // Some collectors answer with another type; the status says that they took it.
        Ok(ExportMetricsServiceResponse::decode(&*body).unwrap_or_default())
    }

    async fn over_grpc(
        &self,
        mut client: MetricsServiceClient<Channel>,
        request: ExportMetricsServiceRequest,
    ) -> Result<ExportMetricsServiceResponse, String> {
        let mut request = tonic::Request::new(request);
        *request.metadata_mut() = MetadataMap::from_headers(self.collector.headers.clone());
        match client.export(request).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(message_with_causes(&status)),
        }
    }
}

fn grpc_client(collector: &Collector) -> Result<MetricsServiceClient<Channel>, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(collector.endpoint.to_string())?.timeout(collector.timeout);
    let endpoint = match collector.grpc_tls() {
        Some(tls) => endpoint.tls_config(tls)?,
        None => endpoint,
    };
    let client = MetricsServiceClient::new(endpoint.connect_lazy());
    Ok(match collector.compression {
        Compression::None => client,
        Compression::Gzip => {
            client.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip)
        }
    })
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// The collector's address may hold a password.
fn without_address(error: reqwest::Error) -> String {
    message_with_causes(&error.without_url())
}
