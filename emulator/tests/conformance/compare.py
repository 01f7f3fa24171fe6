"""Runs the conformance scripts on several servers and prints a table: facts that hold, start time and memory.

    compare.py PROGRAM [--moto PYTHON] [--localstack PYTHON]

PROGRAM is the emulator's; the others are Pythons that have moto (`moto[server]`) or LocalStack (`localstack-core` with
its runtime, 4.14 is the last release that needs no account). ElasticMQ is a program in Java from Maven; start it by
hand and run the two scripts on its address.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
LOCALSTACK = """
import twisted.internet.endpoints as endpoints
tcp = endpoints.TCP4ServerEndpoint
endpoints.TCP4ServerEndpoint = lambda reactor, port, backlog=50, interface="": tcp(
    reactor, port, backlog, interface or "127.0.0.1")  # its host mode binds every interface
from localstack.runtime.main import main
main()
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def localstack_environment(port, directory):
    return {
        "GATEWAY_LISTEN": f"127.0.0.1:{port}", "LOCALSTACK_HOST": f"127.0.0.1:{port}", "SQS_ENDPOINT_STRATEGY": "off",
        "DISABLE_EVENTS": "1", "SKIP_SSL_CERT_DOWNLOAD": "1", "DNS_ADDRESS": "0",
        "LOCALSTACK_VOLUME_DIR": directory, "FILESYSTEM_ROOT": directory,
    }


def commands(arguments, port, directory):
    yield "longshore-emulator", [arguments.program, f"127.0.0.1:{port}"], {}
    if arguments.moto:
        yield "moto", [arguments.moto, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], {}
    if arguments.localstack:
        yield "LocalStack", [arguments.localstack, "-c", LOCALSTACK], localstack_environment(port, directory)


def answers(address):
    """True once the server lists its queues, which every one of them can."""
    form = b"Action=ListQueues&Version=2012-11-05"
    scope = "Credential=any/20260101/us-east-1/sqs/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=x"}
    try:
        urllib.request.urlopen(urllib.request.Request(address, form, headers), timeout=5).read()
    except (OSError, urllib.error.URLError):
        return False
    return True


def resident_megabytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0


def facts(script, address):
    output = subprocess.run([sys.executable, HERE / script, address], capture_output=True, text=True).stdout
    return output.strip().splitlines()[-1].removesuffix(" facts hold") if output.strip() else "none"


def measure(name, command, environment, port):
    address = f"http://127.0.0.1:{port}"
    begin = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while not answers(address):
            if process.poll() is not None or time.monotonic() - begin > 180:
                return f"| {name} | did not start | | | |"
            time.sleep(0.005)
        started = time.monotonic() - begin
        idle = resident_megabytes(process.pid)
        results = [facts(script, address) for script in ("sqs_conformance.py", "sns_conformance.py")]
        used = resident_megabytes(process.pid)
        return f"| {name} | {results[0]} | {results[1]} | {started:.2f} s | {idle:.0f} → {used:.0f} MB |"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--moto")
    parser.add_argument("--localstack")
    arguments = parser.parse_args()
    print("| server | SQS facts | SNS facts | start | memory, idle → after |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        names = [name for name, _, _ in commands(arguments, 0, directory)]
        for wanted in names:
            port = free_port()
            for name, command, environment in commands(arguments, port, directory):
                if name == wanted:
                    print(measure(name, command, environment, port), flush=True)


if __name__ == "__main__":
    main()
