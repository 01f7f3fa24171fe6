"""What became of each message, as the worker publishes it to the stage's topic, and the alarms' states, from theirs."""

import collections
import json
import time

import boto3

from report import Failed


class Outcomes:
    """A queue of its own, subscribed to both topics."""

    def __init__(self, stage):
        self._stage = stage
        self._sqs, self._sns = boto3.client("sqs"), boto3.client("sns")
        self.url, self._subscriptions = None, []
        self.of = collections.defaultdict(list)  # by the message's id
        self.alarms = collections.defaultdict(list)  # by the alarm's name, its states

    def begin(self):
        """Makes the queue and the subscriptions."""
        stage = self._stage
        self.url = self._sqs.create_queue(QueueName=f"{stage.prefix}-verify")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        topics = [stage.physical("AWS::SNS::Topic", "-topic"), stage.physical("AWS::SNS::Topic", "-alarms")]
        allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
        policy = {"Version": "2012-10-17", "Statement": [allow | {"Condition": {"ArnEquals": {"aws:SourceArn": topics}}}]}
        self._sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps(policy)})
        for topic in topics:
            made = self._sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
            self._subscriptions.append(made["SubscriptionArn"])
        return f"{len(topics)} topics are listened to"

    def poll(self):
        """Takes what has come; waits a second for it."""
        for message in self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            self._take(json.loads(json.loads(message["Body"])["Message"]))
            self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def _take(self, notification):
        if "messageId" in notification:
            self.of[notification["messageId"]].append(notification["outcome"])
        elif "AlarmName" in notification:
            self.alarms[notification["AlarmName"]].append(notification["NewStateValue"])

    def wait_for(self, ids, outcome, seconds):
        """Until each of these messages has had this outcome."""
        deadline = time.monotonic() + seconds
        while missing := [one for one in ids if outcome not in self.of[one]]:
            if time.monotonic() > deadline:
                raise Failed(f"{len(missing)} of {len(ids)} messages were not {outcome} within {seconds} s; they were {[self.of[one] for one in missing][:3]}")
            self.poll()

    def end(self):
        """Takes the subscriptions and the queue away."""
        for subscription in self._subscriptions:
            self._sns.unsubscribe(SubscriptionArn=subscription)
        if self.url is not None:
            self._sqs.delete_queue(QueueUrl=self.url)
        return "gone"
