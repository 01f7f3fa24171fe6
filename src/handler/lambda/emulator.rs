//! Functions that run in Lambda container images beside Longshore, behind AWS's Runtime Interface Emulator.

use std::{
    collections::BTreeMap,
    error::Error,
    iter,
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
    CallError, InstanceState, Standing,
    invocation::{ANSWER_BYTES, Answered, FunctionError, Invocation, InvocationFailure},
};
use crate::{
    net::{self, connect},
    tasks,
    telemetry::events,
};

/// The path of invocations.
const PATH: &str = "/2015-03-31/functions/function/invocations";
/// The time limit of a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The time for which an address that could not be reached is avoided while others are there.
const UNREACHED_PAUSE: Duration = Duration::from_secs(1);
/// Why an emulator whose call was given up is left alone.
const STILL_BUSY: &str = "the runtime interface emulator is still at an event that was given up";
/// The beginning of an emulator's answer for a function that took too long.
const TIMED_OUT: &[u8] = b"Task timed out after";

/// The emulators of one queue, each with one invocation at a time: a second one would make it panic
/// (aws/aws-lambda-runtime-interface-emulator#97).
#[derive(Debug)]
pub(super) struct Emulators {
    client: Client,
    all: Vec<Arc<FunctionEmulator>>,
    free: Mutex<mpsc::UnboundedReceiver<Arc<FunctionEmulator>>>,
    freed: mpsc::UnboundedSender<Arc<FunctionEmulator>>,
    standing: Arc<Standing>,
}

/// One address.
#[derive(Debug)]
struct FunctionEmulator {
    number: usize,
    url: Url,
    /// True while it still runs an invocation whose call has ended.
    is_abandoned: AtomicBool,
}

/// An emulator that nobody else uses; it is free again at the drop.
struct Taken {
    emulator: Arc<FunctionEmulator>,
    freed: mpsc::UnboundedSender<Arc<FunctionEmulator>>,
}

/// The result of a post.
enum Posted {
    Answered(Answered),
    /// No connection could be made, so the function did not run.
    Unreached(String),
}

impl Emulators {
    /// Connects to nothing yet.
    pub(super) fn new<'a>(urls: impl Iterator<Item = &'a Url>) -> reqwest::Result<Self> {
        net::provide_tls();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            // An emulator closes what it likes, and a post must not be repeated: each has a connection of its own.
            .pool_max_idle_per_host(0)
            .tls_certs_only([])
            .build()?;
        let emulator = |(number, url)| Arc::new(FunctionEmulator::at(url, number));
        let all: Vec<_> = urls.enumerate().map(emulator).collect();
        let (freed, free) = mpsc::unbounded_channel();
        for emulator in &all {
            put_back(&freed, emulator.clone());
        }
        let standing = Arc::new(Standing::of(all.len()));
        Ok(Self { client, all, free: Mutex::new(free), freed, standing })
    }

    /// Waits until one of the addresses takes a connection; `Err` says why none does.
    pub(super) async fn probe(&self) -> Result<(), String> {
        let awaited = self.all.iter().filter(|emulator| !emulator.is_abandoned.load(Ordering::Relaxed));
        let mut knocks: FuturesUnordered<_> = awaited.map(|emulator| emulator.knock()).collect();
        let mut reason = STILL_BUSY.to_owned();
        while let Some(knocked) = knocks.next().await {
            match knocked {
                Ok(()) => return Ok(()),
                Err(words) => reason = words,
            }
        }
        Err(reason)
    }

    /// Has the invocation run by an emulator that is free, and waits for its answer.
    ///
    /// Dropped, it leaves the emulator alone until that has answered: nothing can end what runs there.
    pub(super) async fn call(&self, invocation: Invocation) -> Result<Answered, CallError> {
        let invocation = Arc::new(invocation);
        loop {
            let taken = tokio::select! {
                biased;
                taken = self.take() => taken,
                // Whoever waited on would use up the time limit, and a receive, without having run.
                reason = self.standing.down() => return Err(CallError::Down(reason)),
            };
            let Some(taken) = taken else {
                return Err(CallError::Down("the emulators are stopped".to_owned()));
            };
            match self.post(taken, invocation.clone()).await {
                Posted::Answered(answered) => return Ok(answered),
                Posted::Unreached(_) => {
                    if let Some(reason) = self.standing.failure() {
                        return Err(CallError::Down(reason));
                    }
                }
            }
        }
    }

    async fn take(&self) -> Option<Taken> {
        let emulator = self.free.lock().await.recv().await?;
        // Until it is known better: whoever waits for it should.
        self.standing.note(emulator.number, InstanceState::Ready);
        Some(Taken { emulator, freed: self.freed.clone() })
    }

    /// Posts in a task of its own, which goes on when the call is given up.
    async fn post(&self, taken: Taken, invocation: Arc<Invocation>) -> Posted {
        let (mut sender, answer) = oneshot::channel();
        let (client, standing) = (self.client.clone(), self.standing.clone());
        let is_only = self.all.len() == 1;
        let posting = async move {
            let emulator = &taken.emulator;
            let mut post = std::pin::pin!(emulator.post(&client, &invocation));
            let posted = tokio::select! {
                biased;
                posted = &mut post => posted,
                () = sender.closed() => {
                    emulator.is_abandoned.store(true, Ordering::Relaxed);
                    standing.note(emulator.number, InstanceState::Failed(STILL_BUSY.into()));
                    post.await
                }
            };
            emulator.is_abandoned.store(false, Ordering::Relaxed);
            standing.note(emulator.number, posted.state());
            let is_unreached = matches!(posted, Posted::Unreached(_));
            if sender.send(posted).is_err() {
                events::AnswerUnwanted { request_id: &invocation.id }.emit();
            }
            if is_unreached && !is_only {
                sleep(UNREACHED_PAUSE).await;
            }
        };
        drop(tasks::detach("emulator call", posting));
        let panicked = || Posted::Answered(Err(InvocationFailure::Emulator("the call panicked".to_owned())));
        answer.await.unwrap_or_else(|_| panicked())
    }
}

impl Posted {
    /// The state of the emulator after this result.
    fn state(&self) -> InstanceState {
        match self {
            Self::Answered(_) => InstanceState::Ready,
            Self::Unreached(reason) => InstanceState::Failed(reason.as_str().into()),
        }
    }
}

impl Drop for Taken {
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

    async fn post(&self, client: &Client, invocation: &Invocation) -> Posted {
        let mut request = client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(invocation.event.clone());
        let trace_id = invocation.trace_id.as_ref();
        if let Some(trace_id) = trace_id.and_then(|trace_id| header::HeaderValue::from_str(trace_id).ok()) {
            request = request.header("X-Amzn-Trace-Id", trace_id);
        }
        match request.send().await {
            Ok(response) => Posted::Answered(read(response).await),
            Err(error) if error.is_connect() => Posted::Unreached(self.unreached(&root_cause(&error))),
            Err(error) => Posted::Answered(Err(InvocationFailure::Emulator(root_cause(&error)))),
        }
    }

    /// Opens a connection, and says nothing on it.
    async fn knock(&self) -> Result<(), String> {
        match timeout(CONNECT, connect(&self.url)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.unreached(&error.to_string())),
            Err(_) => Err(self.unreached(&format!("none within {CONNECT:?}"))),
        }
    }

    fn unreached(&self, reason: &str) -> String {
        let place = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or(80);
        format!("no connection to the runtime interface emulator at {place}:{port}: {reason}")
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
    judged(answer.freeze())
}

/// Tells a failure from an answer by the body alone: the status is 200 for both
/// (aws/aws-lambda-runtime-interface-emulator#20).
fn judged(answer: Bytes) -> Answered {
    let text = answer.trim_ascii_start();
    if text.starts_with(TIMED_OUT) {
        return Err(InvocationFailure::Function(FunctionError::of_kind(String::from_utf8_lossy(text))));
    }
    let object: BTreeMap<String, &RawValue> = serde_json::from_slice(text).unwrap_or_default();
    let is_error = ["errorType", "errorMessage"].iter().any(|key| object.contains_key(*key));
    if is_error && !object.contains_key("batchItemFailures") {
        return Err(InvocationFailure::Function(FunctionError::read(None, text)));
    }
    Ok(answer)
}

/// The innermost error's words: the outer ones repeat the address.
fn root_cause(error: &reqwest::Error) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    causes.last().map_or_else(|| "the request failed".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_failure(answer: &'static str) -> bool {
        judged(Bytes::from_static(answer.as_bytes())).is_err()
    }

    #[test]
    fn a_failure_is_known_by_the_body_alone() {
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
