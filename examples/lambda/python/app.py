"""A Lambda function as it runs in Lambda: it ships the orders of a batch, and names those it could not ship.

Nothing in it knows of Longshore.
"""

import json


class NotShipped(Exception):
    """An order that cannot be shipped now."""


def ship(order):
    if not order["items"]:
        raise NotShipped("it has no items")
    print("shipped order {}: {}".format(order["id"], ", ".join(order["items"])))


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            ship(json.loads(record["body"]))
        except Exception as error:
            print("order of message {} not shipped: {}".format(record["messageId"], error))
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
