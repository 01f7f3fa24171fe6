"""A fixture for pytest: one emulator for the session, on a free port, with the queues of emulator.toml."""

import subprocess
from pathlib import Path

import boto3
import pytest


@pytest.fixture(scope="session")
def emulator():
    config = Path(__file__).with_name("emulator.toml")
    command = ["longshore", "emulator", "--listen", "127.0.0.1:0", "--config", config]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        # Written once it listens: "  endpoint  http://127.0.0.1:…". Closed after it, as a full pipe would stop the emulator.
        with process.stdout as output:
            line = next((line for line in output if "endpoint" in line), None)
        assert line, "the emulator did not start"
        yield line.split()[-1]
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def aws(emulator):
    """Makes clients of the emulator: aws("sqs"), aws("sns")."""
    return lambda service: boto3.client(service, endpoint_url=emulator, region_name="us-east-1",
                                        aws_access_key_id="any", aws_secret_access_key="any")
