//! What is counted of programs, and why calls fail.

use longshore::{
    duration::Span,
    handler::exec::Settings,
    telemetry::{Described, FailureCause, HandlerKind, Label as _, Metrics, ProcessExit, ProcessState},
};
use tokio_util::sync::CancellationToken;

use crate::{
    alive::{until, within},
    harness::{Place, context, exec, message, outcome_of},
};

/// Metrics of a queue whose handler is of this kind.
fn metrics() -> Metrics {
    let metrics = Metrics::new();
    metrics.queue("orders").describe(Described { destination: "orders".into(), kind: HandlerKind::Exec });
    metrics
}

/// The failures by cause that a run of this script makes, and the ends by cause.
async fn counted(settings: Settings) -> (Vec<&'static str>, Vec<&'static str>) {
    let metrics = metrics();
    let (handler, queue) = (exec(settings), metrics.queue("orders"));
    handler.metered(&queue);
    outcome_of(&handler, message("{}")).await;
    assert_eq!(queue.processes.of(ProcessState::Busy).get(), 0, "it has ended");
    let failures = FailureCause::ALL.iter().filter(|cause| queue.failures.of(**cause).get() > 0);
    let exits = ProcessExit::ALL.iter().filter(|cause| queue.process_exits.of(**cause).get() > 0);
    (failures.map(|cause| cause.as_str()).collect(), exits.map(|cause| cause.as_str()).collect())
}

#[tokio::test]
async fn a_failure_is_counted_by_what_went_wrong() {
    let place = Place::new();
    for (script, failures, exits) in [
        ("exit 0", vec![], vec!["expected"]),
        ("exit 3", vec!["exit_code"], vec!["expected"]),
        ("kill -9 $$", vec!["signal"], vec!["crashed"]),
    ] {
        assert_eq!(counted(place.settings(script)).await, (failures, exits), "{script}");
    }
    assert_eq!(counted(Settings::of_command(["/nowhere/program"])).await, (vec!["spawn"], vec![]));
}

#[tokio::test]
async fn a_program_counts_as_busy_until_it_has_ended_and_as_killed_when_it_was_told_to() {
    let (place, metrics) = (Place::new(), metrics());
    let settings = Settings { grace: Span::millis(100), ..place.settings("exec sleep 600") };
    let (handler, queue) = (exec(settings), metrics.queue("orders"));
    handler.metered(&queue);
    let stop = CancellationToken::new();
    let call = handler.handle(std::sync::Arc::new(message("{}")), context(&stop));
    let told = async {
        until(|| queue.processes.of(ProcessState::Busy).get() == 1).await;
        assert_eq!(queue.process_starts.get(), 1);
        stop.cancel();
    };
    within(async { tokio::join!(call, told) }).await;
    assert_eq!(queue.processes.of(ProcessState::Busy).get(), 0);
    assert_eq!(queue.process_exits.of(ProcessExit::Killed).get(), 1);
    assert_eq!(queue.failures.of(FailureCause::Signal).get(), 0, "it did not fail by itself");
}
