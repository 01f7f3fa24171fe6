"""The Python function of the tests, which does what each message's body says."""

import os
import time


def note(record):
    line = "{} {} {}\n".format(record["body"], record["attributes"]["ApproximateReceiveCount"], os.getpid())
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.write(line)


def handler(event, context):
    failures = []
    for record in event["Records"]:
        note(record)
        print("handling", record["messageId"])
        what, _, how = record["body"].partition(":")
        is_first = record["attributes"]["ApproximateReceiveCount"] == "1"
        if what == "sleep":
            time.sleep(float(how))
        elif what == "fail" and is_first:
            failures.append({"itemIdentifier": record["messageId"]})
        elif what == "raise" and is_first:
            raise ValueError("raised on request")
        elif what == "crash" and is_first:
            os._exit(7)
        elif what == "deadline":
            assert context.get_remaining_time_in_millis() > float(how) * 1000, "too little time left"
            assert context.function_name == "orders" and context.memory_limit_in_mb == "128"
            assert context.invoked_function_arn.endswith(":function:orders")
    return {"batchItemFailures": failures}
