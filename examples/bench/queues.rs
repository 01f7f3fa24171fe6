//! The program with many empty queues: the time until it is ready, and its memory.

use std::{
    fmt::Write as _,
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use super::{
    program::Failure,
    server::{Server, beside},
    usage::status_kib,
};

/// The time after which the memory is looked at, once all is ready: two long polls of each queue.
const SETTLED: Duration = Duration::from_secs(45);
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts `longshore run` with so many queues, whose handler is a program that never runs.
pub(crate) async fn measure(server: &Server, queues: usize) -> Result<(), Failure> {
    let mut config = String::new();
    for number in 0..queues {
        let url = server.queue(&format!("many-{number:04}"), 0, 0).await?;
        let handler = r#"{ kind = "exec", command = ["/bin/true"] }"#;
        write!(config, "[queues.many-{number:04}]\nurl = \"{url}\"\nhandler = {handler}\n")?;
    }
    let path = std::env::temp_dir().join(format!("bench-memory-{}.toml", std::process::id()));
    fs::write(&path, config)?;
    let admin = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string();
    let began = Instant::now();
    let worker = Command::new(beside("../longshore")?)
        .args(["run", "--admin-listen", &admin, "--config"])
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(Running)?;
    while !is_ready(&admin).await {
        if began.elapsed() > PATIENCE {
            return Err("the program with many queues does not become ready".into());
        }
        sleep(Duration::from_millis(5)).await;
    }
    let ready_after = began.elapsed();
    sleep(SETTLED).await;
    let peak_mib = status_kib(worker.0.id(), "VmHWM:") / 1024;
    println!(
        "\nqueues: {queues} empty ones\n  ready after {:>9} ms\n  peak {peak_mib:>16} MiB",
        ready_after.as_millis()
    );
    fs::remove_file(path)?;
    Ok(())
}

async fn is_ready(admin: &str) -> bool {
    let answer = async {
        let mut stream = TcpStream::connect(admin).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    answer.await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// A process that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to end.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
