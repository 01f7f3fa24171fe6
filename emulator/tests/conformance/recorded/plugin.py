"""Points LocalStack's test suite at the server of EMULATOR_PORT, whose account is 000000000000."""

import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    from localstack import config as localstack

    address = localstack.HostAndPort(host="127.0.0.1", port=int(os.environ["EMULATOR_PORT"]))
    localstack.GATEWAY_LISTEN = localstack.UniqueHostAndPortList([address])
    localstack.LOCALSTACK_HOST = address
