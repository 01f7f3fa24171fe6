//! A runtime that lies: it breaks the rules of the Runtime API as each message's body says, in the first receive.
#![expect(
    clippy::disallowed_methods,
    clippy::exit,
    clippy::unwrap_used,
    reason = "a runtime is a program of its own"
)]

use std::{
    env,
    fs::OpenOptions,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process, thread,
    time::Duration,
};

use serde_json::Value;

/// The longest line of a response's head that it reads, as with the client of Python's runtime.
const LINE_BYTES: usize = 65_536;

/// The host's response to a request.
struct Reply {
    status: u16,
    request_id: String,
    body: Vec<u8>,
}

fn main() {
    match env::args().nth(1).as_deref() {
        Some("init-error") => {
            let report = r#"{"errorType":"Runtime.ImportModuleError","errorMessage":"no module named app"}"#;
            note(&format!("init-error {}", post("init/error", "", report.as_bytes()).status));
            process::exit(1);
        }
        Some("exit") => process::exit(3),
        Some("silent") => hang(),
        _ => {}
    }
    loop {
        let invocation = request_next();
        if invocation.status != 200 {
            process::exit(4);
        }
        handle(&invocation);
    }
}

fn handle(invocation: &Reply) {
    let event: Value = serde_json::from_slice(&invocation.body).unwrap();
    let record = &event["Records"][0];
    let (body, count) =
        (record["body"].as_str().unwrap(), record["attributes"]["ApproximateReceiveCount"].as_str().unwrap());
    note(&format!("{body} {count} {}", process::id()));
    let what = if count == "1" { body.split(':').next().unwrap() } else { "honest" };
    let (id, failure) = (&invocation.request_id, record["messageId"].as_str().unwrap());
    lie(what, id, failure);
}

fn lie(what: &str, id: &str, message_id: &str) {
    let answer = format!("invocation/{id}/response");
    let failing = format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{message_id}"}}]}}"#);
    match what {
        "twice" => {
            note_status("first", &post(&answer, "", b"{}"));
            note_status("second", &post(&answer, "", failing.as_bytes()));
            note_status("error", &post(&format!("invocation/{id}/error"), "", b"{}"));
        }
        "other-id" => {
            for other in ["8476a536-e9f4-11e8-9739-2dfe598c3fcd", "", "../x", "%00"] {
                note_status("other", &post(&format!("invocation/{other}/response"), "", failing.as_bytes()));
            }
            note_status("own", &post(&answer, "", b"{}"));
        }
        "meddle" => {
            let other = exchange_ids(id);
            note_status("meddled", &post(&format!("invocation/{other}/response"), "", failing.as_bytes()));
            wait_until(|| lines("> meddled ").len() == 2);
            note_status("own", &post(&answer, "", b"{}"));
        }
        "asks-again" => {
            note_status("again", &request_next());
            note_status("late", &post(&answer, "", b"{}"));
            // It must be ended by a signal.
            hang();
        }
        "init-late" => {
            note_status("init", &post("init/error", "", b"{}"));
            note_status("own", &post(&answer, "", b"{}"));
        }
        "error" => {
            let head = "Lambda-Runtime-Function-Error-Type: Runtime.Unhandled\r\n";
            note_status("error", &post(&format!("invocation/{id}/error"), head, b"no json"));
        }
        "hang" => hang(),
        "abort" => process::abort(),
        _ => lie_on_the_wire(what, &answer),
    }
}

fn lie_on_the_wire(what: &str, answer: &str) {
    match what {
        "seven" => note_status("seven", &post(answer, "", &vec![b'x'; 7 * 1024 * 1024])),
        "mid-answer" => send(answer, b"Content-Length: 100\r\n\r\n{\"batch"),
        "mid-chunk" => send(answer, b"Transfer-Encoding: chunked\r\n\r\n40\r\n{\"batch"),
        "write-and-exit" => {
            // So large that much of it is still to be read when the process is gone.
            let padded = format!("{{}}{}", " ".repeat(5_000_000));
            send(answer, format!("Content-Length: {}\r\n\r\n{padded}", padded.len()).as_bytes());
            process::exit(0);
        }
        "garbage" => {
            let mut stream = connect();
            stream.write_all(b"\0\x01\xffnonsense\r\n\r\n\r\n").unwrap();
            drop(stream.read(&mut [0; 64]));
            note_status("own", &post(answer, "", b"\0\xff not json"));
        }
        "trailer" => {
            let head = "Transfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Type\r\n";
            let body = b"2\r\n{}\r\n0\r\nLambda-Runtime-Function-Error-Type: Unhandled.Streaming\r\n\r\n";
            note_status("trailer", &request(answer, head, body));
        }
        "unknown-path" => {
            note_status("unknown", &post("restore/error", "", b"{}"));
            note_status("own", &post(answer, "", b"{}"));
        }
        "answer-and-exit" => {
            note_status("own", &post(answer, "", b"{}"));
            process::exit(0);
        }
        "on-request" => {
            wait_until(|| !lines("go").is_empty());
            note("answers");
            post(answer, "", b"{}");
        }
        "shows-its-id" => {
            note(&format!("id {}", answer.split('/').nth(1).unwrap()));
            wait_until(|| !lines("go").is_empty());
            note_status("own", &post(answer, "", b"{}"));
        }
        "never-again" => {
            note_status("own", &post(answer, "", b"{}"));
            hang();
        }
        _ => note_status("honest", &post(answer, "", b"{}")),
    }
}

fn hang() -> ! {
    loop {
        thread::park();
    }
}

/// Exchanges the id of the invocation with the other process.
fn exchange_ids(id: &str) -> String {
    note(&format!("id {id}"));
    wait_until(|| lines("id ").len() == 2);
    lines("id ").into_iter().find(|other| other != id).unwrap()
}

/// The rest of the journal's lines that start with this text.
fn lines(start: &str) -> Vec<String> {
    let journal = std::fs::read_to_string(env::var("JOURNAL").unwrap()).unwrap();
    journal.lines().filter_map(|line| line.strip_prefix(start)).map(str::to_owned).collect()
}

fn wait_until(is_true: impl Fn() -> bool) {
    while !is_true() {
        thread::sleep(Duration::from_millis(10));
    }
}

fn note_status(request: &str, reply: &Reply) {
    note(&format!("> {request} {}", reply.status));
}

fn note(line: &str) {
    let mut journal =
        OpenOptions::new().append(true).create(true).open(env::var("JOURNAL").unwrap()).unwrap();
    journal.write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn path(rest: &str) -> String {
    format!("/2018-06-01/runtime/{rest}")
}

fn connect() -> TcpStream {
    TcpStream::connect(env::var("AWS_LAMBDA_RUNTIME_API").unwrap()).unwrap()
}

/// Sends the beginning of a request, and closes the connection.
fn send(rest: &str, after_head: &[u8]) {
    let mut stream = connect();
    stream.write_all(format!("POST {} HTTP/1.1\r\nHost: x\r\n", path(rest)).as_bytes()).unwrap();
    stream.write_all(after_head).unwrap();
}

/// Requests the next invocation.
fn request_next() -> Reply {
    exchange(&format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", path("invocation/next")), b"")
}

fn post(rest: &str, headers: &str, body: &[u8]) -> Reply {
    request(rest, &format!("{headers}Content-Length: {}\r\n", body.len()), body)
}

fn request(rest: &str, headers: &str, body: &[u8]) -> Reply {
    exchange(&format!("POST {} HTTP/1.1\r\nHost: x\r\n{headers}\r\n", path(rest)), body)
}

fn exchange(head: &str, body: &[u8]) -> Reply {
    let mut stream = connect();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    read_reply(BufReader::new(stream))
}

fn read_reply(mut stream: BufReader<TcpStream>) -> Reply {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let (mut length, mut request_id) = (0, String::new());
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert!(line.len() <= LINE_BYTES, "got more than {LINE_BYTES} bytes when reading a header line");
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "lambda-runtime-aws-request-id" => value.clone_into(&mut request_id),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Reply { status, request_id, body }
}
