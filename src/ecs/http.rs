//! One bounded request to the agent, which speaks plain HTTP on a link-local address.

use std::{error::Error, io, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// How long a request may take; the agent asks AWS meanwhile.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// The most that is read of an answer: a task's metadata name every container.
const ANSWER_BYTES: usize = 1024 * 1024;

/// Why there is no answer.
pub(super) type Fault = Box<dyn Error + Send + Sync>;

/// Sends a request and reads the answer, whatever its status.
pub(super) async fn call(method: Method, url: &str, body: String) -> Result<(StatusCode, Bytes), Fault> {
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let answered = async {
        // A client of its own each time: requests are minutes apart, and a kept connection would be closed by then.
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await?;
        Ok((status, body.to_bytes()))
    };
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {LIMIT:?}"));
    tokio::time::timeout(LIMIT, answered).await.map_err(late)?
}
