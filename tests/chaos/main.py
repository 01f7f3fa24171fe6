#!/usr/bin/env python3
"""Runs real workers against the emulator behind a faulty network, kills and suspends them, and counts what became of each message.

Usage: main.py PROGRAM SECONDS [SEED]. Ends with 1 if a message was lost, died without a run, or overtook another of its group.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from faults import FaultProxy
from handler import RecordingHandler

VISIBILITY = 5
WORKERS = 3
MAX_RECEIVES = 100
GROUPS = 8


class Emulator:
    """An emulator in a process of its own, with a standard and a FIFO queue."""

    def __init__(self, program, folder):
        self.folder = folder
        command = [program, "emulator", "--listen", "127.0.0.1:0"]
        with open(folder / "emulator.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
        self.port = self.wait_for_port()
        self.queues = {name: self.create(name) for name in ("plain", "ordered.fifo")}

    def wait_for_port(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            text = (self.folder / "emulator.log").read_text(encoding="utf-8")
            for word in text.replace("/", " ").replace('"', " ").replace(",", " ").split():
                if word.startswith("127.0.0.1:") and word[10:].isdigit() and word[10:] != "0":
                    return int(word[10:])
            time.sleep(0.05)
        sys.exit(f"error: the emulator did not start: {text}")

    def call(self, action, **parameters):
        headers = {
            "X-Amz-Target": f"AmazonSQS.{action}",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0",
        }
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", data=json.dumps(parameters).encode(), headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"{}")

    def create(self, name):
        fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        dlq = self.call("CreateQueue", QueueName=f"dead-{name}", Attributes=fifo)["QueueUrl"]
        arn = self.call("GetQueueAttributes", QueueUrl=dlq, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
        return self.call("CreateQueue", QueueName=name, Attributes={"RedrivePolicy": policy, **fifo})["QueueUrl"]

    def send(self, number):
        self.call("SendMessage", QueueUrl=self.queues["plain"], MessageBody=f"plain {number}")
        group = {"MessageGroupId": f"g{number % GROUPS}", "MessageDeduplicationId": str(number)}
        self.call("SendMessage", QueueUrl=self.queues["ordered.fifo"], MessageBody=f"{number % GROUPS} {number}", **group)

    def left(self):
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
        counts = [self.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in self.queues.values()]
        return sum(int(count[name]) for count in counts for name in names)

    def dead(self):
        bodies = []
        for name in self.queues:
            url = self.queues[name].replace(name, f"dead-{name}")
            while messages := self.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
                bodies += [message["Body"] for message in messages]
        return bodies


def environment():
    fixed = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "eu-west-1"}
    return {"PATH": os.environ["PATH"], **fixed}


def configuration(emulator, proxy, handler):
    text = "drain.receives = '2s'\n"
    for name, url in emulator.queues.items():
        key = name.split(".")[0]
        url = url.replace(str(emulator.port), str(proxy.port))
        text += f"[queues.{key}]\nurl = '{url}'\nhandler = {{ kind = 'http', url = '{handler.url}' }}\n"
        text += f"visibility = '{VISIBILITY}s'\nretry = {{ initial = '1s', max = '2s' }}\nreceive = {{ wait = '2s' }}\n"
    return text


class Fleet:
    """Workers that are killed, stopped, suspended, and started again."""

    def __init__(self, program, folder):
        self.command = [program, "run", "--config", str(folder / "longshore.toml"), "--admin-listen", "127.0.0.1:0"]
        self.log = open(folder / "workers.log", "w", encoding="utf-8")
        self.incidents = {}
        self.codes = {}
        self.suspended = {}
        self.workers = [self.start() for _ in range(WORKERS)]

    def start(self):
        return subprocess.Popen(self.command, stdout=self.log, stderr=self.log, env=environment())

    def disturb(self):
        self.wake(time.monotonic())
        worker = random.choice(self.workers)
        if worker.pid in self.suspended:
            return
        name = random.choice(["SIGKILL", "SIGTERM", "SIGTERM", "SIGSTOP"])
        self.incidents[name] = self.incidents.get(name, 0) + 1
        if name == "SIGSTOP":
            self.suspended[worker.pid] = (worker, time.monotonic() + random.uniform(0.1, 1.6 * VISIBILITY))
        worker.send_signal(getattr(signal, name))

    def wake(self, now):
        for pid, (worker, until) in list(self.suspended.items()):
            if until <= now:
                worker.send_signal(signal.SIGCONT)
                del self.suspended[pid]

    def replace_ended(self):
        for position, worker in enumerate(self.workers):
            if worker.poll() is not None:
                self.note_end(worker)
                self.workers[position] = self.start()

    def note_end(self, worker):
        self.codes[worker.returncode] = self.codes.get(worker.returncode, 0) + 1

    def end(self):
        self.wake(float("inf"))
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.wait(timeout=60)
            self.note_end(worker)


def main():
    program, seconds = os.path.abspath(sys.argv[1]), float(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1_000_000)
    random.seed(seed)
    folder = Path(tempfile.mkdtemp(prefix="longshore-chaos-"))
    handler, emulator = RecordingHandler(GROUPS), Emulator(program, folder)
    proxy = FaultProxy(emulator.port)
    (folder / "longshore.toml").write_text(configuration(emulator, proxy, handler), encoding="utf-8")
    fleet, sent, began = Fleet(program, folder), 0, time.monotonic()
    while time.monotonic() - began < seconds:
        for _ in range(20):
            emulator.send(sent)
            sent += 1
        time.sleep(random.uniform(0.3, 1.0))
        fleet.disturb()
        fleet.replace_ended()
    fleet.wake(float("inf"))
    proxy.heal()
    calm = time.monotonic()
    while emulator.left() and time.monotonic() - calm < 120:
        fleet.wake(time.monotonic())
        fleet.replace_ended()
        time.sleep(0.5)
    left, dead = emulator.left(), emulator.dead()
    fleet.end()
    emulator.process.terminate()
    emulator.process.wait()
    bodies = [f"plain {number}" for number in range(sent)] + [f"{number % GROUPS} {number}" for number in range(sent)]
    lost = [body for body in bodies if not handler.done(body) and body not in dead]
    unrun = [body for body in dead if not handler.runs(body)]
    print(f"seed {seed}\n\n| fact | count |\n|---|---|")
    rows = {
        "messages": len(bodies), "runs": handler.all_runs(), "lost": len(lost), "dead without a run": len(unrun),
        "out of order": len(handler.overtakings()), "dead": len(dead), "left in the queues": left,
        "done more than once": handler.done_again(), "running twice at once": handler.overlaps,
    }
    rows |= {f"incidents: {name}": count for name, count in sorted(fleet.incidents.items())}
    rows |= {f"faults: {name}": count for name, count in sorted(proxy.counts.items())}
    rows |= {f"workers ended with {code}": count for code, count in sorted(fleet.codes.items())}
    for name, count in rows.items():
        print(f"| {name} | {count} |")
    if lost or unrun or left or handler.overtakings():
        sys.exit(f"error: lost {lost[:5]}, unrun {unrun[:5]}, overtaken {handler.overtakings()[:5]}, {left} left; logs in {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
