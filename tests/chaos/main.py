#!/usr/bin/env python3
"""Runs real workers with every kind of handler against the emulator behind a faulty network, disturbs them, and counts what became of each message.

Usage: main.py PROGRAM SECONDS [SEED]. Ends with 1 if a message was lost, died without a run, overtook another of its group or is left,
or if a worker ended by a fault of its own.
"""

import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from emulator import Emulator
from faults import FaultProxy
from fleet import Fleet
from incidents import VISIBILITY
from recorder import Recorder

FUNCTION = Path(__file__).with_name("function.py")
# How long everything may take to end once nothing fails any more.
CALM = 180


def handlers(url):
    """The settings of each kind, all of which end in a call of the recorder."""
    curl = ["curl", "--silent", "--fail", "--data-binary", "@-", url]
    function = [sys.executable, str(FUNCTION), url]
    return {
        "http": f"handler = {{ kind = 'http', url = '{url}' }}",
        "exec": f"handler = {{ kind = 'exec', command = {curl} }}",
        "lambda": f"handler = {{ kind = 'lambda', command = {function}, partial_responses = 'on' }}\nbatch = {{ size = 5 }}",
    }


def configuration(emulator, proxy, kinds):
    text = "drain.receives = '2s'\n"
    for kind, handler in kinds.items():
        for name in (kind, f"{kind}.fifo"):
            url = emulator.queues[name].replace(str(emulator.port), str(proxy.port))
            text += f"[queues.{name.replace('.', '-')}]\nurl = '{url}'\n{handler}\nconcurrency = 3\n"
            text += f"visibility = '{VISIBILITY}s'\nretry = {{ initial = '1s', max = '2s' }}\nreceive = {{ wait = '2s' }}\n"
    return text


def storm(seconds, emulator, fleet, kinds):
    """Sends messages and disturbs workers for a while; returns the bodies by kind."""
    sent, number, began = {kind: [] for kind in kinds}, 0, time.monotonic()
    while time.monotonic() - began < seconds:
        for number in range(number, number + 7):
            for kind in kinds:
                sent[kind] += emulator.send(kind, number)
        number += 1
        time.sleep(random.uniform(0.3, 1.0))
        fleet.disturb()
        fleet.replace_ended()
    return sent


def calm(emulator, fleet, kinds):
    """Waits until the queues are empty."""
    fleet.wait_for_incidents()
    began = time.monotonic()
    while any(emulator.left(kind) for kind in kinds) and time.monotonic() - began < CALM:
        fleet.replace_ended()
        time.sleep(0.5)


def table(title, columns, rows):
    print(f"\n| {title} | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(str(cell) for cell in cells)} |")


def main():
    program, seconds = os.path.abspath(sys.argv[1]), float(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1_000_000)
    random.seed(seed)
    if not shutil.which("curl"):
        sys.exit("error: no curl here, which the exec kind runs for each message; hint: install curl")
    folder = Path(tempfile.mkdtemp(prefix="longshore-chaos-"))
    recorder = Recorder()
    kinds = handlers(recorder.url)
    emulator = Emulator(program, folder, kinds)
    proxy = FaultProxy(emulator.port)
    (folder / "longshore.toml").write_text(configuration(emulator, proxy, kinds), encoding="utf-8")
    fleet = Fleet(program, folder)
    sent = storm(seconds, emulator, fleet, kinds)
    proxy.heal()
    calm(emulator, fleet, kinds)
    facts = {kind: recorder.facts(kind, sent[kind], emulator.dead(kind), emulator.left(kind)) for kind in kinds}
    fleet.end()
    emulator.end()

    print(f"seed {seed}")
    table("fact", facts, {fact: [facts[kind][fact] for kind in kinds] for fact in facts["http"]})
    table("incident", ["count"], {name: [count] for name, count in sorted(fleet.incidents.items())})
    table("connection", ["count"], {name: [count] for name, count in sorted(proxy.counts.items())})
    table("worker ended with", ["count"], {code: [count] for code, count in sorted(fleet.codes.items())})
    broken = [f"{kind}: {count} {fact}" for kind in kinds for fact, count in list(facts[kind].items())[:4] if count]
    broken += [f"{fleet.faults()} workers ended by a fault"] if fleet.faults() else []
    if broken:
        examples = {kind: overtaken[:3] for kind, overtaken in recorder.overtaken.items() if overtaken}
        sys.exit(f"error: {'; '.join(broken)}; overtaken {examples}; logs in {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
