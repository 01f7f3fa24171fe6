//! `longshore dlq` over real sockets: what is read is visible again, and a redrive that is killed loses nothing.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::support::{
    Call, Dev, Ended, Handler, Launch, Pair, Signal, Worker, patience::until_within, until,
};

/// Runs a `longshore dlq` on the DLQ of a queue.
async fn dlq(verb: &str, queue: &str, arguments: &[&str]) -> Ended {
    Launch::of(&["dlq", verb, queue]).arguments(arguments).run().await
}

fn bodies(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{{\"number\": {number}, \"kind\": \"k{}\"}}", number % 3)).collect()
}

async fn dead_letters(dev: &Dev, count: usize) -> Pair {
    let pair = dev.sqs.pair("orders", 3).await;
    dev.sqs.send_all(&pair.dlq, &bodies(count)).await;
    pair
}

async fn visible(dev: &Dev, url: &str) -> u64 {
    dev.sqs.counts(url).await.visible
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_redrive_that_is_killed_half_way_loses_nothing_and_repeats_at_most_a_batch() {
    const COUNT: u64 = 1_000;
    let dev = Dev::start().await;
    let pair = dead_letters(&dev, 1_000).await;
    let arguments = ["dlq", "redrive", &pair.queue, "--rate", "none", "--watch", "0s"];
    let mut redrive = Launch::of(&arguments).start();
    until("some are moved", async || visible(&dev, &pair.queue).await >= 100).await;
    redrive.signal(Signal::Kill);
    assert_eq!(redrive.ended().await.code, None, "it was killed");
    let moved = visible(&dev, &pair.queue).await;
    assert!((100..COUNT).contains(&moved), "half-way: {moved}");
    let counts = dev.sqs.counts(&pair.dlq).await;
    let left = counts.visible + counts.in_flight;
    assert!((COUNT..=COUNT + 10).contains(&(moved + left)), "{moved} and {left}");

    // What it held is visible after a minute.
    until_within(Duration::from_secs(90), "all are visible", async || {
        dev.sqs.counts(&pair.dlq).await.in_flight == 0
    })
    .await;
    let again = dlq("redrive", &pair.queue, &["--rate", "none", "--watch", "0s"]).await;
    assert_eq!(again.code, Some(0), "{}{}", again.output, again.errors);
    assert_eq!(dev.sqs.counts(&pair.dlq).await.visible, 0);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (body, _) in dev.sqs.take_all(&pair.queue).await {
        *seen.entry(body).or_default() += 1;
    }
    assert_eq!(seen.len(), 1_000, "every message is there");
    let twice = seen.values().filter(|count| **count == 2).count();
    assert!(twice <= 10 && seen.values().all(|count| *count <= 2), "{twice} are there twice");
}

#[tokio::test]
async fn a_list_costs_each_message_one_receive_and_hides_none_after_it() {
    let dev = Dev::start().await;
    let pair = dead_letters(&dev, 30).await;
    let listed = dlq("list", &pair.queue, &["--limit", "5"]).await;
    assert_eq!((listed.code, listed.output.lines().count()), (Some(0), 5), "{}", listed.errors);
    assert!(listed.errors.contains("30 messages") && listed.errors.contains("5 shown"), "{}", listed.errors);
    assert_eq!(visible(&dev, &pair.dlq).await, 30, "all are visible at once");
    let all = dlq("list", &pair.queue, &["--limit", "0", "--json"]).await;
    let all = json_lines(&all.output);
    let received = all.iter().map(|message| message["receives"].as_u64().unwrap());
    assert_eq!((all.len(), received.sum::<u64>()), (30, 35), "five were received twice, and no other one");
    let some = dlq("list", &pair.dlq, &["--field", "kind=k1", "--limit", "0", "--json"]).await;
    assert_eq!(json_lines(&some.output).len(), 10, "a dlq may be named itself: {}", some.errors);
    let id = all[7]["id"].as_str().unwrap();
    let shown = dlq("show", &pair.queue, &["--message", id]).await;
    let shown: Value = serde_json::from_str(&shown.output).unwrap();
    assert_eq!(shown["body"], all[7]["body"]);
    assert_eq!(visible(&dev, &pair.dlq).await, 30);
}

#[tokio::test]
async fn messages_are_exported_and_purged_by_their_fields() {
    let dev = Dev::start().await;
    let pair = dead_letters(&dev, 30).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dead.ndjson");
    let file_name = file.to_str().unwrap();
    let exported = dlq("export", &pair.queue, &["--output", file_name]).await;
    assert_eq!(exported.code, Some(0), "{}", exported.errors);
    assert_eq!(json_lines(&std::fs::read_to_string(&file).unwrap()).len(), 30);
    let again = dlq("export", &pair.queue, &["--output", file_name]).await;
    assert_eq!(again.code, Some(64), "no file is overwritten: {}", again.errors);

    let refused = dlq("purge", &pair.queue, &["--yes"]).await;
    assert_eq!(refused.code, Some(64), "{}", refused.errors);
    let unsure = dlq("purge", &pair.queue, &["--field", "kind=k1"]).await;
    assert_eq!((unsure.code, visible(&dev, &pair.dlq).await), (Some(64), 30), "{}", unsure.errors);
    let dry = dlq("purge", &pair.queue, &["--field", "kind=k1", "--dry-run"]).await;
    assert_eq!((dry.output.lines().count(), visible(&dev, &pair.dlq).await), (10, 30), "{}", dry.errors);
    let purged = dlq("purge", &pair.queue, &["--field", "kind=k1", "--yes"]).await;
    assert_eq!((purged.code, visible(&dev, &pair.dlq).await), (Some(0), 20), "{}", purged.errors);
    let left = dlq("list", &pair.queue, &["--field", "kind=k1", "--json"]).await;
    assert_eq!(left.output, "");
}

#[tokio::test]
async fn a_redrive_stops_by_itself_when_its_messages_are_rejected_again() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let handler = Handler::start(async |_: Call| 422);
    let (url, settings) = (handler.url(), "receive = { wait = \"1s\" }");
    let section = format!(
        "[queues.orders]\nurl = \"{}\"\nhandler = {{ kind = \"http\", url = \"{url}\", reject = [422] }}\n{settings}\n",
        pair.queue
    );
    let launch = Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&section);
    let _worker = Worker::launched(launch).await;
    dev.sqs.send_all(&pair.dlq, &bodies(200)).await;
    let redriven = dlq("redrive", &pair.queue, &["--json"]).await;
    assert_eq!(redriven.code, Some(75), "{}", redriven.errors);
    let end = json_lines(&redriven.output).pop().unwrap();
    assert_eq!(end["end"], "cameBack", "{end}");
    assert!(end["sent"].as_u64().unwrap() < 150, "it stops before all are sent: {end}");
    until("nothing is lost", async || {
        let (queue, dead) = (dev.sqs.counts(&pair.queue).await, dev.sqs.counts(&pair.dlq).await);
        queue.visible + queue.in_flight + dead.visible + dead.in_flight == 200
    })
    .await;
}

#[tokio::test]
async fn a_message_is_replayed_to_a_handler_as_a_worker_would_post_it_and_stays() {
    let dev = Dev::start().await;
    let pair = dead_letters(&dev, 3).await;
    let handler = Handler::start(async |call: Call| if call.text().contains('1') { 500 } else { 200 });
    let all = json_lines(&dlq("list", &pair.queue, &["--json"]).await.output);
    let url = handler.url();
    for (message, code, said) in [(&all[0], 0, "done"), (&all[1], 75, "retry")] {
        let id = message["id"].as_str().unwrap();
        let replayed = dlq("replay", &pair.queue, &["--message", id, "--handler", &url]).await;
        assert_eq!(replayed.code, Some(code), "{}", replayed.errors);
        assert!(replayed.output.starts_with(said), "{}", replayed.output);
        let calls = handler.ended();
        let call = calls.last().unwrap();
        assert_eq!(
            (call.text(), call.header("x-aws-sqsd-msgid")),
            (message["body"].as_str().unwrap().to_owned(), id)
        );
        assert_eq!((call.header("x-aws-sqsd-queue"), call.receive_count()), ("orders", 1));
    }
    assert_eq!(
        (visible(&dev, &pair.dlq).await, visible(&dev, &pair.queue).await),
        (3, 0),
        "nothing is settled"
    );
    let missing = dlq("replay", &pair.queue, &["--message", "none", "--handler", &url]).await;
    assert_eq!(missing.code, Some(64), "{}", missing.errors);
}

#[tokio::test]
async fn sqs_moves_a_whole_dlq_and_its_task_is_followed_shown_and_cancelled() {
    let dev = Dev::start().await;
    let pair = dead_letters(&dev, 40).await;
    let refused = dlq("redrive", &pair.queue, &["--by-sqs", "--limit", "3", "--field", "kind=k1"]).await;
    assert_eq!(refused.code, Some(64));
    assert!(
        refused.errors.contains("a choice of messages, such as --id, --limit"),
        "it names what sqs cannot do: {}",
        refused.errors
    );
    let odd = dlq("redrive", &pair.queue, &["--by-sqs", "--rate", "501/s"]).await;
    assert!(odd.code == Some(64) && odd.errors.contains("1/s to 500/s"), "{}", odd.errors);
    let no_dlq = dlq("redrive", &pair.queue, &["--dlq", "orders", "--by-sqs"]).await;
    assert_eq!(no_dlq.code, Some(64), "only a dlq is moved: {}", no_dlq.errors);
    assert_eq!(visible(&dev, &pair.dlq).await, 40, "nothing was moved or received");

    let arguments = ["dlq", "redrive", &pair.queue, "--by-sqs", "--rate", "1/s", "--json"];
    let mut followed = Launch::of(&arguments).start();
    followed.complains("Ctrl-C cancels the task").await;
    let second = dlq("redrive", &pair.queue, &["--by-sqs"]).await;
    assert!(second.code == Some(64) && second.errors.contains("one task"), "{}", second.errors);
    until("some are moved", async || visible(&dev, &pair.queue).await >= 2).await;
    followed.signal(Signal::Interrupt);
    let ended = followed.ended().await;
    assert_eq!(ended.code, Some(75), "{}", ended.errors);
    let end = json_lines(&ended.output).pop().unwrap();
    assert_eq!((&end["state"], &end["toMove"]), (&Value::from("cancelled"), &Value::from(40)), "{end}");
    let moved = end["moved"].as_u64().unwrap();
    let counts = (visible(&dev, &pair.queue).await, visible(&dev, &pair.dlq).await);
    assert_eq!(counts, (moved, 40 - moved), "what was moved stays there, and nothing else is moved");

    let detached = dlq("redrive", &pair.queue, &["--by-sqs", "--rate", "1/s", "--detach"]).await;
    assert_eq!(detached.code, Some(0), "{}", detached.errors);
    let shown = json_lines(&dlq("moves", &pair.queue, &["--json"]).await.output);
    let states: Vec<_> = shown.iter().map(|task| task["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["running", "cancelled"]);
    let cancelled = dlq("moves", &pair.queue, &["--cancel"]).await;
    assert!(cancelled.code == Some(0) && cancelled.output.contains("cancelled"), "{}", cancelled.errors);
    assert_eq!(dlq("moves", &pair.queue, &["--cancel"]).await.code, Some(1), "none runs any more");

    let all = dlq("redrive", &pair.queue, &["--by-sqs"]).await;
    assert!(all.code == Some(0) && all.output.contains("completed"), "{}{}", all.output, all.errors);
    assert_eq!((visible(&dev, &pair.queue).await, visible(&dev, &pair.dlq).await), (40, 0));
}

#[tokio::test]
async fn a_message_does_not_act_on_the_terminal() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    // SQS takes these; it refuses those below a blank.
    let hostile = "\u{9b}2J\u{202e}txt.exe\u{7f}";
    dev.sqs.send(&pair.dlq, hostile).await;
    let is_harmless = |text: &str| {
        !text.contains(|character: char| {
            (character.is_control() && character != '\n') || character == '\u{202e}'
        })
    };
    let listed = dlq("list", &pair.queue, &[]).await;
    assert!(listed.output.contains("txt.exe") && is_harmless(&listed.output), "{:?}", listed.output);
    let shown = json_lines(&dlq("list", &pair.queue, &["--json"]).await.output).remove(0);
    let full = dlq("show", &pair.queue, &["--message", shown["id"].as_str().unwrap()]).await;
    assert!(is_harmless(&full.output), "{:?}", full.output);
    let full: Value = serde_json::from_str(&full.output).unwrap();
    assert_eq!((&full["body"], &shown["body"]), (&Value::from(hostile), &Value::from(hostile)));
}
