"""Tests of a program that uses SQS and SNS; `emulator` and `aws` are in conftest.py."""


def test_an_order_waits_in_its_queue(aws):
    sqs = aws("sqs")
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="4711")
    order = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"][0]
    assert order["Body"] == "4711"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=order["ReceiptHandle"])


def test_a_topic_delivers_what_its_filter_selects(aws):
    sqs, sns = aws("sqs"), aws("sns")
    topic = "arn:aws:sns:us-east-1:000000000000:events"
    for kind in ("deleted", "created"):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        sns.publish(TopicArn=topic, Message=kind, MessageAttributes=attributes)
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
    assert [message["Body"] for message in messages] == ["created"]
