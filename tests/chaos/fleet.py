"""Workers to which incidents happen, and which are started again when they end."""

import collections
import random
import subprocess
import threading

from emulator import environment
from incidents import INCIDENTS

WORKERS = 3
# A fault within the worker, a panic, an abort, an invalid access.
FAULTS = (70, 101, -6, -11)


class Fleet:
    """A few workers of one configuration."""

    def __init__(self, program, folder):
        self.command = [program, "run", "--config", str(folder / "longshore.toml"), "--admin-listen", "127.0.0.1:0"]
        self.log = open(folder / "workers.log", "w", encoding="utf-8")
        self.incidents, self.codes = collections.Counter(), collections.Counter()
        self.under_way = {}
        self.workers = [self.start() for _ in range(WORKERS)]

    def start(self):
        return subprocess.Popen(self.command, stdout=self.log, stderr=self.log, env=environment())

    def disturb(self):
        """Begins an incident, unless one is under way for the worker on which the choice falls."""
        worker, incident = random.choice(self.workers), random.choice(INCIDENTS)
        if worker.pid in self.under_way and self.under_way[worker.pid].is_alive():
            return
        self.incidents[incident.__name__.replace("_", " ")] += 1
        self.under_way[worker.pid] = threading.Thread(target=incident, args=(worker,), daemon=True)
        self.under_way[worker.pid].start()

    def wait_for_incidents(self):
        for incident in self.under_way.values():
            incident.join()

    def replace_ended(self):
        for position, worker in enumerate(self.workers):
            if worker.poll() is not None:
                self.codes[worker.returncode] += 1
                self.workers[position] = self.start()

    def end(self):
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            self.codes[worker.wait(timeout=60)] += 1

    def faults(self):
        return sum(self.codes[code] for code in FAULTS)
