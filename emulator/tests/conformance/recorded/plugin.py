"""Points LocalStack's test suite at the server of EMULATOR_PORT, whose account is 000000000000.

Some tests look into LocalStack's own process, which is not the server here: what they read and write of SMS goes over
the paths that LocalStack has for it. Others have two expectations, one of AWS and one of LocalStack where it differs (a
retention of two seconds, a form of JSON): here they have that of AWS.
"""

import json
import os
import urllib.request

import boto3
import pytest

ENDPOINT = f"http://127.0.0.1:{os.environ['EMULATOR_PORT']}"
# The answers to "is this AWS?" that make these tests expect what AWS does: the JSON one asks for the endpoint first.
AS_ON_AWS = {
    "test_marker_serialization_json_protocol": [False, True],
    "test_message_retention": [True],
    "test_message_retention_fifo": [True],
    "test_message_retention_with_inflight": [True],
}


class OptedOut:
    """The phone numbers that want no SMS."""

    def __init__(self, region):
        keys = {"aws_access_key_id": "000000000000", "aws_secret_access_key": "any"}
        self.sns = boto3.client("sns", endpoint_url=ENDPOINT, region_name=region, **keys)

    def add(self, number):
        body = json.dumps({"phoneNumber": number, "accountId": "000000000000"}).encode()
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{ENDPOINT}/_aws/sns/phone-opt-outs", body, headers)).read()

    def remove(self, number):
        self.sns.opt_in_phone_number(phoneNumber=number)


class Store:
    """What tests use of the store of SNS in LocalStack's process."""

    def __init__(self, account, region):
        self.region = region
        self.PHONE_NUMBERS_OPTED_OUT = OptedOut(region)

    @property
    def sms_messages(self):
        url = f"{ENDPOINT}/_aws/sns/sms-messages?accountId=000000000000&region={self.region}"
        by_number = json.load(urllib.request.urlopen(url))["sms_messages"]
        return [message for messages in by_number.values() for message in messages]


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    from localstack import config as localstack

    address = localstack.HostAndPort(host="127.0.0.1", port=int(os.environ["EMULATOR_PORT"]))
    localstack.GATEWAY_LISTEN = localstack.UniqueHostAndPortList([address])
    localstack.LOCALSTACK_HOST = address


@pytest.fixture(autouse=True)
def adapted(request, monkeypatch):
    if hasattr(request.module, "SnsProvider"):
        monkeypatch.setattr(request.module.SnsProvider, "get_store", staticmethod(Store))
    if answers := AS_ON_AWS.get(request.node.originalname):
        on_aws = iter(answers)
        monkeypatch.setattr(request.module, "is_aws_cloud", lambda: next(on_aws))
