"""The acceptance run: deploys a stage of its own, sends it messages, watches what becomes of them, and takes it down.

    python3 deploy/verify                                      in the account of your credentials; asks first
    python3 deploy/verify --emulator http://127.0.0.1:4566     in LocalStack, with a worker of this machine

IMAGE is an image of deploy/verify/Dockerfile. Exit code 0: nothing failed. 1: something failed. 64: it cannot begin.
"""

import argparse
import os
import pathlib
import re
import secrets
import signal
import sys
import tempfile
import time

import boto3

import cost
import door
from emulated import Worker, address
from fleet import Fleet
from messages import Messages
from outcomes import Outcomes
from report import Report
from stage import Stage

PATIENCE = 1200  # seconds: scale-in takes six idle minutes, SQS's metrics come late
EMULATED_PATIENCE = 20


class Stopped(BaseException):
    """Ctrl-C, or SIGTERM."""


def arguments():
    parser = argparse.ArgumentParser(prog="deploy/verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", default="verify", help="the first part of every name")
    parser.add_argument("--stage", default=f"v{secrets.token_hex(3)}", help="the second part; a new one by default")
    parser.add_argument("--emulator", help="the address of a LocalStack")
    parser.add_argument("--worker", default="longshore", help="the worker's program, with --emulator")
    parser.add_argument("--long", type=int, default=60, help="the seconds that the long message takes; more than its visibility, 20")
    parser.add_argument("--patience", type=int, help="the seconds that alarms and scaling may take")
    parser.add_argument("--yes", action="store_true", help="do not ask before anything is made")
    return parser.parse_args()


def refuse(what, hint):
    print(f"error: {what}\nhint: {hint}", file=sys.stderr)
    sys.exit(64)


def prepare(given):
    """The environment of the run; refuses what cannot work."""
    if given.emulator:
        os.environ |= {"AWS_ENDPOINT_URL": given.emulator, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        os.environ.setdefault("IMAGE", "verify")
    region = os.environ.get("AWS_REGION") or boto3.Session().region_name or ("eu-west-1" if given.emulator else None)
    if region is None:
        refuse("no region", "AWS_REGION=eu-west-1, or the region of a profile")
    os.environ |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    for name, value in (("--project", given.project), ("--stage", given.stage)):
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,11}", value):
            refuse(f"{name} is no name: {value}", "1 to 12 lower-case letters, digits and hyphens, a letter first")
    if not os.environ.get("IMAGE"):
        refuse("IMAGE names no image", "build and push one of deploy/verify/Dockerfile: deploy/README.md#verify-it has the commands")
    try:
        return boto3.client("sts").get_caller_identity()["Account"]
    except Exception as error:  # no credentials, no network, no permission
        return refuse(f"AWS does not say who you are: {error}", "aws sts get-caller-identity must work; aws sso login, or AWS_PROFILE")


def agrees(given, account):
    print(f"{given.project}-{given.stage} will be made in account {account}, {os.environ['AWS_REGION']}, and taken down again: an hour, about $0.20")
    return given.yes or bool(given.emulator) or input("go on? [y/N] ").strip().lower() in ("y", "yes")


class Run:
    """One run, and what it must leave as it was."""

    def __init__(self, given, folder):
        self.given, self.folder = given, pathlib.Path(folder)
        self.report = Report(lambda text: print(text, flush=True))
        self.stage = Stage(given.project, given.stage, self.folder, {})
        self.begun = time.monotonic()
        self.rest = self.fleet = self.outcomes = self.worker = None

    def look(self):
        """Everything there is to see."""
        if not self.report.see("the templates are synthesized", lambda: f"{len(self.stage.synthesize())} stack(s)"):
            return
        if not self.report.see("the stage is deployed", self.stage.deploy):
            return
        self.outcomes = Outcomes(self.stage)
        if not self.report.see("the outcomes of messages and alarms are listened to", self.outcomes.begin):
            return
        is_emulated = bool(self.given.emulator)
        if is_emulated:
            self.worker = Worker(self.stage, self.given.worker, self.given.emulator, self.folder / "worker.log")
        self.rest = door.rest(self.stage, address(self.given.emulator))
        messages = Messages(self.stage, self.rest, door.http(self.stage), self.outcomes, self.given.long, is_emulated)
        patience = self.given.patience or (EMULATED_PATIENCE if is_emulated else PATIENCE)
        self.fleet = Fleet(self.stage, messages, self.outcomes, patience, is_emulated)
        for what, see in [*messages.lines(), *self.fleet.lines()]:
            self.report.see(what, see)

    def take_down(self):
        """Also after Ctrl-C: no signal ends it, and what it could not take down is said."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: print("taking it down; this takes minutes", file=sys.stderr))
        if self.worker:
            self.report.see("the worker drains and ends with 0", self._drained)
        if self.outcomes:
            self.report.see("the run's own queue and subscriptions are gone", self.outcomes.end)
        self.report.see("the stage is taken down", self.stage.take_down)

    def _drained(self):
        code = self.worker.stop()
        if code != 0:
            raise RuntimeError(f"exit code {code}:\n{(self.folder / 'worker.log').read_text()[-2000:]}")
        return "0"

    def print(self):
        handled = sum(map(len, self.outcomes.of.values())) if self.outcomes else 0
        print(f"\n{self.report.table()}")
        print(cost.line(time.monotonic() - self.begun, self.fleet.most if self.fleet else 1, self.rest.requests if self.rest else 0, handled))
        if self.given.emulator:
            print("In LocalStack nothing costs, and its worker was a program of this machine, not a task of ECS.")


def stop(*_):
    raise Stopped


def main():
    given = arguments()
    if not agrees(given, prepare(given)):
        return 64
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(given, folder)
        stopped = False
        try:
            run.look()
        except Stopped:
            stopped = True
            print("stopped: taking down what was made", file=sys.stderr)
        except Exception as error:  # between two lines; what was made is taken down all the same
            run.report.see("the run itself", lambda: (_ for _ in ()).throw(error))
        finally:
            run.take_down()
        run.print()
        return 130 if stopped else int(run.report.has_failed())


if __name__ == "__main__":
    sys.exit(main())
