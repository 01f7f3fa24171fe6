//! The HTTP client of the collector; it keeps the last error, which the exporter does not return.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};

use crate::error_chain::message_with_causes;

/// Why the last request failed without an answer; clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Reason(Arc<Mutex<Option<String>>>);

impl Reason {
    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reason, once; `None` where every request since was answered.
    pub(super) fn take(&self) -> Option<String> {
        self.lock().take()
    }
}

/// The client of the program's choice, which notes its failures.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) inner: reqwest::Client,
    pub(super) reason: Reason,
}

impl HttpClient for Client {
    fn send_bytes<'client, 'call>(
        &'client self,
        request: Request<Bytes>,
    ) -> BoxFuture<'call, Result<Response<Bytes>, HttpError>>
    where
        'client: 'call,
        Self: 'call,
    {
        async move {
            let answer = self.inner.send_bytes(request).await.map_err(without_address);
            *self.reason.lock() = answer.as_ref().err().map(|error| message_with_causes(&**error));
            answer
        }
        .boxed()
    }
}

/// The collector's address may hold a password.
fn without_address(error: HttpError) -> HttpError {
    let error: Result<Box<reqwest::Error>, HttpError> = error.downcast();
    match error {
        Ok(error) => error.without_url().into(),
        Err(other) => other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::net;

    #[tokio::test]
    async fn why_nobody_answers_is_told_without_the_address() {
        net::provide_tls();
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let client = Client { inner: reqwest::Client::new(), reason: Reason::default() };
        let request = Request::post(format!("http://user:canary@{nobody}/")).body(Bytes::new()).unwrap();
        assert!(client.send_bytes(request).await.is_err());
        let reason = client.reason.take().unwrap();
        assert!(reason.contains("Connection refused") && !reason.contains("canary"), "{reason}");
        assert_eq!(client.reason.take(), None);
    }
}
