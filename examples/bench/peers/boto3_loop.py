"""A loop on boto3: receive ten, handle them in a pool of threads, delete ten. `boto3_loop.py QUEUE_URL THREADS`; 1 handles them in turn."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3


def handle(message):
    milliseconds = json.loads(message["Body"])["sleep_ms"]
    if milliseconds:
        time.sleep(milliseconds / 1000)


def main(url, threads):
    sqs = boto3.client("sqs")
    run = map if threads == 1 else ThreadPoolExecutor(threads).map
    while True:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20).get("Messages", [])
        for _ in run(handle, messages):
            pass
        if messages:
            entries = [{"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]} for place, message in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
