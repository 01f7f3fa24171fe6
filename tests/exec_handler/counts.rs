//! Metrics of programs and of failed calls.

use longshore::{
    duration::Span,
    handler::exec::Settings,
    telemetry::{FailureCause, Label as _, Metrics, ProcessExit},
};
use tokio_util::sync::CancellationToken;

use super::{
    alive::{until, within},
    harness::{ScriptDirectory, context, exec, message, outcome_of},
};

/// The number of processes in this state.
fn processes(metrics: &Metrics, state: &str) -> u64 {
    metrics.count("longshore_handler_processes", &[("state", state)])
}

/// The number of processes that ended with this cause.
fn exits(metrics: &Metrics, cause: &str) -> u64 {
    metrics.count("longshore_handler_process_exits_total", &[("cause", cause)])
}

/// The number of calls that failed with this cause.
fn failures(metrics: &Metrics, cause: &str) -> u64 {
    metrics.count("longshore_handler_failures_total", &[("cause", cause)])
}

/// The causes of the failed calls and of the exits in a run of these settings.
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
async fn a_failure_is_counted_by_its_cause() {
    let directory = ScriptDirectory::new();
    for (script, failures, exits) in [
        ("exit 0", vec![], vec!["expected"]),
        ("exit 3", vec!["exit_code"], vec!["expected"]),
        ("kill -9 $$", vec!["signal"], vec!["crashed"]),
    ] {
        assert_eq!(counted(directory.settings(script)).await, (failures, exits), "{script}");
    }
    assert_eq!(counted(Settings::of_command(["/nowhere/program"])).await, (vec!["spawn"], vec![]));
}

#[tokio::test]
async fn a_program_counts_as_busy_until_it_has_ended_and_as_killed_if_it_was_stopped() {
    let (directory, metrics) = (ScriptDirectory::new(), Metrics::new());
    let settings = Settings { grace: Span::millis(100), ..directory.settings("exec sleep 600") };
    let handler = exec(settings);
    handler.register_metrics(&metrics.queue("orders", "orders"));
    let stop = CancellationToken::new();
    let call = handler.handle(std::sync::Arc::new(message("{}")), context(&stop));
    let stopping = async {
        until(|| processes(&metrics, "busy") == 1).await;
        assert_eq!(metrics.count("longshore_handler_process_starts_total", &[]), 1);
        stop.cancel();
    };
    within(async { tokio::join!(call, stopping) }).await;
    assert_eq!(processes(&metrics, "busy"), 0);
    assert_eq!(exits(&metrics, "killed"), 1);
    assert_eq!(failures(&metrics, "signal"), 0, "it did not fail by itself");
}
