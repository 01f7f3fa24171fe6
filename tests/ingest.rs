//! The ingest API over a real socket, in front of a queue that records its calls.

use std::{collections::BTreeMap, time::Duration};

use longshore::message::AttributeValue;
use proptest::prelude::*;
use serde_json::{Value, json};

use self::harness::{Answers, IngestApi};

/// Bodies that careless templates, decoders and encoders would change.
const HOSTILE: [&str; 14] = [
    r#"{"quoted": "\"'`\\"}"#,
    "a&b=c&Action=DeleteQueue&DelaySeconds=900",
    "100% %20 %2B %zz",
    "one+two + three",
    "🚢 über 日本語 \u{10FFFD}",
    "line one\nline two\r\nline three\r",
    "\ttabbed\t",
    " padded ",
    "\u{FEFF}starts with a byte order mark",
    "replacement \u{FFFD} character",
    "<xml>&amp;</xml>]]>",
    "$input.body #set($x = 1) ${y}",
    "null",
    "\u{7f}\u{85}\u{2028}",
];

mod single {
    use super::*;

    #[tokio::test]
    async fn a_body_is_sent_byte_for_byte() {
        let api = IngestApi::open(Answers::Well).await;
        for body in HOSTILE {
            let (status, answer) = api.post("/v1/messages", body).await;
            assert_eq!((status, &answer["messageId"]), (202, &json!("id-0")), "{body:?}");
            assert_eq!(api.last().body, body);
        }
        assert_eq!(
            api.post("/v1/messages", "This is a test message").await.1["md5OfBody"],
            "fafb00f5732ab283681e124bf8747ed1"
        );
    }

    #[tokio::test]
    async fn an_empty_body_is_an_empty_object() {
        let api = IngestApi::open(Answers::Well).await;
        assert_eq!(api.post("/v1/messages", "").await.0, 202);
        assert_eq!(api.last().body, "{}");
    }

    #[tokio::test]
    async fn headers_become_attributes_of_the_message() {
        let api = IngestApi::open(Answers::Well).await;
        let context = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let headers = [
            ("X-Message-Group-Id", "tenant-7"),
            ("X-Message-Deduplication-Id", "order-1"),
            ("X-Message-Delay-Seconds", "90"),
            ("traceparent", context),
            ("X-Request-Id", "request-1"),
            ("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793"),
        ];
        assert_eq!(api.post_with("/v1/messages", "{}", headers).await.0, 202);
        let sent = api.last();
        assert_eq!(sent.group_id.as_deref(), Some("tenant-7"));
        assert_eq!(sent.deduplication_id.as_deref(), Some("order-1"));
        assert_eq!(sent.delay, Some(Duration::from_secs(90)));
        assert_eq!(sent.trace_header.as_deref(), Some("Root=1-5759e988-bd862e3fe1be46a994272793"));
        let texts = [("requestId", "request-1"), ("traceparent", context)];
        let expected = texts.map(|(name, text)| (name.to_owned(), AttributeValue::string(text)));
        assert_eq!(sent.attributes, BTreeMap::from(expected));
    }

    #[tokio::test]
    async fn an_empty_header_counts_as_absent() {
        let api = IngestApi::open(Answers::Well).await;
        let headers = [("X-Message-Group-Id", ""), ("X-Message-Delay-Seconds", ""), ("traceparent", "")];
        assert_eq!(api.post_with("/v1/messages", "{}", headers).await.0, 202);
        let sent = api.last();
        assert!(sent.group_id.is_none() && sent.delay.is_none() && sent.attributes.is_empty());
    }

    #[tokio::test]
    async fn an_invalid_header_is_a_400() {
        let api = IngestApi::open(Answers::Well).await;
        for (name, value) in [
            ("X-Message-Delay-Seconds", "soon"),
            ("X-Message-Delay-Seconds", "901"),
            ("X-Message-Delay-Seconds", "-1"),
            ("X-Message-Group-Id", "two words"),
        ] {
            let (status, answer) = api.post_with("/v1/messages", "{}", [(name, value)]).await;
            assert_eq!(status, 400, "{name}: {value}");
            assert!(answer["error"]["hint"].is_string(), "{answer}");
        }
        assert_eq!(api.count(), 0);
    }

    #[tokio::test]
    async fn what_sqs_cannot_carry_is_a_400() {
        let api = IngestApi::open(Answers::Well).await;
        for (body, code) in [
            (&b"nul \0"[..], "InvalidMessageContents"),
            (b"\xEF\xBF\xBF", "InvalidMessageContents"),
            (b"\xFF\xFE", "NotUtf8"),
            (b"cut \xF0\x9F\x9A", "NotUtf8"),
        ] {
            let (status, answer) = api.post("/v1/messages", body).await;
            assert_eq!((status, &answer["error"]["code"]), (400, &json!(code)), "{body:?}");
            assert!(answer["error"]["message"].is_string() && answer["error"]["hint"].is_string());
        }
        assert_eq!(api.count(), 0);
    }

    #[tokio::test]
    async fn one_mebibyte_is_sent_and_a_byte_more_is_a_413() {
        let api = IngestApi::open(Answers::Well).await;
        let largest = "x".repeat(1_048_576);
        assert_eq!(api.post("/v1/messages", largest.clone()).await.0, 202);
        assert_eq!(api.last().body, largest);
        for (body, headers) in [(format!("{largest}x"), vec![]), (largest, vec![("X-Request-Id", "1")])] {
            let (status, answer) = api.post_with("/v1/messages", body, headers).await;
            assert_eq!((status, &answer["error"]["code"]), (413, &json!("TooLarge")));
        }
        let beyond_api_gateway = "x".repeat(10 * 1_048_576 + 1);
        let (status, answer) = api.post("/v1/messages", beyond_api_gateway).await;
        assert_eq!((status, &answer["error"]["code"]), (413, &json!("TooLarge")));
        assert_eq!(api.count(), 1);
    }
}

mod batch {
    use super::*;

    #[tokio::test]
    async fn ten_entries_are_sent_in_one_call_and_in_order() {
        let api = IngestApi::open(Answers::Well).await;
        let entries: Vec<_> = HOSTILE[..10].iter().map(|body| json!({ "body": body })).collect();
        for request in [json!(entries), json!({ "entries": entries })] {
            let (status, answer) = api.post("/v1/messages/batch", request.to_string()).await;
            assert_eq!(status, 202, "{answer}");
            assert_eq!(answer["successful"].as_array().unwrap().len(), 10);
            assert_eq!(answer["successful"][9], json!({ "id": "9", "messageId": "id-9" }));
            assert_eq!(answer["failed"], json!([]));
            let bodies: Vec<_> = api.last_call().into_iter().map(|message| message.body).collect();
            assert_eq!(bodies, HOSTILE[..10]);
        }
        assert_eq!(api.count(), 2);
    }

    #[tokio::test]
    async fn entries_that_the_queue_refuses_are_a_207() {
        let api = IngestApi::open(Answers::FailingAt(1)).await;
        let request =
            json!([{ "id": "a", "body": "1" }, { "id": "b", "body": "2" }, { "id": "c", "body": "3" }]);
        let (status, answer) = api.post("/v1/messages/batch", request.to_string()).await;
        let expected = json!({
            "successful": [{ "id": "a", "messageId": "id-0" }, { "id": "c", "messageId": "id-2" }],
            "failed": [{ "id": "b", "code": "InternalError", "message": "try later", "senderFault": false }],
        });
        assert_eq!((status, answer), (207, expected));
    }

    #[tokio::test]
    async fn an_entry_that_sqs_cannot_carry_fails_alone() {
        let api = IngestApi::open(Answers::Well).await;
        let request = json!([{ "body": "nul \0" }, { "body": "fine" }, { "body": "" }]);
        let (status, answer) = api.post("/v1/messages/batch", request.to_string()).await;
        assert_eq!(status, 207);
        assert_eq!(answer["successful"], json!([{ "id": "1", "messageId": "id-0" }]));
        assert_eq!(answer["failed"][0]["id"], "0");
        assert_eq!(answer["failed"][1]["id"], "2");
        assert!(answer["failed"].as_array().unwrap().iter().all(|failed| failed["senderFault"] == true));
        assert_eq!(api.last_call().len(), 1);
    }

    #[tokio::test]
    async fn a_request_that_is_bad_as_a_whole_sends_nothing() {
        let api = IngestApi::open(Answers::Well).await;
        let eleven = json!([{ "body": "x" }, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).to_string();
        let too_large = json!([{ "body": "x".repeat(600_000) }, { "body": "x".repeat(600_000) }]).to_string();
        for (request, status) in [("", 400), ("[]", 400), ("{", 400), (&eleven, 400), (&too_large, 413)] {
            let (answered, answer) = api.post("/v1/messages/batch", request.to_owned()).await;
            assert_eq!(answered, status, "{answer}");
            assert!(answer["error"]["code"].is_string() && answer["error"]["hint"].is_string(), "{answer}");
        }
        assert_eq!(api.count(), 0);
    }
}

mod older {
    use super::*;

    #[tokio::test]
    async fn the_message_of_a_query_comes_out_identical() {
        let api = IngestApi::open(Answers::Well).await;
        for body in HOSTILE {
            let (status, answer) = api.get_with("/queue", "message", body).await;
            assert_eq!((status, answer), (200, json!({ "done": true })));
            assert_eq!(api.last().body, body);
            assert_eq!(api.get_with("/v1/send", "MessageBody", body).await.0, 200);
            assert_eq!(api.last().body, body);
        }
        assert_eq!(api.get("/queue?message=a+b%2Bc").await.0, 200);
        assert_eq!(api.last().body, "a b+c");
    }

    #[tokio::test]
    async fn send_answers_as_sqs_does() {
        let api = IngestApi::open(Answers::Well).await;
        let (status, mut answer) = api.get("/v1/send?MessageBody=This+is+a+test+message").await;
        let request_id = answer["SendMessageResponse"]["ResponseMetadata"]["RequestId"].take();
        assert_eq!(request_id.as_str().unwrap().len(), 36);
        let expected = json!({ "SendMessageResponse": {
            "ResponseMetadata": { "RequestId": null },
            "SendMessageResult": {
                "MD5OfMessageAttributes": null,
                "MD5OfMessageBody": "fafb00f5732ab283681e124bf8747ed1",
                "MessageId": "id-0",
                "SequenceNumber": null,
            },
        }});
        assert_eq!((status, answer), (200, expected));
    }

    #[tokio::test]
    async fn a_query_too_large_for_the_server_is_a_413_with_json() {
        let api = IngestApi::open(Answers::Well).await;
        for bytes in [65_536, 1024 * 1024, 8 * 1024 * 1024] {
            let request =
                format!("GET /queue?message={} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(bytes));
            let answer = api.answer_to(&request).await;
            assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{bytes}: {answer}");
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            let answer: Value = serde_json::from_str(body).unwrap();
            assert_eq!(answer["error"]["code"], json!("TooLarge"));
        }
        assert_eq!(api.count(), 0);
    }

    #[tokio::test]
    async fn a_foreign_page_sends_no_message() {
        let api = IngestApi::open(Answers::Well).await;
        let post = "POST /v1/messages HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 1\r\nConnection: close\r\n";
        let get = "GET /queue?message=x HTTP/1.1\r\nConnection: close\r\n";
        for (request, headers) in [
            (post, "Host: localhost\r\nOrigin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n"),
            (post, "Host: localhost\r\nOrigin: null\r\n"),
            (post, "Host: evil.example\r\n"),
            (get, "Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\n"),
            (get, "Host: evil.example:8000\r\nSec-Fetch-Site: none\r\n"),
        ] {
            let answer = api.answer_to(&format!("{request}{headers}\r\nx")).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{headers}: {answer}");
            assert!(
                answer.contains("\"code\":\"ForeignRequest\"") && answer.contains("--allow-host"),
                "{answer}"
            );
        }
        assert_eq!(api.count(), 0);
        let own = "Host: localhost:8000\r\nOrigin: http://localhost:8000\r\nSec-Fetch-Site: same-origin\r\n";
        let answer = api.answer_to(&format!("{post}{own}\r\nx")).await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }

    #[tokio::test]
    async fn a_missing_parameter_is_a_400() {
        let api = IngestApi::open(Answers::Well).await;
        for path in ["/queue", "/queue?message=", "/queue?MESSAGE=x", "/v1/send?message=x"] {
            let (status, answer) = api.get(path).await;
            assert_eq!((status, &answer["error"]["code"]), (400, &json!("MissingParameter")), "{path}");
        }
        let (status, answer) = api.get("/queue?message=%FF").await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("NotUtf8")));
        assert_eq!(api.count(), 0);
    }
}

mod errors {
    use super::*;

    #[tokio::test]
    async fn an_unknown_path_is_a_404() {
        let api = IngestApi::open(Answers::Well).await;
        for path in ["/", "/v1", "/v1/messages/", "/v2/messages", "/queue/x"] {
            let (status, answer) = api.get(path).await;
            assert_eq!((status, &answer["error"]["code"]), (404, &json!("UnknownPath")), "{path}");
        }
    }

    #[tokio::test]
    async fn a_wrong_method_is_a_405_that_names_the_right_one() {
        let api = IngestApi::open(Answers::Well).await;
        for (method, path, allowed) in [
            ("GET", "/v1/messages", "POST"),
            ("PUT", "/v1/messages/batch", "POST"),
            ("POST", "/queue?message=x", "GET"),
            ("HEAD", "/queue?message=x", "GET"),
            ("HEAD", "/v1/send?MessageBody=x", "GET"),
            ("DELETE", "/v1/send?MessageBody=x", "GET"),
        ] {
            let response = api.request(method, path).await;
            assert_eq!(
                (response.status().as_u16(), &response.headers()["allow"]),
                (405, &allowed.parse().unwrap())
            );
            let body = response.text().await.unwrap();
            assert!(method == "HEAD" || body.contains("WrongMethod"), "{body}");
        }
        assert_eq!(api.count(), 0);
    }

    #[tokio::test]
    async fn a_queue_that_fails_is_a_5xx_with_retry_after() {
        for (answers, status, code) in [
            (Answers::Refusing("RequestThrottled"), 503, "RequestThrottled"),
            (Answers::Refusing("AWS.SimpleQueueService.NonExistentQueue"), 502, "NonExistentQueue"),
            (Answers::Refusing("AccessDenied"), 502, "AccessDenied"),
            (Answers::Unreachable, 503, "QueueUnavailable"),
            (Answers::FailingAt(0), 503, "InternalError"),
            (Answers::Nothing, 502, "NoAnswer"),
        ] {
            let api = IngestApi::open(answers).await;
            let response = api.request("GET", "/queue?message=x").await;
            assert_eq!(response.status().as_u16(), status, "{answers:?}");
            assert_eq!(response.headers()["retry-after"], "1");
            let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            assert_eq!(answer["error"]["code"], code);
        }
    }

    #[tokio::test]
    async fn a_client_does_not_get_the_details_of_a_network_error() {
        let api = IngestApi::open(Answers::Unreachable).await;
        let (_, answer) = api.post("/v1/messages", "{}").await;
        assert!(!answer.to_string().contains("10.0.0.7"), "{answer}");
    }

    #[tokio::test]
    async fn a_batch_whose_call_fails_is_an_error_as_a_whole() {
        let api = IngestApi::open(Answers::Refusing("AWS.SimpleQueueService.BatchRequestTooLong")).await;
        assert_eq!(api.post("/v1/messages/batch", r#"[{"body": "x"}]"#).await.0, 413);
    }
}

mod stop {
    use longshore::stop::Stop;
    use tokio::{io::AsyncWriteExt as _, net::TcpStream};

    use super::*;

    #[tokio::test]
    async fn the_api_stops_accepting_connections_at_the_stop() {
        let stop = Stop::new();
        let (address, serving) = harness::serve(stop.clone()).await;
        stop.drain();
        serving.await.unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_never_ends_does_not_delay_the_stop() {
        let stop = Stop::new();
        let (address, serving) = harness::serve(stop.clone()).await;
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
            .await
            .unwrap();
        stop.drain();
        tokio::time::timeout(Duration::from_secs(6), serving).await.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_halt_does_not_wait_for_a_request_in_progress() {
        let stop = Stop::new();
        let (address, serving) = harness::serve(stop.clone()).await;
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
            .await
            .unwrap();
        stop.halt();
        serving.await.unwrap().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_that_sqs_accepts_comes_out_identical(
        body in "[\t\n\r -\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]{1,200}",
    ) {
        harness::block_on(async {
            let api = IngestApi::open(Answers::Well).await;
            assert_eq!(api.post("/v1/messages", body.clone()).await.0, 202);
            assert_eq!(api.last().body, body);
            let request = json!([{ "body": body }]).to_string();
            assert_eq!(api.post("/v1/messages/batch", request).await.0, 202);
            assert_eq!(api.last().body, body);
            assert_eq!(api.get_with("/queue", "message", &body).await.0, 200);
            assert_eq!(api.last().body, body);
        });
    }

    #[test]
    fn no_bytes_break_the_api(body: Vec<u8>) {
        harness::block_on(async {
            let api = IngestApi::open(Answers::Well).await;
            for path in ["/v1/messages", "/v1/messages/batch"] {
                let (status, answer) = api.post(path, body.clone()).await;
                assert!(matches!(status, 202 | 207 | 400), "{status}: {answer}");
            }
        });
    }
}

mod harness {
    //! An ingest API on a real socket, and the queue behind it.

    use std::{
        io,
        net::SocketAddr,
        sync::{Arc, Mutex},
    };

    use futures_util::future::BoxFuture;
    use longshore::{
        Message,
        cli::dev::ingest::{self, IngestTarget},
        message::{MessageId, OutgoingMessage, Receipt},
        queue::{
            BatchResult, EntryError, Queue, QueueAttributes, QueueError, ReceiveRequest, RetryClass,
            VisibilityChange,
        },
        stop::Stop,
        tasks,
    };
    use reqwest::{Body, Client, Method, Response, Url};
    use serde_json::Value;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        task::JoinHandle,
    };

    /// The result of the queue for a send.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Answers {
        /// Each message gets the id of its position.
        Well,
        /// The same, except for the entry at this position.
        FailingAt(usize),
        /// The whole call is refused with this code.
        Refusing(&'static str),
        /// The network gives no response.
        Unreachable,
        /// The call succeeds without a result for any entry, against the contract.
        Nothing,
    }

    /// A queue that records the messages it was sent, and does nothing else.
    struct Recorder {
        answers: Answers,
        calls: Arc<Mutex<Vec<Vec<OutgoingMessage>>>>,
    }

    fn unused<T>() -> BoxFuture<'static, Result<T, QueueError>>
    where
        T: Send + 'static,
    {
        Box::pin(async { Err(QueueError::new(RetryClass::Refused, "the ingest api only sends")) })
    }

    impl Queue for Recorder {
        fn receive(&self, _: ReceiveRequest) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
            unused()
        }

        fn delete<'a>(&'a self, _: &'a [Receipt]) -> BoxFuture<'a, BatchResult<()>> {
            unused()
        }

        fn change_visibility<'a>(&'a self, _: &'a [VisibilityChange]) -> BoxFuture<'a, BatchResult<()>> {
            unused()
        }

        fn send<'a>(&'a self, messages: &'a [OutgoingMessage]) -> BoxFuture<'a, BatchResult<MessageId>> {
            Box::pin(async move {
                self.calls.lock().unwrap().push(messages.to_vec());
                let answer = |position| match self.answers {
                    Answers::FailingAt(failing) if failing == position => {
                        Err(EntryError::new("InternalError", "try later", false))
                    }
                    _ => Ok(MessageId::new(format!("id-{position}"))),
                };
                match self.answers {
                    Answers::Refusing(code) => Err(QueueError::answered(code, "refused")),
                    Answers::Unreachable => {
                        Err(QueueError::new(RetryClass::Transient, "no route to 10.0.0.7"))
                    }
                    Answers::Nothing => Ok(Vec::new()),
                    Answers::Well | Answers::FailingAt(_) => Ok((0..messages.len()).map(answer).collect()),
                }
            })
        }

        fn describe(&self) -> BoxFuture<'_, Result<QueueAttributes, QueueError>> {
            unused()
        }
    }

    /// An ingest API and its client.
    pub(crate) struct IngestApi {
        address: SocketAddr,
        client: Client,
        calls: Arc<Mutex<Vec<Vec<OutgoingMessage>>>>,
        stop: Stop,
    }

    impl IngestApi {
        pub(crate) async fn open(answers: Answers) -> Self {
            let (stop, calls) = (Stop::new(), Arc::default());
            let queue = Arc::new(Recorder { answers, calls: Arc::clone(&calls) });
            let (address, _) = listen(queue, stop.clone()).await;
            drop(rustls::crypto::ring::default_provider().install_default());
            let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
            Self { address, client, calls, stop }
        }

        fn url(&self, path: &str) -> Url {
            format!("http://{}{path}", self.address).parse().unwrap()
        }

        pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> (u16, Value) {
            self.post_with(path, body, []).await
        }

        pub(crate) async fn post_with<'a>(
            &self,
            path: &str,
            body: impl Into<Body>,
            headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        ) -> (u16, Value) {
            let mut request = self.client.post(self.url(path)).body(body);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            read(request.send().await.unwrap()).await
        }

        pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
            read(self.request("GET", path).await).await
        }

        /// Sends a GET with one parameter in the query, percent-encoded.
        pub(crate) async fn get_with(&self, path: &str, name: &str, value: &str) -> (u16, Value) {
            let mut url = self.url(path);
            url.query_pairs_mut().append_pair(name, value);
            read(self.client.get(url).send().await.unwrap()).await
        }

        pub(crate) async fn request(&self, method: &str, path: &str) -> Response {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            self.client.request(method, self.url(path)).send().await.unwrap()
        }

        /// The response to a raw request, up to the end of the connection.
        pub(crate) async fn answer_to(&self, request: &str) -> String {
            let mut connection = TcpStream::connect(self.address).await.unwrap();
            connection.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).await.unwrap();
            answer
        }

        /// The messages of the last call of the queue.
        pub(crate) fn last_call(&self) -> Vec<OutgoingMessage> {
            self.calls.lock().unwrap().last().unwrap().clone()
        }

        /// The only message of the last call of the queue.
        pub(crate) fn last(&self) -> OutgoingMessage {
            let [message] = <[_; 1]>::try_from(self.last_call()).unwrap();
            message
        }

        /// The number of calls of the queue.
        pub(crate) fn count(&self) -> usize {
            self.calls.lock().unwrap().len()
        }
    }

    impl Drop for IngestApi {
        fn drop(&mut self) {
            self.stop.halt();
        }
    }

    async fn read(response: Response) -> (u16, Value) {
        let status = response.status().as_u16();
        assert_eq!(response.headers()["content-type"], "application/json");
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    async fn listen(queue: Arc<dyn Queue>, stop: Stop) -> (SocketAddr, JoinHandle<io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (
            address,
            tasks::detach("ingest api", async move {
                ingest::serve(listener, &[], IngestTarget::new(queue), stop).await
            }),
        )
    }

    /// Serves until the stop, with a handle on the end.
    pub(crate) async fn serve(stop: Stop) -> (SocketAddr, JoinHandle<io::Result<()>>) {
        listen(Arc::new(Recorder { answers: Answers::Well, calls: Arc::default() }), stop).await
    }

    pub(crate) fn block_on(future: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
    }
}
