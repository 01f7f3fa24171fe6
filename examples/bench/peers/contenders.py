"""Who is measured, and how each is started; the peers with the settings that their own documentation names for throughput."""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

HERE = Path(__file__).parent
# Where the Makefile installs the peers, and where cargo builds.
NODE = Path(os.environ.get("PEERS_NODE", "target/peers/node")).absolute()
RELEASE = Path(os.environ.get("PEERS_RELEASE", "target/release")).absolute()
LONGSHORE = os.environ.get("LONGSHORE_PROGRAM", str(RELEASE / "longshore"))
NODE_PROGRAM = str(NODE / "node_modules/.bin/node")

# The uneven load: as many messages at once for all, which is the most that one batch of SQS has.
CONCURRENCY = 10
# What a Rust process has at once when handlers return at once.
MANY = 64


@dataclass
class Contender:
    name: str
    command: Callable[[str], list]
    environment: Callable[[str], dict] = field(default=lambda url: {})
    # A program of the handler's own, which says on its standard output where it listens.
    handler: list | None = None
    # Whether its child processes are handlers, not its own machinery.
    children_are_handlers: bool = False
    messages: str = "json"


def longshore(name, kind, concurrency, batch=1, prefetch="auto", **more):
    prefix = "LONGSHORE__QUEUES__BENCH__"
    settings = {f"{prefix}HANDLER__{key}": value for key, value in kind.items()}
    settings |= {f"{prefix}CONCURRENCY": str(concurrency), f"{prefix}BATCH__SIZE": str(batch)}
    settings |= {f"{prefix}PREFETCH": str(prefetch)}
    settings |= {"LONGSHORE__ADMIN__LISTEN": "127.0.0.1:0", "LONGSHORE__LOG__FORMAT": "json"}
    return Contender(name, lambda url: [LONGSHORE, "run"], lambda url: settings | {f"{prefix}URL": url}, **more)


def longshore_rust(name, concurrency):
    return Contender(name, lambda url: [RELEASE / "examples/bench_worker", url, str(concurrency), "body"])


def longshore_http(name, concurrency, **more):
    return longshore(name, {"KIND": "http"}, concurrency, handler=[NODE_PROGRAM, HERE / "http_handler.cjs"], **more)


def longshore_lambda(name, concurrency, batch=1):
    command = json.dumps([sys.executable, "-m", "awslambdaric", "lambda_handler.handler"])
    kind = {"KIND": "lambda", "COMMAND": command, "TASK_ROOT": str(HERE)}
    return longshore(name, kind, concurrency, batch, children_are_handlers=True)


def node(name, script, *arguments):
    return Contender(name, lambda url: [NODE_PROGRAM, HERE / script, url, *arguments])


def boto3_loop(name, threads):
    return Contender(name, lambda url: [sys.executable, HERE / "boto3_loop.py", url, str(threads)])


def celery(name, pool, prefetch):
    worker = ["worker", "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    command = [sys.executable, "-m", "celery", "--app", "celery_app", "--workdir", HERE, *worker]
    command += ["--pool", pool, "--concurrency", str(CONCURRENCY)]
    environment = {"PEERS_PREFETCH": str(prefetch)}
    return Contender(name, lambda url: command, lambda url: environment | {"PEERS_QUEUE_URL": url}, messages="celery")


def bare_loop(name, pollers):
    return Contender(name, lambda url: [RELEASE / "examples/bench_bare_loop", url, str(10**12), str(pollers)])


# Handlers that return at once.
DRAIN = [
    bare_loop("bare loop on the Rust SDK, 8 pollers, no handler", 8),
    longshore_rust(f"**Longshore**, Rust handler, concurrency {MANY}", MANY),
    longshore_http(f"**Longshore**, `http` to Node, concurrency {MANY}", MANY),
    longshore_http("**Longshore**, `http` to Node, 8 batches of 10", 8, batch=10),
    longshore_lambda("**Longshore**, `lambda` Python, 4 processes", 4),
    longshore_lambda("**Longshore**, `lambda` Python, 4 processes, batches of 10", 4, batch=10),
    node("sqs-consumer, `handleMessageBatch`, one instance", "sqs_consumer.cjs", "1", "10"),
    node("sqs-consumer, `handleMessageBatch`, 8 instances", "sqs_consumer.cjs", "8", "10"),
    node("squiss-ts, `maxInFlight` 100", "squiss.cjs", "100"),
    boto3_loop("boto3 loop, batches of 10, one thread", 1),
    celery("Celery, `prefork`, 10 processes", "prefork", prefetch=10),
    celery("Celery, `threads`, 10 threads", "threads", prefetch=10),
]

# Handlers that sleep, `CONCURRENCY` at once.
UNEVEN = [
    longshore_rust("**Longshore**, Rust handler", CONCURRENCY),
    longshore_http("**Longshore**, `http` to Node", CONCURRENCY),
    longshore_http("**Longshore**, `http` to Node, `prefetch = 20`", CONCURRENCY, prefetch=20),
    longshore_lambda("**Longshore**, `lambda` Python", CONCURRENCY),
    node("sqs-consumer, `handleMessageBatch`, one instance", "sqs_consumer.cjs", "1", "10"),
    node("sqs-consumer, 10 instances of `batchSize` 1", "sqs_consumer.cjs", "10", "1"),
    node("squiss-ts, `maxInFlight` 10", "squiss.cjs", str(CONCURRENCY)),
    boto3_loop("boto3 loop, 10 threads, batches of 10", CONCURRENCY),
    celery("Celery, `prefork`, 10 processes", "prefork", prefetch=4),
    celery("Celery, `threads`, 10 threads", "threads", prefetch=4),
]
