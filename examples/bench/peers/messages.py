"""The messages that the contenders get: how long their handler sleeps, in JSON or as a task of Celery."""

import base64
import importlib
import json
import os
import random
import uuid

QUICK_MS, SLOW_MS, BLOCK = 10, 1000, 10
MEAN_SECONDS = ((BLOCK - 1) * QUICK_MS + SLOW_MS) / BLOCK / 1000
PADDING = "x" * 160


def sleeping_times(count, is_uneven):
    """No sleep, or an uneven load: one of each ten is long, at a place that differs from ten to ten."""
    if not is_uneven:
        return [0] * count
    chance, times = random.Random(1), []
    while len(times) < count:
        block = [QUICK_MS] * BLOCK
        block[chance.randrange(BLOCK)] = SLOW_MS
        times += block
    return times[:count]


def json_body(milliseconds):
    return json.dumps({"sleep_ms": milliseconds, "padding": PADDING})


class CeleryBodies:
    """Tasks as Celery itself sends them: one of each kind is sent and received, and the others differ from it in their ids."""

    def __init__(self, emulator, queue):
        self.emulator, self.url, self.sent = emulator, emulator.url(queue), {}
        os.environ["PEERS_QUEUE_URL"] = self.url
        self.task = importlib.import_module("celery_app").handle

    def __call__(self, milliseconds):
        if milliseconds not in self.sent:
            self.sent[milliseconds] = self.send(milliseconds)
        task, text = self.sent[milliseconds]
        return base64.b64encode(text.replace(task, str(uuid.uuid4())).encode()).decode()

    def send(self, milliseconds):
        task = self.task.delay(milliseconds, PADDING).id
        [message] = self.emulator.call("ReceiveMessage", QueueUrl=self.url, WaitTimeSeconds=5)["Messages"]
        self.emulator.call("DeleteMessage", QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return task, base64.b64decode(message["Body"]).decode()
