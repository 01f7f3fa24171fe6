//! A `longshore run` on a queue of the test's own.

use super::{Admin, Handler, Launch, Process};

/// A `longshore run` whose admin server answers.
pub(crate) struct Worker {
    pub(crate) process: Process,
    pub(crate) admin: Admin,
}

impl Worker {
    /// A worker, not started yet, on one queue called `orders`; `settings` are lines of its section.
    ///
    /// Short visibilities and waits, so that no test waits for long, and retries at once.
    pub(crate) fn launch(queue: &str, handler: &Handler, settings: &str) -> Launch {
        let url = handler.url();
        let section = section("orders", queue, &url, settings);
        Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&section)
    }

    /// Starts one and waits for its admin server.
    pub(crate) async fn launched(launch: Launch) -> Self {
        let process = launch.start();
        let line = process.complains("admin server listens").await;
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = line["address"].as_str().unwrap().to_owned();
        Self { process, admin: Admin { address } }
    }

    pub(crate) async fn start(queue: &str, handler: &Handler, settings: &str) -> Self {
        Self::launched(Self::launch(queue, handler, settings)).await
    }
}

/// The section of one queue in a `longshore.toml`.
pub(crate) fn section(name: &str, queue: &str, handler: &str, settings: &str) -> String {
    format!(
        "[queues.{name}]\nurl = \"{queue}\"\nhandler = {{ kind = \"http\", url = \"{handler}\" }}\n{settings}\n"
    )
}
