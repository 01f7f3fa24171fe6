//! What a process has used so far, as the kernel accounts for it.

use std::{fmt, fs, process::id, time::Duration};

/// What draining a number of messages cost a process.
pub(crate) struct Usage {
    messages: usize,
    calls: u64,
    wall: Duration,
    cpu: Duration,
    peak_kib: u64,
}

impl Usage {
    /// The whole process's use, from its start on.
    pub(crate) fn of_this_process(messages: usize, calls: u64, wall: Duration) -> Self {
        Self { messages, calls, wall, cpu: cpu_time(), peak_kib: status_kib(id(), "VmHWM:") }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, calls, wall, cpu, peak_kib } = self;
        let (wall, cpu) = (wall.as_micros(), cpu.as_micros());
        write!(
            formatter,
            r#"{{"messages":{messages},"calls":{calls},"wall_us":{wall},"cpu_us":{cpu},"peak_kib":{peak_kib}}}"#
        )
    }
}

/// User and system time: fields 14 and 15 of `/proc/self/stat`, in ticks of 10 ms.
pub(crate) fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the name in parentheses, which may hold spaces.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// A line of a process's `/proc/…/status`, in KiB.
pub(crate) fn status_kib(process: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}
