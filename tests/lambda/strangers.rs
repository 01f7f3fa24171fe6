//! Other processes of the machine at a hosted Runtime API: they get no work and can answer nothing.

use std::time::Duration;

use longshore::worker::Drained;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    functions,
    harness::{Scene, until},
};

/// Starts the runtime after it has noted the address of its API.
const NOTING: &str = "echo \"api $AWS_LAMBDA_RUNTIME_API\" >> \"$JOURNAL\"; exec \"$0\"";

/// The rest of the first line of the journal that starts with this text.
fn noted(scene: &Scene, start: &str) -> Option<String> {
    scene.lines().iter().find_map(|line| line.strip_prefix(start).map(str::to_owned))
}

/// The status of a request from this process, which is not of the runtime's process group.
async fn status(api: &str, method: &str, path: &str) -> u16 {
    let mut stream = TcpStream::connect(api).await.unwrap();
    let head =
        format!("{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn another_process_gets_no_work_and_can_answer_nothing() {
    let scene = Scene::new();
    let running = scene.start(functions::liar_after(NOTING));
    until("the runtime has started", || noted(&scene, "api ").is_some()).await;
    let api = noted(&scene, "api ").unwrap();
    for _ in 0..20 {
        assert_eq!(status(&api, "GET", "invocation/next").await, 403);
        assert_eq!(status(&api, "POST", "init/error").await, 403);
    }
    scene.send("shows-its-id");
    until("the function runs", || noted(&scene, "id ").is_some()).await;
    let id = noted(&scene, "id ").unwrap();
    for what in ["response", "error"] {
        assert_eq!(status(&api, "POST", &format!("invocation/{id}/{what}")).await, 403);
    }
    assert_eq!((scene.held(), scene.runs_of("shows-its-id")), (1, vec![1]));
    scene.note("go");
    scene.emptied().await;
    until("the function has written", || scene.statuses("own").len() == 1).await;
    assert_eq!(running.drain().await, Drained::All);
    assert_eq!((scene.runs_of("shows-its-id"), scene.statuses("own")), (vec![1], vec![202]));
}

#[tokio::test]
async fn idle_connections_of_another_process_delay_no_work() {
    let scene = Scene::new();
    let running = scene.start(functions::liar_after(NOTING));
    until("the runtime has started", || noted(&scene, "api ").is_some()).await;
    let api = noted(&scene, "api ").unwrap();
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(&api).await.unwrap());
    }
    scene.send("honest");
    scene.emptied().await;
    assert_eq!(scene.runs_of("honest"), [1]);
    // They are closed by their time limit.
    let mut last = idle.pop().unwrap();
    let closed = async { last.read(&mut [0; 64]).await };
    assert!(timeout(Duration::from_secs(30), closed).await.is_ok());
    running.drain().await;
}

#[tokio::test]
async fn a_process_that_the_runtime_has_started_is_of_its_group() {
    let scene = Scene::new();
    let running = scene.start(functions::liar_after("\"$0\" & wait"));
    scene.send("honest");
    scene.emptied().await;
    assert_eq!(running.drain().await, Drained::All);
    assert_eq!(scene.runs_of("honest"), [1]);
}
