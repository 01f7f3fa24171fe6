//! The network of AWS calls and of https handlers: proxies, and certificates of another authority.

use super::support::{
    Dev, Handler, Launch, Worker,
    forward_proxy::ForwardProxy,
    tls::{Authority, Clients, TlsServer},
    until,
    worker::section,
};

/// The hosts of the queues, which the proxies alone lead to a server.
const HOST: &str = "sqs.test";
const AWS_HOST: &str = "sqs.eu-west-1.amazonaws.com";

/// Credentials of the proxy, as they are written in a URL and as they are sent.
const PASSWORD: &str = "canary:7";
const IN_URL: &str = "user:canary%3A7";
const SENT: &str = "Basic dXNlcjpjYW5hcnk6Nw==";

/// A `longshore dev` that answers under both names.
async fn dev() -> Dev {
    Dev::launched(Dev::launch().arguments(&["--allow-host", HOST, "--allow-host", AWS_HOST])).await
}

fn authority(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

fn signed(launch: Launch) -> Launch {
    launch.variable("AWS_ACCESS_KEY_ID", "any").variable("AWS_SECRET_ACCESS_KEY", "any")
}

/// A queue of `longshore dev`, by its URL there and at another host.
async fn queue_at(dev: &Dev, base: &str) -> (String, String) {
    let queue = dev.sqs.pair("orders", 3).await.queue;
    let elsewhere = queue.replace(&dev.endpoint, base);
    (queue, elsewhere)
}

#[tokio::test]
async fn calls_go_through_the_proxy_with_credentials_that_are_shown_nowhere() {
    let (dev, handler) = (dev().await, Handler::willing());
    let proxy = ForwardProxy::to(authority(&dev.endpoint), Some(SENT)).await;
    let (own, queue) = queue_at(&dev, &format!("http://{HOST}")).await;
    let url = format!("http://{IN_URL}@{}", proxy.address);
    let launch = |command: &[&str], queue: &str| {
        let launch =
            Launch::of(command).file(&section("orders", queue, &handler.url(), "region = \"us-east-1\""));
        signed(launch).variable("http_proxy", &url)
    };
    let run = launch(&["run", "--admin-listen", "127.0.0.1:0", "--log", "trace,longshore=trace"], &queue);
    let worker = Worker::launched(run).await;
    dev.sqs.send(&own, "a").await;
    handler.has_ended(1).await;
    assert!(
        proxy.requests().iter().all(|line| line.starts_with(&format!("POST http://{HOST}/"))),
        "{:?}",
        proxy.requests()
    );
    let mut process = worker.process;
    process.signal(super::support::Signal::Terminate);
    let ended = process.ended().await;
    let config = launch(&["config"], &queue).run().await;
    let check = launch(&["check"], &queue).run().await;
    for output in [&ended.output, &ended.errors, &config.output, &check.output, &check.errors] {
        for secret in [PASSWORD, IN_URL, SENT.trim_start_matches("Basic ")] {
            assert!(!output.contains(secret), "{secret}: {output}");
        }
    }
    assert!(
        config.output.contains(&format!("# http_proxy = \"http://***@{}\"", proxy.address)),
        "{}",
        config.output
    );
    let notice = format!("AWS is called over http through the proxy http://{} of http_proxy", proxy.address);
    assert!(check.code == Some(0) && check.output.contains(&notice), "{}", check.output);
}

#[tokio::test]
async fn https_calls_are_tunnelled_and_trust_the_bundle_alone() {
    let (dev, handler, ca) = (dev().await, Handler::willing(), Authority::new());
    let server = TlsServer::before(authority(&dev.endpoint), AWS_HOST, &ca, Clients::Any).await;
    let proxy = ForwardProxy::to(&server.address.to_string(), Some(SENT)).await;
    let (own, queue) = queue_at(&dev, &format!("https://{AWS_HOST}")).await;
    let file = section("orders", &queue, &handler.url(), "");
    let through_proxy = |launch: Launch| {
        signed(launch.file(&file)).variable("HTTPS_PROXY", &format!("{IN_URL}@{}", proxy.address))
    };
    let run = through_proxy(Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]));
    let worker = Worker::launched(run.variable("AWS_CA_BUNDLE", &ca.ca_file())).await;
    dev.sqs.send(&own, "a").await;
    handler.has_ended(1).await;
    drop(worker);
    let target = format!("CONNECT {AWS_HOST}:443 ");
    assert!(proxy.requests().iter().all(|line| line.starts_with(&target)), "{:?}", proxy.requests());
    let untrusting = through_proxy(Launch::of(&["check"])).run().await;
    let through = format!("through the proxy http://{}", proxy.address);
    for part in ["queue-unreachable", &through, "certificate"] {
        assert!(untrusting.output.contains(part), "{part}: {}", untrusting.output);
    }
}

#[tokio::test]
async fn an_error_behind_a_proxy_names_the_proxy() {
    let (dev, handler) = (dev().await, Handler::willing());
    let picky = ForwardProxy::to(authority(&dev.endpoint), Some(SENT)).await;
    for (scheme, variable, host) in [("http", "HTTP_PROXY", HOST), ("https", "HTTPS_PROXY", AWS_HOST)] {
        let (_, queue) = queue_at(&dev, &format!("{scheme}://{host}")).await;
        let file = section("orders", &queue, &handler.url(), "region = \"eu-west-1\"");
        for proxy in [format!("http://user:canary@{}", picky.address), "http://127.0.0.1:1".to_owned()] {
            let check = signed(Launch::of(&["check"]).file(&file)).variable(variable, &proxy).run().await;
            let shown = format!("through the proxy {}", proxy.replace("user:canary@", ""));
            assert_eq!(check.code, Some(69), "{}", check.output);
            let (message, fix) = finding(&check.output, "queue-unreachable");
            assert!(message.contains(&shown) && !check.output.contains("canary"), "{message}");
            assert!(fix.starts_with("correct HTTP(S)_PROXY, its user and password"), "{fix}");
        }
    }
}

/// The message and the fix of a finding in a report for people.
fn finding(report: &str, code: &str) -> (String, String) {
    let mut lines = report.lines().skip_while(|line| !line.ends_with(&format!(" {code}"))).skip(1);
    let mut next = || lines.next().unwrap_or_else(|| panic!("no {code}: {report}")).trim().to_owned();
    (next(), next().trim_start_matches("fix: ").to_owned())
}

#[tokio::test]
async fn a_proxy_that_refuses_the_host_or_answers_itself_is_named_for_each_service() {
    const ROLE: &str = "role_arn = \"arn:aws:iam::111111111111:role/orders\"\n";
    const SERVICES: &str = "payload.bucket = \"bodies\"\nonce.table = \"claims\"";
    let handler = Handler::willing();
    let closed = ForwardProxy::refusing("HTTP/1.1 403 Forbidden").await;
    let broken = ForwardProxy::refusing("HTTP/1.1 503 Service Unavailable").await;
    for (proxy, scheme, host, words, fix) in [
        (&closed, "https", AWS_HOST, "the proxy refuses a tunnel to", "let the proxy allow this host"),
        (&broken, "http", HOST, "answered 503 and not as", "correct HTTP(S)_PROXY"),
    ] {
        for (of_role, codes) in [
            ("", &["queue-unreachable", "payload-unreachable", "once-unreachable"][..]),
            (ROLE, &["role"][..]),
        ] {
            let queue = format!("{scheme}://{host}/000000000000/orders");
            let settings = format!("region = \"eu-west-1\"\n{of_role}{SERVICES}");
            let file = section("orders", &queue, &handler.url(), &settings);
            let mut check = signed(Launch::of(&["check"]).file(&file));
            let url = format!("http://{}", proxy.address);
            check = check.variable("HTTPS_PROXY", &url).variable("HTTP_PROXY", &url);
            if scheme == "http" {
                check = check.variable("AWS_ENDPOINT_URL", &format!("http://{HOST}"));
            }
            let ended = check.run().await;
            for code in codes {
                let (message, advice) = finding(&ended.output, code);
                for part in [words, &format!("through the proxy {url}")] {
                    assert!(message.contains(part), "{part}: {message}");
                }
                assert!(advice.starts_with(fix), "{code}: {advice}");
            }
        }
    }
}

#[tokio::test]
async fn a_proxy_or_a_file_that_cannot_be_used_ends_the_start_with_64() {
    let file = section("orders", &format!("https://{AWS_HOST}/1/orders"), "https://localhost/", "");
    let of_handler =
        file.replace("https://localhost/\"", "https://localhost/\", ca_file = \"/no/such/handler.pem\"");
    for (file, variable, value, named) in [
        (&file, "AWS_CA_BUNDLE", "/no/such/ca.pem", "/no/such/ca.pem"),
        (&file, "SSL_CERT_FILE", "/no/such/ca.pem", "/no/such/ca.pem"),
        (&file, "HTTPS_PROXY", "socks5://user:canary@proxy:1080", "HTTPS_PROXY"),
        (&of_handler, "NONE", "", "/no/such/handler.pem"),
    ] {
        for command in ["run", "check"] {
            let launch = Launch::of(&[command]).file(file).variable(variable, value);
            let ended = launch.variable("AWS_EC2_METADATA_DISABLED", "true").run().await;
            let text = ended.output + &ended.errors;
            assert_eq!(ended.code, Some(64), "{command} {variable}: {text}");
            assert!(text.contains(named) && !text.contains("canary"), "{command} {variable}: {text}");
            assert!(!text.contains("***"), "nothing else is hidden: {text}");
        }
    }
}

#[tokio::test]
async fn an_https_handler_is_trusted_by_its_own_authority_or_the_bundle() {
    let (dev, handler, ca) = (dev().await, Handler::willing(), Authority::new());
    let queue = dev.sqs.pair("orders", 3).await.queue;
    let open = TlsServer::before(authority(&handler.url()), "localhost", &ca, Clients::Any).await;
    let closed = TlsServer::before(authority(&handler.url()), "localhost", &ca, Clients::Known).await;
    let self_signed = TlsServer::self_signed(authority(&handler.url()), &ca).await;
    let file = |name: &str| ca.file(name).to_str().unwrap().to_owned();
    let own = format!(", ca_file = \"{}\"", ca.ca_file());
    let known = format!(
        "{own}, client_cert_file = \"{}\", client_key_file = \"{}\"",
        file("client.pem"),
        file("client.key")
    );
    for (number, (server, settings, bundle)) in [
        (&open, String::new(), ca.ca_file()),
        (&open, own.clone(), String::new()),
        (&self_signed, own.clone(), String::new()),
        (&closed, known, String::new()),
    ]
    .into_iter()
    .enumerate()
    {
        let url = format!("https://localhost:{}/", server.address.port());
        let section = section("orders", &queue, &url, "");
        let section = section.replace("/\" }", &format!("/\"{settings} }}"));
        let launch = Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&section);
        let worker = Worker::launched(launch.variable("AWS_CA_BUNDLE", &bundle)).await;
        dev.sqs.send(&queue, "a").await;
        handler.has_ended(number + 1).await;
        dev.sqs.becomes_empty(&queue).await;
        drop(worker);
    }
    let url = format!("https://localhost:{}/", closed.address.port());
    let unknown = section("orders", &queue, &url, "").replace("/\" }", &format!("/\"{own} }}"));
    let worker = Worker::launched(Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&unknown)).await;
    dev.sqs.send(&queue, "refused").await;
    until("a client without a certificate is refused", async || closed.refusals() > 0).await;
    assert_eq!(handler.ended().len(), 4);
    drop(worker);
}

#[tokio::test]
async fn a_handler_whose_certificate_is_not_trusted_is_down_and_no_receive_is_spent_on_it() {
    let (dev, handler, ca) = (dev().await, Handler::willing(), Authority::new());
    let queue = dev.sqs.pair("orders", 3).await.queue;
    let server = TlsServer::before(authority(&handler.url()), "localhost", &ca, Clients::Any).await;
    let url = format!("https://localhost:{}/", server.address.port());
    let other = Authority::new();
    let settings = format!("/\", ca_file = \"{}\" }}", other.ca_file());
    let file = section("orders", &queue, &url, "").replace("/\" }", &settings);
    dev.sqs.send(&queue, "a").await;
    let check = Launch::of(&["check"]).file(&file).run().await;
    assert_eq!(check.code, Some(69), "{}", check.output);
    for part in ["handler-unreachable", "certificate"] {
        assert!(check.output.contains(part), "{part}: {}", check.output);
    }
    let run = Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&file).start();
    let line = run.complains("handler is down").await;
    assert!(line.contains("certificate"), "{line}");
    drop(run);
    assert_eq!(dev.sqs.take_all(&queue).await, [("a".to_owned(), 1)]);
}
