"""What happens to a worker's process: it is killed, stopped, suspended, or starved of time, of a processor or of descriptors."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

VISIBILITY = 5
HOGS = 4


def kill(worker):
    worker.send_signal(signal.SIGKILL)


def stop(worker):
    worker.send_signal(signal.SIGTERM)


def suspend(worker):
    """The process stands still, for longer than its leases or for a moment."""
    worker.send_signal(signal.SIGSTOP)
    time.sleep(random.uniform(0.1, 1.6 * VISIBILITY))
    worker.send_signal(signal.SIGCONT)


def starve_of_time(worker):
    """The process runs for a tenth of the time, in short slices."""
    end = time.monotonic() + some_seconds()
    while time.monotonic() < end:
        worker.send_signal(signal.SIGSTOP)
        time.sleep(random.uniform(0.05, 0.5))
        worker.send_signal(signal.SIGCONT)
        time.sleep(random.uniform(0.005, 0.05))


def starve_of_processor(worker):
    """The process has one processor, which it shares with others that never wait."""
    allowed = os.sched_getaffinity(0)
    processor = {min(allowed)}
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(HOGS)]
    for process in [worker, *hogs]:
        bind(process.pid, processor)
    time.sleep(some_seconds())
    for hog in hogs:
        hog.kill()
        hog.wait()
    bind(worker.pid, allowed)


def starve_of_descriptors(worker):
    """The process can open a few more files and connections at most."""
    try:
        few = len(os.listdir(f"/proc/{worker.pid}/fd")) + random.randrange(0, 6)
        before = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (few, before[1]))
        time.sleep(some_seconds())
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, before)
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        """The worker has ended."""


def bind(pid, processors):
    """Lets every thread of a process run on these processors only."""
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        try:
            os.sched_setaffinity(int(thread.name), processors)
        except ProcessLookupError:
            """The thread has ended."""


def some_seconds():
    return random.uniform(1, 1.6 * VISIBILITY)


INCIDENTS = [kill, stop, stop, suspend, starve_of_time, starve_of_processor, starve_of_descriptors]
