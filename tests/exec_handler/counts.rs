//! What is counted of programs, and why calls fail.

use longshore::{
    duration::Span,
    handler::exec::Settings,
    telemetry::{FailureCause, Label as _, Metrics, ProcessExit},
};
use tokio_util::sync::CancellationToken;

use super::{
    alive::{until, within},
    harness::{Place, context, exec, message, outcome_of},
};

/// The processes of this state, those that have ended by this cause, the calls that failed by it.
fn processes(metrics: &Metrics, state: &str) -> u64 {
    metrics.count("longshore_handler_processes", &[("state", state)])
}

fn exits(metrics: &Metrics, cause: &str) -> u64 {
    metrics.count("longshore_handler_process_exits_total", &[("cause", cause)])
}

fn failures(metrics: &Metrics, cause: &str) -> u64 {
    metrics.count("longshore_handler_failures_total", &[("cause", cause)])
}

/// The failures by cause that a run of this script makes, and the ends by cause.
async fn counted(settings: Settings) -> (Vec<&'static str>, Vec<&'static str>) {
    let (handler, metrics) = (exec(settings), Metrics::new());
    handler.register_metrics(&metrics.queue("orders", "orders"));
    outcome_of(&handler, message("{}")).await;
    assert_eq!(processes(&metrics, "busy"), 0, "it has ended");
    let failed = FailureCause::ALL.iter().filter(|cause| failures(&metrics, cause.as_str()) > 0);
    let ended = ProcessExit::ALL.iter().filter(|cause| exits(&metrics, cause.as_str()) > 0);
    (failed.map(|cause| cause.as_str()).collect(), ended.map(|cause| cause.as_str()).collect())
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
    let (place, metrics) = (Place::new(), Metrics::new());
    let settings = Settings { grace: Span::millis(100), ..place.settings("exec sleep 600") };
    let handler = exec(settings);
    handler.register_metrics(&metrics.queue("orders", "orders"));
    let stop = CancellationToken::new();
    let call = handler.handle(std::sync::Arc::new(message("{}")), context(&stop));
    let told = async {
        until(|| processes(&metrics, "busy") == 1).await;
        assert_eq!(metrics.count("longshore_handler_process_starts_total", &[]), 1);
        stop.cancel();
    };
    within(async { tokio::join!(call, told) }).await;
    assert_eq!(processes(&metrics, "busy"), 0);
    assert_eq!(exits(&metrics, "killed"), 1);
    assert_eq!(failures(&metrics, "signal"), 0, "it did not fail by itself");
}
