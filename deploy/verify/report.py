"""What was seen of each line, and the table of it."""

import dataclasses
import time


class NotSeen(Exception):
    """A line cannot be seen here; the text says why."""


class Failed(Exception):
    """What a line promises is not so; the text says what is so instead."""


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of the table."""

    mark: str  # ✓ seen, ✗ failed, – not seen here
    what: str
    evidence: str
    seconds: float


class Report:
    """Collects the lines; each is said as soon as it is there."""

    def __init__(self, say=print):
        self.lines = []
        self._say = say

    def see(self, what, look):
        """Looks for one thing: `look` answers with the evidence, or raises NotSeen or Failed. Whether it was seen."""
        begun = time.monotonic()
        try:
            mark, evidence = "✓", look()
        except NotSeen as reason:
            mark, evidence = "–", str(reason)
        except Exception as error:  # whatever it is, the run goes on, and the table has it
            mark, evidence = "✗", str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
        line = Line(mark, what, evidence or "", time.monotonic() - begun)
        self.lines.append(line)
        self._say(f"{line.mark} {line.what}: {line.evidence}")
        return mark == "✓"

    def has_failed(self):
        """Whether a line failed."""
        return any(line.mark == "✗" for line in self.lines)

    def table(self):
        """The table, and its sums."""
        widths = [max(len(cell) for cell in column) for column in zip(*(self._cells(line) for line in self.lines), strict=True)]
        rows = ["  ".join(cell.ljust(width) for cell, width in zip(self._cells(line), widths, strict=True)).rstrip() for line in self.lines]
        counts = {mark: sum(line.mark == mark for line in self.lines) for mark in "✓✗–"}
        return "\n".join([*rows, "", f"✓ {counts['✓']} seen, ✗ {counts['✗']} failed, – {counts['–']} not seen here"])

    @staticmethod
    def _cells(line):
        return line.mark, line.what, f"{line.seconds:.0f} s", line.evidence
