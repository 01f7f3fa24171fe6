//! A queue that cannot be used: `run`, `send` and `check` name the place, the likely cause and the fix in the same words.

use std::net::TcpListener;

use super::support::{Dev, Handler, Launch};

/// What the three commands write about a queue.
async fn said(queue: &str) -> [(Option<i32>, String); 3] {
    let launch = |arguments: &[&str]| {
        let launch = Launch::of(arguments).arguments(&["--queue-url", queue]);
        launch.variable("LONGSHORE__START__PATIENCE", "1s").variable("AWS_EC2_METADATA_DISABLED", "true")
    };
    let handler = Handler::willing();
    let with_handler =
        |command| launch(&[command, "--handler", &handler.url(), "--admin-listen", "127.0.0.1:0"]);
    let (run, check, send) =
        tokio::join!(with_handler("run").run(), with_handler("check").run(), launch(&["send", "x"]).run());
    [run, check, send].map(|ended| (ended.code, format!("{}{}", ended.output, ended.errors)))
}

#[tokio::test]
async fn a_queue_that_cannot_be_used_is_explained_in_the_same_words_by_every_command() {
    let dev = Dev::start().await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let other = Handler::start(async |_| 404);
    let other = other.url();
    let other = other.trim_end_matches('/');
    for (queue, sentence, fix) in [
        (
            format!("http://{free}/000000000000/orders"),
            format!("no connection to http://{free}: connection refused, nothing listens there"),
            "start the server, such as longshore dev or longshore emulator".to_owned(),
        ),
        (
            format!("{other}/000000000000/orders"),
            format!("{other} answered 404 and not as sqs does"),
            "check the url, or endpoint_url".to_owned(),
        ),
        (
            format!("{}/000000000000/nowhere", dev.endpoint),
            "The specified queue does not exist".to_owned(),
            format!(
                "create nowhere, or check the url or name, the region us-east-1 and the account: {} has no such queue",
                dev.endpoint
            ),
        ),
        (
            "https://sqs.eu-west-1.amazonaws.com/123456789012/orders".to_owned(),
            "no credentials for aws".to_owned(),
            "AWS_PROFILE".to_owned(),
        ),
    ] {
        for (code, text) in said(&queue).await {
            assert_eq!(code, Some(69), "{text}");
            assert!(
                text.contains(&sentence) && text.contains(&fix),
                "{sentence} and {fix} are not in {text}"
            );
        }
    }
}
