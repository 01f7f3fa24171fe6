//! A worker inside a program: its own registry, and its own configuration of the SDK.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_sqs::config::SharedHttpClient;
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    runtime_components::RuntimeComponents,
};
use longshore::{
    Consumer, DeadLetters, Drained, Message, Role, Stop, Worker, handler, tasks, testing::TestQueue,
};
use longshore_emulator::Emulator;
use prometheus::{IntCounter, Registry};
use tokio::sync::Notify;

/// A handler that is always done, and says so.
fn done() -> (impl handler::Handler, Arc<Notify>) {
    let called = Arc::new(Notify::new());
    let calls = called.clone();
    let handler = handler::from_fn(move |_: Arc<Message>| {
        calls.notify_one();
        std::future::ready(())
    });
    (handler, called)
}

#[tokio::test(start_paused = true)]
async fn the_metrics_are_on_the_programs_registry_beside_its_own() {
    let registry = Registry::new();
    let own = IntCounter::new("shop_orders_total", "Orders.").unwrap();
    registry.register(Box::new(own.clone())).unwrap();
    own.inc();
    let scene = TestQueue::new();
    scene.send("1");
    let ((handler, called), stop) = (done(), Stop::new());
    let worker = Worker::new().registry(registry.clone()).consumer(
        Consumer::of("orders", Arc::new(scene.queue()), handler).dead_letters(DeadLetters::Nowhere),
    );
    let ended = tasks::detach("worker", worker.run_here(stop.clone()));
    called.notified().await;
    let families = registry.gather();
    let names: Vec<_> = families.iter().map(prometheus::proto::MetricFamily::name).collect();
    assert!(names.contains(&"shop_orders_total"), "{names:?}");
    assert!(names.contains(&"longshore_messages_started_total"), "{names:?}");
    stop.drain();
    assert_eq!(ended.await.unwrap().unwrap(), Drained::All);
}

#[tokio::test]
async fn a_consumer_works_with_an_sdk_configuration_that_the_program_has_loaded() {
    let emulator = Emulator::start().await.unwrap();
    emulator.create_queue("orders").unwrap();
    emulator.sqs().send("orders", "1").unwrap();
    let credentials = Credentials::new("id", "secret", None, None, "the program");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .endpoint_url(emulator.endpoint())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let ((handler, called), stop) = (done(), Stop::new());
    let worker = Worker::new().consumer(Consumer::new("orders", handler).sdk_config(config));
    let ended = tasks::detach("worker", worker.run_until(stop.clone()));
    called.notified().await;
    stop.drain();
    assert_eq!(ended.await.unwrap().unwrap(), Drained::All);
    assert_eq!(emulator.sqs().snapshot("orders").unwrap().visible, 0);
}

/// One call of a program's own client.
#[derive(Clone, Debug)]
struct OwnCall {
    uri: String,
    /// The access key that it is signed with.
    key: String,
    body: String,
}

/// A program's own client, which is STS itself, leads all else to the network, and records the calls.
#[derive(Clone, Debug)]
struct OwnClient {
    calls: Arc<Mutex<Vec<OwnCall>>>,
    network: SharedHttpClient,
}

/// A connection of it.
#[derive(Debug)]
struct OwnConnector {
    calls: Arc<Mutex<Vec<OwnCall>>>,
    network: SharedHttpConnector,
}

impl HttpClient for OwnClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let network = self.network.http_connector(settings, components);
        SharedHttpConnector::new(OwnConnector { calls: self.calls.clone(), network })
    }
}

impl HttpConnector for OwnConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri = request.uri().to_owned();
        let signed = request.headers().get("authorization").unwrap_or_default();
        let key =
            signed.split("Credential=").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        self.calls.lock().unwrap().push(OwnCall { uri: uri.clone(), key: key.to_owned(), body });
        if !uri.starts_with("https://sts.") {
            return self.network.call(request);
        }
        let answer = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
            <Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
            <SessionToken>token</SessionToken><Expiration>2126-01-01T00:00:00Z</Expiration></Credentials>\
            </AssumeRoleResult></AssumeRoleResponse>";
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200_u16.try_into().unwrap(), answer.into())))
    }
}

#[tokio::test]
async fn a_role_is_assumed_with_the_credentials_and_the_client_of_a_loaded_configuration() {
    let emulator = Emulator::start().await.unwrap();
    emulator.create_queue("orders").unwrap();
    emulator.sqs().send("orders", "1").unwrap();
    let calls = Arc::<Mutex<Vec<OwnCall>>>::default();
    let network = aws_smithy_http_client::Builder::new().build_http();
    let credentials = Credentials::new("AKIAPROGRAM", "secret", None, None, "the program");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .endpoint_url(emulator.endpoint())
        .http_client(OwnClient { calls: calls.clone(), network })
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let role = Role::new("arn:aws:iam::111111111111:role/orders").external_id("42").session_name("shop");
    let ((handler, called), stop) = (done(), Stop::new());
    let consumer = Consumer::new("orders", handler).sdk_config(config).role(role);
    let ended = tasks::detach("worker", Worker::new().consumer(consumer).run_until(stop.clone()));
    called.notified().await;
    stop.drain();
    assert_eq!(ended.await.unwrap().unwrap(), Drained::All);
    let calls = std::mem::take(&mut *calls.lock().unwrap());
    let (assumptions, of_queue): (Vec<_>, Vec<_>) =
        calls.iter().partition(|call| call.uri.contains("//sts."));
    let [assumed] = assumptions[..] else { panic!("{assumptions:?}") };
    assert!(assumed.uri.starts_with("https://sts.eu-west-1.amazonaws.com/"), "{assumed:?}");
    assert_eq!(assumed.key, "AKIAPROGRAM");
    for part in ["role%2Forders", "ExternalId=42", "RoleSessionName=shop"] {
        assert!(assumed.body.contains(part), "{assumed:?}");
    }
    assert!(of_queue.iter().all(|call| call.key == "ASIAROLE"), "{of_queue:?}");
    assert!(of_queue.iter().any(|call| call.body.contains("VisibilityTimeout")), "{of_queue:?}");
}
