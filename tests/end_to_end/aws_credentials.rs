//! Credentials of AWS calls: roles, files and programs that change, sources that rotate, and credentials that stay dead.

use std::{path::Path, sync::Arc, time::Duration};

use aws_sdk_sqs::types::MessageAttributeValue;
use longshore::{
    Consumer, Stop,
    sns::{NotificationPlan, SnsPublisher},
};
use serde_json::json;

use super::support::{
    Dev, Handler, Launch, Signal, Sns, Worker, aws, cloud::Cloud, forward_proxy::ForwardProxy, tasks, until,
    worker::section,
};

const NO_HANDLER: &str = "http://127.0.0.1:1/";
const URL: &str = "https://sqs.eu-west-1.amazonaws.com/000000000000/orders";
const OLD: &str = "AKIAOLD";
const NEW: &str = "AKIANEW";

/// The codes with which AWS refuses credentials.
const CODES: [&str; 4] =
    ["ExpiredToken", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidSecurity"];

/// A `longshore dev` with a queue `orders`, and its own URL of that.
async fn dev() -> (Dev, String) {
    let dev = Dev::start().await;
    let queue = dev.sqs.pair("orders", 10).await.queue;
    (dev, queue)
}

fn run(file: &str) -> Launch {
    let launch = Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(file);
    launch.variable("AWS_EC2_METADATA_DISABLED", "true")
}

fn with_key(launch: Launch) -> Launch {
    launch.variable("AWS_ACCESS_KEY_ID", "AKIAOWN").variable("AWS_SECRET_ACCESS_KEY", "any")
}

fn profile(key: &str) -> String {
    format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")
}

/// The answer of a program of `credential_process`.
fn process_answer(key: &str) -> String {
    json!({ "Version": 1, "AccessKeyId": key, "SecretAccessKey": "secret" }).to_string()
}

/// Replaces a file at once, as whoever rotates credentials does.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

#[tokio::test]
async fn each_queue_and_topic_is_called_in_its_role_account_and_region() {
    let (dev, orders) = dev().await;
    let (invoices, refunds) = (dev.sqs.queue("invoices", &[]).await, dev.sqs.queue("refunds", &[]).await);
    let sns = Sns::at(&dev.endpoint);
    let topic = sns.topic("audit").await;
    let (cloud, handler) = (Cloud::before(&dev.endpoint).await, Handler::willing());
    let role = |account: &str, name: &str| format!("role_arn = \"arn:aws:iam::{account}:role/{name}\"");
    let notify = format!(
        "notify = {{ on_done = \"{topic}\", {}, endpoint_url = \"{}\" }}",
        role("333333333333", "topics"),
        dev.endpoint
    );
    let file = section(
        "orders",
        "arn:aws:sqs:eu-west-1:111111111111:orders",
        &handler.url(),
        &format!(
            "{}\nexternal_id = \"shared secret\"\nsession_name = \"worker-1\"\n{notify}",
            role("111111111111", "orders")
        ),
    ) + &section(
        "invoices",
        "arn:aws:sqs:us-west-2:222222222222:invoices",
        &handler.url(),
        &role("222222222222", "invoices"),
    ) + &format!(
        "[queues.same-role]\nurl = \"arn:aws:sqs:us-west-2:222222222222:refunds\"\n{}\n\
         handler = {{ kind = \"sns\", topic_arn = \"{topic}\", endpoint_url = \"{}\", {} }}\n",
        role("222222222222", "invoices"),
        dev.endpoint,
        role("444444444444", "publisher"),
    );
    let launch = with_key(run(&file)).variable("AWS_ENDPOINT_URL", &cloud.endpoint);
    let _worker = Worker::launched(launch).await;
    dev.sqs.send(&orders, "a").await;
    dev.sqs.send(&invoices, "b").await;
    handler.has_ended(2).await;
    dev.sqs.becomes_empty(&orders).await;
    dev.sqs.send(&refunds, "c").await;
    dev.sqs.becomes_empty(&refunds).await;
    until("the topics' roles are assumed", async || cloud.calls("AssumeRole").len() == 4).await;
    for call in cloud.calls("AssumeRole") {
        assert_eq!(call.key, "AKIAOWN");
        let is_orders = call.field("RoleArn").unwrap() == "arn:aws:iam::111111111111:role/orders";
        let (id, session) = (call.field("ExternalId"), call.field("RoleSessionName").unwrap());
        assert_eq!(id.as_deref(), is_orders.then_some("shared secret"));
        assert_eq!(session, if is_orders { "worker-1" } else { "longshore" });
    }
    for call in cloud.calls("ReceiveMessage") {
        let expected = if call.body.contains("orders") {
            ("ASIAORDERS", "eu-west-1")
        } else {
            ("ASIAINVOICES", "us-west-2")
        };
        assert!(call.key.starts_with(expected.0) && call.region == expected.1, "{call:?}");
    }
    let lookups = cloud.calls("GetQueueUrl");
    let owned = |call: &str| lookups.iter().any(|lookup| lookup.body.contains(call));
    assert!(owned("111111111111") && owned("222222222222"), "{lookups:?}");
}

#[tokio::test]
async fn the_endpoint_of_the_queue_is_not_that_of_sts() {
    let (dev, _) = dev().await;
    let (queues, sts) = (Cloud::before(&dev.endpoint).await, Cloud::before(&dev.endpoint).await);
    let role = "role_arn = \"arn:aws:iam::111111111111:role/orders\"\nregion = \"eu-west-1\"";
    let url = format!("{}/000000000000/orders", queues.endpoint);
    for file in [
        section("orders", &url, NO_HANDLER, role),
        format!("aws.endpoint_url = \"{}\"\n", queues.endpoint) + &section("orders", URL, NO_HANDLER, role),
    ] {
        let check = || with_key(Launch::of(&["check"]).file(&file));
        let ended = check().variable("AWS_ENDPOINT_URL_STS", &sts.endpoint).run().await;
        let call = queues.calls("GetQueueAttributes").last().expect("a call in the role").clone();
        assert!(call.key.starts_with("ASIAORDERS"), "{call:?} {}", ended.output);
        let proxy = ForwardProxy::to("127.0.0.1:1", None).await;
        let ended = check().variable("HTTPS_PROXY", &proxy.address.to_string()).run().await;
        assert_eq!(ended.code, Some(69), "{}", ended.output);
        assert_eq!(proxy.requests()[0], "CONNECT sts.eu-west-1.amazonaws.com:443 HTTP/1.1");
        assert!(queues.calls("AssumeRole").is_empty());
    }
    assert_eq!(sts.calls("AssumeRole").len(), 2);
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_found_before_the_start() {
    let (dev, _) = dev().await;
    let cloud = Cloud::before(&dev.endpoint).await;
    cloud.refuse("AKIAOWN", "AccessDenied");
    let role = "role_arn = \"arn:aws:iam::111111111111:role/orders\"";
    let check = with_key(Launch::of(&["check"]).file(&section("orders", URL, NO_HANDLER, role)));
    let ended = check.variable("AWS_ENDPOINT_URL", &cloud.endpoint).run().await;
    assert_eq!(ended.code, Some(69), "{}", ended.output);
    for part in ["role", "arn:aws:iam::111111111111:role/orders", "sts:AssumeRole"] {
        assert!(ended.output.contains(part), "{part}: {}", ended.output);
    }
}

#[tokio::test]
async fn a_queue_of_another_account_is_looked_up_with_its_owner() {
    let (dev, _) = dev().await;
    let cloud = Cloud::before(&dev.endpoint).await;
    let file = format!(
        "aws.region = \"eu-west-1\"\n[queues.orders]\nname = \"orders\"\nowner = \"222222222222\"\n\
         handler = {{ kind = \"http\", url = \"{NO_HANDLER}\" }}\ndlq = {{ name = \"orders-dlq\" }}\n"
    );
    let check = with_key(Launch::of(&["check"]).file(&file));
    check.variable("AWS_ENDPOINT_URL", &cloud.endpoint).run().await;
    let lookups = cloud.calls("GetQueueUrl");
    for name in ["orders", "orders-dlq"] {
        let wanted = json!({ "QueueName": name, "QueueOwnerAWSAccountId": "222222222222" });
        let bodies: Vec<serde_json::Value> =
            lookups.iter().map(|call| serde_json::from_str(&call.body).unwrap()).collect();
        assert!(bodies.contains(&wanted), "{bodies:?}");
    }
}

#[tokio::test]
async fn an_arn_is_sent_to_as_a_url_is() {
    let (dev, orders) = dev().await;
    let cloud = Cloud::before(&dev.endpoint).await;
    let arn = "arn:aws:sqs:eu-central-1:111111111111:orders";
    let send = with_key(Launch::of(&["send", "a", "--queue-url", arn]));
    let ended = send.variable("AWS_ENDPOINT_URL", &cloud.endpoint).run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert_eq!(cloud.calls("SendMessageBatch")[0].region, "eu-central-1");
    assert_eq!(dev.sqs.take_all(&orders).await.len(), 1);
}

#[tokio::test]
async fn rewritten_files_are_read_again_once_the_old_credentials_are_refused() {
    for code in CODES {
        let (dev, orders) = dev().await;
        let (cloud, handler) = (Cloud::before(&dev.endpoint).await, Handler::willing());
        let files = tempfile::tempdir().unwrap();
        let (shared, answer) = (files.path().join("credentials"), files.path().join("answer.json"));
        let by_process = code == "ExpiredToken";
        let config = files.path().join("config");
        if by_process {
            std::fs::write(&answer, process_answer(OLD)).unwrap();
            let text = format!("[default]\ncredential_process = cat {}\n", answer.display());
            std::fs::write(&config, text).unwrap();
        } else {
            std::fs::write(&shared, profile(OLD)).unwrap();
        }
        let launch = run(&section("orders", URL, &handler.url(), "receive = { wait = \"1s\" }"));
        let launch = launch.variable("AWS_SHARED_CREDENTIALS_FILE", shared.to_str().unwrap());
        let launch =
            launch.variable("AWS_CONFIG_FILE", config.to_str().unwrap()).variable("PATH", "/usr/bin:/bin");
        let _worker = Worker::launched(launch.variable("AWS_ENDPOINT_URL", &cloud.endpoint)).await;
        dev.sqs.send(&orders, "with the old").await;
        handler.has_ended(1).await;
        assert_eq!(cloud.keys(), [OLD], "{code}");
        if by_process {
            replace(&answer, &process_answer(NEW));
        } else {
            replace(&shared, &profile(NEW));
        }
        cloud.refuse(OLD, code);
        dev.sqs.send(&orders, "with the new").await;
        handler.has_ended(2).await;
        dev.sqs.becomes_empty(&orders).await;
        assert_eq!(cloud.keys(), [NEW], "{code}");
    }
}

#[tokio::test]
async fn an_object_is_read_with_rewritten_credentials_once_s3_refuses_the_old_and_no_receive_is_spent() {
    let (dev, orders) = dev().await;
    let (cloud, s3) = (Cloud::before(&dev.endpoint).await, Cloud::before(&dev.endpoint).await);
    let (handler, files) = (Handler::willing(), tempfile::tempdir().unwrap());
    let shared = files.path().join("credentials");
    std::fs::write(&shared, profile(OLD)).unwrap();
    let launch = run(&section("orders", URL, &handler.url(), "payload = { s3 = \"fetch\" }"));
    let launch = launch.variable("AWS_ENDPOINT_URL_S3", &s3.endpoint);
    let launch = launch.variable("AWS_SHARED_CREDENTIALS_FILE", shared.to_str().unwrap());
    let _worker = Worker::launched(launch.variable("AWS_ENDPOINT_URL", &cloud.endpoint)).await;
    let send = async || {
        let pointer = r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"payloads","s3Key":"k"}]"#;
        let size =
            MessageAttributeValue::builder().data_type("Number").string_value("300000").build().unwrap();
        let send = dev.sqs.client.send_message().queue_url(&orders).message_body(pointer);
        send.message_attributes("ExtendedPayloadSize", size).send().await.unwrap();
    };
    send().await;
    assert_eq!(handler.has_ended(1).await[0].text(), "payload");
    replace(&shared, &profile(NEW));
    s3.refuse(OLD, "ExpiredToken");
    send().await;
    let calls = handler.has_ended(2).await;
    assert_eq!((calls[1].text().as_str(), calls[1].receive_count()), ("payload", 1));
    assert_eq!(s3.keys(), [NEW]);
}

/// Works through messages while credentials that live for three seconds are replaced at least four times.
async fn rotates(name: &str, launch: impl FnOnce(Launch, &Cloud, &Path) -> Launch) {
    let (dev, orders) = dev().await;
    let cloud = Cloud::start(&dev.endpoint, "127.0.0.1".parse().unwrap(), Duration::from_secs(3)).await;
    let handler = Handler::start(async |_| {
        // Longer than half of the lease, so that each is extended.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        200
    });
    let files = tempfile::tempdir().unwrap();
    let settings = "visibility = \"2s\"\nconcurrency = 4\nreceive = { wait = \"1s\" }";
    let started = run(&section("orders", URL, &handler.url(), settings));
    let started = started.variable("AWS_ENDPOINT_URL_SQS", &cloud.endpoint);
    let worker = Worker::launched(launch(started, &cloud, files.path())).await;
    let bodies: Vec<_> = (0..24).map(|number| number.to_string()).collect();
    dev.sqs.send_all(&orders, &bodies).await;
    handler.has_ended(24).await;
    dev.sqs.becomes_empty(&orders).await;
    let used = cloud.keys();
    assert!(used.len() >= 4, "{name}: {used:?}");
    assert_eq!(handler.started().len(), 24, "{name}: a message has come twice");
    assert!(handler.started().iter().all(|call| call.receive_count() == 1), "{name}");
    assert!((worker.admin.total("longshore_leases_lost_total").await).abs() < f64::EPSILON, "{name}");
}

#[tokio::test]
async fn credentials_of_a_container_rotate_without_a_lost_lease() {
    rotates("container", |launch, cloud, _| {
        let url = format!("{}/credentials", cloud.endpoint);
        launch.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)
    })
    .await;
}

#[tokio::test]
async fn credentials_of_an_instance_rotate_without_a_lost_lease() {
    rotates("instance", |launch, cloud, _| {
        let launch = launch.variable("AWS_EC2_METADATA_DISABLED", "false");
        launch.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT", &cloud.endpoint)
    })
    .await;
}

#[tokio::test]
async fn credentials_of_a_web_identity_rotate_without_a_lost_lease() {
    rotates("web identity", |launch, cloud, files| {
        let token = files.join("token");
        std::fs::write(&token, "a token").unwrap();
        let launch = launch.variable("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap());
        let launch = launch.variable("AWS_ROLE_ARN", "arn:aws:iam::111111111111:role/pod");
        launch.variable("AWS_ENDPOINT_URL_STS", &cloud.endpoint)
    })
    .await;
}

#[tokio::test]
async fn credentials_of_a_role_rotate_without_a_lost_lease() {
    let (dev, orders) = dev().await;
    let cloud = Cloud::start(&dev.endpoint, "127.0.0.1".parse().unwrap(), Duration::from_secs(3)).await;
    let handler = Handler::willing();
    let role = "role_arn = \"arn:aws:iam::111111111111:role/orders\"\nreceive = { wait = \"1s\" }";
    let launch = with_key(run(&section("orders", URL, &handler.url(), role)));
    let _worker = Worker::launched(launch.variable("AWS_ENDPOINT_URL", &cloud.endpoint)).await;
    until("the role is assumed again and again", async || cloud.calls("AssumeRole").len() >= 3).await;
    dev.sqs.send(&orders, "a").await;
    handler.has_ended(1).await;
    let expired: Vec<_> = cloud.calls("ReceiveMessage");
    assert!(expired.iter().all(|call| call.key.starts_with("ASIAORDERS")), "{expired:?}");
}

#[tokio::test]
async fn a_role_is_assumed_with_rewritten_credentials_once_the_old_are_refused() {
    let (dev, orders) = dev().await;
    let cloud = Cloud::start(&dev.endpoint, "127.0.0.1".parse().unwrap(), Duration::from_secs(3)).await;
    let (handler, files) = (Handler::willing(), tempfile::tempdir().unwrap());
    let shared = files.path().join("credentials");
    std::fs::write(&shared, profile(OLD)).unwrap();
    let role = "role_arn = \"arn:aws:iam::111111111111:role/orders\"\nreceive = { wait = \"1s\" }";
    let launch = run(&section("orders", URL, &handler.url(), role));
    let launch = launch.variable("AWS_SHARED_CREDENTIALS_FILE", shared.to_str().unwrap());
    let _worker = Worker::launched(launch.variable("AWS_ENDPOINT_URL", &cloud.endpoint)).await;
    dev.sqs.send(&orders, "with the old").await;
    handler.has_ended(1).await;
    replace(&shared, &profile(NEW));
    cloud.refuse(OLD, "ExpiredToken");
    let by_new = async || cloud.calls("AssumeRole").iter().any(|call| call.key == NEW);
    until("the role is assumed with the new credentials", by_new).await;
    dev.sqs.send(&orders, "with the new").await;
    handler.has_ended(2).await;
}

#[tokio::test]
async fn credentials_that_stay_dead_end_the_liveness_and_others_restore_it() {
    let (dev, _) = dev().await;
    let (cloud, handler) = (Cloud::before(&dev.endpoint).await, Handler::willing());
    let file = "aws.credentials_dead_after = \"2s\"\n".to_owned()
        + &section("orders", URL, &handler.url(), "receive = { wait = \"1s\" }");
    let launch = with_key(run(&file)).variable("AWS_ENDPOINT_URL", &cloud.endpoint);
    let worker = Worker::launched(launch).await;
    worker.admin.becomes_ready().await;
    cloud.refuse("AKIAOWN", "ExpiredToken");
    until("the worker is not live", async || worker.admin.get("/livez").await.0 == 503).await;
    let (_, text) = worker.admin.get("/livez").await;
    assert!(text.contains("orders credentials"), "{text}");
    cloud.accept("AKIAOWN");
    until("the worker is live", async || worker.admin.get("/livez").await.0 == 200).await;
}

#[tokio::test]
async fn a_profile_that_needs_a_sign_in_says_what_to_do() {
    let files = tempfile::tempdir().unwrap();
    let config = files.path().join("config");
    let sso = "[default]\nsso_session = corp\nsso_account_id = 111111111111\nsso_role_name = dev\n\
               [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n";
    let login = "[default]\nlogin_session = arn:aws:iam::111111111111:user/me\n";
    for (profile, parts) in [
        (sso, ["the profile default is not signed in to sso", "fix: run aws sso login --profile default"]),
        (login, ["the profile default is one of aws login", "export-credentials --profile default"]),
    ] {
        std::fs::write(&config, profile).unwrap();
        let check = Launch::of(&["check"]).file(&section("orders", URL, NO_HANDLER, ""));
        let check = check.variable("AWS_CONFIG_FILE", config.to_str().unwrap());
        let check = check.variable("HOME", files.path().to_str().unwrap());
        let ended = check.variable("AWS_EC2_METADATA_DISABLED", "true").run().await;
        assert_eq!(ended.code, Some(69), "{}", ended.output);
        for part in parts {
            assert!(ended.output.contains(part), "{part}: {}", ended.output);
        }
    }
}

#[tokio::test]
async fn a_source_that_fails_is_one_line_of_the_log_with_the_fix() {
    let files = tempfile::tempdir().unwrap();
    let config = files.path().join("config");
    let profile = "[profile dev]\ncredential_process = echo one >&2; echo two >&2; exit 3\n";
    std::fs::write(&config, profile).unwrap();
    let launch = run(&section("orders", URL, NO_HANDLER, "")).variable("AWS_PROFILE", "dev");
    let launch = launch.variable("PATH", "/usr/bin:/bin");
    let mut process = launch.variable("AWS_CONFIG_FILE", config.to_str().unwrap()).start();
    let line = process.complains("sqs does not answer yet").await;
    let words = "the credential_process of the profile dev ended with status 3: one two";
    for part in [words, "\"hint\":\"run the credential_process of the profile dev by hand"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    process.signal(Signal::Terminate);
    let ended = process.ended().await;
    assert!(!ended.errors.contains("aws_config::"), "{}", ended.errors);
}

#[tokio::test]
async fn a_source_that_hangs_and_a_profile_that_is_missing_are_named_as_the_cause() {
    let files = tempfile::tempdir().unwrap();
    let config = files.path().join("config");
    let file = section("orders", URL, NO_HANDLER, "");
    for (profiles, profile, named) in [
        ("[default]\ncredential_process = sleep 12\n", "default", "their source has not answered for 8s"),
        ("[profile dev]\nregion = eu-west-1\n", "dve", "the profile dve is in no shared file"),
    ] {
        std::fs::write(&config, profiles).unwrap();
        let check = Launch::of(&["check"]).file(&file).variable("AWS_EC2_METADATA_DISABLED", "true");
        let check = check.variable("AWS_CONFIG_FILE", config.to_str().unwrap());
        let ended = check.variable("AWS_PROFILE", profile).run().await;
        assert_eq!(ended.code, Some(69), "{}", ended.output);
        assert!(ended.output.contains(named), "{named}: {}", ended.output);
    }
}

#[tokio::test]
async fn a_program_brings_its_own_client_or_configuration() {
    let (dev, orders) = dev().await;
    let cloud = Cloud::before(&dev.endpoint).await;
    let topic = Sns::at(&dev.endpoint).topic("audit").await;
    let config = aws::config(&cloud.endpoint);
    let of_sns = aws::config(&dev.endpoint);
    let (sender, mut bodies) = tokio::sync::mpsc::unbounded_channel();
    for (number, queue) in [URL, "orders"].into_iter().enumerate() {
        let client = aws_sdk_sqs::Client::new(&config);
        let sender = sender.clone();
        let handler = longshore::handler::from_fn(move |message: Arc<longshore::Message>| {
            sender.send(message.body.clone()).unwrap();
            std::future::ready(())
        });
        let publisher = SnsPublisher::with_client(&aws_sdk_sns::Client::new(&of_sns));
        let plan = NotificationPlan::new().on_done(topic.parse().unwrap()).publisher(Arc::new(publisher));
        let consumer = Consumer::new(queue, handler).notify(plan);
        let consumer = match number {
            0 => consumer.sqs_client(client),
            _ => consumer.sdk_config(config.clone()),
        };
        let stop = Stop::new();
        let worker = tasks::detach(
            "worker",
            longshore::Worker::new()
                .drain_receives(Duration::from_secs(1))
                .consumer(consumer)
                .run_until(stop.clone()),
        );
        dev.sqs.send(&orders, "a").await;
        assert_eq!(bodies.recv().await.as_deref(), Some("a"));
        dev.sqs.becomes_empty(&orders).await;
        stop.drain();
        worker.await.unwrap().unwrap();
        let calls = cloud.calls("ReceiveMessage");
        // The client's own region stands, whatever the URL says.
        assert!(calls.iter().all(|call| call.key == "any" && call.region == "us-east-1"), "{calls:?}");
    }
}
