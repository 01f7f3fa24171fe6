"""An emulator of SQS in a process of its own, with a standard and a FIFO queue for each kind of handler."""

import json
import os
import subprocess
import sys
import time
import urllib.request

MAX_RECEIVES = 100
GROUPS = 8


def environment():
    fixed = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "eu-west-1"}
    return {"PATH": os.environ["PATH"], **fixed}


class Emulator:
    """Its queues, by kind: one of the kind's name, and one with `.fifo` behind it."""

    def __init__(self, program, folder, kinds):
        self.log = folder / "emulator.log"
        command = [program, "emulator", "--listen", "127.0.0.1:0"]
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
        self.port = self.wait_for_port()
        self.queues = {name: self.create(name) for kind in kinds for name in (kind, f"{kind}.fifo")}

    def wait_for_port(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            text = self.log.read_text(encoding="utf-8")
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

    def send(self, kind, number):
        """Sends a message to each queue of a kind, and returns their bodies: kind, group and number."""
        group = str(number % GROUPS)
        bodies = [f"{kind} plain {number}", f"{kind} {group} {number}"]
        self.call("SendMessage", QueueUrl=self.queues[kind], MessageBody=bodies[0])
        ordered = {"MessageGroupId": group, "MessageDeduplicationId": str(number)}
        self.call("SendMessage", QueueUrl=self.queues[f"{kind}.fifo"], MessageBody=bodies[1], **ordered)
        return bodies

    def left(self, kind):
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
        urls = (self.queues[kind], self.queues[f"{kind}.fifo"])
        counts = [self.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in urls]
        return sum(int(count[name]) for count in counts for name in names)

    def dead(self, kind):
        bodies = []
        for name in (kind, f"{kind}.fifo"):
            url = self.queues[name].replace(f"/{name}", f"/dead-{name}")
            while messages := self.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
                bodies += [message["Body"] for message in messages]
        return bodies

    def end(self):
        self.process.terminate()
        self.process.wait()
