//! How a program is ended: told first, then killed, with everybody in its group, whatever became of the call.

use std::{sync::Arc, time::Duration};

use longshore::{
    duration::Span,
    handler::{Outcome, exec::Settings},
};
use tokio_util::sync::CancellationToken;

use super::{
    alive::{is_running, state, until, within},
    harness::{Place, context, exec, message, retried},
};

/// Ignores SIGTERM, as its child does.
const STUBBORN: &str = "trap '' TERM; echo $$ > $DIR/leader; \
    sh -c 'trap \"\" TERM; echo $$ > $DIR/child; while :; do sleep 1; done' & while :; do sleep 1; done";

/// Says that it is there, and what of once it is told to end.
fn tidy(end: &str) -> String {
    // The shell would tell on standard error of the sleep that SIGTERM ends too.
    format!("exec 2> /dev/null; trap '{end}' TERM; echo $$ > $DIR/leader; while :; do sleep 0.02; done")
}

#[tokio::test]
async fn a_cancelled_call_tells_its_program_and_hears_what_it_has_to_say() {
    for (end, expected) in [
        ("exit 0", Outcome::Done),
        ("exit 75", Outcome::Retry("the program exited with 75".to_owned())),
        ("trap - TERM; kill -TERM $$", Outcome::Retry("the program was ended by SIGTERM".to_owned())),
    ] {
        let (place, cancellation) = (Place::new(), CancellationToken::new());
        let exec = exec(Settings { grace: Span::secs(600), ..place.settings(&tidy(end)) });
        let telling = async {
            place.pid("leader").await;
            cancellation.cancel();
        };
        let call = exec.handle(Arc::new(message("")), context(&cancellation));
        let (outcome, ()) = within(async { tokio::join!(call, telling) }).await;
        assert_eq!(outcome, expected);
    }
}

#[tokio::test]
async fn a_program_that_ignores_sigterm_is_killed_with_its_children_after_the_grace() {
    let (place, cancellation) = (Place::new(), CancellationToken::new());
    let exec = exec(Settings { grace: Span::millis(100), ..place.settings(STUBBORN) });
    let telling = async {
        let pids = (place.pid("leader").await, place.pid("child").await);
        cancellation.cancel();
        pids
    };
    let call = exec.handle(Arc::new(message("")), context(&cancellation));
    let (outcome, (leader, child)) = within(async { tokio::join!(call, telling) }).await;
    assert_eq!(retried(outcome), "the program was ended by SIGKILL");
    until(|| state(leader).is_none() && !is_running(child)).await;
}

#[tokio::test]
async fn a_dropped_call_ends_its_program_and_close_waits_for_it() {
    let place = Place::new();
    let exec = exec(Settings { grace: Span::millis(300), ..place.settings(STUBBORN) });
    let cancellation = CancellationToken::new();
    let pids = tokio::select! {
        outcome = exec.handle(Arc::new(message("")), context(&cancellation)) => panic!("{outcome:?}"),
        pids = async { (place.pid("leader").await, place.pid("child").await) } => pids,
    };
    assert!(is_running(pids.0), "it was killed without grace");
    within(exec.close()).await;
    assert_eq!(state(pids.0), None, "the program is not reaped");
    until(|| !is_running(pids.1)).await;
}

#[tokio::test]
async fn a_program_is_started_only_when_the_one_in_its_place_has_ended() {
    let place = Place::new();
    let script = "read name; if [ $name = first ]; then \
        trap 'until [ -e $DIR/go ]; do sleep 0.02; done; echo first ended >> $DIR/log; exit 0' TERM; \
        echo $$ > $DIR/leader; while :; do sleep 0.02; done; fi; echo $name began >> $DIR/log";
    let exec = exec(Settings { grace: Span::secs(600), ..place.settings(script) });
    let cancellation = CancellationToken::new();
    let call = |name: &str| exec.handle(Arc::new(message(format!("{name}\n"))), context(&cancellation));
    tokio::select! {
        outcome = call("first") => panic!("{outcome:?}"),
        _ = place.pid("leader") => {}
    }
    // Dropped while it waits: the next call waits in its stead.
    assert!(tokio::time::timeout(Duration::from_millis(50), call("second")).await.is_err());
    let (third, ()) = within(async {
        tokio::join!(call("third"), async {
            // More than enough for a program to start, were it let.
            tokio::time::sleep(Duration::from_millis(300)).await;
            place.write("go", "");
        })
    })
    .await;
    assert_eq!(third, Outcome::Done);
    assert_eq!(String::from_utf8(place.read("log")).unwrap(), "first ended\nthird began\n");
}

#[tokio::test]
async fn a_call_that_is_told_to_stop_before_its_start_starts_nothing() {
    let (place, cancellation) = (Place::new(), CancellationToken::new());
    cancellation.cancel();
    let exec = place.exec("touch $DIR/ran");
    let outcome = within(exec.handle(Arc::new(message("")), context(&cancellation))).await;
    assert!(retried(outcome).contains("cancelled"));
    assert!(!place.has("ran"));
}
