//! An OTLP collector over gRPC and HTTP that can be made to misbehave.

use std::{
    collections::BTreeMap,
    io::Read as _,
    net::{self, Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{
        Span,
        span::{Link, SpanKind},
        status::StatusCode as SpanStatus,
    },
};
use prost::Message as _;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::watch,
};
use tonic::{Request, Response, Status, codec::CompressionEncoding, transport::server::TcpIncoming};

use super::support::{Launch, in_time, until};

/// How the collector answers requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CollectorMode {
    Accepting,
    /// Answers with an error.
    Failing,
    /// Accepts requests and never answers.
    Hanging,
}

/// The protocol of the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
}

/// A span as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedSpan {
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    /// Trace and span of each link.
    pub(crate) links: Vec<(String, String)>,
    /// The message id of each link.
    pub(crate) linked_messages: Vec<String>,
    /// The attributes of each event.
    pub(crate) events: Vec<BTreeMap<String, String>>,
    /// The schema of its names.
    pub(crate) schema: String,
    /// The description of the failure, if it is one.
    pub(crate) failure: Option<String>,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) resource: BTreeMap<String, String>,
}

impl ReceivedSpan {
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// Its context, as its handler gets it.
    pub(crate) fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.id)
    }

    pub(crate) fn xray(&self) -> String {
        format!("Root=1-{}-{};Parent={};Sampled=1", &self.trace[..8], &self.trace[8..], self.id)
    }
}

/// The state that the two services share.
#[derive(Clone)]
struct CollectorState {
    mode: watch::Sender<CollectorMode>,
    spans: watch::Sender<Vec<ReceivedSpan>>,
    requests: watch::Sender<usize>,
    metrics: watch::Sender<Vec<MetricsExport>>,
}

/// One export of metrics, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct MetricsExport {
    /// The headers, or the metadata over gRPC.
    pub(crate) headers: HeaderMap,
    pub(crate) request: ExportMetricsServiceRequest,
}

/// A collector that listens until it is dropped.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    protocol: Protocol,
    state: CollectorState,
    /// Its own, so that its connections end with it.
    runtime: Option<Runtime>,
}

impl Collector {
    pub(crate) async fn start(protocol: Protocol) -> Self {
        let state = CollectorState {
            mode: watch::Sender::new(CollectorMode::Accepting),
            spans: <_>::default(),
            requests: <_>::default(),
            metrics: <_>::default(),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = listener.into_std().unwrap();
        runtime.spawn(serve(protocol, listener, state.clone()));
        Self { address, protocol, state, runtime: Some(runtime) }
    }

    /// Configures a process to export its spans here, soon after they end.
    pub(crate) fn configure(&self, launch: Launch) -> Launch {
        let protocol = match self.protocol {
            Protocol::Http => "http/protobuf",
            Protocol::Grpc => "grpc",
        };
        launch
            .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", self.address))
            .variable("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .variable("OTEL_BSP_SCHEDULE_DELAY", "50")
    }

    pub(crate) fn set_mode(&self, mode: CollectorMode) {
        self.state.mode.send_replace(mode);
    }

    /// The exports of metrics so far, answered or not.
    pub(crate) fn metrics(&self) -> Vec<MetricsExport> {
        self.state.metrics.borrow().clone()
    }

    /// Waits until this many exports of metrics have arrived, answered or not.
    pub(crate) async fn has_metrics(&self, exports: usize) {
        let mut received = self.state.metrics.subscribe();
        in_time("metrics at the collector", received.wait_for(|received| received.len() >= exports))
            .await
            .unwrap();
    }

    pub(crate) fn spans(&self) -> Vec<ReceivedSpan> {
        self.state.spans.borrow().clone()
    }

    /// Waits until this many requests have arrived, answered or not.
    pub(crate) async fn has_requests(&self, requests: usize) {
        let mut received = self.state.requests.subscribe();
        in_time("requests to the collector", received.wait_for(|received| *received >= requests))
            .await
            .unwrap();
    }

    /// The first span of this name, as soon as it is there.
    pub(crate) async fn span(&self, name: &str) -> ReceivedSpan {
        self.span_that(name, |_| true).await
    }

    /// The first span of this name that matches.
    pub(crate) async fn span_that(&self, name: &str, is_so: impl Fn(&ReceivedSpan) -> bool) -> ReceivedSpan {
        let find = || self.spans().into_iter().find(|span| span.name == name && is_so(span));
        until(&format!("a span {name}"), async || find().is_some()).await;
        find().unwrap()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(protocol: Protocol, listener: net::TcpListener, state: CollectorState) {
    let listener = TcpListener::from_std(listener).unwrap();
    match protocol {
        Protocol::Http => {
            let router = Router::new()
                .route("/v1/traces", post(over_http))
                .route("/v1/metrics", post(metrics_over_http))
                .with_state(state);
            axum::serve(listener, router).await.unwrap();
        }
        Protocol::Grpc => {
            let traces = TraceServiceServer::new(state.clone()).accept_compressed(CompressionEncoding::Gzip);
            let metrics = MetricsServiceServer::new(state).accept_compressed(CompressionEncoding::Gzip);
            let server = tonic::transport::Server::builder().add_service(traces).add_service(metrics);
            server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
        }
    }
}

impl CollectorState {
    async fn behave(&self) -> Result<(), ()> {
        let mode = *self.mode.borrow();
        match mode {
            CollectorMode::Accepting => {}
            CollectorMode::Failing => return Err(()),
            CollectorMode::Hanging => tokio::time::sleep(Duration::from_hours(1)).await,
        }
        Ok(())
    }

    async fn accept_metrics(&self, export: MetricsExport) -> Result<(), ()> {
        self.metrics.send_modify(|exports| exports.push(export));
        self.behave().await
    }

    async fn accept(&self, request: ExportTraceServiceRequest) -> Result<(), ()> {
        self.requests.send_modify(|requests| *requests += 1);
        self.behave().await?;
        self.spans.send_modify(|spans| spans.extend(read(request)));
        Ok(())
    }
}

async fn metrics_over_http(
    State(state): State<CollectorState>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Vec<u8>) {
    let request = ExportMetricsServiceRequest::decode(plain(&headers, body)).unwrap();
    match state.accept_metrics(MetricsExport { headers, request }).await {
        Ok(()) => (StatusCode::OK, ExportMetricsServiceResponse::default().encode_to_vec()),
        Err(()) => (StatusCode::SERVICE_UNAVAILABLE, b"broken on purpose".to_vec()),
    }
}

#[tonic::async_trait]
impl MetricsService for CollectorState {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let headers = request.metadata().clone().into_headers();
        let export = MetricsExport { headers, request: request.into_inner() };
        self.accept_metrics(export).await.map_err(|()| Status::unavailable("broken on purpose"))?;
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

/// The body of a request without its compression.
fn plain(headers: &HeaderMap, body: Bytes) -> Bytes {
    match headers.get("content-encoding").map(|coding| coding.to_str().unwrap()) {
        Some("gzip") => {
            let mut plain = Vec::new();
            GzDecoder::new(&*body).read_to_end(&mut plain).unwrap();
            plain.into()
        }
        coding => coding.map_or(body, |coding| panic!("{coding}")),
    }
}

async fn over_http(
    State(state): State<CollectorState>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Vec<u8>) {
    match state.accept(ExportTraceServiceRequest::decode(plain(&headers, body)).unwrap()).await {
        Ok(()) => (StatusCode::OK, ExportTraceServiceResponse::default().encode_to_vec()),
        Err(()) => (StatusCode::INTERNAL_SERVER_ERROR, b"broken on purpose".to_vec()),
    }
}

#[tonic::async_trait]
impl TraceService for CollectorState {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let accepted = self.accept(request.into_inner()).await;
        accepted.map_err(|()| Status::internal("broken on purpose"))?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn read(request: ExportTraceServiceRequest) -> Vec<ReceivedSpan> {
    let mut received = Vec::new();
    for resource_spans in request.resource_spans {
        let Resource { attributes, .. } = resource_spans.resource.unwrap_or_default();
        let resource = values(attributes);
        for scope in resource_spans.scope_spans {
            received.extend(scope.spans.into_iter().map(|span| convert(span, &resource, &scope.schema_url)));
        }
    }
    received
}

fn convert(span: Span, resource: &BTreeMap<String, String>, schema: &str) -> ReceivedSpan {
    let kind = span.kind();
    let status = span.status.unwrap_or_default();
    let message_of = |link: &Link| values(link.attributes.clone()).remove("messaging.message.id");
    let is_failure = status.code == i32::from(SpanStatus::Error);
    ReceivedSpan {
        kind,
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
        linked_messages: span.links.iter().filter_map(message_of).collect(),
        events: span.events.into_iter().map(|event| values(event.attributes)).collect(),
        schema: schema.to_owned(),
        failure: is_failure.then_some(status.message),
        attributes: values(span.attributes),
        resource: resource.clone(),
    }
}

fn values(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::ArrayValue(array) => {
            let texts = array.values.into_iter().map(|value| match value.value {
                Some(Value::StringValue(text)) => text,
                other => panic!("{other:?}"),
            });
            texts.collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    };
    let pair = |attribute: KeyValue| Some((attribute.key, text(attribute.value?.value?)));
    attributes.into_iter().filter_map(pair).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
