#!/usr/bin/env python3
"""Counts the instructions of a message, in the worker and in the bare loop, and prints a table in Markdown.

Usage: instructions.py [MESSAGES]; `make bench-instructions` builds what it needs. Each contender runs twice under valgrind, once with
twice as many messages: the difference counts, so that its start does not. SHA-256 is left out, which a processor computes itself
but valgrind's does not. Counts, unlike times, hardly depend on what else the machine does. The profiles stay in
target/instructions, for callgrind_annotate.
"""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from emulator import Emulator  # noqa: E402

RELEASE = Path(os.environ.get("BENCH_RELEASE", "target/release"))
PROFILES = Path("target/instructions")
BODY = "x" * 200
CONTENDERS = {
    "bare loop, eight pollers, default SDK settings": ("bench_bare_loop", "8"),
    "worker, no-op handler on the engine's thread": ("bench_worker", "engine"),
    "worker, no-op handler on the caller's runtime": ("bench_worker", "caller"),
}


def main():
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    PROFILES.mkdir(parents=True, exist_ok=True)
    counts = [(name, per_message(*contender, messages)) for name, contender in CONTENDERS.items()]
    yardstick = counts[0][1]
    print(f"| {messages:,} messages | instructions a message | times the bare loop |\n|---|---|---|")
    for name, count in counts:
        print(f"| {name} | {count:,.0f} | {count / yardstick:.2f} |")


def per_message(program, mode, messages):
    once, twice = (instructions(program, mode, count) for count in (messages, 2 * messages))
    return (twice - once) / messages


def instructions(program, mode, messages):
    queue = f"{program}-{mode}-{messages}"
    profile = PROFILES / f"{queue}.out"
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}"]
    emulator = Emulator(RELEASE / "longshore")
    try:
        emulator.call("CreateQueue", QueueName=queue)
        emulator.send(queue, [BODY] * messages)
        command = [*valgrind, RELEASE / "examples" / program, emulator.url(queue), str(messages), mode]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    finally:
        emulator.stop()
    return sum(count for function, count in own_counts(profile).items() if "sha2::" not in function)


def own_counts(profile):
    """What each function executes itself; a line after `calls=` is what was called."""
    names, counts, function, is_call = {}, {}, None, False
    for line in profile.read_text().splitlines():
        if line.startswith("fn="):
            number, _, name = line[3:].partition(" ")
            names.setdefault(number, name)
            function = names[number]
        elif line.startswith("cfn=") or line.startswith("cfni="):
            number, _, name = line.partition("=")[2].partition(" ")
            names.setdefault(number, name)
        elif line.startswith("calls="):
            is_call = True
        elif line[:1] in set("0123456789+-*"):
            if not is_call:
                counts[function] = counts.get(function, 0) + int(line.split()[-1])
            is_call = False
    return counts


if __name__ == "__main__":
    main()
