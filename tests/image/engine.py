"""The Docker engine: what it is asked for, and whether there is one."""

import atexit
import json
import os
import subprocess
import tarfile
import time
import uuid

RUN = uuid.uuid4().hex[:8]
LABEL = f"longshore.test={RUN}"

# What docs/docker.md tells to run the image with.
HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
CONFINED = [*HARDENED, "--tmpfs", "/tmp"]
WITH_THE_VOLUME = HARDENED
WITHOUT_TMP = [*HARDENED, "--tmpfs", "/tmp:ro"]

# Longer than anything here takes on a slow machine.
PATIENCE_SECONDS = 180


def docker(*arguments, check=True):
    """Runs the docker command; its standard output, or the whole result where a failure is no failure."""
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    if not check:
        return result
    if result.returncode != 0:
        said = (result.stderr.strip() or result.stdout.strip()).splitlines()[-12:]
        what = f"docker {' '.join(arguments[:3])} …: exit code {result.returncode}"
        raise AssertionError(f"{what}: {' | '.join(said)}")
    return result.stdout.strip()


def is_there():
    """Whether an engine answers."""
    try:
        return docker("info", check=False).returncode == 0
    except FileNotFoundError:
        return False


def has_image(name):
    """Whether the image is here, or can be pulled."""
    known = docker("image", "inspect", name, check=False).returncode == 0
    return known or docker("pull", "--quiet", name, check=False).returncode == 0


def build(tag, *arguments):
    """Builds an image and shows its log when that fails."""
    result = subprocess.run(["docker", "build", "--progress", "plain", "--tag", tag, *arguments], capture_output=True)
    if result.returncode != 0:
        os.write(2, result.stderr)
        raise AssertionError(f"docker build --tag {tag}: exit code {result.returncode}")


def until(what, look):
    """Looks until there is something to see, and answers it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.1)
    raise AssertionError(f"not in {PATIENCE_SECONDS} s: {what}")


def files(image):
    """The names of all files of an image."""
    made = docker("create", "--label", LABEL, image, "unused")
    with subprocess.Popen(["docker", "export", made], stdout=subprocess.PIPE) as exported:
        return names(exported.stdout)


def names(stream):
    """The names in an archive, but for directories."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        return {entry.name for entry in archive if not entry.isdir()}


class Container:
    """A container that runs in the background, and is removed at the end."""

    def __init__(self, image, *command, options=()):
        self.id = docker("run", "--detach", "--label", LABEL, *options, image, *command)

    def look(self, template):
        return docker("inspect", "--format", template, self.id)

    def log(self):
        result = docker("logs", self.id, check=False)
        return result.stdout + result.stderr

    def says(self, words):
        """Waits until its log has these words."""
        try:
            until(words, lambda: words in self.log())
        except AssertionError as error:
            raise AssertionError(f"{error}; its log ends: {self.log()[-600:]}") from None

    def becomes(self, health):
        """Waits for a verdict of the health check."""
        until(f"container {health}", lambda: self.look("{{.State.Health.Status}}") == health)

    def last_check(self):
        """The exit code and the words of the last health check."""
        last = json.loads(self.look("{{json .State.Health.Log}}"))[-1]
        return last["ExitCode"], last["Output"]

    def port(self, inside):
        """The address on this machine that leads to a port of the container."""
        return f"http://{docker('port', self.id, str(inside)).splitlines()[0]}"

    def stop(self, seconds):
        """Stops it as Docker and ECS do, SIGTERM first; the exit code."""
        docker("stop", "--time", str(seconds), self.id)
        return int(self.look("{{.State.ExitCode}}"))

    def ended(self):
        """Waits for its own end; the exit code."""
        return int(docker("wait", self.id))


def network():
    """A network for this run."""
    return docker("network", "create", "--label", LABEL, f"longshore-test-{RUN}")


@atexit.register
def clean_up():
    """Removes what this run has started."""
    if not is_there():
        return
    for name in docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}").split():
        docker("rm", "--force", "--volumes", name, check=False)
    for name in docker("network", "ls", "--quiet", "--filter", f"label={LABEL}").split():
        docker("network", "rm", name, check=False)
