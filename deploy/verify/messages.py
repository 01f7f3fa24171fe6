"""Quick, long, failing and batched messages through both doors, and what must become of them."""

import time

import boto3

from report import Failed, NotSeen

QUICK, FAILING = [0, 0], [0, 1]
BATCH = 10
WAIT = 120  # seconds that anything quick may take, a first task included


class Messages:
    """Sends and watches."""

    def __init__(self, stage, rest, http, outcomes, long_seconds, is_emulated):
        self._stage, self._rest, self._http, self._outcomes = stage, rest, http, outcomes
        self._long_seconds, self._is_emulated = long_seconds, is_emulated
        self._sqs = boto3.client("sqs")

    def lines(self):
        """Each line with how it is seen."""
        return [
            ("a quick message, REST API: 202, handled, deleted", self.quick),
            ("a quick message, HTTP API: 200, handled, deleted", self.quick_by_http),
            ("an unsigned request is refused by both APIs", self.unsigned),
            ("the REST API refuses a request without its key", self.without_key),
            ("the REST API refuses what is no batch", self.no_batch),
            ("a batch of ten: 202, all handled", self.batch),
            ("a batch of which SQS refuses an entry: 207, the other handled", self.part_of_a_batch),
            ("a message longer than its visibility is handled once", self.long),
            ("a failing message goes to the DLQ after its receives", self.failing),
        ]

    def quick(self):
        answer = self._expect(202, self._rest.post("v1/messages", QUICK))
        return self._handled([answer.json()["messageId"]])

    def quick_by_http(self):
        answer = self._expect(200, self._the_http().post("v1/messages", QUICK))
        identifier = answer.json()["SendMessageResponse"]["SendMessageResult"]["MessageId"]
        return self._handled([identifier])

    def unsigned(self):
        if self._is_emulated:
            raise NotSeen("the emulator checks no signatures")
        for door in (self._rest, self._the_http()):
            self._expect(403, door.post("v1/messages", QUICK, signed=False))
        return "403"

    def without_key(self):
        self._expect(403, self._rest.post("v1/messages", QUICK, with_key=False))
        return "403"

    def no_batch(self):
        self._expect(400, self._rest.post("v1/messages/batch", [{"boby": 1}]))
        return "400"

    def batch(self):
        return self._handled(self.send_batch(QUICK))

    def send_batch(self, body):
        """Sends ten; their ids."""
        answer = self._expect(202, self._rest.post("v1/messages/batch", [{"body": body}] * BATCH))
        return [one["messageId"] for one in answer.json()["successful"]]

    def part_of_a_batch(self):
        answer = self._expect(207, self._rest.post("v1/messages/batch", [{"body": "\x01"}, {"body": QUICK}])).json()
        if [len(answer["failed"]), len(answer["successful"])] != [1, 1]:
            raise Failed(f"207 with {answer}")
        return self._handled([one["messageId"] for one in answer["successful"]])

    def long(self):
        seconds = self._long_seconds
        identifier = self._expect(202, self._rest.post("v1/messages", [seconds, 0])).json()["messageId"]
        deadline = time.monotonic() + seconds + WAIT
        was_in_flight = False
        while not (seen := self._outcomes.of[identifier]):
            if time.monotonic() > deadline:
                raise Failed(f"no outcome within {seconds + WAIT} s")
            self._outcomes.poll()
            was_in_flight = was_in_flight or self._depth("QueueUrl")[1] > 0
        self._handled([identifier])
        if seen != ["done"] or not was_in_flight:
            raise Failed(f"outcomes {seen}, in flight: {was_in_flight}")
        return f"done once after {seconds} s, in flight meanwhile"

    def failing(self):
        before = self._depth("DlqUrl")[0]
        identifier = self._expect(202, self._rest.post("v1/messages", FAILING)).json()["messageId"]
        self._outcomes.wait_for([identifier], "exhausted", 2 * WAIT)
        self._until(lambda: self._depth("DlqUrl")[0] == before + 1, WAIT, lambda: f"the DLQ has {self._depth('DlqUrl')[0]} messages")
        attempts = self._outcomes.of[identifier].count("failure")
        return f"{attempts} attempts, then in the DLQ"

    def _the_http(self):
        if self._http is None:
            raise NotSeen("the HTTP API was not made here (AWS::ApiGatewayV2::Api)")
        return self._http

    def _expect(self, status, answer):
        if answer.status != status:
            raise Failed(f"{answer.status} instead of {status}: {answer.text[:200]}")
        return answer

    def _handled(self, ids):
        self._outcomes.wait_for(ids, "done", WAIT)
        self._until(lambda: self._depth("QueueUrl") == (0, 0), WAIT, lambda: f"the queue has (waiting, in flight) {self._depth('QueueUrl')}")
        return f"{len(ids)} handled, and the queue is empty"

    def _depth(self, output):
        """Messages that wait, and those in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counted = self._sqs.get_queue_attributes(QueueUrl=self._stage.outputs[output], AttributeNames=names)["Attributes"]
        return tuple(int(counted[name]) for name in names)

    def _until(self, is_so, seconds, otherwise):
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline:
                raise Failed(f"{otherwise()} after {seconds} s")
            self._outcomes.poll()
