//! Functions behind a server that behaves like AWS's Runtime Interface Emulator.

use std::{
    collections::HashMap,
    net::TcpListener as PlainListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use longshore::{duration::Limit, handler::lambda::Settings, tasks, worker::Drained};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};

use super::harness::{Scene, until};

/// The requests that an emulator has received.
#[derive(Clone, Default)]
struct Seen {
    /// Runs by the body of the first message.
    runs: Arc<Mutex<HashMap<String, usize>>>,
    invocations: Arc<AtomicUsize>,
    is_busy: Arc<AtomicBool>,
    /// The number of events during another one, each of which makes the real emulator panic.
    concurrent: Arc<AtomicUsize>,
}

impl Seen {
    fn runs_of(&self, body: &str) -> usize {
        self.runs.lock().unwrap().get(body).copied().unwrap_or_default()
    }

    fn concurrent(&self) -> usize {
        self.concurrent.load(Ordering::SeqCst)
    }
}

/// An emulator that serves until it is dropped.
pub(crate) struct Emulator {
    url: String,
    seen: Seen,
    serving: JoinHandle<()>,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Emulator {
    pub(crate) async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn on(listener: TcpListener) -> Self {
        let (url, seen) = (format!("http://{}", listener.local_addr().unwrap()), Seen::default());
        let router = Router::new()
            .route("/2015-03-31/functions/function/invocations", post(invoke))
            .with_state(seen.clone());
        let serving = tasks::detach("emulator", async { axum::serve(listener, router).await.unwrap() });
        Self { url, seen, serving }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::of_url(&self.url).unwrap()
    }
}

async fn invoke(State(seen): State<Seen>, event: Bytes) -> impl IntoResponse {
    seen.invocations.fetch_add(1, Ordering::SeqCst);
    if seen.is_busy.swap(true, Ordering::SeqCst) {
        seen.concurrent.fetch_add(1, Ordering::SeqCst);
    }
    let event: Value = serde_json::from_slice(&event).unwrap();
    let record = &event["Records"][0];
    let (body, id) = (record["body"].as_str().unwrap(), record["messageId"].as_str().unwrap());
    *seen.runs.lock().unwrap().entry(body.to_owned()).or_default() += 1;
    let is_first = seen.runs_of(body) == 1;
    let answer = answer(body.split(':').next().unwrap(), is_first, id).await;
    seen.is_busy.store(false, Ordering::SeqCst);
    answer
}

async fn answer(what: &str, is_first: bool, id: &str) -> (StatusCode, String) {
    let ok = |text: &str| (StatusCode::OK, text.to_owned());
    match what {
        "fail" if is_first => ok(&format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{id}"}}]}}"#)),
        "raise" if is_first => {
            ok(r#"{"errorMessage":"no","errorType":"KeyError","requestId":"","stackTrace":[]}"#)
        }
        "exit" if is_first => {
            ok(r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: x Error: exit status 1"}"#)
        }
        "late" if is_first => ok("Task timed out after 3.00 seconds"),
        "status" if is_first => (StatusCode::BAD_GATEWAY, "null".to_owned()),
        "seven" if is_first => ok(&"x".repeat(7 * 1024 * 1024)),
        "slow" if is_first => {
            sleep(Duration::from_secs(3)).await;
            ok("null")
        }
        "hang" if is_first => std::future::pending().await,
        _ => ok("null"),
    }
}

#[tokio::test]
async fn a_failure_is_recognized_by_the_body_and_its_message_comes_again() {
    let (scene, emulator) = (Scene::new(), Emulator::start().await);
    let failing = ["fail", "raise", "exit", "late", "status", "seven"];
    scene.send_all(failing);
    scene.send("done");
    let running = scene.start(emulator.settings());
    scene.emptied().await;
    assert_eq!(running.drain().await, Drained::All);
    for body in failing {
        assert_eq!(emulator.seen.runs_of(body), 2, "{body}");
    }
    assert_eq!(emulator.seen.runs_of("done"), 1);
}

#[tokio::test]
async fn an_emulator_gets_one_event_at_a_time_and_several_share_the_work() {
    let scene = Scene::new().options(|options| options.concurrency = 8);
    let (one, other) = (Emulator::start().await, Emulator::start().await);
    scene.send_all((0..40).map(|number| format!("done:{number}")));
    let urls = vec![one.url.parse().unwrap(), other.url.parse().unwrap()];
    let running = scene.start(Settings { urls, ..Settings::default() });
    scene.emptied().await;
    running.drain().await;
    assert_eq!((one.seen.concurrent(), other.seen.concurrent()), (0, 0));
    let invocations = |emulator: &Emulator| emulator.seen.invocations.load(Ordering::SeqCst);
    assert!(invocations(&one) > 0 && invocations(&other) > 0);
    assert_eq!(invocations(&one) + invocations(&other), 40);
}

#[tokio::test]
async fn an_emulator_gets_no_event_until_its_abandoned_one_has_ended() {
    let scene = Scene::new().options(|options| options.timeout = Limit::After(Duration::from_secs(1)));
    let emulator = Emulator::start().await;
    scene.send("slow");
    let running = scene.start(emulator.settings());
    until("the handler is down", || running.unready_reasons().contains("given up")).await;
    scene.emptied().await;
    running.drain().await;
    assert_eq!((emulator.seen.concurrent(), emulator.seen.runs_of("slow")), (0, 2));
}

#[tokio::test]
async fn an_unreachable_emulator_pauses_polling_until_it_listens() {
    let scene = Scene::new();
    let listener = PlainListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    scene.send("done");
    let running = scene.start(Settings::of_url(format!("http://{address}")).unwrap());
    until("the handler is down", || running.unready_reasons().contains("handler is down")).await;
    assert!(
        running.unready_reasons().contains(&format!("emulator at {address}")),
        "{}",
        running.unready_reasons()
    );
    assert_eq!(scene.visible(), 1);
    let emulator = Emulator::on(TcpListener::bind(address).await.unwrap());
    scene.emptied().await;
    running.drain().await;
    assert_eq!(emulator.seen.runs_of("done"), 1);
}

#[tokio::test]
async fn an_unreachable_emulator_leaves_its_work_to_the_others() {
    let scene = Scene::new().options(|options| options.concurrency = 4);
    let emulator = Emulator::start().await;
    let gone = PlainListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    scene.send_all((0..10).map(|number| format!("done:{number}")));
    let urls = vec![format!("http://{gone}").parse().unwrap(), emulator.url.parse().unwrap()];
    let running = scene.start(Settings { urls, ..Settings::default() });
    scene.emptied().await;
    running.drain().await;
    for number in 0..10 {
        assert_eq!(emulator.seen.runs_of(&format!("done:{number}")), 1);
    }
}

#[tokio::test]
async fn an_emulator_that_hangs_beside_an_unreachable_one_pauses_polling() {
    let scene = Scene::new().options(|options| options.timeout = Limit::After(Duration::from_secs(1)));
    let emulator = Emulator::start().await;
    let gone = PlainListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    scene.send("hang");
    let urls = vec![emulator.url.parse().unwrap(), format!("http://{gone}").parse().unwrap()];
    let running = scene.start(Settings { urls, ..Settings::default() });
    until("the handler is down", || running.unready_reasons().contains("handler is down")).await;
    assert_eq!((emulator.seen.concurrent(), emulator.seen.runs_of("hang")), (0, 1));
    running.drain().await;
}
