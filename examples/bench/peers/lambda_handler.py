"""The Lambda function that Longshore hosts; nothing in it knows of Longshore."""

import json
import time


def handler(event, context):
    for record in event["Records"]:
        milliseconds = json.loads(record["body"])["sleep_ms"]
        if milliseconds:
            time.sleep(milliseconds / 1000)
