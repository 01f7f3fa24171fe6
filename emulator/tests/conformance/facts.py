"""The code shared by the conformance scripts: the list of facts, a client, comparisons, and the run of all checks."""

import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

FACTS = []


def fact(check):
    """Registers a check; its name is the fact."""
    FACTS.append(check)
    return check


def client(service, endpoint, region="us-east-1"):
    """A client without retries, so that every failure is seen."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=64, read_timeout=30),
    )


def exchange(request, parse):
    """Sends a raw request; returns the status, the answer and its headers."""
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, parse(response.read()), response.headers
    except urllib.error.HTTPError as error:
        return error.code, parse(error.read()), error.headers


def same(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what}: {found!r}, expected {expected!r}")


def holds(what, condition):
    if not condition:
        raise AssertionError(what)


def refused(call, code, status=400, says=""):
    """Checks that the call is refused with this code and status, and a message with this text."""
    try:
        answer = call()
    except ClientError as error:
        same("code", error.response["Error"]["Code"], code)
        same("status", error.response["ResponseMetadata"]["HTTPStatusCode"], status)
        message = error.response["Error"]["Message"]
        holds(f"{says!r} should be in {message!r}", says in message)
        return
    raise AssertionError(f"answered {answer!r}, expected {code}")


def run(check, world):
    try:
        check(world)
    except Exception as error:  # one fact's failure must not hide the others
        return f"{type(error).__name__}: {error}"
    return None


def main(make_world, usage):
    """Checks the server at the first argument against the facts whose names contain the second, and exits."""
    if len(sys.argv) < 2:
        sys.exit(usage)
    world = make_world(sys.argv[1])
    part = sys.argv[2] if len(sys.argv) > 2 else ""
    chosen = [check for check in FACTS if part in check.__name__]
    failures = 0
    with ThreadPoolExecutor(max_workers=8) as pool:
        results = pool.map(lambda check: (check, run(check, world)), chosen)
        for check, problem in results:
            name = check.__name__.replace("_", " ")
            print(f"pass  {name}" if problem is None else f"FAIL  {name}: {problem[:300]}", flush=True)
            failures += problem is not None
    print(f"{len(chosen) - failures} of {len(chosen)} facts hold")
    sys.exit(1 if failures else 0)
