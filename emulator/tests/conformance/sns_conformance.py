"""Checks a server of SNS and SQS against facts of SNS, through boto3.

    python3 sns_conformance.py http://127.0.0.1:9324 [part of a fact's name]

Prints a line for each fact and exits with 1 when any fails. Needs boto3 and nothing else. The facts come from the
API reference and from answers that public test suites recorded against AWS; what it makes is left over.
"""

import base64
import hashlib
import json
import ssl
import urllib.parse
import urllib.request
import uuid
import xml.etree.ElementTree as ElementTree

from facts import client, exchange, fact, main, refused, same

NAMESPACE = "{http://sns.amazonaws.com/doc/2010-03-31/}"


class World:
    """The server under test, as each fact sees it."""

    def __init__(self, endpoint):
        self.endpoint = endpoint.rstrip("/")
        self.sqs, self.sns = (client(service, self.endpoint) for service in ("sqs", "sns"))

    def topic(self, fifo=False, **attributes):
        name = f"conformance-{uuid.uuid4().hex[:12]}" + (".fifo" if fifo else "")
        if fifo:
            attributes["FifoTopic"] = "true"
        return self.sns.create_topic(Name=name, Attributes=attributes)["TopicArn"]

    def queue(self, topic, fifo=False, **attributes):
        """A queue that is subscribed to the topic; its URL and the subscription's ARN."""
        name = f"conformance-{uuid.uuid4().hex[:12]}" + (".fifo" if fifo else "")
        url = self.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"} if fifo else {})["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        answer = self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        return url, answer["SubscriptionArn"]

    def receive(self, url):
        answer = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
        )
        return answer.get("Messages", [])

    def query(self, parameters):
        """A request of the query protocol: the status and the XML of the answer."""
        request = urllib.request.Request(self.endpoint, data=urllib.parse.urlencode(parameters).encode())
        status, answer, _ = exchange(request, ElementTree.fromstring)
        return status, answer


def text(element, path):
    found = element.find("/".join(NAMESPACE + name for name in path.split("/")))
    return None if found is None else found.text


@fact
def creating_a_topic_twice_answers_the_same_arn(world):
    name = f"conformance-{uuid.uuid4().hex[:12]}"
    first = world.sns.create_topic(Name=name)["TopicArn"]
    same("arn", world.sns.create_topic(Name=name)["TopicArn"], first)
    same("end", first.split(":")[-1], name)


@fact
def a_topic_of_another_kind_under_the_same_name_is_refused(world):
    arn = world.topic(DisplayName="a")
    call = lambda: world.sns.create_topic(Name=arn.split(":")[-1], Attributes={"DisplayName": "b"})
    refused(call, "InvalidParameter", says="different attributes")


@fact
def an_invalid_topic_name_is_refused(world):
    for name in ["", "a b", "x" * 257]:
        refused(lambda name=name: world.sns.create_topic(Name=name), "InvalidParameter", says="Topic Name")


@fact
def a_fifo_topic_needs_its_suffix(world):
    call = lambda: world.sns.create_topic(Name="standard", Attributes={"FifoTopic": "true"})
    refused(call, "InvalidParameter", says="Topic Name")


@fact
def deleting_a_topic_twice_is_fine(world):
    arn = world.topic()
    world.sns.delete_topic(TopicArn=arn)
    world.sns.delete_topic(TopicArn=arn)
    refused(lambda: world.sns.get_topic_attributes(TopicArn=arn), "NotFound", 404, "Topic does not exist")


@fact
def a_message_arrives_in_the_envelope(world):
    topic = world.topic()
    url, subscription = world.queue(topic)
    answer = world.sns.publish(
        TopicArn=topic,
        Message="a & b\n\"ü\"",
        Subject="hello",
        MessageAttributes={"n": {"DataType": "Number", "StringValue": "7"}},
    )
    messages = world.receive(url)
    same("count", len(messages), 1)
    envelope = json.loads(messages[0]["Body"])
    same("type", envelope["Type"], "Notification")
    same("id", envelope["MessageId"], answer["MessageId"])
    same("topic", envelope["TopicArn"], topic)
    same("message", envelope["Message"], "a & b\n\"ü\"")
    same("subject", envelope["Subject"], "hello")
    same("attributes", envelope["MessageAttributes"], {"n": {"Type": "Number", "Value": "7"}})
    same("attributes of the message", "MessageAttributes" in messages[0], False)


@fact
def a_message_arrives_raw(world):
    topic = world.topic()
    url, _ = world.queue(topic, RawMessageDelivery="true")
    attributes = {"b": {"DataType": "Binary", "BinaryValue": b"\0\xff"}, "s": {"DataType": "String", "StringValue": "x"}}
    world.sns.publish(TopicArn=topic, Message="raw", MessageAttributes=attributes)
    message = world.receive(url)[0]
    same("body", message["Body"], "raw")
    same("binary", message["MessageAttributes"]["b"]["BinaryValue"], b"\0\xff")
    same("string", message["MessageAttributes"]["s"]["StringValue"], "x")


@fact
def raw_delivery_can_be_switched_on_later(world):
    topic = world.topic()
    url, subscription = world.queue(topic)
    world.sns.set_subscription_attributes(
        SubscriptionArn=subscription, AttributeName="RawMessageDelivery", AttributeValue="true"
    )
    world.sns.publish(TopicArn=topic, Message="raw")
    same("body", world.receive(url)[0]["Body"], "raw")


@fact
def a_filter_policy_is_heeded_and_can_be_removed(world):
    topic = world.topic()
    policy = json.dumps({"kind": ["a", {"prefix": "b"}], "size": [{"numeric": [">=", 2]}]})
    url, subscription = world.queue(topic, FilterPolicy=policy, RawMessageDelivery="true")
    for kind, size in [("a", "1"), ("a", "2"), ("bee", "3"), ("c", "3")]:
        attributes = {
            "kind": {"DataType": "String", "StringValue": kind},
            "size": {"DataType": "Number", "StringValue": size},
        }
        world.sns.publish(TopicArn=topic, Message=kind + size, MessageAttributes=attributes)
    same("bodies", sorted(message["Body"] for message in world.receive(url)), ["a2", "bee3"])
    world.sns.set_subscription_attributes(
        SubscriptionArn=subscription, AttributeName="FilterPolicy", AttributeValue="{}"
    )
    world.sns.publish(TopicArn=topic, Message="any")
    same("bodies", [message["Body"] for message in world.receive(url)], ["any"])


@fact
def subscribing_twice_answers_the_same_arn(world):
    topic = world.topic()
    url, first = world.queue(topic)
    arn = world.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    again = world.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    same("arn", again, first)
    same("count", len(world.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]), 1)


@fact
def what_is_unsubscribed_gets_nothing(world):
    topic = world.topic()
    url, subscription = world.queue(topic)
    world.sns.unsubscribe(SubscriptionArn=subscription)
    world.sns.publish(TopicArn=topic, Message="x")
    same("messages", world.receive(url), [])


@fact
def wrong_publications_are_refused(world):
    topic, fifo = world.topic(), world.topic(fifo=True)
    publish = world.sns.publish
    gone = topic + "gone"
    refused(lambda: publish(TopicArn=gone, Message="x"), "NotFound", 404, "Topic does not exist")
    refused(lambda: publish(TopicArn="topic", Message="x"), "InvalidParameter", says="TopicArn")
    refused(lambda: publish(Message="x"), "InvalidParameter", says="TopicArn")
    refused(lambda: publish(TopicArn=topic, Message=""), "InvalidParameter", says="Empty message")
    refused(lambda: publish(TopicArn=topic, Message="x" * 262_145), "InvalidParameter", says="Message too long")
    refused(lambda: publish(TopicArn=topic, Message="x", Subject="a\nb"), "InvalidParameter", says="Subject")
    refused(lambda: publish(TopicArn=fifo, Message="x"), "InvalidParameter", says="MessageGroupId")
    refused(
        lambda: publish(TopicArn=fifo, Message="x", MessageGroupId="g"),
        "InvalidParameter",
        says="ContentBasedDeduplication",
    )
    refused(
        lambda: publish(TopicArn=topic, Message="x", MessageDeduplicationId="d"),
        "InvalidParameter",
        says="MessageDeduplicationId",
    )
    refused(lambda: publish(PhoneNumber="12", Message="x"), "InvalidParameter", says="PhoneNumber")
    odd = {"a": {"DataType": "Word", "StringValue": "x"}}
    refused(
        lambda: publish(TopicArn=topic, Message="x", MessageAttributes=odd),
        "ParameterValueInvalid",
        says="invalid message attribute type",
    )


@fact
def a_fifo_topic_feeds_a_fifo_queue_in_order(world):
    topic = world.topic(fifo=True, ContentBasedDeduplication="true")
    url, _ = world.queue(topic, fifo=True, RawMessageDelivery="true")
    numbers = []
    for body in ["1", "2", "2", "3"]:
        answer = world.sns.publish(TopicArn=topic, Message=body, MessageGroupId="g")
        numbers.append(answer["SequenceNumber"])
    same("the duplicate's number", numbers[1], numbers[2])
    same("order", [message["Body"] for message in world.receive(url)], ["1", "2", "3"])


@fact
def a_batch_fails_entry_by_entry(world):
    topic = world.topic()
    entries = [{"Id": "a", "Message": "x"}, {"Id": "b", "Message": "x", "Subject": "a\nb"}]
    answer = world.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    same("successful", [entry["Id"] for entry in answer["Successful"]], ["a"])
    same("failed", [(entry["Id"], entry["Code"]) for entry in answer["Failed"]], [("b", "InvalidParameter")])


@fact
def one_entry_without_its_fifo_ids_fails_its_batch(world):
    topic = world.topic(fifo=True)
    publish = lambda entry: world.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[entry])
    good = {"Id": "a", "Message": "x", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
    publish(good)
    for missing in ["MessageGroupId", "MessageDeduplicationId"]:
        entry = {key: value for key, value in good.items() if key != missing}
        refused(lambda entry=entry: publish(entry), "InvalidParameter", says=missing)


@fact
def wrong_batches_are_refused(world):
    topic = world.topic()
    entry = lambda id, message="x": {"Id": id, "Message": message}
    for entries, code in [
        ([entry(str(number)) for number in range(11)], "TooManyEntriesInBatchRequest"),
        ([entry("a"), entry("a")], "BatchEntryIdsNotDistinct"),
        ([entry("a b")], "InvalidBatchEntryId"),
        ([entry("a", "x" * 200_000), entry("b", "x" * 200_000)], "BatchRequestTooLong"),
    ]:
        call = lambda entries=entries: world.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
        refused(call, code)


@fact
def a_structured_message_gives_sqs_its_own_text(world):
    topic = world.topic()
    url, _ = world.queue(topic, RawMessageDelivery="true")
    message = json.dumps({"default": "d", "sqs": "s"})
    world.sns.publish(TopicArn=topic, Message=message, MessageStructure="json")
    same("body", world.receive(url)[0]["Body"], "s")


@fact
def the_size_limit_of_a_topic_can_be_raised(world):
    topic = world.topic(MaximumMessageSize="1048576")
    world.sns.publish(TopicArn=topic, Message="x" * 1_000_000)
    call = lambda: world.sns.publish(TopicArn=topic, Message="x" * 1_048_577)
    refused(call, "InvalidParameter", says="Message too long")


@fact
def an_sms_is_taken(world):
    answer = world.sns.publish(PhoneNumber="+15550100123", Message="ahoy")
    same("has an id", bool(answer["MessageId"]), True)


@fact
def errors_and_answers_are_xml_of_the_namespace_of_sns(world):
    name = f"conformance-{uuid.uuid4().hex[:12]}"
    version = {"Version": "2010-03-31"}
    status, answer = world.query({"Action": "CreateTopic", "Name": name, **version})
    same("status", status, 200)
    arn = text(answer, "CreateTopicResult/TopicArn")
    same("request id", bool(text(answer, "ResponseMetadata/RequestId")), True)
    status, answer = world.query({"Action": "GetTopicAttributes", "TopicArn": arn + "x", **version})
    same("status", status, 404)
    same("root", answer.tag, NAMESPACE + "ErrorResponse")
    same("code", text(answer, "Error/Code"), "NotFound")
    same("type", text(answer, "Error/Type"), "Sender")


@fact
def a_phone_number_gets_sms_unless_it_opted_out(world):
    number = "+15550100123"
    world.sns.opt_in_phone_number(phoneNumber=number)
    same("opted out", world.sns.check_if_phone_number_is_opted_out(phoneNumber=number)["isOptedOut"], False)
    same("listed", number in world.sns.list_phone_numbers_opted_out()["phoneNumbers"], False)
    call = lambda: world.sns.opt_in_phone_number(phoneNumber="invalid")
    refused(call, "InvalidParameter", says="PhoneNumber Reason: input incorrectly formatted")


@fact
def the_attributes_of_sms_are_checked_and_kept(world):
    world.sns.set_sms_attributes(attributes={"DefaultSMSType": "Promotional", "DefaultSenderID": "Shop"})
    same("limit", world.sns.get_sms_attributes()["attributes"]["MonthlySpendLimit"], "1")
    chosen = world.sns.get_sms_attributes(attributes=["DefaultSenderID"])["attributes"]
    same("chosen", chosen, {"DefaultSenderID": "Shop"})
    for name, says in [("Invalid", "Invalid is not a valid attribute"), ("DefaultSMSType", "DefaultSMSType is invalid")]:
        call = lambda name=name: world.sns.set_sms_attributes(attributes={name: "x"})
        refused(call, "InvalidParameter", says=says)


@fact
def an_envelope_is_signed_by_the_certificate_that_it_names(world):
    for version, digest in [("1", "sha1"), ("2", "sha256")]:
        topic = world.topic(SignatureVersion=version)
        url, _ = world.queue(topic)
        world.sns.publish(TopicArn=topic, Message="ahoy", Subject="new")
        envelope = json.loads(world.receive(url)[0]["Body"])
        fields = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        signed = "".join(f"{field}\n{envelope[field]}\n" for field in fields)
        with urllib.request.urlopen(envelope["SigningCertURL"]) as answer:
            certificate = ssl.PEM_cert_to_DER_cert(answer.read().decode())
        _, _, key = certificate.partition(b"\x02\x82\x01\x01\x00")  # The modulus, a number of 2,048 bits.
        signature = int.from_bytes(base64.b64decode(envelope["Signature"]), "big")
        padded = pow(signature, 65_537, int.from_bytes(key[:256], "big")).to_bytes(256, "big")
        same("version", envelope["SignatureVersion"], version)
        same("padding", padded[:3], b"\0\1\xff")
        same("hash", padded.endswith(hashlib.new(digest, signed.encode()).digest()), True)


@fact
def a_topic_is_for_clients_of_its_region(world):
    arn, elsewhere = world.topic(), client("sns", world.endpoint, "eu-west-1")
    refused(lambda: elsewhere.publish(TopicArn=arn, Message="x"), "InvalidParameter", says="Invalid parameter: TopicArn")
    same("listed", [topic for topic in elsewhere.list_topics()["Topics"] if topic["TopicArn"] == arn], [])
    other = elsewhere.create_topic(Name=arn.split(":")[-1])["TopicArn"]
    same("region", other.split(":")[3], "eu-west-1")


@fact
def an_error_of_a_filter_policy_names_its_place(world):
    topic = world.topic()
    for policy, says in [
        ({"key": {"suffix": "value", "prefix": "value"}}, '"suffix" must be an object or an array\n at [Source: '
         '(String)"{"key":{"suffix":"value","prefix":"value"}}"; line: 1, column: 19]'),
        ({"key": [{"numeric": [">", 3, "<", 1]}]}, 'Bottom must be less than top\n at [Source: '
         '(String)"{"key":[{"numeric":[">",3,"<",1]}]}"; line: 1, column: 33]'),
    ]:
        attributes = {"FilterPolicy": json.dumps(policy)}
        call = lambda attributes=attributes: world.sns.subscribe(
            TopicArn=topic, Protocol="sms", Endpoint="+15550100123", Attributes=attributes)
        refused(call, "InvalidParameter", says=says)


if __name__ == "__main__":
    main(World, __doc__)
