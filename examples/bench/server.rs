//! `longshore dev` in a process of its own, for what is measured against the embedded SQS server.

use std::{
    error::Error,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use longshore::{
    OutgoingMessage,
    internals::{AwsAccess, Queue, open_queue},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

type Failure = Box<dyn Error + Send + Sync>;

/// `longshore dev`, which ends with this.
pub(crate) struct Server {
    process: Child,
    base: String,
}

impl Server {
    /// Starts it, and waits until it says where its queue is.
    pub(crate) fn start() -> Result<Self, Failure> {
        let listeners = ["--sqs-listen", "--api-listen", "--admin-listen"];
        let mut process = Command::new(beside("../longshore")?)
            .arg("dev")
            .args(listeners.into_iter().flat_map(|flag| [flag, "127.0.0.1:0"]))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let lines = BufReader::new(output).lines();
        let url =
            lines.map_while(Result::ok).find_map(|line| line.trim().strip_prefix("queue").map(str::to_owned));
        let url = url.ok_or("longshore dev did not say where its queue is")?;
        let base = url.trim().rsplit_once('/').ok_or("not a queue url")?.0.to_owned();
        Ok(Self { process, base })
    }

    /// Where SQS and SNS are served.
    pub(crate) fn origin(&self) -> &str {
        self.base.rsplit_once('/').map_or(&self.base, |(origin, _)| origin)
    }

    /// Creates a queue and fills it; answers its URL.
    pub(crate) async fn queue(
        &self,
        name: &str,
        messages: usize,
        body_bytes: usize,
    ) -> Result<String, Failure> {
        let url = format!("{}/{name}", self.base);
        self.create(name).await?;
        let queue = open_queue(&url, AwsAccess::default()).await?;
        fill(&*queue, messages, body_bytes).await?;
        Ok(url)
    }

    async fn create(&self, name: &str) -> Result<(), Failure> {
        let address = self.origin().trim_start_matches("http://");
        let body = format!("Action=CreateQueue&QueueName={name}");
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len(),
        );
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer.into()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to end.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Sends messages in tens.
pub(crate) async fn fill(queue: &dyn Queue, messages: usize, body_bytes: usize) -> Result<(), Failure> {
    let batch = vec![OutgoingMessage::new("x".repeat(body_bytes)); 10];
    for _ in 0..messages / batch.len() {
        for answer in queue.send(&batch).await? {
            answer?;
        }
    }
    Ok(())
}

/// The programs of the benchmarks lie beside each other, and the binary above.
pub(crate) fn beside(program: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    Ok(own.parent().unwrap_or(Path::new(".")).join(program))
}
