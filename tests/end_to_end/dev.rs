//! `longshore dev` as a new user sees it: a line for each message, every queue by its name, restarts on change.

use super::support::{
    Call, Dev, Handler, Launch, Signal,
    http::{self, authority},
};

/// Two queues: one of a handler behind HTTP, one of a program.
fn two_queues(url: &str, program: &str) -> String {
    format!(
        "[queues.orders]\nname = \"orders\"\nretry = {{ initial = \"1s\", jitter = \"none\" }}\n[queues.orders.handler]\nkind = \"http\"\n\
         url = \"{url}\"\n[queues.mails]\nname = \"mails\"\n[queues.mails.handler]\nkind = \"exec\"\n\
         command = [\"/bin/sh\", \"{program}\"]\n"
    )
}

async fn post(api: &str, queue: &str, body: &str) -> (u16, String) {
    http::post(api, &format!("/v1/queues/{queue}/messages"), body).await
}

#[tokio::test]
async fn each_message_is_a_line_and_each_queue_has_its_ingest_route() {
    let handler = Handler::start(async |call: Call| if call.text() == "bad" { 404 } else { 200 });
    let launch = Dev::launch_as_usual().file(&two_queues(&handler.url(), "job.sh"));
    let dev = Dev::launched(launch.script("job.sh", "read -r body; echo got $body\n")).await;
    assert_eq!(post(&dev.api, "orders", "good").await.0, 202);
    let done = dev.process.says("✓ orders").await;
    assert!(done.ends_with(" ms") && !done.contains('\u{1b}'), "{done:?}");
    assert_eq!(post(&dev.api, "mails", "letter").await.0, 202);
    let output = dev.process.says("» mails").await;
    assert!(output.ends_with(" got letter"), "{output}");
    dev.process.says("✓ mails").await;
    assert_eq!(post(&dev.api, "orders", "bad").await.0, 202);
    let retried = dev.process.says("↻ orders").await;
    assert!(retried.contains("404") && retried.ends_with(", try 2 of 3 in 1 s"), "{retried}");
    let dead = dev.process.says("→ orders").await;
    assert!(dead.contains("DLQ after 3 tries: ") && dead.contains("404"), "{dead}");
    let (status, answer) = post(&dev.api, "ordres", "x").await;
    assert!(status == 404 && answer.contains("there are: mails, orders"), "{answer}");
    let mut process = dev.process;
    process.signal(Signal::Terminate);
    let ended = process.ended().await;
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "no log unless it is asked for");
}

#[tokio::test]
async fn the_banner_has_a_command_to_try_for_every_queue() {
    let file = "[queues.orders]\nname = \"orders\"\n[queues.pay]\nname = \"pay.fifo\"\n";
    let dev = Dev::launched(Dev::launch_as_usual().file(file)).await;
    let try_it = dev.process.says("try         curl -d '{\"sleep_ms\": 2000}'").await;
    assert!(try_it.ends_with("/v1/queues/orders/messages"), "{try_it}");
    let of_group = dev.process.says("-H 'X-Message-Group-Id: a'").await;
    assert!(of_group.ends_with("/v1/queues/pay/messages"), "{of_group}");
    let page = dev.process.says("live page ").await;
    let (status, _) = http::get(authority(page.split_whitespace().last().unwrap()), "/").await;
    assert_eq!(status, 200);
    assert!(dev.process.says("longshore dev ").await.ends_with("configuration longshore.toml"));
}

#[tokio::test]
async fn the_command_to_try_on_a_queue_of_sms_names_a_phone() {
    let file = "[queues.texts]\nname = \"texts\"\n[queues.texts.handler]\nkind = \"sns\"\nphone_number_attribute = \"phone\"\n";
    let dev = Dev::launched(Dev::launch_as_usual().file(file)).await;
    let sample = dev.process.says("try         curl ").await;
    let (_, body) = sample.split_once("-d '").unwrap();
    let (body, url) = body.split_once("' ").unwrap();
    let path = url.strip_prefix(&format!("http://{}", dev.api)).unwrap();
    let (status, answer) = http::post(&dev.api, path, body).await;
    assert_eq!(status, 202, "{answer}");
    dev.process.says("sms to +15550100123: ahoy").await;
    dev.process.says("✓ texts").await;
}

#[tokio::test]
async fn the_banner_of_many_queues_has_the_configured_name_of_each() {
    let section = |number: u32| format!("[queues.q{number}]\nname = \"in-sqs-{number}\"\n");
    let file: String = (1..=10).map(section).collect();
    let dev = Dev::launch_as_usual().file(&file).start();
    let line = dev.says("/in-sqs-3").await;
    assert!(line.starts_with("  queue       q3   http://"), "{line}");
}

#[tokio::test]
async fn queues_of_dev_share_no_dlq() {
    let file = "[queues.orders]\nname = \"orders\"\n[queues.orders-queue]\nname = \"orders-queue\"\n";
    let dev = Dev::launched(Dev::launch_as_usual().file(file)).await;
    dev.process.says("/orders-queue-dlq").await;
    dev.process.says("/orders-dlq").await;
}

#[tokio::test]
async fn a_quiet_dev_shows_no_message_and_a_handler_that_is_down() {
    let mut handler = Handler::willing();
    let launch = Dev::launch_as_usual().arguments(&["--quiet", "--handler", &handler.url()]);
    let dev = Dev::launched(launch).await;
    dev.post("one").await;
    handler.has_ended(1).await;
    handler.kill();
    dev.post("two").await;
    dev.process.says("! longshore-dev-queue handler is down, polling is paused").await;
    let mut process = dev.process;
    process.signal(Signal::Terminate);
    let ended = process.ended().await;
    assert!(!ended.output.contains('✓'), "{}", ended.output);
}

#[tokio::test]
async fn a_changed_configuration_and_a_changed_program_start_the_worker_anew() {
    let one = "[queues.mails]\nname = \"mails\"\n[queues.mails.handler]\nkind = \"exec\"\ncommand = [\"/bin/sh\", \"job.sh\"]\n";
    let launch = Dev::launch_as_usual().arguments(&["--watch"]).file(one).script("job.sh", "echo first\n");
    let directory = launch.directory().to_owned();
    let dev = Dev::launched(launch).await;
    assert_eq!(post(&dev.api, "mails", "x").await.0, 202);
    assert!(dev.process.says("» mails").await.ends_with("first"));
    std::fs::write(directory.join("job.sh"), "echo the second\n").unwrap();
    dev.process.says("job.sh changed, the worker starts anew").await;
    assert_eq!(post(&dev.api, "mails", "x").await.0, 202);
    dev.process.says("the second").await;
    std::fs::write(directory.join("longshore.toml"), format!("{one}concurency = 2\n")).unwrap();
    dev.process.says("longshore.toml changed, and cannot be used").await;
    dev.process.complains("concurency").await;
    std::fs::write(directory.join("longshore.toml"), format!("{one}[queues.orders]\nname = \"orders\"\n"))
        .unwrap();
    dev.process.says("longshore.toml changed, the worker starts anew").await;
    let try_it = dev.process.says("try         curl -d '{\"sleep_ms\": 2000}'").await;
    assert!(try_it.ends_with("/v1/queues/orders/messages"), "{try_it}");
    assert_eq!(post(&dev.api, "orders", "{}").await.0, 202);
    dev.process.says("✓ orders").await;
    let mut process = dev.process;
    process.signal(Signal::Interrupt);
    assert_eq!(process.ended().await.code, Some(0));
}

#[tokio::test]
async fn lines_have_colours_on_a_terminal_unless_no_color_is_set() {
    let launch = || Dev::launch_as_usual().arguments(&["--exec", "/bin/sh -c 'exit 0'"]);
    for (launch, is_coloured) in [(launch(), true), (launch().variable("NO_COLOR", "1"), false)] {
        let terminal = launch.start_on_terminal((40, 160));
        let screen = terminal.shows("live page ").await;
        let api = screen.lines().find(|line| line.contains("ingest api")).unwrap().to_owned();
        let api = authority(api.split_whitespace().last().unwrap()).to_owned();
        assert_eq!(http::post(&api, "/v1/messages", "x").await.0, 202);
        terminal.shows("✓ longshore-dev-queue").await;
        assert_eq!(terminal.is_coloured('✓'), is_coloured);
        terminal.signal(Signal::Terminate);
        assert_eq!(terminal.ended().await, Some(0));
    }
}

#[tokio::test]
async fn what_dev_would_ignore_is_refused() {
    for (arguments, part) in [
        (&["--endpoint-url", "http://127.0.0.1:1"][..], "--endpoint-url has no effect in dev"),
        (&["--demo", "--exec", "job"], "cannot be used with"),
        (&["--handler", "h:1", "--exec", "job"], "cannot be used with"),
        (&["--exec", "job", "--batch", "5"], "the handler takes one message a call"),
    ] {
        let ended = Launch::of(&["dev"]).arguments(arguments).run().await;
        assert_eq!(ended.code, Some(64), "{arguments:?}: {}", ended.errors);
        assert!(ended.errors.contains(part), "{arguments:?}: {}", ended.errors);
    }
}
