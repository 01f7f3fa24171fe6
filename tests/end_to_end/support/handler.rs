//! An HTTP handler in the test, on a runtime that can be killed with all of its calls.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::watch,
};

use super::in_time;

/// One call of the handler.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) body: Bytes,
    pub(crate) headers: HeaderMap,
}

impl Call {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn receive_count(&self) -> u32 {
        self.header("x-aws-sqsd-receive-count").parse().unwrap()
    }
}

type Work = Arc<dyn Fn(Call) -> BoxFuture<'static, u16> + Send + Sync>;

/// The state that all calls share, also across a restart.
#[derive(Clone)]
struct CallLog {
    work: Work,
    started: watch::Sender<Vec<Call>>,
    ended: watch::Sender<Vec<Call>>,
    running: Arc<AtomicUsize>,
    most_running: Arc<AtomicUsize>,
}

/// A handler that serves until it is killed or dropped.
pub(crate) struct Handler {
    address: SocketAddr,
    log: CallLog,
    runtime: Option<Runtime>,
}

impl Handler {
    /// Starts a handler whose calls do this work, which returns the status.
    pub(crate) fn start<W>(work: impl Fn(Call) -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = u16> + Send + 'static,
    {
        let log = CallLog {
            work: Arc::new(move |call| work(call).boxed()),
            started: watch::Sender::default(),
            ended: watch::Sender::default(),
            running: Arc::default(),
            most_running: Arc::default(),
        };
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut handler = Self { address: any, log, runtime: None };
        handler.restart();
        handler
    }

    /// Starts a handler that answers 200 to every call at once.
    pub(crate) fn willing() -> Self {
        Self::start(async |_| 200)
    }

    /// Serves again at the same address.
    pub(crate) fn restart(&mut self) {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // Bound here, so that the port listens when this returns.
        let listener = std::net::TcpListener::bind(self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        self.address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable());
        let router = router.with_state(self.log.clone());
        runtime.spawn(async move { axum::serve(TcpListener::from_std(listener).unwrap(), router).await });
        self.runtime = Some(runtime);
    }

    /// Ends it, with every call and every connection.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The calls that have started so far.
    pub(crate) fn started(&self) -> Vec<Call> {
        self.log.started.borrow().clone()
    }

    /// The calls that were answered so far.
    pub(crate) fn ended(&self) -> Vec<Call> {
        self.log.ended.borrow().clone()
    }

    /// The bodies of the answered calls.
    pub(crate) fn ended_bodies(&self) -> Vec<String> {
        self.ended().iter().map(Call::text).collect()
    }

    /// The most calls at once.
    pub(crate) fn most_running(&self) -> usize {
        self.log.most_running.load(Ordering::SeqCst)
    }

    /// Waits until this many calls have started.
    pub(crate) async fn has_started(&self, calls: usize) -> Vec<Call> {
        reached(&self.log.started, calls, "calls begun").await
    }

    /// Waits until this many calls were answered.
    pub(crate) async fn has_ended(&self, calls: usize) -> Vec<Call> {
        reached(&self.log.ended, calls, "calls answered").await
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn reached(calls: &watch::Sender<Vec<Call>>, wanted: usize, what: &str) -> Vec<Call> {
    let mut watched = calls.subscribe();
    let reached = in_time(&format!("{wanted} {what}"), watched.wait_for(|calls| calls.len() >= wanted)).await;
    reached.unwrap().clone()
}

async fn answer(State(log): State<CallLog>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let call = Call { body, headers };
    let _running = Running::begin(&log);
    log.started.send_modify(|calls| calls.push(call.clone()));
    let status = (log.work)(call.clone()).await;
    log.ended.send_modify(|calls| calls.push(call));
    StatusCode::from_u16(status).unwrap()
}

/// Counts a call while it runs, even if it is dropped.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn begin(log: &CallLog) -> Self {
        let running = log.running.fetch_add(1, Ordering::SeqCst) + 1;
        log.most_running.fetch_max(running, Ordering::SeqCst);
        Self(log.running.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
