"""Sends messages to the queues of examples/http/longshore.toml for as long as it runs, so that the dashboards move.

Most go well. A few orders cannot be read, so they come again until they are in the DLQ; some readings are not measured yet and come
again, and some are too hot and are rejected. More and fewer come in turn, in waves of five minutes.
"""

import itertools
import json
import math
import os
import signal
import sys
import time
import urllib.error
import urllib.request

ENDPOINT = os.environ.get("TRAFFIC_ENDPOINT", "http://sqs:4566")
ACCOUNT = os.environ.get("TRAFFIC_ACCOUNT", "000000000000")
RATE = float(os.environ.get("TRAFFIC_RATE", "20"))
WAVE_SECONDS = 300
BATCH = 10

# Emulators read the region from it and check no signature.
AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0"


def order(number):
    """The body of an order: one in 200 has no id, which fails."""
    return {"items": []} if number % 200 == 7 else {"id": number}


def reading(number):
    """The body of a reading: one in 300 is too hot, which is rejected, and another is not measured, which comes again."""
    return {"celsius": {11: 150, 17: None}.get(number % 300, 15 + number % 20)}


def send(queue, bodies):
    """Sends at most ten messages."""
    entries = [{"Id": str(index), "MessageBody": json.dumps(body)} for index, body in enumerate(bodies)]
    document = {"QueueUrl": f"{ENDPOINT}/{ACCOUNT}/{queue}", "Entries": entries}
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "AmazonSQS.SendMessageBatch",
        "Authorization": AUTHORIZATION,
    }
    request = urllib.request.Request(ENDPOINT, json.dumps(document).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        if failed := json.load(answer).get("Failed"):
            raise OSError(f"not sent to {queue}: {failed}")


def main():
    """Sends a second's messages every second; while SQS is not there it tries again."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    orders, readings = (map(body, itertools.count(1)) for body in (order, reading))
    owed = 0.0
    while True:
        owed += RATE * (1 + 0.8 * math.sin(2 * math.pi * time.time() / WAVE_SECONDS))
        try:
            while owed >= 2 * BATCH:
                send("orders", list(itertools.islice(orders, BATCH)))
                send("readings", list(itertools.islice(readings, BATCH)))
                owed -= 2 * BATCH
        except (OSError, urllib.error.URLError) as error:
            owed = 0.0
            print(f"waits for {ENDPOINT}: {error}", flush=True)
        time.sleep(1)


if __name__ == "__main__":
    main()
