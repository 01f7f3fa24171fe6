"""Longshore's SQS emulator in a process of its own, with a client that costs it little."""

import http.client
import json
import subprocess
from functools import partial

HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0",
}


class Emulator:
    def __init__(self, program):
        command = [program, "emulator", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        endpoint = next((line.split()[1] for line in self.process.stdout if line.strip().startswith("endpoint")), None)
        if endpoint is None:
            raise SystemExit(f"error: `{program} emulator` did not start")
        self.port = int(endpoint.rsplit(":", 1)[1])
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def url(self, queue, port=None):
        return f"http://127.0.0.1:{port or self.port}/000000000000/{queue}"

    def call(self, action, **parameters):
        headers = HEADERS | {"X-Amz-Target": f"AmazonSQS.{action}"}
        self._connection.request("POST", "/", json.dumps(parameters), headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"error: {action} failed: {text.decode(errors='replace')}")
        return json.loads(text or b"{}")

    def size(self, queue):
        """All messages: visible, and in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.call("GetQueueAttributes", QueueUrl=self.url(queue), AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def send(self, queue, bodies):
        send = partial(self.call, "SendMessageBatch", QueueUrl=self.url(queue))
        for start in range(0, len(bodies), 10):
            batch = bodies[start : start + 10]
            answer = send(Entries=[{"Id": str(place), "MessageBody": body} for place, body in enumerate(batch)])
            if answer.get("Failed"):
                raise SystemExit(f"error: a message was not sent: {answer['Failed'][0]}")
