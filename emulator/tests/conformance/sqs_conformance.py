"""Checks a server against facts of SQS, through boto3 and through hand-made requests of the query protocol.

    python3 sqs_conformance.py http://127.0.0.1:9324 [part of a fact's name]

Prints a line for each fact and exits with 1 when any fails. Needs boto3 and nothing else. The facts come from
the API reference and from answers that public test suites recorded against AWS; the queues it makes are left over.
"""

import hashlib
import json
import threading
import time
import urllib.parse
import urllib.request
import uuid
import xml.etree.ElementTree as ElementTree

from facts import client, exchange, fact, holds, main, refused, same

NAMESPACE = "{http://queue.amazonaws.com/doc/2012-11-05/}"
PREFIX = "AWS.SimpleQueueService."


class World:
    """The server under test, as each fact sees it."""

    def __init__(self, endpoint):
        self.endpoint = endpoint.rstrip("/")
        self.sqs = client("sqs", self.endpoint)

    def queue(self, fifo=False, **attributes):
        name = f"conformance-{uuid.uuid4().hex[:12]}" + (".fifo" if fifo else "")
        if fifo:
            attributes["FifoQueue"] = "true"
        attributes = {key: str(value) for key, value in attributes.items()}
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def arn(self, url):
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    def pair(self, max_receive_count=1, **attributes):
        """A queue and its dead-letter queue."""
        dead = self.queue()
        policy = {"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": max_receive_count}
        return self.queue(RedrivePolicy=json.dumps(policy), **attributes), dead

    def send(self, url, body="hello", **parameters):
        return self.sqs.send_message(QueueUrl=url, MessageBody=body, **parameters)

    def receive(self, url, wait=2, **parameters):
        answer = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=wait, **parameters)
        return answer.get("Messages", [])

    def one(self, url, **parameters):
        messages = self.receive(url, **parameters)
        same("messages received", len(messages), 1)
        return messages[0]

    def counts(self, url):
        names = ["", "NotVisible", "Delayed"]
        wanted = [f"ApproximateNumberOfMessages{name}" for name in names]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
        return [int(attributes[name]) for name in wanted]

    def query(self, parameters, path="/", method="POST", accept="application/xml"):
        """A request of the query protocol: the status and the XML of the answer, or its JSON."""
        encoded = urllib.parse.urlencode(parameters).encode()
        url, headers = self.endpoint + path, {"Accept": accept}
        if method == "GET":
            request = urllib.request.Request(f"{url}?{encoded.decode()}", headers=headers)
        else:
            request = urllib.request.Request(url, data=encoded, headers=headers)
        return exchange(request, json.loads if accept == "application/json" else ElementTree.fromstring)

    def json(self, action, body, **headers):
        """A request of the JSON protocol: the status and the JSON of the answer."""
        headers = {"X-Amz-Target": f"AmazonSQS.{action}", "Content-Type": "application/x-amz-json-1.0", **headers}
        return exchange(urllib.request.Request(self.endpoint, data=body, headers=headers), json.loads)


def text(element, path):
    found = element.find("/".join(NAMESPACE + step for step in path.split("/")))
    return None if found is None else found.text or ""


def path_of(url):
    return urllib.parse.urlparse(url).path


# Queues


@fact
def a_queue_is_created_found_listed_and_deleted(world):
    url = world.queue()
    name = url.rsplit("/", 1)[1]
    same("GetQueueUrl", world.sqs.get_queue_url(QueueName=name)["QueueUrl"], url)
    same("ListQueues", world.sqs.list_queues(QueueNamePrefix=name)["QueueUrls"], [url])
    world.sqs.delete_queue(QueueUrl=url)
    refused(lambda: world.sqs.get_queue_url(QueueName=name), PREFIX + "NonExistentQueue")


@fact
def creating_a_queue_again_with_the_same_attributes_is_fine(world):
    url = world.queue(DelaySeconds=3)
    name = url.rsplit("/", 1)[1]
    same("url", world.sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "3"})["QueueUrl"], url)


@fact
def creating_a_queue_again_with_other_attributes_is_refused(world):
    name = world.queue(DelaySeconds=3).rsplit("/", 1)[1]
    again = lambda: world.sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "4"})
    refused(again, "QueueAlreadyExists", says="DelaySeconds")


@fact
def a_strange_queue_name_is_refused(world):
    for name in ["with space", "x" * 81, "dot.ted"]:
        refused(lambda: world.sqs.create_queue(QueueName=name), "InvalidParameterValue")


@fact
def an_unknown_attribute_is_refused(world):
    url = world.queue()
    refused(
        lambda: world.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Foobar"]),
        "InvalidAttributeName",
        says="Unknown Attribute Foobar.",
    )


@fact
def an_attribute_out_of_its_range_is_refused(world):
    url = world.queue()
    for name, value in [("VisibilityTimeout", "43201"), ("DelaySeconds", "901"), ("MessageRetentionPeriod", "59")]:
        refused(
            lambda: world.sqs.set_queue_attributes(QueueUrl=url, Attributes={name: value}), "InvalidAttributeValue"
        )


@fact
def a_new_queue_has_the_attributes_of_sqs(world):
    url = world.queue()
    attributes = world.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    for name, value in {
        "ApproximateNumberOfMessages": "0",
        "DelaySeconds": "0",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "VisibilityTimeout": "30",
    }.items():
        same(name, attributes[name], value)
    holds("QueueArn", attributes["QueueArn"].endswith(":" + url.rsplit("/", 1)[1]))
    holds("CreatedTimestamp", abs(int(attributes["CreatedTimestamp"]) - time.time()) < 60)


@fact
def attributes_that_are_set_are_read_back(world):
    url = world.queue()
    world.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "77"})
    answer = world.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    same("attributes", answer["Attributes"], {"VisibilityTimeout": "77"})


@fact
def every_action_reports_a_missing_queue(world):
    url = world.queue() + "-gone"
    sqs = world.sqs
    for call in [
        lambda: sqs.send_message(QueueUrl=url, MessageBody="x"),
        lambda: sqs.receive_message(QueueUrl=url),
        lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle="x"),
        lambda: sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": "x"}]),
        lambda: sqs.purge_queue(QueueUrl=url),
        lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]),
        lambda: sqs.list_queue_tags(QueueUrl=url),
    ]:
        refused(call, PREFIX + "NonExistentQueue", says="The specified queue does not exist")


@fact
def a_missing_queue_is_a_typed_exception_in_boto3(world):
    try:
        world.sqs.get_queue_url(QueueName="no-such-queue")
    except world.sqs.exceptions.QueueDoesNotExist:
        return
    raise AssertionError("no exception")


@fact
def queues_are_listed_in_pages(world):
    prefix = f"pages-{uuid.uuid4().hex[:8]}"
    made = sorted(world.sqs.create_queue(QueueName=f"{prefix}-{n}")["QueueUrl"] for n in range(5))
    pages = world.sqs.get_paginator("list_queues").paginate(
        QueueNamePrefix=prefix, PaginationConfig={"PageSize": 2}
    )
    pages = [page.get("QueueUrls", []) for page in pages]
    same("page sizes", [len(page) for page in pages], [2, 2, 1])
    same("urls", sorted(sum(pages, [])), made)


@fact
def tags_are_set_listed_and_removed(world):
    url = world.queue()
    world.sqs.tag_queue(QueueUrl=url, Tags={"team": "a", "stage": "b"})
    same("tags", world.sqs.list_queue_tags(QueueUrl=url)["Tags"], {"team": "a", "stage": "b"})
    world.sqs.untag_queue(QueueUrl=url, TagKeys=["team"])
    same("tags", world.sqs.list_queue_tags(QueueUrl=url)["Tags"], {"stage": "b"})


@fact
def a_queue_is_created_with_tags(world):
    answer = world.sqs.create_queue(QueueName=f"tagged-{uuid.uuid4().hex[:8]}", tags={"a": "b"})
    same("tags", world.sqs.list_queue_tags(QueueUrl=answer["QueueUrl"])["Tags"], {"a": "b"})


@fact
def a_purge_drops_the_messages_once_a_minute(world):
    url = world.queue()
    world.send(url)
    world.sqs.purge_queue(QueueUrl=url)
    same("messages", world.receive(url, wait=0), [])
    refused(lambda: world.sqs.purge_queue(QueueUrl=url), PREFIX + "PurgeQueueInProgress", 403)


# Messages


@fact
def a_body_comes_back_byte_for_byte(world):
    url = world.queue()
    for body in ['{"a": "b & c"}', "50 % + \"more\" <b>", "emoji \U0001f680 \u00e9\u4e2d", "line\nline\r\n\ttab", " "]:
        sent = world.send(url, body)
        digest = hashlib.md5(body.encode()).hexdigest()
        same("MD5OfMessageBody", sent["MD5OfMessageBody"], digest)
        message = world.one(url)
        same("body", message["Body"], body)
        same("MD5OfBody", message["MD5OfBody"], digest)
        same("id", message["MessageId"], sent["MessageId"])
        world.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@fact
def a_body_of_one_mebibyte_passes_and_one_byte_more_does_not(world):
    url = world.queue()
    world.send(url, "x" * 1_048_576)
    same("length", len(world.one(url)["Body"]), 1_048_576)
    refused(lambda: world.send(url, "x" * 1_048_577), "InvalidParameterValue", says="shorter than 1048576 bytes")


@fact
def a_mebibyte_of_characters_that_json_escapes_passes(world):
    url = world.queue()
    body = "\u00e9" * (1_048_576 // 2)
    world.send(url, body)
    same("body", world.one(url)["Body"] == body, True)


@fact
def an_empty_body_is_a_missing_parameter(world):
    url = world.queue()
    refused(lambda: world.send(url, ""), "MissingParameter", says="MessageBody")


@fact
def characters_outside_xml_are_refused(world):
    url = world.queue()
    refused(lambda: world.send(url, "a\u0000b"), "InvalidMessageContents")
    refused(lambda: world.send(url, "a\uffffb"), "InvalidMessageContents")


@fact
def message_attributes_come_back_with_their_md5(world):
    url = world.queue()
    attributes = {
        "Hello": {"DataType": "String", "StringValue": "There"},
        "General": {"DataType": "String", "StringValue": "Kenobi"},
        "Help.Me": {"DataType": "String", "StringValue": "Me"},
    }
    sent = world.send(url, "msg", MessageAttributes=attributes)
    same("MD5", sent["MD5OfMessageAttributes"], "4c360f3fdafd970e05fae2f149d997f5")
    message = world.one(url, MessageAttributeNames=["All"])
    same("attributes", message["MessageAttributes"], attributes)
    same("MD5", message["MD5OfMessageAttributes"], "4c360f3fdafd970e05fae2f149d997f5")


@fact
def binary_and_number_attributes_come_back(world):
    url = world.queue()
    attributes = {
        "bytes": {"DataType": "Binary.png", "BinaryValue": bytes(range(256))},
        "number": {"DataType": "Number.int", "StringValue": "-17"},
    }
    world.send(url, MessageAttributes=attributes)
    same("attributes", world.one(url, MessageAttributeNames=["All"])["MessageAttributes"], attributes)


@fact
def message_attributes_are_chosen_by_name_and_by_prefix(world):
    url = world.queue(VisibilityTimeout=0)
    names = ["Hello", "General", "Help.Me"]
    world.send(url, MessageAttributes={name: {"DataType": "String", "StringValue": "x"} for name in names})
    for wanted, expected in [
        (["All"], names),
        ([".*"], names),
        (["Help.*"], ["Help.Me"]),
        (["Hello", "Nobody"], ["Hello"]),
        ([], []),
    ]:
        message = world.one(url, MessageAttributeNames=wanted)
        same(str(wanted), sorted(message.get("MessageAttributes", {})), sorted(expected))
        same(f"MD5 for {wanted}", "MD5OfMessageAttributes" in message, bool(expected))


@fact
def an_attribute_without_a_value_is_refused(world):
    url = world.queue()
    attributes = {"Empty": {"DataType": "String", "StringValue": ""}}
    refused(
        lambda: world.send(url, MessageAttributes=attributes),
        "InvalidParameterValue",
        says="must contain a non-empty value of type 'String'",
    )


@fact
def an_eleventh_attribute_is_refused(world):
    url = world.queue()
    attributes = {f"a{n}": {"DataType": "String", "StringValue": "x"} for n in range(11)}
    refused(lambda: world.send(url, MessageAttributes=attributes), "InvalidParameterValue")


@fact
def system_attributes_are_answered_when_asked_for(world):
    url = world.queue(VisibilityTimeout=0)
    world.send(url)
    same("none asked", "Attributes" in world.one(url), False)
    attributes = world.one(url, AttributeNames=["All"])["Attributes"]
    same("count", attributes["ApproximateReceiveCount"], "2")
    holds("SentTimestamp", abs(int(attributes["SentTimestamp"]) / 1000 - time.time()) < 60)
    holds("SenderId", attributes["SenderId"])
    holds("first receive", attributes["ApproximateFirstReceiveTimestamp"] >= attributes["SentTimestamp"])
    newer = world.one(url, MessageSystemAttributeNames=["ApproximateReceiveCount"])["Attributes"]
    same("newer name", newer, {"ApproximateReceiveCount": "3"})


@fact
def the_trace_header_travels(world):
    url = world.queue()
    header = "Root=1-3152b799-8954dae64eda91bc9a23a7e8;Parent=7fa8c0f79203be72;Sampled=1"
    system = {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}
    sent = world.send(url, MessageSystemAttributes=system)
    holds("MD5OfMessageSystemAttributes", sent.get("MD5OfMessageSystemAttributes"))
    message = world.one(url, AttributeNames=["AWSTraceHeader"])
    same("header", message["Attributes"], {"AWSTraceHeader": header})


@fact
def a_group_id_on_a_standard_queue_is_kept(world):
    url = world.queue()
    world.send(url, MessageGroupId="tenant-1")
    same("group", world.one(url, AttributeNames=["MessageGroupId"])["Attributes"], {"MessageGroupId": "tenant-1"})


@fact
def a_delay_hides_a_message_at_first(world):
    url = world.queue()
    world.send(url, DelaySeconds=3)
    same("delayed", world.counts(url), [0, 0, 1])
    same("at once", world.receive(url, wait=0), [])
    same("later", len(world.receive(url, wait=10)), 1)


@fact
def a_delay_out_of_its_range_is_refused(world):
    url = world.queue()
    refused(lambda: world.send(url, DelaySeconds=901), "InvalidParameterValue", says="DelaySeconds")


# Receiving


@fact
def numbers_out_of_range_are_refused_with_the_messages_of_sqs(world):
    url = world.queue()
    for parameters, says in [
        ({"MaxNumberOfMessages": 11}, "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between"),
        ({"MaxNumberOfMessages": 0}, "Value 0 for parameter MaxNumberOfMessages is invalid."),
        ({"WaitTimeSeconds": 21}, "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20"),
        ({"WaitTimeSeconds": -1}, "Value -1 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20"),
        ({"VisibilityTimeout": 43201}, "Value 43201 for parameter VisibilityTimeout is invalid."),
    ]:
        call = lambda: world.sqs.receive_message(QueueUrl=url, **parameters)
        refused(call, "InvalidParameterValue", says=says)


@fact
def an_empty_receive_has_no_messages_in_its_answer(world):
    url = world.queue()
    same("Messages", "Messages" in world.sqs.receive_message(QueueUrl=url), False)


@fact
def ten_messages_come_in_one_receive(world):
    url = world.queue()
    for _ in range(12):
        world.send(url)
    same("first", len(world.receive(url, MaxNumberOfMessages=10)), 10)
    same("second", len(world.receive(url, MaxNumberOfMessages=10)), 2)


@fact
def a_received_message_is_hidden_until_its_visibility_ends(world):
    url = world.queue()
    world.send(url)
    first = world.one(url, VisibilityTimeout=3)
    same("hidden", world.receive(url, wait=0), [])
    same("in flight", world.counts(url), [0, 1, 0])
    second = world.one(url, wait=10, AttributeNames=["ApproximateReceiveCount"])
    same("id", second["MessageId"], first["MessageId"])
    same("count", second["Attributes"]["ApproximateReceiveCount"], "2")


@fact
def a_waiting_receive_is_answered_at_a_send(world):
    url = world.queue()
    sent_at = []

    def send_soon():
        time.sleep(0.5)
        sent_at.append(time.monotonic())
        world.send(url)

    thread = threading.Thread(target=send_soon)
    thread.start()
    world.one(url, wait=20)
    waited = time.monotonic() - sent_at[0]
    thread.join()
    holds(f"answered after {waited:.3f} s", waited < 5)


@fact
def a_waiting_receive_is_answered_when_a_visibility_ends(world):
    url = world.queue()
    world.send(url)
    world.one(url, VisibilityTimeout=1)
    started = time.monotonic()
    world.one(url, wait=20)
    holds("long before the wait ends", time.monotonic() - started < 10)


@fact
def a_wait_ends_on_time(world):
    url = world.queue()
    started = time.monotonic()
    same("messages", world.receive(url, wait=1), [])
    holds("about a second", 0.9 < time.monotonic() - started < 10)


@fact
def the_queues_own_wait_is_heeded(world):
    url = world.queue(ReceiveMessageWaitTimeSeconds=1)
    started = time.monotonic()
    same("Messages", "Messages" in world.sqs.receive_message(QueueUrl=url), False)
    holds("about a second", time.monotonic() - started > 0.9)


# Settling


@fact
def a_deleted_message_stays_away(world):
    url = world.queue(VisibilityTimeout=1)
    world.send(url)
    message = world.one(url)
    for _ in range(2):
        world.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    same("later", world.receive(url, wait=2), [])


@fact
def an_unknown_receipt_is_invalid(world):
    url = world.queue()
    sqs = world.sqs
    for call in [
        lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle="garbage"),
        lambda: sqs.change_message_visibility(QueueUrl=url, ReceiptHandle="garbage", VisibilityTimeout=1),
    ]:
        refused(call, "ReceiptHandleIsInvalid")


@fact
def a_standard_queue_deletes_by_a_receipt_whose_time_ran_out(world):
    url = world.queue()
    world.send(url)
    message = world.one(url, VisibilityTimeout=1)
    time.sleep(1.2)
    world.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    same("gone", world.receive(url, wait=0), [])


@fact
def an_older_receipt_of_a_standard_queue_changes_the_visibility_and_deletes(world):
    url = world.queue()
    world.send(url)
    older = world.one(url, VisibilityTimeout=0)["ReceiptHandle"]
    same("held again", len(world.receive(url)), 1)
    world.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=older, VisibilityTimeout=0)
    same("given back", len(world.receive(url)), 1)
    world.sqs.delete_message(QueueUrl=url, ReceiptHandle=older)
    same("gone", world.counts(url), [0, 0, 0])


@fact
def a_visibility_of_zero_gives_the_message_back(world):
    url = world.queue()
    world.send(url)
    message = world.one(url)
    world.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    same("again", len(world.receive(url, wait=0)), 1)


@fact
def a_longer_visibility_keeps_the_message_hidden(world):
    url = world.queue()
    world.send(url)
    message = world.one(url, VisibilityTimeout=3)
    world.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=60)
    same("hidden", world.receive(url, wait=4), [])


@fact
def a_change_after_the_time_ran_out_does_nothing(world):
    url = world.queue()
    world.send(url)
    message = world.one(url, VisibilityTimeout=1)
    time.sleep(1.2)
    world.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=30)
    same("visible", len(world.receive(url, wait=0)), 1)


@fact
def a_change_after_a_delete_is_refused(world):
    url = world.queue()
    world.send(url)
    receipt = world.one(url)["ReceiptHandle"]
    world.sqs.delete_message(QueueUrl=url, ReceiptHandle=receipt)
    refused(
        lambda: world.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=9),
        "InvalidParameterValue",
        says="not available for visibility timeout change",
    )


@fact
def a_visibility_beyond_twelve_hours_is_refused(world):
    url = world.queue()
    world.send(url)
    receipt = world.one(url)["ReceiptHandle"]
    for seconds, says in [(43201, "VisibilityTimeout"), (43200, "Total VisibilityTimeout")]:
        time.sleep(1.1)
        refused(
            lambda: world.sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=seconds
            ),
            "InvalidParameterValue",
            says=says,
        )


# Batches


@fact
def a_batch_answers_entry_by_entry(world):
    url = world.queue()
    entries = [{"Id": "good", "MessageBody": "x"}, {"Id": "bad", "MessageBody": "x", "DelaySeconds": 901}]
    answer = world.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    same("successful", [entry["Id"] for entry in answer["Successful"]], ["good"])
    (failed,) = answer["Failed"]
    same("id", failed["Id"], "bad")
    same("fault", failed["SenderFault"], True)
    same("code", failed["Code"], "InvalidParameterValue")
    holds("message", "DelaySeconds" in failed["Message"])


@fact
def a_batch_of_deletes_reports_the_foreign_receipt(world):
    url = world.queue()
    world.send(url)
    receipt = world.one(url)["ReceiptHandle"]
    entries = [{"Id": "a", "ReceiptHandle": receipt}, {"Id": "b", "ReceiptHandle": "garbage"}]
    answer = world.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    same("successful", answer["Successful"], [{"Id": "a"}])
    same("failed", [(entry["Id"], entry["Code"]) for entry in answer["Failed"]], [("b", "ReceiptHandleIsInvalid")])


@fact
def a_batch_of_changes_reports_the_foreign_receipt(world):
    url = world.queue()
    world.send(url)
    receipt = world.one(url)["ReceiptHandle"]
    entries = [
        {"Id": "a", "ReceiptHandle": receipt, "VisibilityTimeout": 0},
        {"Id": "b", "ReceiptHandle": "garbage", "VisibilityTimeout": 0},
    ]
    answer = world.sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    same("successful", answer["Successful"], [{"Id": "a"}])
    same("failed", [(entry["Id"], entry["Code"]) for entry in answer["Failed"]], [("b", "ReceiptHandleIsInvalid")])
    same("again", len(world.receive(url, wait=0)), 1)


@fact
def a_batch_without_failures_has_no_failed_in_its_answer(world):
    url = world.queue()
    answer = world.sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}])
    same("Failed", "Failed" in answer, False)


@fact
def an_empty_batch_is_refused(world):
    url = world.queue()
    refused(lambda: world.sqs.send_message_batch(QueueUrl=url, Entries=[]), PREFIX + "EmptyBatchRequest")


@fact
def a_batch_of_eleven_is_refused(world):
    url = world.queue()
    entries = [{"Id": f"e{n}", "MessageBody": "x"} for n in range(11)]
    refused(
        lambda: world.sqs.send_message_batch(QueueUrl=url, Entries=entries),
        PREFIX + "TooManyEntriesInBatchRequest",
        says="Maximum number of entries per request are 10. You have sent 11.",
    )


@fact
def a_batch_with_the_same_id_twice_is_refused(world):
    url = world.queue()
    entries = [{"Id": "same", "MessageBody": "x"}] * 2
    refused(lambda: world.sqs.send_message_batch(QueueUrl=url, Entries=entries), PREFIX + "BatchEntryIdsNotDistinct")


@fact
def a_strange_entry_id_is_refused(world):
    url = world.queue()
    for entry_id in ["", "with:colon", "x" * 81]:
        entries = [{"Id": entry_id, "ReceiptHandle": "x"}]
        refused(
            lambda: world.sqs.delete_message_batch(QueueUrl=url, Entries=entries),
            PREFIX + "InvalidBatchEntryId",
            says="can only contain alphanumeric characters, hyphens and underscores",
        )


@fact
def a_batch_of_more_than_one_mebibyte_is_refused(world):
    url = world.queue()
    entries = [{"Id": "a", "MessageBody": "x" * 1_048_576}, {"Id": "b", "MessageBody": "x"}]
    refused(
        lambda: world.sqs.send_message_batch(QueueUrl=url, Entries=entries),
        PREFIX + "BatchRequestTooLong",
        says="Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
    )
    same("none of it was sent", world.counts(url), [0, 0, 0])


# FIFO queues


@fact
def a_fifo_group_comes_in_order_and_one_at_a_time(world):
    url = world.queue(fifo=True, ContentBasedDeduplication="true")
    for body in ["a1", "a2"]:
        world.send(url, body, MessageGroupId="a")
    world.send(url, "b1", MessageGroupId="b")
    first = world.one(url)
    same("first", first["Body"], "a1")
    same("the other group", world.one(url)["Body"], "b1")
    same("held back", world.receive(url, wait=0), [])
    world.sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    same("next", world.one(url)["Body"], "a2")


@fact
def a_fifo_group_is_open_before_a_message_in_flight_and_closed_behind_it(world):
    url = world.queue(fifo=True, ContentBasedDeduplication="true")
    for body in ["1", "2", "3"]:
        world.send(url, body, MessageGroupId="a")
    held = world.receive(url, MaxNumberOfMessages=2)
    same("held", [message["Body"] for message in held], ["1", "2"])
    receipt = held[0]["ReceiptHandle"]
    world.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
    same("before", [message["Body"] for message in world.receive(url, MaxNumberOfMessages=10)], ["1"])
    same("behind", world.receive(url, wait=0), [])


@fact
def a_waiting_receive_is_answered_when_a_fifo_group_is_freed(world):
    url = world.queue(fifo=True, ContentBasedDeduplication="true")
    for body in ["a1", "a2"]:
        world.send(url, body, MessageGroupId="a")
    first = world.one(url)
    freeing = threading.Timer(
        0.5, lambda: world.sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    )
    freeing.start()
    started = time.monotonic()
    same("next", world.one(url, wait=20)["Body"], "a2")
    holds("long before the wait ends", time.monotonic() - started < 10)


@fact
def a_fifo_queue_drops_duplicates(world):
    url = world.queue(fifo=True)
    sent = [
        world.send(url, body, MessageGroupId="a", MessageDeduplicationId="same") for body in ["first", "second"]
    ]
    same("ids", sent[0]["MessageId"], sent[1]["MessageId"])
    messages = world.receive(url, MaxNumberOfMessages=10, AttributeNames=["All"])
    same("bodies", [message["Body"] for message in messages], ["first"])
    attributes = messages[0]["Attributes"]
    same("group", attributes["MessageGroupId"], "a")
    same("deduplication", attributes["MessageDeduplicationId"], "same")
    same("sequence", attributes["SequenceNumber"], sent[0]["SequenceNumber"])


@fact
def a_fifo_queue_wants_a_group_and_a_deduplication_id(world):
    url = world.queue(fifo=True)
    refused(lambda: world.send(url, MessageDeduplicationId="x"), "MissingParameter", says="MessageGroupId")
    refused(
        lambda: world.send(url, MessageGroupId="x"),
        "InvalidParameterValue",
        says="ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    )


@fact
def a_fifo_queue_refuses_the_batch_for_one_entry_without_its_ids(world):
    url = world.queue(fifo=True, ContentBasedDeduplication="true")
    entries = [{"Id": "a", "MessageBody": "x", "MessageGroupId": "g"}, {"Id": "b", "MessageBody": "y"}]
    call = lambda: world.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    refused(call, "InvalidParameterValue", says="The request must contain the parameter MessageGroupId.")
    same("none of it was sent", world.counts(url), [0, 0, 0])
    url = world.queue(fifo=True)
    entries = [{"Id": "a", "MessageBody": "x", "MessageGroupId": "g"}]
    call = lambda: world.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    refused(call, "InvalidParameterValue", says="MessageDeduplicationId provided explicitly")


@fact
def a_fifo_queue_refuses_a_delay_of_one_message(world):
    url = world.queue(fifo=True, ContentBasedDeduplication="true")
    refused(lambda: world.send(url, MessageGroupId="a", DelaySeconds=2), "InvalidParameterValue", says="DelaySeconds")


@fact
def a_fifo_delete_after_the_time_ran_out_is_refused(world):
    url = world.queue(fifo=True, ContentBasedDeduplication="true")
    world.send(url, MessageGroupId="a")
    receipt = world.one(url, VisibilityTimeout=1)["ReceiptHandle"]
    time.sleep(1.2)
    refused(
        lambda: world.sqs.delete_message(QueueUrl=url, ReceiptHandle=receipt),
        "InvalidParameterValue",
        says="The receipt handle has expired",
    )


# Dead-letter queues


@fact
def a_message_moves_to_the_dead_letter_queue_at_the_next_receive(world):
    url, dead = world.pair(max_receive_count=1, VisibilityTimeout=0)
    sent = world.send(url)
    world.one(url)
    same("no more", world.receive(url, wait=0), [])
    message = world.one(dead, AttributeNames=["All"])
    same("id", message["MessageId"], sent["MessageId"])
    same("source", message["Attributes"]["DeadLetterQueueSourceArn"], world.arn(url))
    same("count", message["Attributes"]["ApproximateReceiveCount"], "2")


@fact
def the_sources_of_a_dead_letter_queue_are_listed(world):
    url, dead = world.pair()
    same("sources", world.sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"], [url])


@fact
def messages_are_moved_back_by_a_task(world):
    url, dead = world.pair(max_receive_count=1, VisibilityTimeout=0)
    world.send(url, "back")
    world.one(url)
    world.receive(url, wait=0)
    world.sqs.start_message_move_task(SourceArn=world.arn(dead))
    same("back", world.one(url, wait=5)["Body"], "back")
    (task,) = world.sqs.list_message_move_tasks(SourceArn=world.arn(dead))["Results"]
    same("moved", (task["Status"], task["ApproximateNumberOfMessagesMoved"]), ("COMPLETED", 1))


@fact
def a_move_from_a_queue_that_is_no_dead_letter_queue_is_refused(world):
    arn = world.arn(world.queue())
    refused(
        lambda: world.sqs.start_message_move_task(SourceArn=arn),
        "InvalidParameterValue",
        says="Source queue must be configured as a Dead Letter Queue.",
    )


@fact
def a_move_from_no_queue_is_not_found(world):
    arn = world.arn(world.queue()) + "-gone"
    refused(
        lambda: world.sqs.start_message_move_task(SourceArn=arn),
        "ResourceNotFoundException",
        404,
        says="The resource that you specified for the SourceArn parameter doesn't exist.",
    )


# The wire: the JSON protocol


@fact
def an_error_in_json_has_its_type_and_the_older_code(world):
    body = json.dumps({"QueueName": "no-such-queue"}).encode()
    status, answer, headers = world.json("GetQueueUrl", body, **{"x-amzn-query-mode": "true"})
    same("status", status, 400)
    same("type", answer["__type"], "com.amazonaws.sqs#QueueDoesNotExist")
    same("header", headers["x-amzn-query-error"], PREFIX + "NonExistentQueue;Sender")
    holds("request id", headers["x-amzn-RequestId"])


@fact
def broken_json_is_a_serialization_error(world):
    status, answer, _ = world.json("GetQueueUrl", b'{"QueueName": ')
    same("status", status, 400)
    holds(answer["__type"], answer["__type"].endswith("#SerializationException"))


@fact
def an_unknown_action_in_json_is_an_unknown_operation(world):
    status, answer, _ = world.json("Frobnicate", b"{}")
    holds(f"status {status}", 400 <= status < 500)
    holds(answer["__type"], answer["__type"].endswith("#UnknownOperationException"))


@fact
def a_missing_parameter_in_json_is_named(world):
    status, answer, headers = world.json("SendMessage", json.dumps({"QueueUrl": world.queue()}).encode())
    same("status", status, 400)
    holds(answer["message"], "MessageBody" in answer["message"])


# The wire: the query protocol


@fact
def the_query_protocol_creates_sends_receives_and_deletes(world):
    name = f"query-{uuid.uuid4().hex[:8]}"
    status, answer, headers = world.query({"Action": "CreateQueue", "QueueName": name, "Version": "2012-11-05"})
    same("status", status, 200)
    same("content type", headers["Content-Type"].split(";")[0], "text/xml")
    url = text(answer, "CreateQueueResult/QueueUrl")
    holds("request id", text(answer, "ResponseMetadata/RequestId"))
    body = 'a & "b" <c> 50 % + \u00e9\U0001f680\r\nd'
    _, answer, _ = world.query({"Action": "SendMessage", "QueueUrl": url, "MessageBody": body})
    digest = hashlib.md5(body.encode()).hexdigest()
    same("MD5", text(answer, "SendMessageResult/MD5OfMessageBody"), digest)
    _, answer, _ = world.query({"Action": "ReceiveMessage", "QueueUrl": url, "AttributeName.1": "All"})
    same("body", text(answer, "ReceiveMessageResult/Message/Body"), body)
    receipt = text(answer, "ReceiveMessageResult/Message/ReceiptHandle")
    status, answer, _ = world.query({"Action": "DeleteMessage", "QueueUrl": url, "ReceiptHandle": receipt})
    same("status", status, 200)
    same("root", answer.tag, NAMESPACE + "DeleteMessageResponse")
    same("counts", world.counts(url), [0, 0, 0])


@fact
def the_path_of_a_query_request_names_the_queue(world):
    url = world.queue()
    status, _, _ = world.query({"Action": "SendMessage", "MessageBody": "x"}, path=path_of(url))
    same("send", status, 200)
    _, answer, _ = world.query({"Action": "ReceiveMessage"}, path=path_of(url), method="GET")
    same("body", text(answer, "ReceiveMessageResult/Message/Body"), "x")


@fact
def an_empty_receive_of_the_query_protocol_has_an_empty_result(world):
    _, answer, _ = world.query({"Action": "ReceiveMessage"}, path=path_of(world.queue()))
    result = answer.find(NAMESPACE + "ReceiveMessageResult")
    same("children", result is not None and len(result), 0)


@fact
def an_error_of_the_query_protocol_is_an_error_response(world):
    parameters = {"Action": "GetQueueUrl", "QueueName": "no-such-queue"}
    status, answer, _ = world.query(parameters)
    same("status", status, 400)
    same("root", answer.tag, NAMESPACE + "ErrorResponse")
    same("type", text(answer, "Error/Type"), "Sender")
    same("code", text(answer, "Error/Code"), PREFIX + "NonExistentQueue")
    same("message", text(answer, "Error/Message"), "The specified queue does not exist for this wsdl version.")


@fact
def an_unknown_action_of_the_query_protocol_is_invalid(world):
    status, answer, _ = world.query({"Action": "FooBar"})
    same("status", status, 400)
    same("code", text(answer, "Error/Code"), "InvalidAction")
    same("message", text(answer, "Error/Message"), "The action FooBar is not valid for this endpoint.")


@fact
def a_missing_parameter_of_the_query_protocol_is_named(world):
    status, answer, _ = world.query({"Action": "SendMessage"}, path=path_of(world.queue()))
    same("status", status, 400)
    same("code", text(answer, "Error/Code"), "MissingParameter")
    same("message", text(answer, "Error/Message"), "The request must contain the parameter MessageBody.")


@fact
def a_batch_of_the_query_protocol_answers_entry_by_entry(world):
    entry = "SendMessageBatchRequestEntry"
    parameters = {
        "Action": "SendMessageBatch",
        f"{entry}.1.Id": "good",
        f"{entry}.1.MessageBody": "x",
        f"{entry}.1.MessageAttribute.1.Name": "colour",
        f"{entry}.1.MessageAttribute.1.Value.DataType": "String",
        f"{entry}.1.MessageAttribute.1.Value.StringValue": "red",
        f"{entry}.2.Id": "bad",
        f"{entry}.2.MessageBody": "x",
        f"{entry}.2.DelaySeconds": "901",
    }
    url = world.queue()
    _, answer, _ = world.query(parameters, path=path_of(url))
    same("good", text(answer, "SendMessageBatchResult/SendMessageBatchResultEntry/Id"), "good")
    same("bad", text(answer, "SendMessageBatchResult/BatchResultErrorEntry/Id"), "bad")
    same("fault", text(answer, "SendMessageBatchResult/BatchResultErrorEntry/SenderFault"), "true")
    _, answer, _ = world.query(
        {"Action": "ReceiveMessage", "MessageAttributeName.1": "colour"}, path=path_of(url)
    )
    attribute = "ReceiveMessageResult/Message/MessageAttribute"
    same("name", text(answer, f"{attribute}/Name"), "colour")
    same("value", text(answer, f"{attribute}/Value/StringValue"), "red")


@fact
def attributes_of_the_query_protocol_are_pairs(world):
    name = f"query-{uuid.uuid4().hex[:8]}"
    parameters = {
        "Action": "CreateQueue",
        "QueueName": name,
        "Attribute.1.Name": "VisibilityTimeout",
        "Attribute.1.Value": "55",
        "Tag.1.Key": "team",
        "Tag.1.Value": "a",
    }
    _, answer, _ = world.query(parameters)
    path = path_of(text(answer, "CreateQueueResult/QueueUrl"))
    _, answer, _ = world.query({"Action": "GetQueueAttributes", "AttributeName.1": "VisibilityTimeout"}, path)
    same("name", text(answer, "GetQueueAttributesResult/Attribute/Name"), "VisibilityTimeout")
    same("value", text(answer, "GetQueueAttributesResult/Attribute/Value"), "55")
    _, answer, _ = world.query({"Action": "ListQueueTags"}, path)
    same("tag", text(answer, "ListQueueTagsResult/Tag/Key"), "team")


@fact
def the_query_protocol_answers_in_json_to_those_who_accept_it(world):
    url, body = world.queue(), '{"a": "b\r\n", "c": "&quot;"}'
    world.send(url, body)
    version = {"Version": "2012-11-05", "QueueUrl": url}
    ask = lambda action: world.query({"Action": action, **version}, method="GET", accept="application/json")
    status, answer, _ = ask("ReceiveMessage")
    same("status", status, 200)
    same("body", answer["ReceiveMessageResponse"]["ReceiveMessageResult"]["messages"][0]["Body"], body)
    same("request id", bool(answer["ReceiveMessageResponse"]["ResponseMetadata"]["RequestId"]), True)
    status, answer, _ = world.query({"Action": "ListQueues", "Version": "2012-11-05"}, "/", "GET", "application/json")
    holds("queues", url in answer["ListQueuesResponse"]["ListQueuesResult"]["queueUrls"])


@fact
def a_changed_scope_of_deduplication_has_no_effect_at_first(world):
    url = world.queue(fifo=True, DeduplicationScope="queue")
    send = lambda group: world.send(url, MessageGroupId=group, MessageDeduplicationId="same")
    send("a")
    changed = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    world.sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)
    names = list(changed)
    same("attributes", world.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"], changed)
    send("b")
    same("messages", world.counts(url)[0], 1)


if __name__ == "__main__":
    main(World, __doc__)
