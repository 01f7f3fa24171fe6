"""What stands for AWS where an emulator is used: its addresses, and a worker on this machine with the environment of the task."""

import os
import pathlib
import re
import subprocess

import boto3

HERE = pathlib.Path(__file__).resolve().parent


def address(emulator):
    """How the URL of a REST API is reached in the emulator; unchanged without one."""
    if emulator is None:
        return lambda url: url
    return lambda url: re.sub(r"^https://([a-z0-9]+)\.execute-api\.[^/]+", rf"{emulator}/_aws/execute-api/\1", url)


class Worker:
    """A real worker, started as the task's container is."""

    def __init__(self, stage, program, emulator, log):
        command = {"LONGSHORE__QUEUES__JOBS__HANDLER__COMMAND": str(HERE / "handler.sh"), "LONGSHORE__ADMIN__LISTEN": "127.0.0.1:0"}
        own = {"LONGSHORE__AWS__ENDPOINT_URL": emulator, "AWS_ENDPOINT_URL": emulator}
        with open(log, "wb") as file:
            environment = os.environ | _environment_of_the_task(stage) | command | own
            self._running = subprocess.Popen([program, "run"], env=environment, stdout=file, stderr=file, cwd=pathlib.Path(log).parent, start_new_session=True)

    def stop(self):
        """Ends it as ECS does; its exit code."""
        self._running.terminate()
        return self._running.wait(timeout=130)


def _environment_of_the_task(stage):
    resources = [one for template in stage.templates() for one in template["Resources"].values()]
    task = next(one for one in resources if one["Type"] == "AWS::ECS::TaskDefinition")
    worker = next(one for one in task["Properties"]["ContainerDefinitions"] if one["Name"] == "worker")
    return {one["Name"]: _resolved(one["Value"], stage) for one in worker["Environment"]}


def _resolved(value, stage):
    """A text, what a resource is called, what another stack exports, or a text made of what is known of the account."""
    if isinstance(value, str):
        return value
    if "Fn::ImportValue" in value:
        exports = boto3.client("cloudformation").get_paginator("list_exports").paginate()
        return next(one["Value"] for page in exports for one in page["Exports"] if one["Name"] == value["Fn::ImportValue"])
    if "Fn::Sub" in value:
        return re.sub(r"\$\{(AWS::\w+)\}", lambda match: _of_the_account(match[1]), value["Fn::Sub"])
    if value["Ref"].startswith("AWS::"):
        return _of_the_account(value["Ref"])
    ids = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in stage.resources}
    return ids[value["Ref"]]


def _of_the_account(name):
    """A pseudo parameter of CloudFormation."""
    if name == "AWS::AccountId":
        return boto3.client("sts").get_caller_identity()["Account"]
    return {"AWS::Region": os.environ["AWS_DEFAULT_REGION"], "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}[name]
