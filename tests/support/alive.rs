//! The states of processes, and waits for them.

use std::{fs, time::Duration};

use tokio::time::{Instant, sleep, timeout};

/// Longer than any wait here takes on a slow machine.
const LIMIT: Duration = Duration::from_mins(1);

/// The state of a process; `None` when it was reaped.
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Returns true if a process runs; a zombie does not.
pub(crate) fn is_running(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// Waits for a fact.
pub(crate) async fn until(fact: impl Fn() -> bool) {
    let begin = Instant::now();
    while !fact() {
        assert!(begin.elapsed() < LIMIT, "it never came to be");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for work that must come to an end.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.unwrap()
}

/// The most memory that this process ever held.
pub(crate) fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
