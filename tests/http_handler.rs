//! The `http` kind over real sockets: what a handler is sent, and what its answers come to.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod well_behaved {
    //! Handlers that answer properly.

    use axum::http::StatusCode;
    use longshore::{
        duration::Span,
        handler::{Outcome, http::Settings},
    };

    use crate::harness::{Recorder, http, http_with, message, outcome_of};

    #[tokio::test]
    async fn the_body_is_posted_byte_for_byte() {
        let recorder = Recorder::answering(StatusCode::OK).await;
        let http = http(&recorder.url);
        for body in ["{\"a\": \"&%+\"}", "🚢\r\n\t\"quoted\"", " ", &"x".repeat(1_048_576)] {
            assert_eq!(outcome_of(&http, message(body)).await, Outcome::Done);
            assert_eq!(recorder.last().body, body.as_bytes());
        }
    }

    #[tokio::test]
    async fn a_post_looks_like_one_of_sqsd() {
        let recorder = Recorder::answering(StatusCode::OK).await;
        outcome_of(&http(&format!("{}jobs?x=1", recorder.url)), message("{}")).await;
        let request = recorder.last();
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/jobs?x=1"));
        assert!(request.header("user-agent").starts_with("aws-sqsd/3.0 longshore/"));
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(request.header("x-aws-sqsd-msgid"), "message-1");
        assert_eq!(request.header("x-aws-sqsd-queue"), "orders");
        assert_eq!(request.header("x-aws-sqsd-receive-count"), "2");
        assert_eq!(request.header("x-aws-sqsd-first-received-at"), "2018-12-17T21:37:29Z");
        assert_eq!(request.header("x-aws-sqsd-sender-id"), "AIDAEXAMPLE");
        assert_eq!(request.header("x-aws-sqsd-attr-title"), "The Whistler");
        assert_eq!(request.header("x-longshore-group-id"), "tenant-7");
        assert_eq!(request.header("x-amzn-trace-id"), "Root=1-5759e988-bd862e3fe1be46a994272793");
        assert!(request.headers.contains_key("x-longshore-lease-deadline"));
        assert!(!request.headers.contains_key("x-longshore-deadline"));
    }

    #[tokio::test]
    async fn a_call_with_a_time_limit_tells_the_handler_its_end() {
        let recorder = Recorder::answering(StatusCode::OK).await;
        let settings = Settings::new(recorder.url.parse().unwrap());
        let http = http_with(Settings { timeout: Some(Span::secs(3600)), ..settings });
        outcome_of(&http, message("{}")).await;
        let (request, written_alike) = (recorder.last(), "2018-12-17T21:37:59.250Z".len());
        assert_eq!(request.header("x-longshore-deadline").len(), written_alike);
        assert!(request.header("x-longshore-deadline") > request.header("x-longshore-lease-deadline"));
    }

    #[tokio::test]
    async fn the_content_type_is_the_configured_one() {
        let recorder = Recorder::answering(StatusCode::OK).await;
        let settings = Settings::new(recorder.url.parse().unwrap());
        let http = http_with(Settings { content_type: "text/plain".to_owned(), ..settings });
        outcome_of(&http, message("hello")).await;
        assert_eq!(recorder.last().header("content-type"), "text/plain");
    }

    #[tokio::test]
    async fn calls_at_once_do_not_wait_for_each_other() {
        let recorder = Recorder::answering_together(8).await;
        let http = http(&recorder.url);
        let calls = (0..8).map(|_| outcome_of(&http, message("{}")));
        let outcomes = futures_util::future::join_all(calls).await;
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");
    }

    #[tokio::test]
    async fn a_periodic_task_is_posted_to_its_path() {
        let recorder = Recorder::answering(StatusCode::OK).await;
        let task = crate::harness::periodic_task("/cron/nightly?full=1");
        assert_eq!(outcome_of(&http(&format!("{}jobs", recorder.url)), task).await, Outcome::Done);
        let request = recorder.last();
        assert_eq!(request.target, "/cron/nightly?full=1");
        assert_eq!(request.body, "elasticbeanstalk scheduled job");
        assert_eq!(request.header("x-aws-sqsd-taskname"), "nightly");
        assert_eq!(request.header("x-aws-sqsd-scheduled-at"), "2026-01-02T03:04:05Z");
        assert_eq!(request.header("x-aws-sqsd-path"), "/cron/nightly?full=1");
    }

    #[tokio::test]
    async fn the_name_and_password_of_the_url_are_sent() {
        let recorder = Recorder::answering(StatusCode::OK).await;
        let url = recorder.url.replace("http://", "http://worker:hunter2@");
        outcome_of(&http(&url), message("{}")).await;
        assert_eq!(recorder.last().header("authorization"), "Basic d29ya2VyOmh1bnRlcjI=");
    }

    #[tokio::test]
    async fn hostile_attributes_neither_fail_the_call_nor_inject_a_header() {
        let recorder = Recorder::answering(StatusCode::OK).await;
        let hostile = crate::harness::with_attributes([
            ("Note", "a\r\nX-Injected: 1\r\n\r\nGET / HTTP/1.1"),
            ("Ship", "🚢"),
            ("X\r\nX-Injected: 2", "value"),
            ("traceparent", "00-1\r\nX-Injected: 3"),
            ("Huge", &"x".repeat(100_000)),
        ]);
        assert_eq!(outcome_of(&http(&recorder.url), hostile).await, Outcome::Done);
        let request = recorder.last();
        assert!(!request.headers.contains_key("x-injected") && !request.headers.contains_key("traceparent"));
        assert_eq!(request.header("x-aws-sqsd-attr-ship*"), "UTF-8''%F0%9F%9A%A2");
        assert_eq!(request.header("x-longshore-attributes-left-out"), "2");
        assert_eq!(recorder.count(), 1);
    }

    #[tokio::test]
    async fn retry_after_sets_the_delay() {
        let recorder =
            Recorder::answering_with(StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")]).await;
        let Outcome::RetryIn(delay, reason) = outcome_of(&http(&recorder.url), message("{}")).await else {
            panic!("not a retry after a delay")
        };
        assert_eq!(delay.as_secs(), 7);
        assert_eq!(reason, "the handler answered 503 Service Unavailable");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let recorder =
            Recorder::answering_with(StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).await;
        let outcome = outcome_of(&http(&recorder.url), message("{}")).await;
        assert_eq!(outcome, Outcome::Retry("the handler answered 307 Temporary Redirect".to_owned()));
        assert_eq!(recorder.count(), 1);
    }
}

mod misbehaving {
    //! Handlers that break off, hang, or are not there.

    use std::time::Duration;

    use longshore::{
        duration::Span,
        handler::{Handler as _, Outcome, http::Settings},
    };
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use crate::harness::{Peer, http, http_with, message, outcome_of, url_of};

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    #[tokio::test]
    async fn a_refused_connection_means_down() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url_of(&listener);
        drop(listener);
        let http = http(&url);
        let outcome = outcome_of(&http, message("{}")).await;
        assert!(matches!(&outcome, Outcome::Down(reason) if reason.contains("refused")), "{outcome:?}");
        assert!(http.probe().await.unwrap_err().contains("refused"));
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_means_down() {
        let http = http("http://worker.invalid:8080/");
        let outcome = outcome_of(&http, message("{}")).await;
        assert!(matches!(outcome, Outcome::Down(_)), "{outcome:?}");
        assert!(http.probe().await.is_err());
    }

    #[tokio::test]
    async fn a_connection_that_takes_too_long_means_down() {
        let full = TcpSocket::new_v4().unwrap();
        full.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let full = full.listen(1).unwrap();
        // Linux holds one connection more than the backlog names; further ones wait for an accept that never comes.
        let address = full.local_addr().unwrap();
        let _waiting =
            [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        let settings = Settings::new(url_of(&full).parse().unwrap());
        let http = http_with(Settings { connect_timeout: Span::millis(50), ..settings });
        let outcome = outcome_of(&http, message("{}")).await;
        assert!(
            matches!(&outcome, Outcome::Down(reason) if reason.contains("connect_timeout")),
            "{outcome:?}"
        );
        assert_eq!(http.probe().await.unwrap_err(), "no connection to the handler within 50ms");
    }

    #[tokio::test]
    async fn a_probe_succeeds_once_the_handler_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert_eq!(http(&url_of(&listener)).probe().await, Ok(()));
    }

    #[tokio::test]
    async fn a_handler_that_never_answers_is_retried_at_its_time_limit() {
        let mut peer = Peer::listen().await;
        let limit = Span::millis(50);
        let http = http_with(Settings { timeout: Some(limit), ..Settings::new(peer.url.parse().unwrap()) });
        let (outcome, _open) = tokio::join!(outcome_of(&http, message("{}")), peer.accept_one_request());
        assert_eq!(outcome, Outcome::Retry("no complete answer from the handler within 50ms".to_owned()));
    }

    #[tokio::test]
    async fn a_handler_that_never_ends_its_answer_is_retried_at_its_time_limit() {
        let mut peer = Peer::listen().await;
        let limit = Span::millis(50);
        let http = http_with(Settings { timeout: Some(limit), ..Settings::new(peer.url.parse().unwrap()) });
        let answering = async {
            let mut connection = peer.accept_one_request().await;
            connection.answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok").await;
            connection
        };
        let (outcome, _open) = tokio::join!(outcome_of(&http, message("{}")), answering);
        assert!(matches!(outcome, Outcome::Retry(_)), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_handler_that_breaks_off_is_retried_and_posted_to_once() {
        for beginning in
            ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"]
        {
            let mut peer = Peer::listen().await;
            let http = http(&peer.url);
            let breaking = async {
                peer.accept_one_request().await.answer(beginning).await;
                // The connection is closed here; a second post would arrive on another one.
                peer.expect_no_connection().await;
            };
            let (outcome, ()) = tokio::join!(outcome_of(&http, message("{}")), breaking);
            assert!(matches!(outcome, Outcome::Retry(_)), "{beginning:?}: {outcome:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_not_http_is_retried() {
        let mut peer = Peer::listen().await;
        let http = http(&peer.url);
        let answering = async { peer.accept_one_request().await.answer("220 mail.example ESMTP\r\n").await };
        let (outcome, ()) = tokio::join!(outcome_of(&http, message("{}")), answering);
        assert!(matches!(outcome, Outcome::Retry(_)), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_large_answer_is_done_before_its_end() {
        let mut peer = Peer::listen().await;
        let http = http(&peer.url);
        let answering = async {
            let mut connection = peer.accept_one_request().await;
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n";
            connection.answer(&format!("{head}{}", "x".repeat(100_000))).await;
            connection
        };
        let (outcome, _open) = tokio::join!(outcome_of(&http, message("{}")), answering);
        assert_eq!(outcome, Outcome::Done);
    }

    #[tokio::test]
    async fn a_connection_is_kept_for_the_next_message() {
        let mut peer = Peer::listen().await;
        let http = http(&peer.url);
        let answering = async {
            let mut connection = peer.accept_one_request().await;
            connection.answer(OK).await;
            connection.read_request().await;
            connection.answer(OK).await;
        };
        let calling = async {
            assert_eq!(outcome_of(&http, message("1")).await, Outcome::Done);
            assert_eq!(outcome_of(&http, message("2")).await, Outcome::Done);
        };
        tokio::join!(calling, answering);
    }

    #[tokio::test]
    async fn a_kept_connection_that_the_handler_closed_costs_no_retry() {
        let mut peer = Peer::listen().await;
        let http = http(&peer.url);
        let (closed, wait_for_close) = tokio::sync::oneshot::channel();
        let answering = async {
            peer.accept_one_request().await.answer(OK).await;
            closed.send(()).unwrap();
            peer.accept_one_request().await.answer(OK).await;
        };
        let calling = async {
            assert_eq!(outcome_of(&http, message("1")).await, Outcome::Done);
            wait_for_close.await.unwrap();
            assert_eq!(outcome_of(&http, message("2")).await, Outcome::Done);
        };
        tokio::join!(calling, answering);
    }

    #[tokio::test]
    async fn a_kept_connection_that_closes_under_a_post_costs_no_retry() {
        let mut peer = Peer::listen().await;
        let http = http(&peer.url);
        let answering = async {
            let mut connection = peer.accept_one_request().await;
            connection.answer(OK).await;
            connection.read_request().await;
            drop(connection);
            peer.accept_one_request().await.answer(OK).await;
        };
        let calling = async {
            assert_eq!(outcome_of(&http, message("1")).await, Outcome::Done);
            assert_eq!(outcome_of(&http, message("2")).await, Outcome::Done);
        };
        tokio::join!(calling, answering);
    }

    #[tokio::test]
    async fn a_kept_connection_that_answers_nonsense_is_not_posted_to_again() {
        let mut peer = Peer::listen().await;
        let http = http(&peer.url);
        let answering = async {
            let mut connection = peer.accept_one_request().await;
            connection.answer(OK).await;
            connection.read_request().await;
            connection.answer("220 mail.example ESMTP\r\n").await;
            peer.expect_no_connection().await;
        };
        let calling = async {
            assert_eq!(outcome_of(&http, message("1")).await, Outcome::Done);
            let outcome = outcome_of(&http, message("2")).await;
            assert!(matches!(outcome, Outcome::Retry(_)), "{outcome:?}");
        };
        tokio::join!(calling, answering);
    }

    #[tokio::test]
    async fn a_post_is_repeated_once_at_most() {
        let mut peer = Peer::listen().await;
        let http = http(&peer.url);
        let answering = async {
            let mut connection = peer.accept_one_request().await;
            connection.answer(OK).await;
            connection.read_request().await;
            drop(connection);
            drop(peer.accept_one_request().await);
            peer.expect_no_connection().await;
        };
        let calling = async {
            assert_eq!(outcome_of(&http, message("1")).await, Outcome::Done);
            let outcome = outcome_of(&http, message("2")).await;
            assert!(matches!(outcome, Outcome::Retry(_)), "{outcome:?}");
        };
        tokio::join!(calling, answering);
    }

    #[tokio::test]
    async fn a_kept_connection_that_is_reset_under_a_post_costs_no_retry() {
        let mut peer = Peer::listen().await;
        let http = http(&peer.url);
        let answering = async {
            let mut connection = peer.accept_one_request().await;
            connection.answer(OK).await;
            connection.reset_at_a_request().await;
            peer.accept_one_request().await.answer(OK).await;
        };
        let calling = async {
            assert_eq!(outcome_of(&http, message("1")).await, Outcome::Done);
            assert_eq!(outcome_of(&http, message("2")).await, Outcome::Done);
        };
        tokio::join!(calling, answering);
    }

    #[tokio::test]
    async fn a_kept_connection_that_breaks_later_is_not_posted_to_again() {
        let mut peer = Peer::listen().await;
        let http = http(&peer.url);
        let answering = async {
            let mut connection = peer.accept_one_request().await;
            connection.answer(OK).await;
            connection.read_request().await;
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            drop(connection);
            peer.expect_no_connection().await;
        };
        let calling = async {
            assert_eq!(outcome_of(&http, message("1")).await, Outcome::Done);
            let outcome = outcome_of(&http, message("2")).await;
            assert!(matches!(outcome, Outcome::Retry(_)), "{outcome:?}");
        };
        tokio::join!(calling, answering);
    }

    #[tokio::test]
    async fn a_handler_restarted_between_two_messages_costs_no_retry() {
        let mut first = Peer::listen().await;
        let (http, address) = (http(&first.url), first.address);
        let answering = async { first.accept_one_request().await.answer(OK).await };
        let (outcome, ()) = tokio::join!(outcome_of(&http, message("1")), answering);
        assert_eq!(outcome, Outcome::Done);
        drop(first);
        let mut second = Peer::listen_at(address).await;
        let answering = async { second.accept_one_request().await.answer(OK).await };
        let (outcome, ()) = tokio::join!(outcome_of(&http, message("2")), answering);
        assert_eq!(outcome, Outcome::Done);
    }

    #[tokio::test]
    async fn a_dropped_call_closes_its_connection() {
        let mut peer = Peer::listen().await;
        let http = http(&peer.url);
        let call = outcome_of(&http, message("{}"));
        let (abort, registration) = futures_util::future::AbortHandle::new_pair();
        let aborted = futures_util::future::Abortable::new(call, registration);
        let watching = async {
            let mut connection = peer.accept_one_request().await;
            abort.abort();
            connection.expect_close().await;
        };
        let (outcome, ()) = tokio::join!(aborted, watching);
        assert!(outcome.is_err());
    }

    #[tokio::test]
    async fn header_names_are_spelled_as_sqsd_spells_them() {
        let mut peer = Peer::listen().await;
        let http = http(&peer.url);
        let answering = async {
            let mut connection = peer.accept().await;
            let head = connection.read_request().await;
            connection.answer(OK).await;
            head
        };
        let (_, head) = tokio::join!(outcome_of(&http, message("{}")), answering);
        assert!(head.contains("X-Aws-Sqsd-Msgid: message-1") && head.contains("Content-Type: "), "{head}");
    }
}

#[test]
fn a_proxy_of_the_environment_is_not_used() {
    // A process of its own, because the environment belongs to the whole process.
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "well_behaved::the_body_is_posted_byte_for_byte"]);
    again.env_remove("no_proxy").env_remove("NO_PROXY");
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        again.env(name, "http://127.0.0.1:1/");
    }
    let output = again.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn every_line_of_the_page_names_a_test_that_exists() {
    let page = include_str!("../docs/http-handler.md");
    let sources = [
        include_str!("http_handler.rs"),
        include_str!("../src/handler/http/answer.rs"),
        include_str!("../src/handler/http/headers.rs"),
        include_str!("../src/handler/http/periodic.rs"),
        include_str!("../src/handler/http/settings.rs"),
    ]
    .concat();
    let rows: Vec<_> =
        page.lines().filter(|line| line.starts_with("| ") && !line.ends_with("test |")).collect();
    assert!(rows.len() > 20, "{rows:?}");
    for row in rows {
        let test = row.rsplit('`').nth(1).unwrap_or_else(|| panic!("no test: {row}"));
        assert!(row.ends_with("` |") && sources.contains(&format!("fn {test}(")), "no such test: {test}");
    }
}

#[test]
fn an_https_handler_can_be_made_outside_a_runtime() {
    let settings = longshore::handler::http::Settings::new("https://worker.example/".parse().unwrap());
    assert!(longshore::handler::http::Http::new(settings, "orders").is_ok());
}

#[test]
fn a_handler_does_not_show_its_password() {
    let shown = format!("{:?}", harness::http("http://worker:hunter2@127.0.0.1:8080/"));
    assert!(shown.contains("127.0.0.1:8080") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn settings_that_cannot_work_make_no_handler() {
    let settings = longshore::handler::http::Settings::new("ftp://worker.example/".parse().unwrap());
    let error = longshore::handler::http::Http::new(settings, "orders").unwrap_err().to_string();
    assert!(error.contains("ftp://worker.example/") && error.contains("hint: "), "{error}");
}

mod harness {
    //! Messages, and the two kinds of servers that the tests need.

    use std::{
        collections::BTreeMap,
        net::SocketAddr,
        sync::{Arc, Mutex},
        time::{Duration, SystemTime},
    };

    use axum::{
        Router,
        body::Bytes,
        http::{HeaderMap, Method, StatusCode, Uri},
        response::IntoResponse as _,
    };
    use longshore::{
        Message,
        handler::{
            Context, Handler as _, Outcome,
            http::{Http, Settings},
        },
        message::{AttributeValue, MessageId, Receipt, SystemAttributes},
        tasks,
    };
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        sync::Barrier,
        time::Instant,
    };
    use tokio_util::sync::CancellationToken;

    pub(crate) fn message(body: &str) -> Message {
        Message {
            id: MessageId::new("message-1"),
            receipt: Receipt::new("receipt-1"),
            body: body.to_owned(),
            receive_count: 2,
            sent_at: None,
            attributes: BTreeMap::from([("Title".to_owned(), AttributeValue::string("The Whistler"))]),
            system: SystemAttributes {
                sender_id: Some("AIDAEXAMPLE".to_owned()),
                first_received_at: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_545_082_649_185)),
                group_id: Some("tenant-7".to_owned()),
                trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
                ..SystemAttributes::default()
            },
        }
    }

    pub(crate) fn with_attributes<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Message {
        let texts = pairs.into_iter().map(|(name, text)| (name.to_owned(), AttributeValue::string(text)));
        Message { attributes: texts.collect(), ..message("{}") }
    }

    pub(crate) fn periodic_task(path: &str) -> Message {
        let attributes = with_attributes([
            ("beanstalk.sqsd.path", path),
            ("beanstalk.sqsd.task_name", "nightly"),
            ("beanstalk.sqsd.scheduled_time", "2026-01-02T03:04:05Z"),
        ])
        .attributes;
        Message { attributes, ..message("elasticbeanstalk scheduled job") }
    }

    pub(crate) fn http(url: &str) -> Http {
        http_with(Settings::new(url.parse().unwrap()))
    }

    pub(crate) fn http_with(settings: Settings) -> Http {
        Http::new(settings, "orders").unwrap()
    }

    pub(crate) async fn outcome_of(http: &Http, message: Message) -> Outcome {
        let lease_deadline = Instant::now() + Duration::from_secs(30);
        let context = Context::new("orders".into(), lease_deadline, CancellationToken::new());
        http.handle(Arc::new(message), context).await
    }

    pub(crate) fn url_of(listener: &TcpListener) -> String {
        format!("http://{}/", listener.local_addr().unwrap())
    }

    /// One request as a handler saw it.
    #[derive(Clone)]
    pub(crate) struct Seen {
        pub(crate) method: Method,
        pub(crate) target: String,
        pub(crate) headers: HeaderMap,
        pub(crate) body: Bytes,
    }

    impl Seen {
        pub(crate) fn header(&self, name: &str) -> &str {
            self.headers[name].to_str().unwrap()
        }
    }

    /// A handler that answers always the same and remembers what it was asked.
    pub(crate) struct Recorder {
        pub(crate) url: String,
        seen: Arc<Mutex<Vec<Seen>>>,
    }

    impl Recorder {
        pub(crate) async fn answering(status: StatusCode) -> Self {
            Self::answering_with(status, [("x-nothing", "1")]).await
        }

        pub(crate) async fn answering_with(
            status: StatusCode,
            headers: [(&'static str, &'static str); 1],
        ) -> Self {
            Self::serve(status, headers, 1).await
        }

        /// A handler that answers nobody until so many ask at once.
        pub(crate) async fn answering_together(askers: usize) -> Self {
            Self::serve(StatusCode::OK, [("x-nothing", "1")], askers).await
        }

        async fn serve(
            status: StatusCode,
            headers: [(&'static str, &'static str); 1],
            askers: usize,
        ) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let (url, seen) = (url_of(&listener), Arc::<Mutex<Vec<Seen>>>::default());
            let (memory, gate) = (seen.clone(), Arc::new(Barrier::new(askers)));
            let record = move |method: Method, uri: Uri, headers_seen: HeaderMap, body: Bytes| async move {
                let target = uri.to_string();
                memory.lock().unwrap().push(Seen { method, target, headers: headers_seen, body });
                gate.wait().await;
                (status, headers).into_response()
            };
            let router = Router::new().fallback(record).layer(axum::extract::DefaultBodyLimit::disable());
            tasks::detach("handler", async { axum::serve(listener, router).await.unwrap() });
            Self { url, seen }
        }

        pub(crate) fn last(&self) -> Seen {
            self.seen.lock().unwrap().last().unwrap().clone()
        }

        pub(crate) fn count(&self) -> usize {
            self.seen.lock().unwrap().len()
        }
    }

    /// A handler played by hand, connection by connection.
    pub(crate) struct Peer {
        pub(crate) url: String,
        pub(crate) address: SocketAddr,
        listener: TcpListener,
    }

    impl Peer {
        pub(crate) async fn listen() -> Self {
            Self::listen_at(([127, 0, 0, 1], 0).into()).await
        }

        pub(crate) async fn listen_at(address: SocketAddr) -> Self {
            let listener = TcpListener::bind(address).await.unwrap();
            Self { url: url_of(&listener), address: listener.local_addr().unwrap(), listener }
        }

        pub(crate) async fn accept(&mut self) -> Connection {
            Connection(self.listener.accept().await.unwrap().0)
        }

        /// Accepts a connection and reads one request from it.
        pub(crate) async fn accept_one_request(&mut self) -> Connection {
            let mut connection = self.accept().await;
            connection.read_request().await;
            connection
        }

        /// Fails when a further connection comes within a moment.
        pub(crate) async fn expect_no_connection(&mut self) {
            let moment = Duration::from_millis(100);
            assert!(tokio::time::timeout(moment, self.listener.accept()).await.is_err(), "posted again");
        }
    }

    pub(crate) struct Connection(TcpStream);

    impl Connection {
        /// Reads one request with its body of a few bytes, and answers its head.
        pub(crate) async fn read_request(&mut self) -> String {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(self.0.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next());
            let mut body = vec![0; length.unwrap().parse().unwrap()];
            self.0.read_exact(&mut body).await.unwrap();
            head
        }

        pub(crate) async fn answer(&mut self, text: &str) {
            self.0.write_all(text.as_bytes()).await.unwrap();
        }

        /// Closes with a request unread, which resets the connection.
        pub(crate) async fn reset_at_a_request(self) {
            self.0.peek(&mut [0; 1]).await.unwrap();
        }

        pub(crate) async fn expect_close(&mut self) {
            assert_eq!(self.0.read(&mut [0; 1]).await.unwrap(), 0);
        }
    }
}
