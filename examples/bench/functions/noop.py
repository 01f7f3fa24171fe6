"""A Lambda function that does nothing."""


def handler(event, context):
    return None
