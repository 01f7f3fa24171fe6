//! A `longshore dev` on free ports.

use super::{
    Admin, Launch, Process, Sqs,
    http::{self, authority},
};

/// A `longshore dev` that serves.
pub(crate) struct Dev {
    pub(crate) process: Process,
    pub(crate) sqs: Sqs,
    /// The SQS server's endpoint.
    pub(crate) endpoint: String,
    /// The queue and the DLQ that it begins with, by their URLs.
    pub(crate) queue: String,
    pub(crate) dlq: String,
    /// The address of the ingest API.
    pub(crate) api: String,
    pub(crate) admin: Admin,
}

/// Lets the system choose the ports.
pub(crate) const FREE_PORTS: [&str; 6] =
    ["--sqs-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

impl Dev {
    /// A `dev` about to start on free ports, which writes a log.
    pub(crate) fn launch() -> Launch {
        Self::launch_as_usual().arguments(&["--verbose"])
    }

    /// A `dev` about to start on free ports, whose lines are all that it shows.
    pub(crate) fn launch_as_usual() -> Launch {
        Launch::of(&["dev"]).arguments(&FREE_PORTS)
    }

    pub(crate) async fn start() -> Self {
        Self::launched(Self::launch()).await
    }

    /// Starts it, and reads its addresses from its output.
    pub(crate) async fn launched(launch: Launch) -> Self {
        let process = launch.start();
        process.says("admin ").await;
        let (queue, dlq) = (value(&process, "  queue ").await, value(&process, "  dlq ").await);
        let api = authority(&value(&process, "ingest api ").await).to_owned();
        let admin = authority(&value(&process, "admin ").await).to_owned();
        let endpoint = format!("http://{}", authority(&queue));
        let (sqs, admin) = (Sqs::at(&endpoint), Admin { address: admin });
        Self { process, sqs, endpoint, queue, dlq, api, admin }
    }

    /// Sends a message through the ingest API.
    pub(crate) async fn post(&self, body: &str) {
        let (status, answer) = http::post(&self.api, "/v1/messages", body).await;
        assert_eq!(status, 202, "{answer}");
    }
}

/// The value after a name in the welcome text.
async fn value(process: &Process, name: &str) -> String {
    let line = process.says(name).await;
    line.split_whitespace().next_back().unwrap().to_owned()
}
