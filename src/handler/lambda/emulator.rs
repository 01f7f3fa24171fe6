//! Calls functions in Lambda container images through AWS's Runtime Interface Emulator.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use reqwest::{Client, Response, header, redirect};
use serde_json::value::RawValue;
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::{sleep, timeout},
};
use url::Url;

use super::{
    InstanceState, InstanceStates,
    invocation::{ANSWER_BYTES, Answered, FunctionError, Invocation, InvocationFailure},
};
use crate::{
    handler::Unavailable,
    net::{self, connect},
    shortage::Shortage,
    tasks,
    telemetry::events,
};

/// The path of invocations.
const PATH: &str = "/2015-03-31/functions/function/invocations";
/// The time limit of a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The time for which an unreachable address is not used while there are others.
const UNREACHED_PAUSE: Duration = Duration::from_secs(1);
/// The reason why an emulator with an abandoned event gets no further one.
const STILL_BUSY: &str = "the runtime interface emulator still runs an event whose call was given up";
/// The beginning of an emulator's response for a function that took too long.
const TIMED_OUT: &[u8] = b"Task timed out after";

/// The emulators of one queue, each with one invocation at a time, because a second one makes it panic
/// (aws/aws-lambda-runtime-interface-emulator#97).
#[derive(Debug)]
pub(super) struct Emulators {
    client: Client,
    all: Vec<Arc<FunctionEmulator>>,
    free: Mutex<mpsc::UnboundedReceiver<Arc<FunctionEmulator>>>,
    freed: mpsc::UnboundedSender<Arc<FunctionEmulator>>,
    states: Arc<InstanceStates>,
}

/// One emulator by its address.
#[derive(Debug)]
struct FunctionEmulator {
    number: usize,
    url: Url,
    /// True while it runs an invocation whose call has ended.
    is_abandoned: AtomicBool,
}

/// An emulator in use by one call; dropped, it makes the emulator free again.
struct EmulatorGuard {
    emulator: Arc<FunctionEmulator>,
    freed: mpsc::UnboundedSender<Arc<FunctionEmulator>>,
}

/// The result of a post.
enum PostResult {
    Answered(Answered),
    /// No connection could be made, so the function did not run.
    Unreachable(Unavailable),
}

impl Emulators {
    /// Creates the emulators without connecting to them.
    pub(super) fn new<'a>(urls: impl Iterator<Item = &'a Url>) -> reqwest::Result<Self> {
        net::provide_tls();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .dns_resolver(net::Resolver)
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            // An emulator may close a kept connection, and a post must not be repeated: each has its own connection.
            .pool_max_idle_per_host(0)
            .tls_certs_only([])
            .build()?;
        let emulator = |(number, url)| Arc::new(FunctionEmulator::at(url, number));
        let all: Vec<_> = urls.enumerate().map(emulator).collect();
        let (freed, free) = mpsc::unbounded_channel();
        for emulator in &all {
            put_back(&freed, emulator.clone());
        }
        let states = Arc::new(InstanceStates::starting(all.len()));
        Ok(Self { client, all, free: Mutex::new(free), freed, states })
    }

    /// Waits until one of the addresses accepts a connection; `Err` has the reason if none does.
    pub(super) async fn probe(&self) -> Result<(), Unavailable> {
        let usable = self.all.iter().filter(|emulator| !emulator.is_abandoned.load(Ordering::Relaxed));
        let mut attempts: FuturesUnordered<_> = usable.map(|emulator| emulator.check()).collect();
        let mut reason = Unavailable::Down(STILL_BUSY.to_owned());
        while let Some(attempt) = attempts.next().await {
            match attempt {
                Ok(()) => return Ok(()),
                Err(error) => reason = error,
            }
        }
        Err(reason)
    }

    /// Runs the invocation on a free emulator, and waits for the answer.
    ///
    /// If the call is dropped, the emulator stays in use until it has answered: a running function cannot be ended.
    pub(super) async fn call(&self, invocation: Invocation) -> Result<Answered, Unavailable> {
        let invocation = Arc::new(invocation);
        loop {
            let emulator = tokio::select! {
                biased;
                emulator = self.take() => emulator,
                // Waiting on would use up the time limit, and a receive, without a run.
                unavailable = self.states.down() => return Err(unavailable),
            };
            let Some(emulator) = emulator else {
                return Err(Unavailable::Down("the emulators are stopped".to_owned()));
            };
            invocation.start();
            match self.post(emulator, invocation.clone()).await {
                PostResult::Answered(answered) => return Ok(answered),
                PostResult::Unreachable(_) => {
                    if let Some(unavailable) = self.states.failure() {
                        return Err(unavailable);
                    }
                }
            }
        }
    }

    async fn take(&self) -> Option<EmulatorGuard> {
        let emulator = self.free.lock().await.recv().await?;
        // It counts as ready until its call fails, so that other calls wait for it.
        self.states.set(emulator.number, InstanceState::Ready);
        Some(EmulatorGuard { emulator, freed: self.freed.clone() })
    }

    /// Posts in its own task, which goes on when the call is dropped.
    async fn post(&self, guard: EmulatorGuard, invocation: Arc<Invocation>) -> PostResult {
        let (mut sender, answer) = oneshot::channel();
        let (client, states) = (self.client.clone(), self.states.clone());
        let is_only = self.all.len() == 1;
        let posting = async move {
            let emulator = &guard.emulator;
            let mut post = std::pin::pin!(emulator.post(&client, &invocation));
            let result = tokio::select! {
                biased;
                result = &mut post => result,
                () = sender.closed() => {
                    emulator.is_abandoned.store(true, Ordering::Relaxed);
                    states.set(emulator.number, InstanceState::Failed(Unavailable::Down(STILL_BUSY.to_owned())));
                    post.await
                }
            };
            emulator.is_abandoned.store(false, Ordering::Relaxed);
            states.set(emulator.number, result.state());
            let is_unreachable = matches!(result, PostResult::Unreachable(_));
            if sender.send(result).is_err() {
                events::AnswerUnwanted { request_id: &invocation.id }.emit();
            }
            if is_unreachable && !is_only {
                sleep(UNREACHED_PAUSE).await;
            }
        };
        drop(tasks::detach("emulator call", posting));
        let panicked =
            || PostResult::Answered(Err(InvocationFailure::Emulator("the call panicked".to_owned())));
        answer.await.unwrap_or_else(|_| panicked())
    }
}

impl PostResult {
    /// The state of the emulator after this result.
    fn state(&self) -> InstanceState {
        match self {
            Self::Answered(_) => InstanceState::Ready,
            Self::Unreachable(unavailable) => InstanceState::Failed(unavailable.clone()),
        }
    }
}

impl Drop for EmulatorGuard {
    fn drop(&mut self) {
        put_back(&self.freed, self.emulator.clone());
    }
}

fn put_back(freed: &mpsc::UnboundedSender<Arc<FunctionEmulator>>, emulator: Arc<FunctionEmulator>) {
    if freed.send(emulator).is_err() {
        events::EmulatorLate {}.emit();
    }
}

impl FunctionEmulator {
    fn at(url: &Url, number: usize) -> Self {
        Self { number, url: target(url), is_abandoned: AtomicBool::new(false) }
    }

    async fn post(&self, client: &Client, invocation: &Invocation) -> PostResult {
        let mut request = client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(invocation.event.clone());
        let trace_id = invocation.trace_id.as_ref();
        if let Some(trace_id) = trace_id.and_then(|trace_id| header::HeaderValue::from_str(trace_id).ok()) {
            request = request.header("X-Amzn-Trace-Id", trace_id);
        }
        match request.send().await {
            Ok(response) => PostResult::Answered(read(response).await),
            Err(error) if error.is_connect() => {
                PostResult::Unreachable(self.unreachable(Shortage::behind(&error), &net::root_cause(&error)))
            }
            Err(error) => PostResult::Answered(Err(InvocationFailure::Emulator(net::root_cause(&error)))),
        }
    }

    /// Checks that the address accepts a connection.
    async fn check(&self) -> Result<(), Unavailable> {
        match timeout(CONNECT, connect(&self.url)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.unreachable(Shortage::of(&error), &error.to_string())),
            Err(_) => Err(self.unreachable(None, &format!("none within {CONNECT:?}"))),
        }
    }

    fn unreachable(&self, shortage: Option<Shortage>, reason: &str) -> Unavailable {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or(80);
        let reason = format!("no connection to the runtime interface emulator at {host}:{port}: {reason}");
        Unavailable::by(shortage, reason)
    }
}

/// The URL to post to: the emulator's usual path, unless the address has one.
fn target(url: &Url) -> Url {
    let mut url = url.clone();
    if matches!(url.path(), "" | "/") {
        url.set_path(PATH);
    }
    url
}

async fn read(mut response: Response) -> Answered {
    let status = response.status();
    let mut answer = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if answer.len() + chunk.len() > ANSWER_BYTES => {
                return Err(InvocationFailure::TooLarge);
            }
            Ok(Some(chunk)) => answer.extend(chunk),
            Ok(None) => break,
            Err(_) => return Err(InvocationFailure::Truncated),
        }
    }
    if !status.is_success() {
        return Err(InvocationFailure::Status(status.as_u16()));
    }
    parse_response(answer.freeze())
}

/// Distinguishes a failure from an answer by the body alone: the status is 200 for both
/// (aws/aws-lambda-runtime-interface-emulator#20).
fn parse_response(answer: Bytes) -> Answered {
    let text = answer.trim_ascii_start();
    if text.starts_with(TIMED_OUT) {
        return Err(InvocationFailure::Function(FunctionError::of_type(String::from_utf8_lossy(text))));
    }
    let object: BTreeMap<String, &RawValue> = serde_json::from_slice(text).unwrap_or_default();
    let is_error = ["errorType", "errorMessage"].iter().any(|key| object.contains_key(*key));
    if is_error && !object.contains_key("batchItemFailures") {
        return Err(InvocationFailure::Function(FunctionError::read(None, text)));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_failure(answer: &'static str) -> bool {
        parse_response(Bytes::from_static(answer.as_bytes())).is_err()
    }

    #[test]
    fn a_failure_is_recognized_by_the_body_alone() {
        assert!(is_failure(r#"{"errorMessage":"no","errorType":"KeyError","stackTrace":[]}"#));
        assert!(is_failure(r#"{"errorType":"Runtime.ExitError"}"#));
        assert!(is_failure(" {\"errorMessage\":\"no\"}"));
        assert!(is_failure("Task timed out after 3.00 seconds"));
        assert!(is_failure("\nTask timed out after 300.00 seconds"));
    }

    #[test]
    fn an_answer_is_no_failure() {
        assert!(!is_failure(r#"{"batchItemFailures":[],"errorType":"mine"}"#));
        assert!(!is_failure("\"Task timed out after\""));
        assert!(!is_failure(r#"["errorType"]"#));
        assert!(!is_failure("null"));
        assert!(!is_failure(""));
    }

    #[test]
    fn an_address_without_a_path_gets_the_emulators() {
        let target = |text: &str| target(&text.parse().unwrap()).to_string();
        assert_eq!(target("http://h:8080"), format!("http://h:8080{PATH}"));
        assert_eq!(
            target("http://h/2015-03-31/functions/f/invocations?x=1"),
            "http://h/2015-03-31/functions/f/invocations?x=1"
        );
    }
}
