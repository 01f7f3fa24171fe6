"""A stage of its own: deployed and taken down by deploy/stacks.sh, with all that its stacks retain."""

import json
import os
import pathlib
import re
import signal
import subprocess

import boto3
from botocore.exceptions import ClientError

DEPLOY = pathlib.Path(__file__).resolve().parents[1]
# Small and quick: a message of a minute outlives its visibility, two attempts end in the DLQ, and a burst needs all tasks.
SETTINGS = {
    "NETWORK": "public",
    "MIN_TASKS": "1",
    "MAX_TASKS": "4",
    "CONCURRENCY": "2",
    "VISIBILITY": "20",
    "TASK_TIMEOUT": "300",
    "DLQ_RETRIES": "2",
    "CPU": "256",
    "MEMORY": "512",
    "LOG_RETENTION": "1",
    "NOTIFY": "done,failure,reject",
    "HANDLER": json.dumps({"kind": "exec", "command": ["/app/handler.sh"]}),
}
# What a run takes of its environment; any other setting there is somebody else's deployment's.
TAKEN = ("IMAGE", "ARCHITECTURE")
UNKNOWN = "unknown"  # what LocalStack calls a resource that it only says to have made
# How AWS says that something is not there any more.
GONE = ("NonExistent", "NoSuchEntity", "does not exist", "pending deletion", "PendingDeletion")


class Stage:
    """One deployment."""

    def __init__(self, project, name, out, environment):
        self.prefix = f"{project}-{name}"
        self.name = name
        others = set(re.findall(r"^\| `([A-Z_]+)` \|", (DEPLOY.parent / "docs" / "deploy-settings.md").read_text(), re.M)) - set(TAKEN)
        inherited = {key: value for key, value in os.environ.items() if key not in others}
        self._environment = inherited | SETTINGS | environment | {"PROJECT_NAME": project, "STAGE": name, "STACKS_OUT": str(out)}
        self._out = pathlib.Path(out)
        self.outputs = {}
        self.resources = []

    def stacks(self, command):
        """Runs deploy/stacks.sh; what it prints. Ctrl-C reaches it by us alone, so that it never ends half-way through a delete."""
        with subprocess.Popen([DEPLOY / "stacks.sh", command], env=self._environment, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
            try:
                printed, _ = running.communicate()
            except BaseException:
                os.killpg(running.pid, signal.SIGTERM)
                raise
        if running.returncode != 0:
            raise RuntimeError(f"deploy/stacks.sh {command} ended with {running.returncode}")
        return printed

    def synthesize(self):
        """Writes the templates."""
        self.stacks("synth")
        return self.names()

    def names(self):
        """The stacks with their templates."""
        return [line.split("\t") for line in self.stacks("names").splitlines()]

    def deploy(self):
        """Deploys them, and looks at what is there."""
        self.stacks("deploy")
        self.outputs = dict(line.split("=", 1) for line in self.stacks("outputs").splitlines())
        self.resources = self._described()
        return f"{len(self.names())} stack(s), {len(self.resources)} resources"

    def _described(self):
        found = []
        for stack, _ in self.names():
            try:
                found += boto3.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
            except ClientError as error:
                if "does not exist" not in str(error):
                    raise
        return found

    def templates(self):
        """The templates as they were synthesized."""
        return [json.loads((self._out / file).read_text()) for _, file in self.names()]

    def physical(self, kind, ending=""):
        """What AWS calls the resource of this type, whose name ends so; nothing, where there is none."""
        ids = [one.get("PhysicalResourceId", "") for one in self.resources if one["ResourceType"] == kind]
        return next((one for one in ids if one.endswith(ending) and one not in ("", UNKNOWN)), None)

    def take_down(self):
        """Deletes the stacks and what they retain: the queues, whose messages nobody needs, and the key. What is left, if anything."""
        if not (self._out / "manifest.json").exists():
            return "nothing was made"
        retained = self._described()
        self.stacks("delete")
        left = [self._remove(one["ResourceType"], one.get("PhysicalResourceId", "")) for one in retained]
        return "; ".join(filter(None, left)) or "nothing is left"

    def _remove(self, kind, identifier):
        if identifier in ("", UNKNOWN):
            return None
        try:
            if kind == "AWS::SQS::Queue":
                boto3.client("sqs").delete_queue(QueueUrl=identifier)
            elif kind == "AWS::KMS::Key":
                boto3.client("kms").schedule_key_deletion(KeyId=identifier, PendingWindowInDays=7)
                return f"the key {identifier} is deleted in 7 days"
            elif kind == "AWS::IAM::Role":
                role = boto3.client("iam").get_role(RoleName=identifier)["Role"]["Arn"]
                is_used = boto3.client("apigateway").get_account().get("cloudwatchRoleArn") == role
                return f"the role {identifier} stays" + (": API Gateway writes the logs of this account by it" if is_used else ", which nothing here uses")
        except ClientError as error:
            if any(word in str(error) for word in GONE):
                return None
            return f"left: {identifier} ({error})"
        return None
