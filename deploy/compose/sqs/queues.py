"""Makes the queues of examples/http/longshore.toml, each with its DLQ, when the emulator is ready."""

import json
import os

from botocore.session import get_session

QUEUES = ("orders", "readings")
FAILURES_ALLOWED = "3"


def main():
    sqs = get_session().create_client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    for name in QUEUES:
        dlq = sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dlq, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": FAILURES_ALLOWED}
        sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(redrive)})
        print(f"queue {name}")


if __name__ == "__main__":
    main()
