//! The endpoint and the region of AWS calls: of a queue's URL or ARN, the settings, the variables and the profile.

use std::collections::BTreeSet;

use super::support::{
    Dev, Handler, Launch, Worker,
    cloud::{Cloud, SignedCall},
    forward_proxy::ForwardProxy,
    python::python_with,
    worker::section,
};

/// A queue at AWS, and its ARN.
const AT_AWS: &str = "https://sqs.eu-west-1.amazonaws.com/000000000000/orders";
const ARN: &str = "arn:aws:sqs:ap-south-1:000000000000:orders";
/// A handler that is never called.
const NO_HANDLER: &str = "http://127.0.0.1:1/";

fn signed(launch: Launch) -> Launch {
    let launch = launch.variable("AWS_ACCESS_KEY_ID", "AKIAOWN").variable("AWS_SECRET_ACCESS_KEY", "any");
    launch.variable("AWS_EC2_METADATA_DISABLED", "true")
}

/// A `longshore dev` with a queue `orders` and its DLQ.
async fn dev() -> Dev {
    let dev = Dev::start().await;
    dev.sqs.pair("orders", 3).await;
    dev
}

/// The section of a queue by its name.
fn by_name(settings: &str) -> String {
    format!(
        "[queues.orders]\nname = \"orders\"\nhandler = {{ kind = \"http\", url = \"{NO_HANDLER}\" }}\n{settings}\n"
    )
}

#[tokio::test]
async fn a_queues_url_leads_to_its_own_host_or_that_of_its_region() {
    let proxy = ForwardProxy::to("127.0.0.1:1", None).await;
    let hosts = [
        ("sqs-fips.us-west-2.amazonaws.com", "sqs-fips.us-west-2.amazonaws.com"),
        ("sqs.eu-west-1.api.aws", "sqs.eu-west-1.api.aws"),
        ("sqs-fips.us-east-1.api.aws", "sqs-fips.us-east-1.api.aws"),
        ("sqs.cn-north-1.amazonaws.com.cn", "sqs.cn-north-1.amazonaws.com.cn"),
        ("sqs.us-gov-west-1.amazonaws.com", "sqs.us-gov-west-1.amazonaws.com"),
        ("sqs.us-iso-east-1.c2s.ic.gov", "sqs.us-iso-east-1.c2s.ic.gov"),
        ("sqs.eusc-de-east-1.amazonaws.eu", "sqs.eusc-de-east-1.amazonaws.eu"),
        ("vpce-1-2.sqs.eu-west-1.vpce.amazonaws.com", "vpce-1-2.sqs.eu-west-1.vpce.amazonaws.com"),
        ("eu-central-1.queue.amazonaws.com", "sqs.eu-central-1.amazonaws.com"),
        ("queue.amazonaws.com", "sqs.us-east-1.amazonaws.com"),
    ];
    let mut file = String::new();
    for (number, (host, _)) in hosts.iter().enumerate() {
        let url = format!("https://{host}/123456789012/orders");
        file += &section(&format!("q{number}"), &url, NO_HANDLER, "");
    }
    // A process-wide region does not lead them elsewhere.
    let check = signed(Launch::of(&["check"]).file(&file)).variable("AWS_REGION", "sa-east-1");
    let ended = check.variable("HTTPS_PROXY", &proxy.address.to_string()).run().await;
    assert_eq!(ended.code, Some(69), "{}", ended.output);
    let called: BTreeSet<_> = proxy.requests().into_iter().collect();
    let expected = hosts.iter().map(|(_, host)| format!("CONNECT {host}:443 HTTP/1.1")).collect();
    assert_eq!(called, expected);
}

#[tokio::test]
async fn an_emulators_url_leads_there_with_the_region_that_it_names() {
    let dev = dev().await;
    let cloud = Cloud::before(&dev.endpoint).await;
    let proxy = ForwardProxy::to(cloud.authority(), None).await;
    let port = cloud.authority().rsplit(':').next().unwrap().to_owned();
    for (url, host, region) in [
        ("http://sqs.eu-west-1.localhost.localstack.cloud:4566/000000000000/orders", None, "eu-west-1"),
        ("http://eu-west-2.queue.localhost.localstack.cloud:4566/000000000000/orders", None, "eu-west-2"),
        ("http://localhost:PORT/queue/eu-west-3/000000000000/orders", Some("localhost"), "eu-west-3"),
        ("http://localhost:PORT/000000000000/orders", Some("localhost"), "us-east-1"),
        ("http://localhost:PORT/queue/orders", Some("localhost"), "us-east-1"),
    ] {
        let url = url.replace("PORT", &port);
        let check = Launch::of(&["check"]).file(&section("orders", &url, NO_HANDLER, ""));
        let ended = check.variable("HTTP_PROXY", &proxy.address.to_string()).run().await;
        let call = last(&cloud);
        assert_eq!(call.region, region, "{url}: {}", ended.output);
        let named = url.trim_start_matches("http://").split('/').next().unwrap();
        assert_eq!(call.host, named, "{url}");
        assert_eq!(host.is_none(), proxy.requests().last().is_some_and(|line| line.contains(named)), "{url}");
        assert!(!ended.output.contains("queue-"), "{url}: {}", ended.output);
    }
}

#[tokio::test]
async fn a_host_may_be_an_ipv6_address() {
    let dev = dev().await;
    let cloud = Cloud::start(&dev.endpoint, "::1".parse().unwrap(), std::time::Duration::from_hours(1)).await;
    let handler = Handler::willing();
    let _worker = Worker::start(&format!("{}/000000000000/orders", cloud.endpoint), &handler, "").await;
    dev.sqs.send(&format!("{}/000000000000/orders", dev.endpoint), "a").await;
    handler.has_ended(1).await;
}

fn last(cloud: &Cloud) -> SignedCall {
    cloud.calls("GetQueueAttributes").last().expect("no call has come").clone()
}

#[tokio::test]
async fn the_region_is_that_of_the_address_the_setting_the_profile_the_variable_or_the_instance() {
    let dev = dev().await;
    let cloud = Cloud::before(&dev.endpoint).await;
    let files = tempfile::tempdir().unwrap();
    let profiles = files.path().join("config");
    let text = "[default]\nregion = eu-west-3\n[profile named]\nregion = eu-south-1\n";
    std::fs::write(&profiles, text).unwrap();
    let of_setting = "aws.region = \"ca-central-1\"\n";
    let named = "aws.profile = \"named\"\n";
    let variable = Some("us-west-1");
    for (file, variable, profiles, region) in [
        (section("orders", AT_AWS, NO_HANDLER, ""), variable, Some(&profiles), "eu-west-1"),
        (of_setting.to_owned() + &section("orders", ARN, NO_HANDLER, ""), variable, None, "ap-south-1"),
        (of_setting.to_owned() + &by_name(""), variable, Some(&profiles), "ca-central-1"),
        (of_setting.to_owned() + &by_name("region = \"sa-east-1\""), None, None, "sa-east-1"),
        (named.to_owned() + &by_name(""), variable, Some(&profiles), "eu-south-1"),
        (by_name(""), variable, Some(&profiles), "us-west-1"),
        (by_name(""), None, Some(&profiles), "eu-west-3"),
        (by_name(""), None, None, "eu-north-1"),
    ] {
        let launch = signed(Launch::of(&["check"]).file(&file)).variable("AWS_ENDPOINT_URL", &cloud.endpoint);
        let launch = launch.variable("AWS_EC2_METADATA_DISABLED", "false");
        let launch = launch.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT", &cloud.endpoint);
        let launch = variable.iter().fold(launch, |launch, region| launch.variable("AWS_REGION", region));
        let path = profiles.map_or("/dev/null", |path| path.to_str().unwrap());
        let launch = launch.variable("AWS_CONFIG_FILE", path);
        let before = cloud.calls("GetQueueAttributes").len();
        let ended = launch.run().await;
        assert!(cloud.calls("GetQueueAttributes").len() > before, "{file}: {}", ended.output);
        assert_eq!(last(&cloud).region, region, "{file}: {}", ended.output);
    }
}

#[tokio::test]
async fn a_queue_without_a_region_ends_the_start_with_64_and_what_to_do() {
    for command in ["run", "check"] {
        let ended = signed(Launch::of(&[command]).file(&by_name(""))).run().await;
        let text = ended.output + &ended.errors;
        assert_eq!(ended.code, Some(64), "{command}: {text}");
        for part in ["queue orders: no region", "AWS_REGION", "aws.region", "arn"] {
            assert!(text.contains(part), "{command}: {part}: {text}");
        }
    }
}

#[tokio::test]
async fn endpoints_of_variables_and_profiles_have_the_precedence_of_boto3() {
    let dev = dev().await;
    let (near, far) = (Cloud::before(&dev.endpoint).await, Cloud::before(&dev.endpoint).await);
    let files = tempfile::tempdir().unwrap();
    let profiles = files.path().join("config");
    let far_url = &far.endpoint;
    let near_url = near.endpoint.as_str();
    let by_service = format!(
        "[default]\nservices = dev\nendpoint_url = {far_url}\n[services dev]\nsqs =\n  endpoint_url = {near_url}\n"
    );
    let by_profile = format!("[default]\nendpoint_url = {near_url}\n");
    let at_aws = section("orders", AT_AWS, NO_HANDLER, "");
    let at_far = section("orders", &format!("{far_url}/000000000000/orders"), NO_HANDLER, "");
    let set = |key: &str| format!("aws.{key} = \"{near_url}\"\n");
    let everywhere = ("AWS_ENDPOINT_URL", far_url.as_str());
    let nothing = ("NOTHING", "");
    for (file, profile, variables) in [
        (at_aws.clone(), "", [("AWS_ENDPOINT_URL", near_url), nothing]),
        (at_aws.clone(), "", [("AWS_ENDPOINT_URL_SQS", near_url), everywhere]),
        (at_aws.clone(), &*by_profile, [nothing, nothing]),
        (at_aws.clone(), &*by_service, [nothing, nothing]),
        // The variables have precedence over the URL of the queue, and the settings over both.
        (at_far.clone(), "", [("AWS_ENDPOINT_URL_SQS", near_url), nothing]),
        (set("endpoint_url") + &at_far, "", [("AWS_ENDPOINT_URL_SQS", far_url.as_str()), everywhere]),
        (
            section("orders", &format!("{near_url}/000000000000/orders"), NO_HANDLER, ""),
            "",
            [everywhere, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")],
        ),
    ] {
        std::fs::write(&profiles, profile).unwrap();
        let launch = signed(Launch::of(&["check"]).file(&file)).variable("AWS_REGION", "eu-west-1");
        let launch = launch.variable("AWS_CONFIG_FILE", profiles.to_str().unwrap());
        let launch = variables.iter().fold(launch, |launch, (name, value)| launch.variable(name, value));
        let (calls, others) = (near.calls("GetQueueAttributes").len(), far.calls("GetQueueAttributes").len());
        let ended = launch.run().await;
        let case = format!("{variables:?} {profile}: {}", ended.output);
        assert!(near.calls("GetQueueAttributes").len() > calls, "{case}");
        assert_eq!(far.calls("GetQueueAttributes").len(), others, "{case}");
    }
}

#[tokio::test]
async fn an_endpoint_in_a_variable_that_is_no_url_ends_the_start_with_64() {
    for variable in
        ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SNS", "AWS_ENDPOINT_URL_STS"]
    {
        let launch = signed(Launch::of(&["run"]).file(&section("orders", AT_AWS, NO_HANDLER, "")));
        let ended = launch.variable(variable, "localhost:4566").run().await;
        assert_eq!(ended.code, Some(64), "{variable}: {}", ended.errors);
        assert!(ended.errors.contains(variable), "{}", ended.errors);
    }
}

#[tokio::test]
async fn a_role_is_assumed_by_moto_too() {
    let Some(python) = python_with("moto.server") else { return };
    let server = python.arguments(&["-m", "moto.server", "--host", "127.0.0.1", "--port", "0"]).start();
    let line = server.complains("Running on http://").await;
    let endpoint = line.split_whitespace().find(|part| part.starts_with("http://")).unwrap();
    let sqs = super::support::Sqs::at(endpoint);
    let (queue, handler) = (sqs.queue("orders", &[]).await, Handler::willing());
    let file = section(
        "orders",
        "arn:aws:sqs:us-east-1:123456789012:orders",
        &handler.url(),
        "role_arn = \"arn:aws:iam::123456789012:role/orders\"",
    );
    let launch = signed(Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&file));
    let _worker = Worker::launched(launch.variable("AWS_ENDPOINT_URL", endpoint)).await;
    sqs.send(&queue, "a").await;
    handler.has_ended(1).await;
}
