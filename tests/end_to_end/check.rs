//! `longshore check` against queues that are wrong in each way, and against one that is right.

use std::net::TcpListener;

use aws_sdk_sqs::types::QueueAttributeName as Name;
use serde_json::Value;

use super::support::{
    Dev, Handler, Launch, Sns, Sqs,
    ecs::{Agent, Ecs},
    guarded::DenyingProxy,
    sqs::Counts,
    worker::section,
};

/// The result of `check`.
struct Checked {
    code: Option<i32>,
    report: Value,
}

impl Checked {
    async fn by(launch: Launch) -> Self {
        let ended = launch.arguments(&["--format", "json"]).run().await;
        let report = serde_json::from_str(&ended.output);
        let report = report.unwrap_or_else(|error| panic!("{error}: {} {}", ended.output, ended.errors));
        Self { code: ended.code, report }
    }

    async fn of(file: &str) -> Self {
        Self::by(Launch::of(&["check"]).file(file)).await
    }

    /// The codes of the findings of a queue, or of those without a queue.
    fn codes(&self, queue: Option<&str>) -> Vec<&str> {
        let findings = self.report["findings"].as_array().unwrap().iter();
        let about = findings.filter(|finding| finding["queue"].as_str() == queue);
        about.map(|finding| finding["code"].as_str().unwrap()).collect()
    }

    /// The codes of a queue's findings that are more than a notice.
    fn faults(&self, queue: &str) -> Vec<&str> {
        let findings = self.report["findings"].as_array().unwrap().iter();
        let about = findings.filter(|finding| finding["queue"] == queue && finding["severity"] != "notice");
        about.map(|finding| finding["code"].as_str().unwrap()).collect()
    }
}

const FOURTEEN_DAYS: &str = "1209600";

/// A DLQ with a long retention, and the redrive policy that names it.
async fn policy(sqs: &Sqs, dlq: &str, receives: u32) -> (Name, String) {
    let fifo = dlq.strip_suffix(".fifo").map(|_| (Name::FifoQueue, "true".to_owned()));
    let retention = (Name::MessageRetentionPeriod, FOURTEEN_DAYS.to_owned());
    let attributes: Vec<_> = fifo.into_iter().chain([retention]).collect();
    let url = sqs.queue(dlq, &attributes).await;
    let arn = sqs.attribute(&url, Name::QueueArn).await;
    (Name::RedrivePolicy, format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{receives}}}"#))
}

#[tokio::test]
async fn a_worker_that_would_work_is_fit_and_nothing_is_changed_by_asking() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let queue = dev.sqs.queue("orders", &[policy(&dev.sqs, "orders-dlq", 3).await]).await;
    dev.sqs.send(&queue, "a").await;
    let checked = Checked::of(&section("orders", &queue, &handler.url(), "timeout = \"1m\"")).await;
    assert_eq!((checked.code, &checked.report["verdict"]), (Some(0), &"fit".into()), "{}", checked.report);
    assert_eq!(checked.codes(Some("orders")), Vec::<&str>::new());
    let untried = checked.report["untried"].as_array().unwrap().iter().map(|each| each["action"].as_str());
    assert_eq!(untried.collect::<Vec<_>>(), [Some("sqs:ReceiveMessage"), Some("sqs:SendMessage")]);
    assert_eq!(checked.codes(None), Vec::<&str>::new());
    assert_eq!(dev.sqs.counts(&queue).await, Counts { visible: 1, ..Counts::default() });
    assert_eq!(dev.sqs.take_all(&queue).await, [("a".to_owned(), 1)], "it was never received");
}

#[tokio::test]
async fn the_text_of_a_report_has_the_fix_of_each_finding() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let queue = dev.sqs.queue("orders", &[]).await;
    let ended = Launch::of(&["check"]).file(&section("orders", &queue, &handler.url(), "")).run().await;
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    for text in [
        "warning  no-redrive-policy\n  queue orders: ",
        "  fix: give the queue a RedrivePolicy",
        "fit: 0 errors, 1 warning,",
    ] {
        assert!(ended.output.contains(text), "{text:?} is not in {}", ended.output);
    }
}

/// Queues that are wrong in one way each, by their names: `.fifo` makes one a FIFO queue.
async fn wrong_queues(sqs: &Sqs) {
    let good = policy(sqs, "dlq", 3).await;
    let with = |name, value: &str| vec![good.clone(), (name, value.to_owned())];
    sqs.queue("nowhere-to-fail", &[]).await;
    sqs.queue("once", &[policy(sqs, "dlq", 1).await]).await;
    sqs.queue("brief", &with(Name::MessageRetentionPeriod, "3600")).await;
    sqs.queue("hasty", &with(Name::VisibilityTimeout, "0")).await;
    sqs.queue("keyed", &with(Name::KmsMasterKeyId, "alias/orders")).await;
    sqs.queue("forgetful", &with(Name::MessageRetentionPeriod, FOURTEEN_DAYS)).await;
    let lost = policy(sqs, "lost-dlq", 3).await;
    let dlq = format!("{}lost-dlq", sqs.queue("lost", &[lost]).await.trim_end_matches("lost"));
    sqs.client.delete_queue().queue_url(dlq).send().await.unwrap();
    let full = policy(sqs, "full-dlq", 3).await;
    let dlq = format!("{}full-dlq", sqs.queue("full", &[full]).await.trim_end_matches("full"));
    sqs.send(&dlq, "dead").await;
    let fifo = [policy(sqs, "dlq.fifo", 3).await, (Name::FifoQueue, "true".to_owned())];
    sqs.queue("grouped.fifo", &fifo).await;
    for name in ["ungrouped", "notified", "onward", "down", "absent-program", "broken-function"] {
        sqs.queue(name, std::slice::from_ref(&good)).await;
    }
}

/// Sections for all of them, and for one that was never created; `topic` is a FIFO topic.
fn wrong_sections(endpoint: &str, handler: &str, topic: &str) -> String {
    let missing = "arn:aws:sns:us-east-1:000000000000:missing";
    let notify_missing = format!("notify = {{ on_done = \"{missing}\" }}");
    let mut file = String::new();
    for (name, queue, settings) in [
        ("nowhere-to-fail", "nowhere-to-fail", ""),
        ("once", "once", ""),
        ("brief", "brief", "timeout = \"2h\""),
        ("hasty", "hasty", ""),
        ("keyed", "keyed", ""),
        ("forgetful", "forgetful", ""),
        ("lost", "lost", ""),
        ("full", "full", "timeout = \"2h\""),
        ("grouped", "grouped.fifo", "batch = { size = 10 }"),
        ("ungrouped", "ungrouped", "batch = { groups = \"one\" }"),
        ("notified", "notified", &notify_missing),
        ("missing", "never-created", ""),
    ] {
        file += &section(name, &format!("{endpoint}/000000000000/{queue}"), handler, settings);
    }
    for (name, handler) in [
        ("onward", format!("{{ kind = \"sns\", topic_arn = \"{topic}\" }}")),
        ("down", "{ kind = \"http\", url = \"http://127.0.0.1:9/\" }".to_owned()),
        ("absent-program", "{ kind = \"exec\", command = [\"/no/such/program\"] }".to_owned()),
        ("broken-function", "{ kind = \"lambda\", command = [\"sh\", \"-c\", \"exit 1\"] }".to_owned()),
    ] {
        let url = format!("{endpoint}/000000000000/{name}");
        let section = format!("[queues.{name}]\nurl = \"{url}\"\nhandler = {handler}\n");
        file += &section;
    }
    file
}

#[tokio::test]
async fn every_misconfigured_queue_is_found_with_the_reason() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    wrong_queues(&dev.sqs).await;
    let topic = Sns::at(&dev.endpoint).topic("onward.fifo").await;
    let file = wrong_sections(&dev.endpoint, &handler.url(), &topic);
    let checked = Checked::of(&file).await;
    for (queue, code) in [
        ("nowhere-to-fail", "no-redrive-policy"),
        ("once", "max-receive-count"),
        ("brief", "queue-retention"),
        ("forgetful", "dlq-retention"),
        ("lost", "dlq-missing"),
        ("ungrouped", "groups-without-fifo"),
        ("notified", "topic-missing"),
        ("missing", "queue-missing"),
        ("onward", "topic-fifo"),
        ("down", "handler-unreachable"),
        ("absent-program", "handler-unreachable"),
        ("broken-function", "handler-unreachable"),
    ] {
        assert_eq!(checked.faults(queue), [code], "{}", checked.report);
    }
    assert!(checked.report.to_string().contains("install what it imports"), "{}", checked.report);
    for (queue, code) in [
        ("hasty", "queue-visibility"),
        ("keyed", "kms-unproven"),
        ("full", "dlq-not-empty"),
        ("grouped", "fifo-groups"),
        ("full", "timeout-beyond-drain"),
    ] {
        assert!(
            checked.faults(queue).is_empty() && checked.codes(Some(queue)).contains(&code),
            "{}",
            checked.report
        );
    }
    assert_eq!((checked.code, &checked.report["verdict"]), (Some(69), &"unavailable".into()));
}

#[tokio::test]
async fn what_the_worker_would_wait_for_is_no_failure() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let queue = dev.sqs.queue("orders", &[policy(&dev.sqs, "orders-dlq", 3).await]).await;
    let later = queue.replace("orders", "never-created");
    let section = |name: &str, queue: &str, rest: &str| section(name, queue, &handler.url(), rest);
    let file = section("later", &later, "missing = \"wait\"")
        + &section("orders", &queue, "missing = \"wait\"\ndlq = { name = \"never-created-dlq\" }");
    let checked = Checked::of(&file).await;
    assert_eq!(checked.faults("later"), ["queue-awaited"], "{}", checked.report);
    assert_eq!(checked.faults("orders"), ["dlq-awaited"], "{}", checked.report);
    assert_eq!((checked.code, &checked.report["verdict"]), (Some(0), &"fit".into()));
}

#[tokio::test]
async fn each_permission_that_is_missing_is_named() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    dev.sqs.queue("orders", &[policy(&dev.sqs, "orders-dlq", 3).await]).await;
    for (refused, codes) in [
        (("DeleteMessageBatch", ""), &["delete-forbidden"][..]),
        (("ChangeMessageVisibilityBatch", ""), &["extend-forbidden"]),
        (("GetQueueAttributes", "orders\""), &["attributes-forbidden"]),
        (("GetQueueAttributes", "orders-dlq"), &["dlq-forbidden"]),
        (("GetQueueUrl", "orders-dlq"), &["dlq-forbidden"]),
    ] {
        let guarded = DenyingProxy::before(&dev.endpoint, &[refused]).await;
        let checked = Checked::of(&section("orders", &guarded.url("orders"), &handler.url(), "")).await;
        assert_eq!(checked.faults("orders"), codes, "{refused:?}: {}", checked.report);
    }
    let guarded = DenyingProxy::before(&dev.endpoint, &[("GetQueueUrl", "orders")]).await;
    let file = format!(
        "[queues.orders]\nname = \"orders\"\nendpoint_url = \"{}\"\nhandler = {{ kind = \"http\", url = \"{}\" }}\n",
        guarded.endpoint,
        handler.url()
    );
    assert_eq!(Checked::of(&file).await.faults("orders"), ["queue-forbidden"]);
}

#[tokio::test]
async fn one_queue_by_two_addresses_is_found() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let queue = dev.sqs.queue("orders", &[policy(&dev.sqs, "orders-dlq", 3).await]).await;
    let guarded = DenyingProxy::before(&dev.endpoint, &[]).await;
    let file = section("one", &queue, &handler.url(), "")
        + &section("other", &guarded.url("orders"), &handler.url(), "");
    let checked = Checked::of(&file).await;
    assert_eq!(
        (checked.code, checked.faults("other")),
        (Some(64), vec!["duplicate-queue"]),
        "{}",
        checked.report
    );
    assert_eq!(checked.faults("one"), Vec::<&str>::new());
}

#[tokio::test]
async fn invalid_settings_exit_with_64_and_each_is_a_finding() {
    let checked = Checked::of(&section("orders", "no url", "http://h/", "visibility = \"1s\"")).await;
    assert_eq!(
        (checked.code, checked.codes(None)),
        (Some(64), vec!["configuration"; 2]),
        "{}",
        checked.report
    );
    let checked = Checked::by(Launch::of(&["check"])).await;
    assert_eq!((checked.code, checked.codes(None)), (Some(64), vec!["configuration"]));
}

#[tokio::test]
async fn an_unreachable_queue_and_missing_credentials_have_different_codes() {
    let (free, handler) =
        (TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(), Handler::willing());
    let unreachable =
        section("unreachable", &format!("http://{free}/000000000000/orders"), &handler.url(), "");
    let aws = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
    let file = unreachable + &section("real", aws, &handler.url(), "");
    let launch = Launch::of(&["check"]).file(&file).variable("AWS_EC2_METADATA_DISABLED", "true");
    let checked = Checked::by(launch).await;
    assert_eq!(checked.code, Some(69));
    assert_eq!(
        (checked.faults("unreachable"), checked.faults("real")),
        (vec!["queue-unreachable"], vec!["credentials"])
    );
}

#[tokio::test]
async fn on_ecs_the_stop_and_the_protection_are_checked() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let file = section("orders", &dev.queue, &handler.url(), "");
    for (agent, settings, code, codes) in [
        (Agent::Well, "", 0, &["stop-timeout-unknown"][..]),
        (Agent::Well, "[ecs]\nstop_timeout = \"2m\"", 0, &[]),
        (
            Agent::Denied,
            "[ecs]\nstop_timeout = \"2m\"",
            0,
            &["protection-unavailable", "deployments-unknown"],
        ),
        (Agent::Denied, "[ecs]\nstop_timeout = \"2m\"\nprotect = \"off\"", 0, &[]),
        (
            Agent::Denied,
            "[ecs]\nstop_timeout = \"2m\"\nprotect = \"off\"\nscale_out_to = 10",
            0,
            &["scale-out-unavailable"],
        ),
        (Agent::Well, "[ecs]\nstop_timeout = \"2m\"\nscale_out_to = 10", 0, &[]),
        (Agent::Standalone, "[ecs]\nstop_timeout = \"2m\"", 0, &["protection-pointless"]),
        (Agent::Well, "[ecs]\nstop_timeout = \"30s\"\n[drain]\nlimit = \"110s\"", 64, &["drain-limit"]),
        (Agent::Well, "[ecs]\nstop_timeout = \"5m\"", 0, &["stop-timeout-beyond-fargate"]),
    ] {
        let ecs = Ecs::start(agent).await;
        let checked =
            Checked::by(ecs.around(Launch::of(&["check"]).file(&format!("{file}{settings}\n")))).await;
        assert_eq!((checked.code, checked.codes(None)), (Some(code), codes.to_vec()), "{agent:?} {settings}");
        assert_eq!(ecs.asked(), Vec::<String>::new(), "asking changes nothing");
    }
}
