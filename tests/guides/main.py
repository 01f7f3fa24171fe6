"""Runs the example that a guide opens with, as a reader would.

    python3 main.py PROGRAM PAGE...

The example is the part `## A complete example`, or `## Try it` of the README. A block of code behind a file's name ("`worker.py`:") is written to that file,
each line of a block of shell is run, and each line of a block of text must be written by one of the commands, in the order of the
block. In it `…` stands for anything, and an id or a time for any other. The ports are free ones, in place of the usual.
Prints a line for each page, and exits with 1 when any fails.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HEADING = re.compile(r"^## (?:A complete example|Try it)\n", re.MULTILINE)
# The ports of the pages: a handler's own, and those of the ingest API, the emulator and the admin server.
PORTS = ("8080", "8000", "9324", "9090")
LISTEN = {"8000": "--api-listen", "9324": "--sqs-listen", "9090": "--admin-listen"}
# What runs until it is stopped.
SERVES = re.compile(r"(longshore (dev|emulator)|python3) ")
# What a reader installs once; make does it here.
INSTALLS = re.compile(r"pip install ")
PATIENCE = 60
TIME = re.compile(r"[0-9.]+ m?s")
VARYING = re.compile(r"([0-9a-f]{4}…|\b[0-9.]+ m?s\b|…| )")
BLOCK = re.compile(r"(?:`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Broken(Exception):
    """The example does not do what the page says."""


class Terminal:
    """A command that runs, and what it has written."""

    def __init__(self, command, directory, environment):
        self.command = command
        self.process = subprocess.Popen(
            ["sh", "-c", command], cwd=directory, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.text = ""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.text += line.decode(errors="replace")

    def ended(self):
        """Waits for its end, which must be a good one."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Broken(f"`{self.command}` does not end: {self.text}") from None
        self.reader.join(PATIENCE)
        if code != 0:
            raise Broken(f"`{self.command}` ended with {code}: {self.text}")

    def stop(self):
        """Stops it with all that it has started; it is the leader of its session."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
                try:
                    self.process.wait(10)
                except subprocess.TimeoutExpired:
                    continue


def free_ports(count):
    """Ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def pattern(line):
    """The line of a page as an expression."""
    return "".join(expression(part) for part in VARYING.split(" ".join(line.split())))


def expression(part):
    """A part of a line as an expression: spaces of any number, an id for any other, and so a time and `…`."""
    if part == " ":
        return r"\s+"
    if part == "…":
        return r"[^\n]*"
    if part.endswith("…"):
        return r"\S+"
    if TIME.fullmatch(part):
        return r"[0-9.]+\s+m?s"
    return re.escape(part)


class Example:
    """The example of one page, in a directory of its own."""

    def __init__(self, page, program, directory):
        text = page.read_text()
        if not HEADING.search(text):
            raise Broken("it has no complete example")
        part = HEADING.split(text, maxsplit=1)[1]
        self.blocks = BLOCK.findall(re.split(r"^## ", part, maxsplit=1, flags=re.MULTILINE)[0])
        self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        self.directory = directory
        (directory / "bin").mkdir()
        (directory / "bin" / "longshore").symlink_to(program)
        python = pathlib.Path(os.environ.get("LONGSHORE_TEST_PYTHON", sys.executable)).parent
        path = f"{directory}/bin:{python}:{os.environ['PATH']}"
        self.environment = {"PATH": path, "HOME": str(directory), "PYTHONUNBUFFERED": "1"}
        self.terminals = []

    def here(self, text):
        """A text of the page with the ports that are free here."""
        return re.sub(r"\b(?:%s)\b" % "|".join(PORTS), lambda port: self.ports[port[0]], text)

    def run(self):
        """Does what the page says, block by block."""
        for name, language, text in self.blocks:
            if name:
                (self.directory / name).write_text(self.here(text))
            elif language == "sh":
                for command in text.replace("\\\n", " ").splitlines():
                    self.enter(command)
            elif language == "text":
                self.shows(text.splitlines())
        if not any(language == "text" for _, language, _ in self.blocks):
            raise Broken("the page does not say what one sees")

    def enter(self, command):
        """Runs a command, to its end unless it serves."""
        if INSTALLS.match(command):
            return
        here = self.here(command)
        if command.startswith("longshore dev"):
            here += "".join(f" {flag} 127.0.0.1:{self.ports[port]}" for port, flag in LISTEN.items())
        terminal = Terminal(here, self.directory, self.environment)
        self.terminals.append(terminal)
        if not SERVES.match(command + " "):
            terminal.ended()
        elif command.startswith("longshore dev"):
            self.shows(["try …"])

    def shows(self, lines):
        """Waits for a command that has written these lines, in this order."""
        wanted = re.compile(".*?".join(pattern(line) for line in lines), re.DOTALL)
        deadline = time.monotonic() + PATIENCE
        while not any(wanted.search(terminal.text) for terminal in self.terminals):
            if time.monotonic() > deadline:
                written = "\n".join(f"$ {terminal.command}\n{terminal.text}" for terminal in self.terminals)
                raise Broken("nothing shows\n" + "\n".join(lines) + "\nbut\n" + written)
            time.sleep(0.05)

    def stop(self):
        for terminal in reversed(self.terminals):
            terminal.stop()


def main():
    program, pages = pathlib.Path(sys.argv[1]).resolve(), [pathlib.Path(page) for page in sys.argv[2:]]
    failed = 0
    for page in pages:
        with tempfile.TemporaryDirectory() as directory:
            example = None
            try:
                example = Example(page, program, pathlib.Path(directory))
                example.run()
                print(f"ok      {page}", flush=True)
            except Broken as broken:
                failed += 1
                print(f"FAILED  {page}: {broken}", flush=True)
            finally:
                if example:
                    example.stop()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
