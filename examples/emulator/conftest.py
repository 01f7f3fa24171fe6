"""A fixture for pytest: one emulator for the session, on a free port, with the queues of emulator.toml."""

import os
import socket
import subprocess
from pathlib import Path

import boto3
import pytest

PROGRAM = os.environ.get("LONGSHORE_EMULATOR", "longshore-emulator")


@pytest.fixture(scope="session")
def emulator():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % free.getsockname()[1]
    config = Path(__file__).with_name("emulator.toml")
    process = subprocess.Popen([PROGRAM, address, "--config", config], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()  # written once it listens
    assert "endpoint" in line, f"the emulator did not start: {line}"
    yield f"http://{address}"
    process.terminate()
    process.wait(timeout=10)


@pytest.fixture
def aws(emulator):
    """Makes clients of the emulator: aws("sqs"), aws("sns")."""
    return lambda service: boto3.client(service, endpoint_url=emulator, region_name="us-east-1",
                                        aws_access_key_id="any", aws_secret_access_key="any")
