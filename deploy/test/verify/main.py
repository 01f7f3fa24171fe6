"""Tests of deploy/verify: what it says of what it sees, and a whole run in LocalStack, where LONGSHORE_EMULATOR names one.

    python main.py            LONGSHORE_PROGRAM is the worker, with an emulator
"""

import os
import pathlib
import signal
import subprocess
import sys
import unittest
from unittest import mock

DEPLOY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(DEPLOY / "verify"))

import boto3  # noqa: E402

import cost  # noqa: E402
from emulated import _resolved  # noqa: E402
from fleet import Fleet  # noqa: E402
from report import Failed, NotSeen, Report  # noqa: E402
from stage import Stage  # noqa: E402

EMULATOR = os.environ.get("LONGSHORE_EMULATOR")
SEEN = [
    "the templates are synthesized",
    "the stage is deployed",
    "the outcomes of messages and alarms are listened to",
    "a quick message, REST API: 202, handled, deleted",
    "the REST API refuses a request without its key",
    "the REST API refuses what is no batch",
    "a batch of ten: 202, all handled",
    "a batch of which SQS refuses an entry: 207, the other handled",
    "a message longer than its visibility is handled once",
    "a failing message goes to the DLQ after its receives",
    "the worker drains and ends with 0",
    "the run's own queue and subscriptions are gone",
    "the stage is taken down",
]
NOT_SEEN = [
    "a quick message, HTTP API: 200, handled, deleted",
    "an unsigned request is refused by both APIs",
    "a burst: the fleet grows",
    "all of the burst is handled",
    "an idle fleet shrinks to MIN_TASKS",
]
ALARM = "the alarm of a DLQ that is not empty is raised, and its topic notified"  # LocalStack evaluates it when it comes to it


class Lines(unittest.TestCase):
    def test_a_line_is_seen_failed_or_not_seen_here(self):
        report = Report(lambda _: None)

        def fails():
            raise Failed("7 instead of 8")

        def cannot():
            raise NotSeen("there is none here")

        for what, look in (("a", lambda: "8"), ("b", cannot)):
            report.see(what, look)
        self.assertFalse(report.has_failed())
        report.see("c", fails)
        report.see("d", lambda: {}["key"])
        self.assertEqual([line.mark for line in report.lines], ["✓", "–", "✗", "✗"])
        self.assertTrue(report.has_failed())
        self.assertRegex(report.table(), r"(?s)✓  a  0 s  8\n–  b .*none here\n✗  c .*7 instead of 8\n✗  d .*KeyError.*✓ 1 seen, ✗ 2 failed, – 1 not")

    def test_the_cost_grows_with_time_tasks_and_requests(self):
        self.assertEqual(cost.estimate(0, 4, 0, 0), 0)
        self.assertAlmostEqual(cost.estimate(3600, 4, 0, 0), 4 * 0.0173425 + 15.6 / 730, places=6)
        self.assertGreater(cost.estimate(0, 0, 1_000_000, 0), 3)


class FakeService:
    """ECS whose service wants these numbers of tasks, one after the other."""

    def __init__(self, *wanted):
        self.wanted = list(wanted)

    def describe_services(self, **_):
        count = self.wanted.pop(0) if len(self.wanted) > 1 else self.wanted[0]
        return {"services": [{"desiredCount": count}]}


class OfTheFleet(unittest.TestCase):
    def fleet(self, patience=60, service="arn", is_emulated=False):
        stage = mock.Mock(prefix="verify-x")
        stage.physical = lambda kind, ending="": service
        messages = mock.Mock()
        messages.send_batch.return_value = ["id"]
        return Fleet(stage, messages, mock.MagicMock(alarms={"verify-x-dlq-not-empty": []}), patience, is_emulated, pause=0)

    def test_growing_and_shrinking_are_seen_by_what_the_service_wants(self):
        service = FakeService(1, 1, 3, 4, 2, 1)
        with mock.patch.object(boto3, "client", lambda _: service):
            fleet = self.fleet()
            self.assertIn("3 task(s)", fleet.grows())
            self.assertIn("1 task(s)", fleet.shrinks())
            self.assertEqual(fleet.most, 4)

    def test_a_fleet_that_stays_as_it_is_has_failed(self):
        with mock.patch.object(boto3, "client", lambda _: FakeService(1)), self.assertRaisesRegex(Failed, "still 1 task"):
            self.fleet(patience=0).grows()
        with mock.patch.object(boto3, "client", lambda _: FakeService(2)), self.assertRaisesRegex(Failed, "still 2 task"):
            self.fleet(patience=0).shrinks()

    def test_without_a_service_nothing_is_claimed(self):
        for see in ("grows", "burst_is_handled", "shrinks"):
            with self.assertRaises(NotSeen):
                getattr(self.fleet(service=None), see)()

    def test_an_alarm_that_does_not_notify_has_failed_on_aws_and_is_not_seen_in_an_emulator(self):
        client = mock.Mock()
        client.describe_alarms.return_value = {"MetricAlarms": [{"StateValue": "OK"}]}
        with mock.patch.object(boto3, "client", lambda _: client):
            with self.assertRaisesRegex(Failed, "it is OK"):
                self.fleet(patience=0).dlq_alarm()
            with self.assertRaises(NotSeen):
                self.fleet(patience=0, is_emulated=True).dlq_alarm()


class OfTheStage(unittest.TestCase):
    def test_what_an_emulator_only_says_to_have_made_is_not_there(self):
        stage = Stage("verify", "x", "/nowhere", {})
        stage.resources = [
            {"ResourceType": "AWS::ECS::Service", "PhysicalResourceId": "unknown"},
            {"ResourceType": "AWS::SNS::Topic", "PhysicalResourceId": "arn:x-topic"},
            {"ResourceType": "AWS::SNS::Topic", "PhysicalResourceId": "arn:x-alarms"},
        ]
        self.assertIsNone(stage.physical("AWS::ECS::Service"))
        self.assertEqual(stage.physical("AWS::SNS::Topic", "-alarms"), "arn:x-alarms")


    def test_the_settings_of_another_deployment_are_not_taken(self):
        with mock.patch.dict(os.environ, {"HANDLER_IMAGE": "x", "FIFO": "yes", "IMAGE": "mine", "PATH": "p"}):
            environment = Stage("verify", "x", "/nowhere", {})._environment
        self.assertEqual((environment["IMAGE"], environment["PATH"], environment["STAGE"]), ("mine", "p", "x"))
        self.assertFalse({"HANDLER_IMAGE", "FIFO"} & set(environment))

    def test_where_nothing_was_synthesized_nothing_is_taken_down(self):
        self.assertEqual(Stage("verify", "x", "/nowhere", {}).take_down(), "nothing was made")


class OfTheStandIn(unittest.TestCase):
    def test_the_environment_of_the_task_is_resolved_across_stacks(self):
        pages = [{"Exports": [{"Name": "other", "Value": "no"}]}, {"Exports": [{"Name": "queue:url", "Value": "https://queue"}]}]
        client = mock.Mock()
        client.get_paginator.return_value.paginate.return_value = pages
        client.get_caller_identity.return_value = {"Account": "123456789012"}
        stage = mock.Mock(resources=[{"LogicalResourceId": "Topic", "PhysicalResourceId": "arn:topic"}])
        with mock.patch.object(boto3, "client", lambda _: client), mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": "eu-west-1"}):
            values = ("20s", {"Ref": "Topic"}, {"Ref": "AWS::Region"}, {"Fn::ImportValue": "queue:url"}, {"Fn::Sub": "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:x"})
            found = [_resolved(value, stage) for value in values]
        self.assertEqual(found, ["20s", "arn:topic", "eu-west-1", "https://queue", "arn:aws:sns:eu-west-1:123456789012:x"])


class OfTheImage(unittest.TestCase):
    def test_it_is_run_as_the_workers_own(self):
        words = ("VOLUME ", "USER ", "STOPSIGNAL ", "HEALTHCHECK ", "ENTRYPOINT ", "CMD ")

        def manners(path):
            return sorted(line for line in (DEPLOY / path).read_text().splitlines() if line.startswith(words))

        self.assertEqual(manners("verify/Dockerfile"), manners("extend/shell.Dockerfile"))


class BadInput(unittest.TestCase):
    def test_it_says_what_is_missing(self):
        nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}
        cases = [
            ([], {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "no region"),
            ([], {"AWS_REGION": "eu-west-1"}, "IMAGE names no image"),
            (["--stage", "No"], {"AWS_REGION": "eu-west-1"}, "--stage is no name: No"),
            ([], {"AWS_REGION": "eu-west-1", "IMAGE": "x"}, "AWS does not say who you are"),
        ]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_") and name != "IMAGE"}
        for options, environment, error in cases:
            ended = subprocess.run([sys.executable, DEPLOY / "verify", *options], env=clean | nobody | environment, capture_output=True, text=True, check=False)
            self.assertEqual(ended.returncode, 64, ended.stderr)
            self.assertRegex(ended.stderr, rf"^error: {error}(.|\n)*\nhint: .+")


@unittest.skipUnless(EMULATOR, "no LONGSHORE_EMULATOR")
class InLocalStack(unittest.TestCase):
    def begin(self, *options):
        command = [sys.executable, "-u", DEPLOY / "verify", "--emulator", EMULATOR, "--worker", os.environ.get("LONGSHORE_PROGRAM", "longshore"), *options]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(running.stdout.close)
        return running

    def assert_nothing_is_left(self, stage):
        client = {"endpoint_url": EMULATOR, "region_name": "eu-west-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.assertEqual(boto3.client("sqs", **client).list_queues(QueueNamePrefix=f"verify-{stage}").get("QueueUrls", []), [])
        stacks = boto3.client("cloudformation", **client).list_stacks()["StackSummaries"]
        self.assertEqual([one for one in stacks if f"verify-{stage}-" in one["StackName"] and one["StackStatus"] != "DELETE_COMPLETE"], [])

    def test_a_whole_run(self):
        running = self.begin("--stage", "whole", "--long", "25")
        printed, _ = running.communicate(timeout=540)
        print(printed)
        table = printed.split("\n\n", 1)[1]
        for mark, lines in (("✓", SEEN), ("–", NOT_SEEN)):
            for line in lines:
                self.assertRegex(table, rf"(?m)^{mark}  {line} ", printed)
        self.assertRegex(table, rf"(?m)^[✓–]  {ALARM}")
        self.assertIn("cost: at most about $", printed)
        self.assertEqual(running.returncode, 0)
        self.assert_nothing_is_left("whole")

    def test_ctrl_c_takes_down_what_was_made(self):
        running = self.begin("--stage", "cut")
        for line in running.stdout:
            if line.startswith("✓ the stage is deployed"):
                break
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
        self.assertEqual(running.wait(timeout=300), 130, rest)
        self.assertIn("✓ the stage is taken down", rest)
        self.assert_nothing_is_left("cut")


if __name__ == "__main__":
    unittest.main()
