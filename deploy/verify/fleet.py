"""Alarms, scale-out and scale-in."""

import time

import boto3

from report import Failed, NotSeen

BURST = 20  # batches of ten, ten seconds each: 2,000 seconds of work for two slots a task
BURST_SECONDS = 10


class Fleet:
    """Watches the alarms and the service. `patience` is the seconds that CloudWatch may take."""

    def __init__(self, stage, messages, outcomes, patience, is_emulated, pause=10):
        self._stage, self._messages, self._outcomes = stage, messages, outcomes
        self._patience, self._is_emulated, self._pause = patience, is_emulated, pause
        self._burst = []
        self.most = 1

    def lines(self):
        """Each line with how it is seen."""
        return [
            ("the alarm of a DLQ that is not empty is raised, and its topic notified", self.dlq_alarm),
            ("a burst: the fleet grows", self.grows),
            ("all of the burst is handled", self.burst_is_handled),
            ("an idle fleet shrinks to MIN_TASKS", self.shrinks),
        ]

    def dlq_alarm(self):
        name = f"{self._stage.prefix}-dlq-not-empty"
        deadline = time.monotonic() + self._patience
        while "ALARM" not in self._outcomes.alarms[name]:
            if time.monotonic() > deadline:
                self._not_notified(name)
            self._outcomes.poll()
        return "ALARM, and a notification of the topic -alarms"

    def _not_notified(self, name):
        state = boto3.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]
        found = f"after {self._patience} s it is {state}, and its topic was not notified"
        raise NotSeen(f"the emulator may not evaluate it: {found}") if self._is_emulated else Failed(found)

    def grows(self):
        self._service()
        self._burst = [one for _ in range(BURST) for one in self._messages.send_batch([BURST_SECONDS, 0])]
        return self._until(lambda tasks: tasks > 1, f"{len(self._burst)} messages of {BURST_SECONDS} s")

    def burst_is_handled(self):
        self._service()
        self._outcomes.wait_for(self._burst, "done", self._patience)
        return f"{len(self._burst)} messages"

    def shrinks(self):
        self._service()
        return self._until(lambda tasks: tasks == 1, "idle")

    def _service(self):
        if not self._stage.physical("AWS::ECS::Service"):
            raise NotSeen("there is no service here (AWS::ECS::Service): the emulator only says to have made it")

    def _until(self, is_so, cause):
        deadline = time.monotonic() + self._patience
        while True:
            tasks = self._desired()
            self.most = max(self.most, tasks)
            if is_so(tasks):
                return f"{cause}: {tasks} task(s) are wanted, at most {self.most}"
            if time.monotonic() > deadline:
                raise Failed(f"{cause}: still {tasks} task(s) after {self._patience} s")
            time.sleep(self._pause)

    def _desired(self):
        prefix = self._stage.prefix
        return boto3.client("ecs").describe_services(cluster=prefix, services=[f"{prefix}-worker"])["services"][0]["desiredCount"]
