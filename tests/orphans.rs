//! Orphans of programs, in a process that is made the reaper of its descendants.

use std::fs;

use longshore::process::Command;
use rustix::process::{getpid, set_child_subreaper};

use crate::support::{
    alive::{state, until, within},
    own_process::is_own_process,
};

async fn run(script: &str) {
    let mut process = Command::new("sh").args(["-c", script]).spawn().unwrap();
    assert!(within(process.wait()).await.unwrap().success());
}

/// The process ids that a script has written into a file, one in each line.
fn pids(file: &str) -> Vec<u32> {
    fs::read_to_string(file).unwrap().lines().map(|line| line.parse().unwrap()).collect()
}

#[tokio::test]
async fn orphans_of_earlier_programs_are_reaped_when_one_ends_and_nobody_elses_child_is() {
    let test =
        "tests::orphans::orphans_of_earlier_programs_are_reaped_when_one_ends_and_nobody_elses_child_is";
    if !is_own_process(test) {
        return;
    }
    set_child_subreaper(Some(getpid())).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let left = directory.path().join("left").to_str().unwrap().to_owned();
    // One stays in the program's group and is killed; one leaves the group and ends by itself.
    run(&format!("sleep 600 & echo $! >> {left}")).await;
    run(&format!("setsid sh -c 'sleep 0 & echo $! >> {left}'")).await;
    let mut own = std::process::Command::new("true").spawn().unwrap();
    let orphans = pids(&left);
    until(|| orphans.iter().copied().chain([own.id()]).all(|pid| matches!(state(pid), Some('Z') | None)))
        .await;
    run("true").await;
    assert!(orphans.iter().all(|pid| state(*pid).is_none()), "an orphan is left");
    assert!(own.wait().unwrap().success());
}
