//! Large payloads in S3, which moto serves, both ways with Amazon's extended client for Python, and encoded ones.

use std::io::Write as _;

use aws_sdk_s3::{Client, config::Builder, primitives::ByteStream};
use aws_sdk_sns::types::MessageAttributeValue as SnsAttribute;
use aws_sdk_sqs::types::MessageAttributeValue as SqsAttribute;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};

use super::support::{
    Dev, Handler, Launch, Pair, Process, Sns, Sqs, Worker, aws, http,
    proxy::{Proxy, ProxyMode},
    python::{moto, python_with, script},
    until,
};

const BUCKET: &str = "payloads";
const POINTER_CLASS: &str = "software.amazon.payloadoffloading.PayloadS3Pointer";

/// SQS, SNS and a bucket, all in one moto.
struct World {
    sqs: Sqs,
    s3: Client,
    endpoint: String,
    pair: Pair,
    _server: Process,
}

impl World {
    /// `None` if Python is skipped.
    async fn start() -> Option<Self> {
        let (server, endpoint) = moto().await?;
        let (sqs, config) = (Sqs::at(&endpoint), aws::config(&endpoint));
        let s3 = Client::from_conf(Builder::from(&config).force_path_style(true).build());
        s3.create_bucket().bucket(BUCKET).send().await.unwrap();
        let pair = sqs.pair("orders", 3).await;
        Some(Self { sqs, s3, endpoint, pair, _server: server })
    }

    async fn put(&self, key: &str, body: impl Into<Vec<u8>>) {
        let body = ByteStream::from(body.into());
        self.s3.put_object().bucket(BUCKET).key(key).body(body).send().await.unwrap();
    }

    /// The keys of all objects.
    async fn keys(&self) -> Vec<String> {
        let listed = self.s3.list_objects_v2().bucket(BUCKET).send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    /// Sends a message with one attribute.
    async fn send(&self, body: &str, (name, data_type, value): (&str, &str, &str)) {
        let attribute = SqsAttribute::builder().data_type(data_type).string_value(value).build().unwrap();
        let send = self.sqs.client.send_message().queue_url(&self.pair.queue).message_body(body);
        send.message_attributes(name, attribute).send().await.unwrap();
    }

    /// Runs the extended client, which needs its module.
    async fn extended_client(&self, arguments: &[&str]) -> String {
        self.extended_client_of(&self.pair.queue, &self.endpoint, arguments).await
    }

    /// Runs it with a queue that another server has.
    async fn extended_client_of(&self, queue: &str, sqs: &str, arguments: &[&str]) -> String {
        let python = python_with("sqs_extended_client").unwrap();
        let script = script("extended_client.py");
        let all = [&[&*script, arguments[0], queue, BUCKET][..], &arguments[1..]].concat();
        let client = python.arguments(&all).variable("AWS_ENDPOINT_URL", &self.endpoint);
        let client = client.variable("AWS_ENDPOINT_URL_SQS", sqs);
        let client = client.variable("AWS_DEFAULT_REGION", "us-east-1");
        let client = client.variable("AWS_ACCESS_KEY_ID", "any").variable("AWS_SECRET_ACCESS_KEY", "any");
        let ended = client.run().await;
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        ended.output
    }

    async fn worker(&self, handler: &Handler, settings: &str) -> Worker {
        let settings = format!(
            "{settings}\nretry = {{ initial = \"1s\", max = \"1s\" }}\nreceive = {{ wait = \"1s\" }}"
        );
        Worker::start(&self.pair.queue, handler, &settings).await
    }

    /// The reasons of the copies in the DLQ, in their order.
    async fn reasons(&self, count: usize) -> Vec<String> {
        let mut reasons = Vec::new();
        until("the rejected messages are copied", async || {
            let receive =
                self.sqs.client.receive_message().queue_url(&self.pair.dlq).max_number_of_messages(10);
            let answer = receive.message_attribute_names("All").send().await.unwrap();
            for message in answer.messages() {
                let attributes = message.message_attributes().unwrap();
                reasons.push(attributes["longshore.reject.reason"].string_value().unwrap().to_owned());
            }
            reasons.len() == count
        })
        .await;
        reasons.sort_unstable();
        reasons
    }
}

fn pointer(key: &str) -> String {
    format!(r#"["{POINTER_CLASS}",{{"s3BucketName":"{BUCKET}","s3Key":"{key}"}}]"#)
}

const SIZE: (&str, &str, &str) = ("ExtendedPayloadSize", "Number", "300000");

#[tokio::test]
async fn a_handler_receives_the_payloads_of_the_extended_client_which_are_then_deleted() {
    let Some(world) = World::start().await else { return };
    let handler = Handler::start(async |call| if call.receive_count() == 1 { 500 } else { 200 });
    let _worker = world.worker(&handler, "payload = { s3 = \"fetch\", delete = true }").await;
    for arguments in [&["send", "300000"][..], &["send", "2000000", "legacy"]] {
        world.extended_client(arguments).await;
    }
    let calls = handler.has_ended(4).await;
    let mut sizes: Vec<_> = calls.iter().map(|call| call.body.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [300_000, 300_000, 2_000_000, 2_000_000], "a retry has it, too");
    assert!(calls.iter().all(|call| call.text().chars().all(|character| character == 'é')));
    assert!(calls.iter().all(|call| !call.headers.keys().any(|name| name.as_str().contains("payloadsize"))));
    world.sqs.becomes_empty(&world.pair.queue).await;
    until("the objects are deleted", async || world.keys().await.is_empty()).await;
}

#[tokio::test]
async fn the_object_of_a_rejected_message_stays_for_its_copy() {
    let Some(world) = World::start().await else { return };
    world.put("rejected", "the body").await;
    world.put("done", "another").await;
    let handler = Handler::start(async |call| if call.text() == "the body" { 422 } else { 200 });
    let (queue, url) = (&world.pair.queue, handler.url());
    let file = format!(
        "[queues.orders]\nurl = \"{queue}\"\nreceive = {{ wait = \"1s\" }}\npayload = {{ s3 = \"fetch\", delete = true }}\n\
         [queues.orders.handler]\nkind = \"http\"\nurl = \"{url}\"\nreject = [422]\n"
    );
    let _worker = Worker::launched(Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&file)).await;
    world.send(&pointer("rejected"), SIZE).await;
    assert_eq!(world.reasons(1).await.len(), 1);
    world.send(&pointer("done"), SIZE).await;
    until("the object of the other is deleted", async || world.keys().await.len() == 1).await;
    assert_eq!(world.keys().await, ["rejected"]);
}

#[tokio::test]
async fn the_extended_client_receives_what_send_stored() {
    let Some(world) = World::start().await else { return };
    let sent = "ü".repeat(700_000);
    let file = format!("[queues.orders]\nurl = \"{}\"\n", world.pair.queue);
    let sending =
        |arguments: &[&str]| Launch::of(&[&["send", "--file", "-"], arguments].concat()).file(&file);
    let refused = sending(&[]).input(&sent).run().await;
    assert_eq!(refused.code, Some(64), "{}", refused.errors);
    let ended = sending(&["--s3", BUCKET]).input(&format!("{sent}\nsmall\n")).run().await;
    assert_eq!((ended.code, ended.output.lines().count()), (Some(0), 2), "{}", ended.errors);
    assert_eq!(world.keys().await.len(), 1, "the small one is not stored");
    let mut received = String::new();
    while received.lines().count() < 2 {
        received += &world.extended_client(&["receive"]).await;
    }
    let lengths: Vec<_> = received.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert!(lengths.contains(&"1400000") && lengths.contains(&"5"), "{received}");
    assert_eq!(world.keys().await, Vec::<String>::new(), "the client deletes what it received");
    let by_settings = format!("{file}payload = {{ bucket = \"{BUCKET}\" }}\n");
    let ended = Launch::of(&["send", "--file", "-"]).file(&by_settings).input(&sent).run().await;
    assert_eq!((ended.code, world.keys().await.len()), (Some(0), 1), "{}", ended.errors);
    let ended = sending(&["--s3", "nowhere"]).input(&sent).run().await;
    assert!(ended.code == Some(69) && ended.errors.contains("s3://nowhere/"), "{}", ended.errors);
}

#[tokio::test]
async fn a_pointer_that_came_through_a_topic_is_followed() {
    let Some(world) = World::start().await else { return };
    let (sns, handler) = (Sns::at(&world.endpoint), Handler::willing());
    let topic = sns.topic("placed").await;
    sns.subscribe(&topic, &world.pair.queue, false).await;
    world.put("k", "published").await;
    let _worker = world.worker(&handler, "unwrap = \"sns\"\npayload = { s3 = \"fetch\" }").await;
    let size = SnsAttribute::builder().data_type("Number").string_value("9").build().unwrap();
    let publish = sns.client.publish().topic_arn(&topic).message(pointer("k"));
    publish.message_attributes("ExtendedPayloadSize", size).send().await.unwrap();
    assert_eq!(handler.has_ended(1).await[0].text(), "published");
    world.sqs.becomes_empty(&world.pair.queue).await;
    assert_eq!(world.keys().await, ["k"], "it stays where nothing is said");
}

#[tokio::test]
async fn a_payload_that_cannot_be_a_body_is_rejected_with_the_reason_and_stays() {
    let Some(world) = World::start().await else { return };
    let handler = Handler::willing();
    world.put("large", "x".repeat(1_001)).await;
    world.put("binary", vec![0xff, 0xfe]).await;
    // In a batch bodies are text.
    let settings = "payload = { s3 = \"fetch\", max = \"1kB\", delete = true }\nbatch = { size = 2 }";
    let _worker = world.worker(&handler, settings).await;
    for key in ["large", "binary", "missing"] {
        world.send(&pointer(key), SIZE).await;
    }
    world.send("[]", SIZE).await;
    let reasons = world.reasons(4).await.join("\n");
    for wanted in [
        "s3://payloads/large has 1001 bytes, more than payload.max, 1kB",
        "s3://payloads/missing is not there",
        "the payload of s3://payloads/binary is no text in UTF-8",
        "its body is no pointer to an object of s3",
    ] {
        assert!(reasons.contains(wanted), "{wanted}: {reasons}");
    }
    world.sqs.becomes_empty(&world.pair.queue).await;
    assert_eq!(
        (handler.started().len(), world.keys().await),
        (0, vec!["binary".to_owned(), "large".to_owned()])
    );
}

/// The most memory that a process has had, in MiB.
fn peak_mib(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// A large object that is no text.
const LARGE: usize = 40 << 20;
/// The most MiB by which it may enlarge a worker: half of it.
const GROWTH: u64 = 20;

#[tokio::test]
async fn a_payload_is_posted_from_a_file_and_never_in_memory_as_a_whole() {
    let Some(world) = World::start().await else { return };
    let (handler, files) = (Handler::willing(), tempfile::tempdir().unwrap());
    let left = files.path().join("longshore-files-Left12");
    std::fs::create_dir(&left).unwrap();
    world.put("large", vec![0xfe; LARGE]).await;
    let directory = files.path().display();
    let settings =
        format!("payload = {{ s3 = \"fetch\", max = \"300MiB\", temporary_directory = \"{directory}\" }}");
    let worker = world.worker(&handler, &settings).await;
    let before = peak_mib(&worker.process);
    world.send(&pointer("large"), SIZE).await;
    let calls = handler.has_ended(1).await;
    assert!(calls[0].body.len() == LARGE && calls[0].body.iter().all(|byte| *byte == 0xfe));
    assert_eq!(calls[0].header("content-length"), LARGE.to_string());
    world.sqs.becomes_empty(&world.pair.queue).await;
    let after = peak_mib(&worker.process);
    assert!(after < before + GROWTH, "{after} MiB, {before} before");
    assert!(!left.exists(), "what a killed worker left is removed");
    let own = std::fs::read_dir(files.path()).unwrap().next().unwrap().unwrap().path();
    until("the file is removed", async || std::fs::read_dir(&own).unwrap().next().is_none()).await;
}

#[tokio::test]
async fn a_program_gets_a_payload_as_a_file_that_was_never_in_memory_as_a_whole() {
    let Some(world) = World::start().await else { return };
    let results = tempfile::tempdir().unwrap();
    world.put("large", vec![0xfe; LARGE]).await;
    let script = results.path().join("job.sh");
    let log = results.path().join("log");
    // The input is the same.
    let text =
        format!("cmp - \"$LONGSHORE_BODY_FILE\" && wc -c < \"$LONGSHORE_BODY_FILE\" > {}\n", log.display());
    std::fs::write(&script, text).unwrap();
    let file = format!(
        "[queues.orders]\nurl = \"{}\"\nhandler = {{ kind = \"exec\", command = [\"sh\", \"{}\"] }}\n\
         payload = {{ s3 = \"fetch\", max = \"300MiB\" }}\nreceive = {{ wait = \"1s\" }}\n",
        world.pair.queue,
        script.display()
    );
    let launch =
        Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&file).variable("PATH", "/usr/bin:/bin");
    let worker = Worker::launched(launch).await;
    let before = peak_mib(&worker.process);
    world.send(&pointer("large"), SIZE).await;
    until("the program has ended", async || {
        std::fs::read_to_string(&log).is_ok_and(|size| size.trim() == LARGE.to_string())
    })
    .await;
    world.sqs.becomes_empty(&world.pair.queue).await;
    let after = peak_mib(&worker.process);
    assert!(after < before + GROWTH, "{after} MiB, {before} before");
}

#[tokio::test]
async fn what_is_too_large_for_sqs_goes_through_the_ingest_api_to_s3_and_back() {
    let Some(world) = World::start().await else { return };
    let handler = Handler::start(async |call| if call.body.starts_with(b"no") { 422 } else { 200 });
    let dev = |payload: &str| {
        let section = format!(
            "[queues.orders]\nname = \"orders\"\n{payload}\n\
             handler = {{ kind = \"http\", url = \"{}\", reject = [422] }}\n",
            handler.url()
        );
        let launch = Dev::launch().file(&section).variable("AWS_ACCESS_KEY_ID", "any");
        Dev::launched(launch.variable("AWS_SECRET_ACCESS_KEY", "any").variable("AWS_REGION", "us-east-1"))
    };
    let large = "ü".repeat(700_000);
    let plain = dev("").await;
    let (status, answer) = http::post(&plain.api, "/v1/messages", &large).await;
    assert!(status == 413 && answer.contains("TooLarge") && answer.contains("payload.bucket"), "{answer}");
    drop(plain);
    let settings = |bucket| {
        format!(
            "payload = {{ s3 = \"fetch\", bucket = \"{bucket}\", endpoint_url = \"{}\" }}",
            world.endpoint
        )
    };
    let dev_with_bucket = dev(&settings(BUCKET)).await;
    dev_with_bucket.post(&large).await;
    let half = "x".repeat(600_000);
    let batch = serde_json::json!([{ "body": half }, { "body": "small" }, { "body": half }]).to_string();
    let (status, answer) = http::post(&dev_with_bucket.api, "/v1/messages/batch", &batch).await;
    assert_eq!(status, 202, "{answer}");
    let mut sizes: Vec<_> = handler.has_ended(4).await.iter().map(|call| call.body.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [5, 600_000, 600_000, 1_400_000]);
    assert_eq!(world.keys().await.len(), 2, "only what does not fit is stored");
    // The extended client reads the copy of a rejected message, which has the pointer.
    dev_with_bucket.post(&format!("no{large}")).await;
    until("it is rejected", async || dev_with_bucket.sqs.counts(&dev_with_bucket.dlq).await.visible == 1)
        .await;
    let read = world.extended_client_of(&dev_with_bucket.dlq, &dev_with_bucket.endpoint, &["receive"]).await;
    assert!(read.starts_with("1400002 "), "{read}");
    let nowhere = dev(&settings("nowhere")).await;
    let (status, answer) = http::post(&nowhere.api, "/v1/messages", &large).await;
    assert!(status == 502 && answer.contains("PayloadNotStored") && !answer.contains("nowhere"), "{answer}");
    let line = nowhere.process.complains("send through the ingest api failed").await;
    assert!(line.contains("s3://nowhere/"), "{line}");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_costs_receives_and_rejects_nothing() {
    let Some(world) = World::start().await else { return };
    let handler = Handler::willing();
    let worker = world.worker(&handler, "payload = { s3 = \"fetch\" }").await;
    world.send(&pointer("k").replace(BUCKET, "nowhere"), SIZE).await;
    let line = worker.process.complains("message not done").await;
    assert!(
        line.contains("s3://nowhere/k: NoSuchBucket") && line.contains("hint: create the bucket"),
        "{line}"
    );
    until("the redrive policy moves it", async || world.sqs.counts(&world.pair.dlq).await.visible == 1).await;
    assert_eq!(handler.started().len(), 0);
}

#[tokio::test]
async fn while_s3_is_not_reached_a_message_waits_and_spends_no_receive() {
    let Some(world) = World::start().await else { return };
    let handler = Handler::willing();
    world.put("k", "payload").await;
    let proxy = Proxy::before(world.endpoint.strip_prefix("http://").unwrap()).await;
    proxy.set_mode(ProxyMode::Closed);
    let settings = format!("payload = {{ s3 = \"fetch\", endpoint_url = \"http://{}\" }}", proxy.address);
    let worker = world.worker(&handler, &settings).await;
    world.send(&pointer("k"), SIZE).await;
    let line = worker.process.complains("payload is not read from s3 yet").await;
    assert!(line.contains("s3://payloads/k is not reached"), "{line}");
    proxy.set_mode(ProxyMode::Open);
    let calls = handler.has_ended(1).await;
    assert_eq!((calls[0].text().as_str(), calls[0].receive_count()), ("payload", 1));
    world.sqs.becomes_empty(&world.pair.queue).await;
}

#[tokio::test]
async fn encoded_bodies_are_decoded_on_request_also_from_s3() {
    let Some(world) = World::start().await else { return };
    let handler = Handler::willing();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all("ahoy ".repeat(1_000).as_bytes()).unwrap();
    let gzip = encoder.finish().unwrap();
    world.put("k", gzip.clone()).await;
    let _worker = world.worker(&handler, "payload = { s3 = \"fetch\", decode = true }").await;
    world.send(&BASE64_STANDARD.encode(&gzip), ("Content-Encoding", "String", "gzip, base64")).await;
    let number = SqsAttribute::builder().data_type("Number").string_value("1").build().unwrap();
    let encoding = SqsAttribute::builder().data_type("String").string_value("gzip").build().unwrap();
    let send = world.sqs.client.send_message().queue_url(&world.pair.queue).message_body(pointer("k"));
    let send = send
        .message_attributes("ExtendedPayloadSize", number)
        .message_attributes("content-encoding", encoding);
    send.send().await.unwrap();
    for call in handler.has_ended(2).await {
        assert_eq!(call.text(), "ahoy ".repeat(1_000));
    }
    world.sqs.becomes_empty(&world.pair.queue).await;
}

/// The findings of `check` about the payload, and what was not tried about it.
async fn checked(queue: &str, payload: &str) -> (Vec<String>, bool) {
    let handler = Handler::willing();
    let settings = format!(
        "[queues.orders]\nurl = '{queue}'\npayload = {{ {payload} }}\nhandler = {{ kind = 'http', url = '{}' }}\n",
        handler.url()
    );
    let ended = Launch::of(&["check", "--format", "json"]).file(&settings).run().await;
    let report: serde_json::Value = serde_json::from_str(&ended.output).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let codes = findings.map(|finding| finding["code"].as_str().unwrap().to_owned());
    let is_untried = report["untried"].as_array().unwrap().iter().any(|untried| untried["of"] == "objects");
    (codes.filter(|code| code.starts_with("payload")).collect(), is_untried)
}

#[tokio::test]
async fn check_finds_a_bucket_that_is_not_there_and_an_s3_that_is_not_reached() {
    let Some(world) = World::start().await else { return };
    let found = async |payload: &str| checked(&world.pair.queue, payload).await;
    assert_eq!(found("s3 = 'fetch'").await, (Vec::new(), true));
    assert_eq!(found(&format!("bucket = '{BUCKET}'")).await, (Vec::new(), false));
    assert_eq!(found("bucket = 'no-such-bucket'").await, (vec!["payload-bucket".to_owned()], false));
    let unreached = format!("bucket = '{BUCKET}', endpoint_url = 'http://127.0.0.1:9'");
    assert_eq!(found(&unreached).await, (vec!["payload-unreachable".to_owned()], false));
    assert_eq!(world.keys().await, Vec::<String>::new());
}
