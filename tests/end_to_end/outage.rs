//! An outage of SQS during work: it stops answering, or it is unreachable.

use super::support::{
    Dev, Gate, Handler, Pair, Signal, Worker, http,
    proxy::{Proxy, ProxyMode},
    until,
};

/// A worker behind a proxy, which has done one message and waits for the next.
struct Scene {
    dev: Dev,
    pair: Pair,
    proxy: Proxy,
    gate: Gate,
    handler: Handler,
    worker: Worker,
}

impl Scene {
    async fn start() -> Self {
        let dev = Dev::start().await;
        let pair = dev.sqs.pair("orders", 5).await;
        let proxy = Proxy::before(http::authority(&dev.endpoint)).await;
        let through_proxy = pair.queue.replace(&dev.endpoint, &format!("http://{}", proxy.address));
        let gate = Gate::opened();
        let handler = gate.handler();
        let worker = Worker::start(&through_proxy, &handler, "receive = { wait = \"1s\" }").await;
        dev.sqs.send(&pair.queue, "before").await;
        handler.has_ended(1).await;
        dev.sqs.becomes_empty(&pair.queue).await;
        Self { dev, pair, proxy, gate, handler, worker }
    }

    /// Checks that the worker works again after the outage.
    async fn goes_on(&self) {
        self.proxy.set_mode(ProxyMode::Open);
        self.dev.sqs.send(&self.pair.queue, "after").await;
        self.handler.has_ended(2).await;
        self.dev.sqs.becomes_empty(&self.pair.queue).await;
        self.worker.admin.becomes_ready().await;
        assert!(self.worker.admin.queue("orders").await["lastError"].is_null());
        assert_eq!(self.handler.started()[1].receive_count(), 1, "no receive was lost on the way");
    }
}

#[tokio::test]
async fn a_receive_that_hangs_is_replaced_and_the_work_goes_on() {
    let scene = Scene::start().await;
    let admin = &scene.worker.admin;
    scene.proxy.set_mode(ProxyMode::Silent);
    let hung = r#"api_calls_total{action="receive",queue="orders",result="hung"}"#;
    until("a receive was given up", async || admin.sample(hung).await >= 1.0).await;
    assert_eq!(admin.get("/livez").await.0, 200, "the loop itself is alive");
    assert!(admin.sample(r#"seconds_since_successful_receive{queue="orders"}"#).await >= 3.0);
    assert!(admin.queue("orders").await["lastError"].is_string());
    scene.goes_on().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever_for_a_silent_queue() {
    let Scene { dev, pair, proxy, gate, handler, mut worker } = Scene::start().await;
    gate.close();
    dev.sqs.send(&pair.queue, "done and not deleted").await;
    handler.has_started(2).await;
    proxy.set_mode(ProxyMode::Silent);
    gate.open();
    handler.has_ended(2).await;
    worker.process.signal(Signal::Terminate);
    let ended = worker.process.ended().await;
    assert_eq!(ended.code, Some(75), "{}", ended.errors);
    assert!(ended.errors.contains("come back after their visibility"), "{}", ended.errors);
}

#[tokio::test]
async fn a_queue_that_is_gone_makes_the_worker_unready_until_it_is_back() {
    let scene = Scene::start().await;
    let admin = &scene.worker.admin;
    scene.proxy.set_mode(ProxyMode::Closed);
    until("the worker is not ready", async || !admin.is_ready().await).await;
    let (_, body) = admin.json("/readyz").await;
    assert!(body["unready"]["orders receive"].is_string(), "{body}");
    assert_eq!(admin.get("/livez").await.0, 200, "a new process would not help");
    scene.goes_on().await;
}
