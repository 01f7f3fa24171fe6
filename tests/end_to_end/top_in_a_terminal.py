"""Runs `longshore top` in a pseudo-terminal, presses keys, and checks what it shows: PROGRAM ADDRESS ADDRESS."""

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

PATIENCE = 20
program, *addresses = sys.argv[1:]

child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "xterm-256color"
    os.execv(program, [program, "top", *addresses])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
seen = ""


def read(wait):
    global seen
    ready, _, _ = select.select([terminal], [], [], wait)
    if not ready:
        return True
    try:
        part = os.read(terminal, 1 << 16)
    except OSError:
        return False
    seen += part.decode(errors="replace")
    return bool(part)


def plain():
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)


def until(*parts):
    deadline = time.monotonic() + PATIENCE
    while not all(part in plain() for part in parts):
        if time.monotonic() > deadline or not read(0.2):
            sys.exit(f"no {parts} in {plain()[-4000:]}")


def press(keys):
    global seen
    seen = ""
    os.write(terminal, keys.encode())


until("orders", "no answer", "by queue")
assert "\x1b[?1049h" in seen, "it has a screen of its own"
press("s")
until("state")
press("jk\x1b[B\x1b[A")
# The queue of the first worker is below the one that does not answer, or above it.
for key in ("j", "k"):
    press(f"{key}\r")
    deadline = time.monotonic() + 3
    while "latest failures" not in plain() and time.monotonic() < deadline:
        read(0.2)
    if "latest failures" in plain():
        break
    press("\x1b")
    time.sleep(0.5)
until("latest failures", "404")
press("q")
while read(1):
    pass
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
assert "\x1b[?1049l" in seen, "the screen before is back"
print("ok")
