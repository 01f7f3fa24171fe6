"""Sends and receives by Amazon's extended client of SQS for Python: `send QUEUE BUCKET BYTES [legacy]` or `receive QUEUE BUCKET`."""

import hashlib
import sys

import boto3
import sqs_extended_client  # noqa: F401, adds itself to boto3's clients

action, queue, bucket, *rest = sys.argv[1:]
client = boto3.client("sqs")
client.large_payload_support = bucket
if action == "send":
    client.always_through_s3 = True
    client.use_legacy_attribute = "legacy" in rest
    client.send_message(QueueUrl=queue, MessageBody="é" * (int(rest[0]) // 2))
else:
    client.delete_payload_from_s3 = True
    answer = client.receive_message(QueueUrl=queue, WaitTimeSeconds=20, MessageAttributeNames=["All"])
    for message in answer["Messages"]:
        body = message["Body"].encode()
        print(len(body), hashlib.md5(body).hexdigest(), flush=True)
        client.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
