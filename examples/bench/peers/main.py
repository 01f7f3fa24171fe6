#!/usr/bin/env python3
"""Measures Longshore beside other SQS consumers, in turn, on the same emulator, and prints the tables in Markdown.

Usage: main.py [MESSAGES] [ROUNDS]; `make bench-peers` builds and installs what it needs. The contenders have one core, the emulator
and this program another.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version

from contenders import CONCURRENCY, DRAIN, LONGSHORE, NODE, NODE_PROGRAM, UNEVEN
from counting_proxy import CountingProxy
from emulator import Emulator
from messages import MEAN_SECONDS, QUICK_MS, SLOW_MS, CeleryBodies, json_body, sleeping_times
from running import AWS, Running

IDEAL = CONCURRENCY / MEAN_SECONDS
UNEVEN_SECONDS = 8
# Starting ten Python processes on one core takes seconds.
START_LIMIT = 60


@dataclass
class Load:
    """What of a run counts: after a fifth of the messages or the warm-up, until nearly all are gone or the time is over."""

    queue: str
    messages: int
    warm_up: float
    seconds: float
    is_uneven: bool = False


@dataclass
class Figures:
    """Of the part that counts; the peaks are of the whole run."""

    messages: int
    seconds: float
    cpu_seconds: float
    handler_cpu_seconds: float
    calls: int
    peak_mb: float
    handler_peak_mb: float

    @property
    def per_second(self):
        return self.messages / self.seconds

    @property
    def cpu_us(self):
        return self.cpu_seconds / self.messages * 1e6

    @property
    def handler_cpu_us(self):
        return self.handler_cpu_seconds / self.messages * 1e6

    @property
    def calls_per_thousand(self):
        return self.calls / self.messages * 1000


class Bench:
    def __init__(self, emulator, core):
        self.emulator, self.core = emulator, core
        self.proxy = CountingProxy("127.0.0.1", emulator.port)
        self.bodies = {"json": json_body, "celery": CeleryBodies(emulator, self.create("sample"))}

    def create(self, queue):
        self.emulator.call("CreateQueue", QueueName=queue)
        return queue

    def measure(self, contender, load, port=None):
        """Lets it work on a queue that is full again; by way of another port, if one is named."""
        queue = self.create(f"{load.queue}-{contender.messages}")
        times = sleeping_times(load.messages - self.emulator.size(queue), load.is_uneven)
        self.emulator.send(queue, list(map(self.bodies[contender.messages], times)))
        with Running(contender, self.emulator.url(queue, port), self.core) as running:
            if self.wait(running, queue, load.messages - 1, START_LIMIT) == load.messages:
                running.fail(f"deleted no message in {START_LIMIT} s")
            self.wait(running, queue, load.messages * 4 // 5, load.warm_up)
            before = self.sample(running, queue)
            self.wait(running, queue, load.messages // 20, load.seconds)
            after = self.sample(running, queue)
        left, *used = [later - earlier for later, earlier in zip(after, before)]
        return Figures(-left, *used, running.memory_mb, running.handler_memory_mb)

    def wait(self, running, queue, left, seconds):
        """Waits until no more messages than that are left, or the time is over; answers how many are."""
        deadline = time.monotonic() + seconds
        while (size := self.emulator.size(queue)) > left and time.monotonic() < deadline:
            running.see_memory()
            time.sleep(0.02)
        return size

    def sample(self, running, queue):
        running.see_memory(is_due=True)
        cpu_seconds = running.cpu()
        return (self.emulator.size(queue), time.monotonic(), *cpu_seconds, self.proxy.calls.total())


def print_row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def drain_table(bench, load, rounds):
    runs = {contender.name: [] for contender in DRAIN}
    for _ in range(rounds):
        for contender in DRAIN:
            runs[contender.name].append(bench.measure(contender, load))
    # The proxy costs time, so the calls are counted in a run of their own.
    short = Load(load.queue, load.messages, warm_up=0.3, seconds=0.7)
    print_row("", "messages/s", "CPU µs a message", "peak MB", "handlers: CPU µs", "handlers: peak MB", "calls per 1,000")
    print("|---|---|---|---|---|---|---|")
    for contender in DRAIN:
        figures = {
            name: statistics.median(getattr(run, name) for run in runs[contender.name])
            for name in ("per_second", "cpu_us", "peak_mb", "handler_cpu_us", "handler_peak_mb")
        }
        calls = bench.measure(contender, short, bench.proxy.port).calls_per_thousand
        handlers = ["–", "–"]
        if contender.handler or contender.children_are_handlers:
            handlers = [f"{figures['handler_cpu_us']:,.0f}", f"{figures['handler_peak_mb']:,.0f}"]
        own = [f"{figures['per_second']:,.0f}", f"{figures['cpu_us']:,.1f}", f"{figures['peak_mb']:,.0f}"]
        print_row(contender.name, *own, *handlers, f"{calls:,.0f}")


def uneven_table(bench, load):
    print_row("", "messages/s", "of the ideal", "calls per 1,000")
    print("|---|---|---|---|")
    for contender in UNEVEN:
        run = bench.measure(contender, load, bench.proxy.port)
        print_row(contender.name, f"{run.per_second:.0f}", f"{run.per_second / IDEAL:.0%}", f"{run.calls_per_thousand:,.0f}")


def versions():
    longshore = subprocess.check_output([LONGSHORE, "--version"], text=True).split()[-1]
    node = subprocess.check_output([NODE_PROGRAM, "--version"], text=True).strip().lstrip("v")
    found = {"Longshore": longshore, "Node": node, "Python": sys.version.split()[0]}
    for name in ("sqs-consumer", "squiss-ts", "@aws-sdk/client-sqs"):
        package = NODE / "node_modules" / name / "package.json"
        found[name] = json.loads(package.read_text(encoding="utf-8"))["version"]
    found |= {name: version(name) for name in ("boto3", "celery", "kombu", "awslambdaric")}
    return ", ".join(f"{name} {number}" for name, number in found.items())


def check_programs():
    for contender in DRAIN + UNEVEN:
        program = contender.command("")[0]
        if not os.path.exists(program):
            raise SystemExit(f"error: {program} does not exist\nhint: `make bench-peers` builds and installs all programs")


def main(messages=40_000, rounds=3):
    check_programs()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("error: this process may use one core only\nhint: the contenders need one, the emulator another")
    os.sched_setaffinity(0, {cores[0]})
    os.environ |= AWS
    drain = Load("drain", messages, warm_up=1.5, seconds=2)
    uneven = Load("uneven", int(IDEAL * (UNEVEN_SECONDS + 5)), warm_up=4, seconds=UNEVEN_SECONDS, is_uneven=True)
    emulator = Emulator(LONGSHORE)
    try:
        bench = Bench(emulator, cores[1])
        print(f"{time.strftime('%Y-%m-%d')}: {versions()}.\n\n{messages:,} messages, medians of {rounds} rounds:\n", flush=True)
        drain_table(bench, drain, rounds)
        print(f"\nOne message in ten takes {SLOW_MS} ms, the others {QUICK_MS} ms, {CONCURRENCY} at once; the ideal is {IDEAL:.0f} a second:\n")
        uneven_table(bench, uneven)
    finally:
        emulator.stop()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
