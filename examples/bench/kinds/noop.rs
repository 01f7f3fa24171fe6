//! The other ends of the handlers, which do nothing: an HTTP server and a Lambda function, each a process of its own.

use std::{
    convert::Infallible,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use axum::{Router, serve::ListenerExt as _};
use lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Failure;

/// The word that makes this program the HTTP server.
pub(crate) const SERVE: &str = "serve";
/// The word that makes it the Lambda function.
pub(crate) const FUNCTION: &str = "function";

/// Answers 200 to everything, until it is ended.
#[expect(clippy::print_stdout, reason = "its parent reads where it listens")]
pub(crate) async fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/", listener.local_addr()?);
    // What cannot be set is slower, and serves all the same.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, Router::new().fallback(async || "{}")).await?)
}

/// Answers every event in the same way.
pub(crate) async fn function() -> Result<(), Failure> {
    let answer = async |_: LambdaEvent<Value>| Ok::<_, Infallible>(json!({}));
    run(service_fn(answer)).await.map_err(|error| error as Failure)
}

/// The HTTP server in a process of its own, which ends with this.
pub(crate) struct HttpServer {
    process: Child,
    pub(crate) url: String,
}

impl HttpServer {
    pub(crate) fn start() -> Result<Self, Failure> {
        let own = std::env::current_exe()?;
        let mut process = Command::new(own).arg(SERVE).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let mut url = String::new();
        BufReader::new(output).read_line(&mut url)?;
        Ok(Self { process, url: url.trim_end().to_owned() })
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to end.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
