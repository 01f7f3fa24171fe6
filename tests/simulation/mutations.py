#!/usr/bin/env python3
"""Breaks each promise on purpose in a copy of the tree, and prints the first seed of the simulation that finds it.

With names it runs these only, and leaves the table in docs/simulation.md; with --texts it checks alone that the texts are there. All mutations are built at once: each becomes `if crate::mutation::is("name") { mutated } else { original }`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / "target" / "mutations" / "tree"
SEEDS = 200

# Promise, name, file, original and mutated text; both are expressions or statements.
MUTATIONS = [
    ("1", "a retry is deleted", "src/consumer/disposition.rs",
     "Outcome::Retry(reason) | Outcome::Crashed(reason) => {\n                {0}\n            }",
     "Conclusion::new(Ending::Retry, reason, self.retry(message))",
     "Conclusion::new(Ending::Retry, reason, Disposition::Delete)"),
    ("1", "a panic is deleted", "src/consumer/disposition.rs",
     "LeaseStatus::Held | LeaseStatus::Cancelled => {\n                {0}\n            }",
     "Conclusion::new(Ending::Panicked, reason, self.retry(message))",
     "Conclusion::new(Ending::Panicked, reason, Disposition::Delete)"),
    ("1", "a reject whose copy is refused is deleted", "src/consumer/settle/dead_letter.rs",
     "let visible = {0};",
     "settlement.followed_by(SettleAction::ChangeVisibility(delay))",
     "settlement.followed_by(SettleAction::Delete)"),
    ("2", "an extension is due at the end of the visibility", "src/consumer/lease/ledger.rs",
     "fn due(from: Instant, visibility: Duration, chance: f64) -> Instant {\n    {0}\n}",
     "from + visibility.mul_f64(0.45 + chance / 10.0)",
     "from + visibility.mul_f64(1.0 + chance / 10.0)"),
    ("2", "a failed extension is not tried again", "src/consumer/lease/heartbeat.rs",
     "self.leases.ledger().not_extended(extension, Instant::now(), {0});",
     "pause",
     "pause * 1_000"),
    ("3", "one more call than the concurrency", "src/consumer/buffer.rs",
     "if self.is_closed || {0} {\n            return None;",
     "self.running >= self.concurrency",
     "self.running > self.concurrency"),
    ("3", "more permits than the settings allow", "src/consumer/poller.rs",
     "let capacity = {0};",
     "(demand.most_running + prefetch).min(limits::IN_FLIGHT)",
     "(demand.most_running + prefetch + 3).min(limits::IN_FLIGHT)"),
    ("4", "every receive asks for ten", "src/consumer/poller.rs",
     "let max = {0};",
     "reservation.permits()",
     "limits::BATCH_ENTRIES"),
    ("5", "a lost lease does not cancel its call", "src/consumer/lease/ledger.rs",
     "let is_given_back = entry.state == LeaseState::Frozen;\n        entry.state = LeaseState::Lost;\n        {0};",
     "entry.cancellation.cancel()",
     "()"),
    ("5", "a message is deleted after its lease was lost", "src/consumer/lease/ledger.rs",
     "let entry = self.entries.get_mut(&lease).filter(|entry| {0})?;\n        entry.is_deleting = true;",
     "entry.is_held(now)",
     "true"),
    ("6", "a group does not wait for the message before", "src/consumer/dispatcher.rs",
     "if let Some(group) = group {\n                {0};",
     "lease.add_dependent(Box::new(GroupTurn::new(self.clone(), group.clone())))",
     "self.turn_ended(group, true)"),
    ("6", "what is behind a failure is not given back", "src/consumer/dispatcher_state.rs",
     "let Some(mut behind) = {0} else { return Vec::new() };",
     "self.buffer.fail(group)",
     "None"),
    ("6", "a call's later messages count behind a failure", "src/consumer/disposition.rs",
     "if let Some(delay) = {0} {\n                entry.insert(delay);",
     "retried_in",
     "None"),
    ("6", "a change of maxReceiveCount is not applied", "src/consumer/depth/redrive.rs",
     "let has_changed = {0};",
     "published.as_ref() != policy",
     "false"),
    ("7", "a message that is held runs again", "src/consumer/lease/ledger.rs",
     "if let Some(&older) = {0} {\n            match",
     "self.by_message.get(received.id)",
     "self.by_message.get(received.id).filter(|_| false)"),
    ("7", "what was done is forgotten", "src/consumer/lease/ledger.rs",
     "pub(super) fn is_done(&self, id: &MessageId) -> bool {\n        {0}\n    }",
     "self.unconfirmed.contains(id) || self.confirmed.contains(id)",
     "false"),
    ("7", "done after a lost lease is forgotten", "src/consumer/fifo.rs",
     "Disposition::Remember => {\n                {0};",
     "held.lease.mark_done()",
     "()"),
    ("8", "failed entries of an answer count as settled", "src/consumer/settle/flusher.rs",
     "match {0} {\n            Ok(()) if sent.is_superseded() =>",
     "entry",
     "entry.or_else(|_| Ok::<(), EntryError>(()))"),
    ("9", "a call is not ended at its time limit", "src/consumer/call.rs",
     "limit => {0}.map_or(CallLimit::None, CallLimit::At),",
     "limit.and_then(|limit| began.checked_add(limit))",
     "limit.and_then(|_| None)"),
    ("10", "a drain gives back no waiting message", "src/consumer/shutdown.rs",
     "pub(crate) fn give_back_waiting(&self) {\n        {0};",
     "self.dispatcher.give_back_waiting(Duration::ZERO, GiveBackCause::Stop)",
     "()"),
    ("10", "a drain has twice its limit", "src/worker/shutdown.rs",
     "let clock = DrainClock::start({0});",
     "limits.all",
     "limits.all * 2"),
    ("11", "a failed receive is repeated at once", "src/consumer/poller.rs",
     "self.schedule.failed({0});",
     "now + retry_in",
     "now"),
    ("12", "a body that cannot be read counts as done", "src/handler/from_json.rs",
     "serde_json::from_str(body).map_err(|error| {0})",
     "self.outcome(bad_body_reason(&error))",
     "Outcome::Done"),
    ("13", "a call is protected late", "src/ecs/protection_state.rs",
     "calls.and_then(|calls| {0});",
     "calls.oldest.checked_add(self.timing.after)",
     "calls.oldest.checked_add(self.timing.after * 4)"),
    ("13", "a protection is not released", "src/ecs/protection_state.rs",
     "match ({0}, long_at) {",
     "self.at(idle_since + LINGER, ProtectionRequest::Release, now)",
     "self.at(idle_since + LINGER * 100, ProtectionRequest::Release, now)"),
    ("14", "a shortage spends a receive", "src/consumer/disposition.rs",
     "Outcome::ShortOfResources(reason) => {0},\n        }\n    }",
     "Conclusion::kept(KeptFor::Resources, reason)",
     "Conclusion::new(Ending::Retry, reason, self.retry(message))"),
    ("15", "the breaker never opens", "src/consumer/breaker.rs",
     "} else if {0} {\n            let reason = format!(\"{CALLS_IN_A_ROW}",
     "self.row.calls >= CALLS_IN_A_ROW",
     "false"),
    ("15", "the last attempt is not kept", "src/consumer/disposition.rs",
     "KeptFailures::UncrashedAtLastAttempt | KeptFailures::UnavailableAtLastAttempt => {\n                {0}\n            }",
     "self.is_last_attempt(message.receive_count)",
     "false"),
    ("11", "a handler that is not available is called all the time", "src/consumer/start_limit.rs",
     "Phase::Closed(_) | Phase::Trial { .. } => {0},",
     "false",
     "true"),
    ("16", "the oldest call is not shown", "src/consumer/running.rs",
     "pub(crate) fn oldest(&self, now: Instant) -> Option<Duration> {\n        {0}\n    }",
     "self.calls.oldest(|call| call.began, now)",
     "None"),
    ("8", "refused deletes leave the worker ready", "src/consumer/settle/flusher.rs",
     "if {0} {\n            self.cannot_settle(error);",
     "error.retry_class().is_outage_after(attempt)",
     "false"),
]

SWITCH = '''
/// The mutation of this run.
#[expect(missing_docs, clippy::all, reason = "a copy that is thrown away")]
pub(crate) mod mutation {
    pub(crate) fn is(name: &str) -> bool {
        static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
        CHOSEN.get_or_init(|| std::env::var("LONGSHORE_MUTATION").ok()).as_deref() == Some(name)
    }
}
'''


def mutate(text, mutation):
    _, name, path, frame, original, mutated = mutation
    before = frame.replace("{0}", original)
    if text.count(before) != 1:
        sys.exit(f"error: {path} has {text.count(before)} times the text of \"{name}\":\n{before}")
    switch = f'(if crate::mutation::is("{name}") {{ {mutated} }} else {{ {original} }})'
    return text.replace(before, frame.replace("{0}", switch))


def mutated_files():
    """The mutated files by their paths; ends the program if a text is not there, or more than once."""
    changed = {}
    for mutation in MUTATIONS:
        path = mutation[2]
        changed[path] = mutate(changed.get(path) or (ROOT / path).read_text(), mutation)
    return changed


def copy_tree():
    COPY.mkdir(parents=True, exist_ok=True)
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in files.stdout.splitlines():
        source, copy = ROOT / name, COPY / name
        if not source.is_file():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.is_file() or copy.read_bytes() != source.read_bytes():
            shutil.copy(source, copy)
    changed = mutated_files()
    changed["src/lib.rs"] = (ROOT / "src/lib.rs").read_text() + SWITCH
    for path, text in changed.items():
        (COPY / path).write_text(text)


def build():
    """Builds the copy, and returns the path of its tests."""
    command = ["cargo", "test", "--locked", "--lib", "--no-run", "--message-format=json"]
    # A folder of its own: cargo would take the copy's library for that of the tree itself.
    environment = {**os.environ, "CARGO_TARGET_DIR": str(ROOT / "target" / "mutations" / "build")}
    built = subprocess.run(command, cwd=COPY, env=environment, capture_output=True, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    if built.returncode != 0:
        errors = [message["message"]["rendered"] for message in messages if message.get("message", {}).get("level") == "error"]
        sys.exit(f"error: the mutated copy does not build:\n{''.join(errors) or built.stderr}")
    return [message["executable"] for message in messages if message.get("executable")][-1]


def run(tests, name):
    environment = {**os.environ, "LONGSHORE_MUTATION": name, "LONGSHORE_SIMULATION_SEEDS": f"0..{SEEDS}",
                   "LONGSHORE_SIMULATION_FIRST": "1"}
    return subprocess.run([tests, "every_promise_holds"], cwd=COPY, env=environment, capture_output=True, text=True)


def write_table(rows):
    page = ROOT / "docs" / "simulation.md"
    text = page.read_text()
    before, rest = text.split("<!-- mutations -->")
    _, after = rest.split("<!-- end of mutations -->")
    lines = ["| promise | mutation | seed | reported as |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    page.write_text(f"{before}<!-- mutations -->\n" + "\n".join(lines) + f"\n<!-- end of mutations -->{after}")


def main(*names):
    chosen = [mutation for mutation in MUTATIONS if not names or mutation[1] in names]
    copy_tree()
    tests = build()
    unmutated = run(tests, "none")
    if unmutated.returncode != 0:
        sys.exit(f"error: the simulation fails without a mutation:\n{unmutated.stdout}{unmutated.stderr[-8_000:]}")
    rows, survivors = [], []
    for promise, name, *_ in chosen:
        result = run(tests, name)
        found = re.search(r"seed (\d+) breaks \d+\n  promise ([^:]*: [^:]*)|seed (\d+) breaks \d+\n  (a panic)", result.stdout + result.stderr)
        if result.returncode == 0 or not found:
            survivors.append(name)
            rows.append((promise, name, "not found", ""))
        else:
            rows.append((promise, name, found[1] or found[3], found[2] or found[4]))
        print(f"| {' | '.join(rows[-1])} |", flush=True)
    if not names:
        write_table(rows)
    if survivors:
        sys.exit(f"error: within {SEEDS} seeds the simulation does not find: {', '.join(survivors)}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--texts"]:
        mutated_files()
    else:
        main(*sys.argv[1:])
