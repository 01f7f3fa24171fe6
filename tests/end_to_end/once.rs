//! Messages that run once by claims in DynamoDB, which moto serves.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, AttributeValue as Value, BillingMode, KeySchemaElement, KeyType,
        ScalarAttributeType, TimeToLiveSpecification,
    },
};
use tokio::{sync::Semaphore, time::sleep};

use super::support::{
    Dev, Handler, Launch, Process, Signal, Worker, aws,
    guarded::DenyingProxy,
    patience::until_within,
    proxy::{Proxy, ProxyMode},
    python::moto,
    sqs::Counts,
    until,
    worker::section,
};

/// The tables of one moto.
struct Tables {
    client: Client,
    endpoint: String,
    _server: Process,
}

impl Tables {
    /// `None` if Python is skipped.
    async fn start() -> Option<Self> {
        let (server, endpoint) = moto().await?;
        Some(Self { client: Client::new(&aws::config(&endpoint)), endpoint, _server: server })
    }

    /// Creates a table with this partition key.
    async fn create(&self, table: &str, key: &str) {
        let schema = KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash).build().unwrap();
        let attribute = AttributeDefinition::builder().attribute_name(key);
        let attribute = attribute.attribute_type(ScalarAttributeType::S).build().unwrap();
        let create = self.client.create_table().table_name(table).key_schema(schema);
        let create = create.attribute_definitions(attribute).billing_mode(BillingMode::PayPerRequest);
        create.send().await.unwrap();
    }

    /// Turns on the time to live for this attribute.
    async fn expire_by(&self, table: &str, attribute: &str) {
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(attribute).build().unwrap();
        let call = self.client.update_time_to_live().table_name(table).time_to_live_specification(ttl);
        call.send().await.unwrap();
    }

    async fn item(&self, table: &str, key: &str) -> Option<HashMap<String, Value>> {
        let call = self.client.get_item().table_name(table).key("id", Value::S(key.to_owned()));
        call.consistent_read(true).send().await.unwrap().item
    }

    /// The lines of a queue's section by which its messages run once.
    fn setting(&self, rest: &str) -> String {
        setting(&self.endpoint, rest)
    }
}

fn setting(endpoint: &str, rest: &str) -> String {
    format!("once = {{ table = \"once\", endpoint_url = \"{endpoint}\"{rest} }}\nvisibility = \"2s\"")
}

const BY_ID: &str = ", key = \"json:/id\"";

fn body(id: usize) -> String {
    format!(r#"{{"id": {id}}}"#)
}

#[tokio::test]
async fn a_second_message_of_a_key_is_deleted_unrun_and_an_expired_key_runs_again() {
    let Some(tables) = Tables::start().await else { return };
    let (dev, handler) = (Dev::start().await, Handler::willing());
    tables.create("once", "id").await;
    let pair = dev.sqs.pair("orders", 3).await;
    let expired = HashMap::from([
        ("id".to_owned(), Value::S("orders#2".to_owned())),
        ("finished_at".to_owned(), Value::N("1000".to_owned())),
        ("expires_at".to_owned(), Value::N("2".to_owned())),
    ]);
    tables.client.put_item().table_name("once").set_item(Some(expired)).send().await.unwrap();
    let worker =
        Worker::start(&pair.queue, &handler, &tables.setting(", key = \"json:/id\", keep = \"1h\"")).await;
    for id in [1, 2] {
        dev.sqs.send(&pair.queue, &body(id)).await;
    }
    handler.has_ended(2).await;
    dev.sqs.becomes_empty(&pair.queue).await;
    for id in [1, 2] {
        dev.sqs.send(&pair.queue, &body(id)).await;
    }
    dev.sqs.becomes_empty(&pair.queue).await;
    assert_eq!(handler.started().len(), 2);
    let duplicates = worker.admin.total("longshore_messages_duplicate_total").await;
    assert!((duplicates - 2.0).abs() < 0.1, "{duplicates}");
    let item = tables.item("once", "orders#1").await.unwrap();
    let number = |name: &str| item[name].as_n().unwrap().parse::<u64>().unwrap();
    assert_eq!(number("expires_at"), number("finished_at") / 1_000 + 3_600);
    assert!(!item.contains_key("claimed_until"));
}

#[tokio::test]
async fn a_claim_is_extended_with_its_lease_and_released_when_the_handler_fails() {
    let Some(tables) = Tables::start().await else { return };
    let (dev, gate) = (Dev::start().await, Arc::new(Semaphore::new(0)));
    tables.create("once", "id").await;
    let pair = dev.sqs.pair("orders", 3).await;
    let held = gate.clone();
    let handler = Handler::start(move |call| {
        let gate = held.clone();
        async move {
            let _passed = gate.acquire().await.unwrap();
            if call.receive_count() == 1 { 500 } else { 200 }
        }
    });
    let settings = tables.setting(BY_ID) + "\nretry = { initial = \"1s\", max = \"1s\" }";
    let _worker = Worker::start(&pair.queue, &handler, &settings).await;
    dev.sqs.send(&pair.queue, &body(7)).await;
    handler.has_started(1).await;
    let claimed_until = async || {
        let item = tables.item("once", "orders#7").await.unwrap();
        item["claimed_until"].as_n().unwrap().parse::<u64>().unwrap()
    };
    let before = claimed_until().await;
    until("the claim is extended", async || claimed_until().await > before + 900).await;
    gate.add_permits(1);
    let calls = handler.has_ended(2).await;
    assert_eq!(calls[1].receive_count(), 2, "the claim of the first was not in the way");
    dev.sqs.becomes_empty(&pair.queue).await;
    assert!(tables.item("once", "orders#7").await.unwrap().contains_key("finished_at"));
}

#[tokio::test]
async fn while_dynamodb_is_not_reached_or_has_no_table_nothing_runs_and_no_receive_is_spent() {
    let Some(tables) = Tables::start().await else { return };
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let pair = dev.sqs.pair("orders", 1).await;
    let proxy = Proxy::before(tables.endpoint.strip_prefix("http://").unwrap()).await;
    proxy.set_mode(ProxyMode::Closed);
    let settings = setting(&format!("http://{}", proxy.address), "");
    let worker = Worker::start(&pair.queue, &handler, &settings).await;
    dev.sqs.send(&pair.queue, "a").await;
    let line = worker.process.complains("messages cannot be claimed").await;
    assert!(line.contains("table once of dynamodb is not reached"), "{line}");
    proxy.set_mode(ProxyMode::Open);
    let line = worker.process.complains("ResourceNotFoundException").await;
    assert!(line.contains("hint: create the table"), "{line}");
    let (status, unready) = worker.admin.get("/readyz").await;
    let wanted = "\"orders claims\":\"messages cannot be claimed: table once of dynamodb: ";
    assert!(status == 503 && unready.contains(wanted), "{unready}");
    assert_eq!((handler.started().len(), dev.sqs.counts(&pair.queue).await.in_flight), (0, 1));
    tables.create("once", "id").await;
    let calls = handler.has_ended(1).await;
    assert_eq!(calls[0].receive_count(), 1);
    dev.sqs.becomes_empty(&pair.queue).await;
    worker.admin.becomes_ready().await;
}

const KEYS: usize = 80;
const KILLS: usize = 6;
const CONCURRENCY: usize = 8;
/// The time after which a message whose key was in work elsewhere has come back twice: at most 30 s and 2 minutes.
const GIVEN_BACK_TWICE: Duration = Duration::from_mins(4);

#[tokio::test]
async fn no_finished_key_runs_again_whichever_of_two_workers_is_killed() {
    let Some(tables) = Tables::start().await else { return };
    let dev = Dev::start().await;
    tables.create("once", "id").await;
    let pair = dev.sqs.pair("orders", 50).await;
    let again = Arc::new(Mutex::new(Vec::new()));
    let (client, noted) = (tables.client.clone(), again.clone());
    let handler = Handler::start(move |call| {
        let (client, noted) = (client.clone(), noted.clone());
        let key =
            format!("orders#{}", call.text().trim_matches(|character: char| !character.is_ascii_digit()));
        async move {
            let call = client.get_item().table_name("once").key("id", Value::S(key.clone()));
            let item = call.consistent_read(true).send().await.unwrap().item;
            if item.is_none_or(|item| item.contains_key("finished_at")) {
                noted.lock().unwrap().push(key);
            }
            sleep(Duration::from_millis(30)).await;
            200
        }
    });
    // Each key twice, so that without claims each would run twice.
    let bodies: Vec<_> = (0..KEYS).chain(0..KEYS).map(body).collect();
    dev.sqs.send_all(&pair.queue, &bodies).await;
    let settings = tables.setting(BY_ID)
        + &format!("\nconcurrency = {CONCURRENCY}\nretry = {{ initial = \"1s\", max = \"1s\" }}");
    let launch = || Worker::launched(Worker::launch(&pair.queue, &handler, &settings));
    let mut workers = [launch().await, launch().await];
    for kill in 0..KILLS {
        let share = KEYS * (kill + 1) / (KILLS + 2);
        until("more keys have run", async || handler.ended().len() >= share).await;
        let mut killed = std::mem::replace(&mut workers[kill % 2], launch().await);
        killed.process.signal(Signal::Kill);
        killed.process.ended().await;
    }
    let is_empty = async || dev.sqs.counts(&pair.queue).await == Counts::default();
    until_within(GIVEN_BACK_TWICE, "every message is deleted", is_empty).await;
    let mut runs: BTreeMap<String, usize> = BTreeMap::new();
    for body in handler.ended_bodies() {
        *runs.entry(body).or_default() += 1;
    }
    let total: usize = runs.values().sum();
    assert_eq!(*again.lock().unwrap(), Vec::<String>::new(), "finished, and run again");
    assert_eq!((runs.len(), dev.sqs.take_all(&pair.dlq).await.len()), (KEYS, 0));
    assert!(total <= KEYS + KILLS * CONCURRENCY, "{total} runs of {KEYS} keys");
}

/// The codes of the findings of `check` that are more than a notice, but for those about the queue.
async fn faults(queue: &str, handler: &Handler, settings: &str) -> Vec<String> {
    let file = section("orders", queue, &handler.url(), settings);
    let ended = Launch::of(&["check", "--format", "json"]).file(&file).run().await;
    let report: serde_json::Value = serde_json::from_str(&ended.output).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let codes = findings.map(|finding| finding["code"].as_str().unwrap().to_owned());
    codes.filter(|code| code.starts_with("once") || code == "credentials").collect()
}

#[tokio::test]
async fn check_finds_each_fault_of_the_table_and_changes_nothing() {
    let Some(tables) = Tables::start().await else { return };
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let queue = dev.sqs.queue("orders", &[]).await;
    let found = async |rest: &str| faults(&queue, &handler, &tables.setting(rest)).await;
    assert_eq!(found("").await, ["once-table-missing"]);
    tables.create("once", "id").await;
    assert_eq!(found("").await, ["once-ttl"]);
    tables.expire_by("once", "expires_at").await;
    assert_eq!(found("").await, Vec::<String>::new());
    assert_eq!(found(", keep = \"1h\"").await, ["once-keep"]);
    assert_eq!(found(", region = \"eu-west-1\"").await, ["once-table-missing"], "it is in us-east-1");
    tables.create("other", "pk").await;
    let other = tables.setting("").replace("\"once\"", "\"other\"");
    assert_eq!(faults(&queue, &handler, &other).await, ["once-key-schema"]);
    for (action, code) in [
        ("UpdateItem", "once-forbidden"),
        ("DeleteItem", "once-forbidden"),
        ("DescribeTimeToLive", "once-ttl-unproven"),
    ] {
        let guarded = DenyingProxy::before(&tables.endpoint, &[(action, "")]).await;
        assert_eq!(faults(&queue, &handler, &setting(&guarded.endpoint, "")).await, [code], "{action}");
    }
    assert_eq!(faults(&queue, &handler, &setting("http://127.0.0.1:9", "")).await, ["once-unreachable"]);
    let scanned = tables.client.scan().table_name("once").send().await.unwrap();
    assert_eq!(scanned.count, 0);
}
