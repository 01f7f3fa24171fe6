"""What the facts are checked in: the images, a network, and a queue server on it."""

import json
import os
import pathlib
import uuid

import engine
from engine import Container, build, until
from facts import client

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = "tests/image"
SQS = "http://sqs:9324"

# The bases of the Dockerfiles; others in their place by LONGSHORE_BUILD_IMAGE and LONGSHORE_RUNTIME_IMAGE.
BUILD_BASE = os.environ.get("LONGSHORE_BUILD_IMAGE", "rust:1-bookworm")
RUNTIME_BASE = os.environ.get("LONGSHORE_RUNTIME_IMAGE", "gcr.io/distroless/static-debian12:nonroot")
SLIM_BASE = "debian:bookworm-slim"

IMAGE = "longshore-test:latest"
VERSION = "0.0.0-test"
ON_TOP, WITH_SHELL, WITH_LAMBDA = "longshore-test-program", "longshore-test-shell", "longshore-test-lambda"


def missing():
    """Why nothing can be checked on this machine, if so."""
    if not engine.is_there():
        return "no Docker engine (hint: start one, or point DOCKER_HOST at one)"
    absent = [name for name in (BUILD_BASE, RUNTIME_BASE, SLIM_BASE) if not engine.has_image(name)]
    if absent:
        return f"base images neither here nor to be pulled: {', '.join(absent)} (hint: docker pull them once)"
    return None


class World:
    """Builds everything at first, so that a fact has only to run it."""

    def __init__(self, _):
        bases = [f"--build-arg=BUILD_IMAGE={BUILD_BASE}", f"--build-arg=RUNTIME_IMAGE={RUNTIME_BASE}"]
        labels = [f"--build-arg=VERSION={VERSION}", "--build-arg=REVISION=abc1234"]
        build(IMAGE, *bases, *labels, str(ROOT))
        extend = ROOT / "deploy" / "extend"
        examples = ROOT / "examples"
        longshore = f"--build-arg=LONGSHORE_IMAGE={IMAGE}"
        build(ON_TOP, bases[0], longshore, str(extend / "program"))
        build(WITH_SHELL, longshore, "--file", str(extend / "shell.Dockerfile"), str(examples / "exec"))
        build(WITH_LAMBDA, longshore, "--file", str(extend / "lambda.Dockerfile"), str(examples / "lambda" / "python"))
        print("the images are built of the Dockerfiles as they are", flush=True)
        self.network = engine.network()
        on_network = ["--network", self.network, "--network-alias", "sqs", "--publish", "127.0.0.1::9324"]
        server = Container(IMAGE, "dev", "--sqs-listen", "0.0.0.0:9324", options=[*engine.CONFINED, *on_network])
        server.says("queue opened")
        self.sqs = client("sqs", server.port(9324))

    def queue(self):
        """A queue with a DLQ: its name in the worker's settings is jobs."""
        return Jobs(self.sqs)

    def worker(self, image, queue, options=(), **settings):
        """A worker in a confined container; a setting is the last part of its variable's name."""
        named = {f"LONGSHORE__QUEUES__JOBS__{key}": value for key, value in settings.items()}
        return self.run(image, "run", options=options, LONGSHORE__QUEUES__JOBS__URL=queue.inside, **named)

    def run(self, image, *command, options=(), confined=engine.CONFINED, **variables):
        """A confined container on the network of the queue server."""
        aws = {"LONGSHORE__AWS__ENDPOINT_URL": SQS, "LONGSHORE__AWS__REGION": "us-east-1"}
        aws |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
        given = [word for name, value in (aws | variables).items() for word in ("--env", f"{name}={value}")]
        return Container(image, *command, options=[*confined, "--network", self.network, *given, *options])

    def slow_handler(self):
        """An HTTP handler that takes the seconds that a body says, and its address on the network."""
        alias = f"handler-{uuid.uuid4().hex[:8]}"
        script = f"{ROOT / HERE / 'slow_handler.py'}:/slow_handler.py:ro"
        options = ["--network", self.network, "--network-alias", alias, "--volume", script, "--entrypoint", "python3"]
        handler = Container(WITH_LAMBDA, "/slow_handler.py", "8080", options=[*options, "--no-healthcheck"])
        return handler, f"http://{alias}:8080/"


class Jobs:
    """A queue of one fact's own."""

    def __init__(self, sqs, name=None):
        self.sqs = sqs
        self.name = name or f"jobs-{uuid.uuid4().hex[:8]}"
        self.dlq = sqs.create_queue(QueueName=f"{self.name}-dlq")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self.dlq, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "5"})
        self.url = sqs.create_queue(QueueName=self.name, Attributes={"RedrivePolicy": redrive})["QueueUrl"]
        self.inside = f"{SQS}/000000000000/{self.name}"

    def send(self, body, **attributes):
        typed = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body, MessageAttributes=typed)

    def depth(self, url=None):
        """How many messages wait, and how many are held."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=names)["Attributes"]
        return tuple(int(answer[name]) for name in names)

    def is_emptied(self):
        """Waits until nothing is in it."""
        until("empty queue", lambda: self.depth() == (0, 0))

    def rejected(self):
        """Waits until a message is in the DLQ, and answers it."""
        receive = lambda: self.sqs.receive_message(QueueUrl=self.dlq, MessageAttributeNames=["All"]).get("Messages")
        return until("a message in the DLQ", receive)[0]

