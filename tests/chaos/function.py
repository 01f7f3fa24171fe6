"""A Lambda function with a small runtime of its own, which calls the recorder for each message of a batch.

Usage: function.py RECORDER. From the first failure of a batch on, all of its messages are failures.
"""

import http.client
import json
import os
import sys
from urllib.parse import urlsplit

INVOCATION = "/2018-06-01/runtime/invocation"


def call(connection, method, path, body=None):
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def failures(records, recorder):
    for position, record in enumerate(records):
        status, _, _ = call(recorder, "POST", "/", record["body"])
        if status != 200:
            return [{"itemIdentifier": behind["messageId"]} for behind in records[position:]]
    return []


def main():
    recorder = http.client.HTTPConnection(urlsplit(sys.argv[1]).netloc)
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        _, headers, event = call(api, "GET", f"{INVOCATION}/next")
        answer = {"batchItemFailures": failures(json.loads(event)["Records"], recorder)}
        call(api, "POST", f"{INVOCATION}/{headers['Lambda-Runtime-Aws-Request-Id']}/response", json.dumps(answer))


if __name__ == "__main__":
    main()
