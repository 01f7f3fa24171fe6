//! Programs are ended with their groups: first SIGTERM, then SIGKILL, even if the call is dropped.

use std::{sync::Arc, time::Duration};

use longshore::{
    duration::Span,
    handler::{Outcome, exec::Settings},
};
use tokio_util::sync::CancellationToken;

use super::{
    alive::{is_running, state, until, within},
    harness::{ScriptDirectory, context, exec, message, retried},
};

/// Ignores SIGTERM, as its child does.
const STUBBORN: &str = "trap '' TERM; echo $$ > $DIR/leader; \
    sh -c 'trap \"\" TERM; echo $$ > $DIR/child; while :; do sleep 1; done' & while :; do sleep 1; done";

/// A script that runs `end` at SIGTERM, and writes its process id.
fn with_trap(end: &str) -> String {
    // The shell would report on standard error that SIGTERM ended the sleep, too.
    format!("exec 2> /dev/null; trap '{end}' TERM; echo $$ > $DIR/leader; while :; do sleep 0.02; done")
}

#[tokio::test]
async fn a_cancelled_call_ends_its_program_and_returns_its_outcome() {
    for (end, expected) in [
        ("exit 0", Outcome::Done),
        ("exit 75", Outcome::Retry("the program exited with 75".to_owned())),
        ("trap - TERM; kill -TERM $$", Outcome::Retry("the program was ended by SIGTERM".to_owned())),
    ] {
        let (directory, cancellation) = (ScriptDirectory::new(), CancellationToken::new());
        let exec = exec(Settings { grace: Span::secs(600), ..directory.settings(&with_trap(end)) });
        let cancelling = async {
            directory.pid("leader").await;
            cancellation.cancel();
        };
        let call = exec.handle(Arc::new(message("")), context(&cancellation));
        let (outcome, ()) = within(async { tokio::join!(call, cancelling) }).await;
        assert_eq!(outcome, expected);
    }
}

#[tokio::test]
async fn a_program_that_ignores_sigterm_is_killed_with_its_children_after_the_grace() {
    let (directory, cancellation) = (ScriptDirectory::new(), CancellationToken::new());
    let exec = exec(Settings { grace: Span::millis(100), ..directory.settings(STUBBORN) });
    let cancelling = async {
        let pids = (directory.pid("leader").await, directory.pid("child").await);
        cancellation.cancel();
        pids
    };
    let call = exec.handle(Arc::new(message("")), context(&cancellation));
    let (outcome, (leader, child)) = within(async { tokio::join!(call, cancelling) }).await;
    assert_eq!(retried(outcome), "the program was ended by SIGKILL");
    until(|| state(leader).is_none() && !is_running(child)).await;
}

#[tokio::test]
async fn a_dropped_call_ends_its_program_and_close_waits_for_it() {
    let directory = ScriptDirectory::new();
    let exec = exec(Settings { grace: Span::millis(300), ..directory.settings(STUBBORN) });
    let cancellation = CancellationToken::new();
    let pids = tokio::select! {
        outcome = exec.handle(Arc::new(message("")), context(&cancellation)) => panic!("{outcome:?}"),
        pids = async { (directory.pid("leader").await, directory.pid("child").await) } => pids,
    };
    assert!(is_running(pids.0), "it was killed without grace");
    within(exec.close()).await;
    assert_eq!(state(pids.0), None, "the program is not reaped");
    until(|| !is_running(pids.1)).await;
}

#[tokio::test]
async fn a_program_is_started_only_when_the_one_before_has_ended() {
    let directory = ScriptDirectory::new();
    let script = "read name; if [ $name = first ]; then \
        trap 'until [ -e $DIR/go ]; do sleep 0.02; done; echo first ended >> $DIR/log; exit 0' TERM; \
        echo $$ > $DIR/leader; while :; do sleep 0.02; done; fi; echo $name began >> $DIR/log";
    let exec = exec(Settings { grace: Span::secs(600), ..directory.settings(script) });
    let cancellation = CancellationToken::new();
    let call = |name: &str| exec.handle(Arc::new(message(format!("{name}\n"))), context(&cancellation));
    tokio::select! {
        outcome = call("first") => panic!("{outcome:?}"),
        _ = directory.pid("leader") => {}
    }
    // Dropped while it waits: the next call waits instead.
    assert!(tokio::time::timeout(Duration::from_millis(50), call("second")).await.is_err());
    let (third, ()) = within(async {
        tokio::join!(call("third"), async {
            // More than enough time to start a program.
            tokio::time::sleep(Duration::from_millis(300)).await;
            directory.write("go", "");
        })
    })
    .await;
    assert_eq!(third, Outcome::Done);
    assert_eq!(String::from_utf8(directory.read("log")).unwrap(), "first ended\nthird began\n");
}

#[tokio::test]
async fn a_call_that_is_cancelled_before_its_start_starts_no_program() {
    let (directory, cancellation) = (ScriptDirectory::new(), CancellationToken::new());
    cancellation.cancel();
    let exec = directory.exec("touch $DIR/ran");
    let outcome = within(exec.handle(Arc::new(message("")), context(&cancellation))).await;
    assert!(retried(outcome).contains("cancelled"));
    assert!(!directory.has("ran"));
}
