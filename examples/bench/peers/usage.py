"""What processes and all they started have used, as the kernel accounts for it."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class Tree:
    """A process, the first of `pids`, and its descendants."""

    def __init__(self, root):
        children, self._stats = {}, {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := _stat(entry)):
                self._stats[int(entry.name)] = fields
                children.setdefault(int(fields[1]), []).append(int(entry.name))
        self.pids, waiting = [], [root]
        while waiting:
            pid = waiting.pop()
            self.pids.append(pid)
            waiting.extend(children.get(pid, []))

    def cpu_seconds(self, pids):
        """User and system time, with that of children that have ended."""
        stats = [self._stats[pid] for pid in pids if pid in self._stats]
        return sum(int(ticks) for fields in stats for ticks in fields[11:15]) / TICKS

    @staticmethod
    def memory_mb(pids):
        """Proportional set size: memory that processes share counts once."""
        return sum(map(_pss_kib, pids)) / 1024


def _stat(entry):
    try:
        # The second field is the name in parentheses, which may hold spaces.
        return (entry / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def _pss_kib(pid):
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
