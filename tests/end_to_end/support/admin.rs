//! A client of a process's admin server.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{http, until};

/// The admin server of a process.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) address: String,
}

impl Admin {
    /// Requests a page; returns its status and text.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        http::get(&self.address, path).await
    }

    pub(crate) async fn json(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.get(path).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    pub(crate) async fn is_ready(&self) -> bool {
        self.get("/readyz").await.0 == 200
    }

    pub(crate) async fn becomes_ready(&self) {
        until("the worker is ready", async || self.is_ready().await).await;
    }

    /// The entry of a queue on the status page, once it is open.
    pub(crate) async fn queue(&self, name: &str) -> Value {
        let mut found = None;
        until("the queue is open", async || {
            let (_, status) = self.json("/status").await;
            let queues = status["queues"].as_array().unwrap();
            found = queues.iter().find(|queue| queue["queue"] == name).cloned();
            found.is_some()
        })
        .await;
        found.unwrap_or_default()
    }

    /// Every sample of `/metrics`, by its name and labels.
    pub(crate) async fn samples(&self) -> BTreeMap<String, f64> {
        parse(&self.get("/metrics").await.1)
    }

    /// One sample without the prefix of its name, such as `messages_running{queue="orders"}`; zero when absent.
    pub(crate) async fn sample(&self, name: &str) -> f64 {
        self.samples().await.get(&format!("longshore_{name}")).copied().unwrap_or_default()
    }

    /// The sum of the samples whose name and labels begin with this text.
    pub(crate) async fn total(&self, start: &str) -> f64 {
        let samples = self.samples().await;
        samples.iter().filter(|(name, _)| name.starts_with(start)).map(|(_, value)| value).sum()
    }
}

/// Parses Prometheus's text format; panics at invalid lines.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut typed = BTreeMap::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# TYPE ") {
            let (name, kind) = comment.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            typed.insert(name.to_owned(), kind.to_owned());
        } else if !line.starts_with("# HELP ") {
            let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a sample: {line}"));
            let name = sample.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let is_typed = [Some(name), family].into_iter().flatten().any(|name| typed.contains_key(name));
            assert!(is_typed, "a sample without a type: {line}");
            let value = value.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
            assert!(samples.insert(sample.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    samples
}
