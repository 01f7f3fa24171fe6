"""What images made with Longshore do: each of deploy/extend has messages go through it."""

import json

from engine import CONFINED, WITH_THE_VOLUME, WITHOUT_TMP, docker, until
from facts import fact, same
from world import ON_TOP, WITH_LAMBDA, WITH_SHELL

# How the log tells that the program has written this line.
HANDLED = '"line":"handled"'


def url_of(name, queue):
    """Points a queue of an example's own longshore.toml at the test's."""
    return {f"LONGSHORE__QUEUES__{name}__URL": queue.inside}


@fact
def a_program_on_top_of_the_image_handles_messages(world):
    queue = world.queue()
    worker = world.run(ON_TOP, "run", **url_of("BOOKS", queue))
    queue.send("978-0-306-40615-7")
    worker.says("checked ISBN 978-0-306-40615-7")
    queue.send("978-0-306-40615-8")
    same("body in the DLQ", queue.rejected()["Body"], "978-0-306-40615-8")
    queue.is_emptied()
    same("exit code", worker.stop(30), 0)


@fact
def a_large_body_needs_a_tmp_that_can_be_written(world):
    queue = world.queue()
    for confined in (CONFINED, WITH_THE_VOLUME):
        with_tmp = world.run(ON_TOP, "run", confined=confined, **url_of("BOOKS", queue))
        queue.send("9780306406157" + " " * 300_000)
        with_tmp.says("checked ISBN 9780306406157")
        queue.is_emptied()
        same("exit code", with_tmp.stop(30), 0)
    without = world.run(ON_TOP, "run", confined=WITHOUT_TMP, **url_of("BOOKS", queue))
    queue.send("9780306406157" + " " * 300_000)
    without.says("could not be written in /tmp")
    queue.send("9780306406157")
    without.says("checked ISBN 9780306406157")


@fact
def a_shell_script_in_an_image_of_its_own_handles_messages(world):
    queue = world.queue()
    worker = world.run(WITH_SHELL, "run", options=["--tmpfs", "/app/archive:uid=65532"], **url_of("ARCHIVE", queue))
    queue.send("hello", tenant="acme")
    worker.says("archived for acme")
    queue.is_emptied()
    queue.send("nobody's")
    same("body in the DLQ", queue.rejected()["Body"], "nobody's")
    same("exit code", worker.stop(30), 0)


@fact
def a_lambda_function_in_an_image_of_its_own_handles_messages(world):
    queue = world.queue()
    worker = world.run(WITH_LAMBDA, "run", **url_of("ORDERS", queue))
    queue.send(json.dumps({"id": 7, "items": ["rope", "tar"]}))
    worker.says("shipped order 7: rope, tar")
    queue.is_emptied()
    same("exit code", worker.stop(30), 0)


@fact
def what_programs_leave_behind_does_not_pile_up_without_an_init(world):
    queue = world.queue()
    # One stays in the program's group, and Longshore kills it; one has left it, and ends by itself.
    script = "sleep 60 & setsid sh -c 'sleep 0.1 &'; echo handled"
    command = json.dumps(["sh", "-c", script])
    # Not where the image's own longshore.toml is.
    options = ["--workdir", "/tmp"]
    worker = world.worker(WITH_SHELL, queue, options, HANDLER__KIND="exec", HANDLER__COMMAND=command)
    for _ in range(20):
        queue.send("1")
    until("20 messages handled", lambda: worker.log().count(HANDLED) == 20)
    queue.is_emptied()
    queue.send("1")
    until("the last message handled", lambda: worker.log().count(HANDLED) == 21)
    # What the last one left behind waits for the next.
    until("no more zombies than one program leaves", lambda: zombies(worker) <= 2)


def zombies(worker):
    """How many processes in a container have ended and are not reaped."""
    stats = docker("exec", worker.id, "sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null; true").splitlines()
    return sum(stat.rpartition(")")[2].split()[0] == "Z" for stat in stats)
