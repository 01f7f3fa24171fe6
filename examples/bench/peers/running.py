"""A contender at work on one core, its handler's processes told apart from its own."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from contenders import NODE
from usage import Tree

LOGS = Path("target/peers/logs")
AWS = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "NODE_PATH": str(NODE / "node_modules"),
}
# How often memory is looked at, which costs a little.
MEMORY_INTERVAL = 0.25


class Running:
    """Started with `with`, and ended with it."""

    def __init__(self, contender, url, core):
        self.contender, self._core = contender, core
        self._environment = {"AWS_ENDPOINT_URL": url.rsplit("/", 2)[0]} | contender.environment(url)
        self._command = contender.command(url)
        self._handler = None
        self._memory_seen = 0
        self.memory_mb = self.handler_memory_mb = 0

    def __enter__(self):
        if self.contender.handler:
            streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
            self._handler = self._spawn(self.contender.handler, **streams)
            self._environment["LONGSHORE__QUEUES__BENCH__HANDLER__URL"] = self._handler.stdout.readline().strip()
        LOGS.mkdir(parents=True, exist_ok=True)
        self._log = LOGS / f"{self.contender.name.replace('/', '-')}.log"
        with open(self._log, "w", encoding="utf-8") as log:
            self._process = self._spawn(self._command, stdout=log, stderr=log)
        return self

    def __exit__(self, *_):
        end(self._process)
        if self._handler:
            end(self._handler)

    def cpu(self):
        """Seconds so far: its own, and its handler's."""
        return [tree.cpu_seconds(pids) for tree, pids in self._processes()]

    def see_memory(self, is_due=False):
        """Keeps the peaks; fails if the contender has ended."""
        if self._process.poll() is not None:
            self.fail(f"ended with {self._process.returncode}")
        if is_due or time.monotonic() - self._memory_seen > MEMORY_INTERVAL:
            own, handlers = [tree.memory_mb(pids) for tree, pids in self._processes()]
            self.memory_mb, self.handler_memory_mb = max(self.memory_mb, own), max(self.handler_memory_mb, handlers)
            self._memory_seen = time.monotonic()

    def fail(self, what):
        log = self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise SystemExit(f"error: {self.contender.name} {what}\n{log}\nhint: its whole log is in {self._log}")

    def _processes(self):
        own = Tree(self._process.pid)
        if self._handler:
            handler = Tree(self._handler.pid)
            return (own, own.pids), (handler, handler.pids)
        count = 1 if self.contender.children_are_handlers else len(own.pids)
        return (own, own.pids[:count]), (own, own.pids[count:])

    def _spawn(self, command, **streams):
        return subprocess.Popen(
            command,
            env=os.environ | AWS | self._environment,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {self._core}),
            **streams,
        )


def end(process):
    """SIGTERM, and SIGKILL for what of its session is left."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(3)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
