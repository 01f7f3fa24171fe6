"""What the image does when it is run: from its start over its health to its stop."""

import os
import tempfile

from engine import CONFINED, Container, docker
from facts import fact, holds, same
from world import IMAGE

# A check every second, so that a verdict does not take half a minute.
WATCHED = ["--health-interval", "1s", "--health-retries", "2", "--health-start-period", "1s"]

CONFIGURATION = """
[log]
filter = "debug"

[queues.jobs]
name = "jobs"
handler = { kind = "http", url = "http://127.0.0.1:8080/" }
"""


@fact
def the_demo_plays_to_its_end_confined_in_64_mb_without_a_network(_):
    demo = Container(IMAGE, "dev", "--demo", options=[*CONFINED, "--memory", "64m", "--network", "none"])
    same("exit code", demo.ended(), 0)
    holds(demo.log(), "every message ended where it should" in demo.log())


@fact
def a_worker_is_healthy_by_its_own_word(world):
    handler, url = world.slow_handler()
    worker = world.worker(IMAGE, world.queue(), WATCHED, HANDLER__KIND="http", HANDLER__URL=url)
    worker.becomes("healthy")
    same("last check", worker.last_check(), (0, "healthy\n"))


@fact
def a_worker_that_is_stuck_becomes_unhealthy(world):
    handler, url = world.slow_handler()
    worker = world.worker(IMAGE, world.queue(), WATCHED, HANDLER__KIND="http", HANDLER__URL=url)
    worker.becomes("healthy")
    docker("kill", "--signal", "STOP", worker.id)
    worker.becomes("unhealthy")
    docker("kill", "--signal", "CONT", worker.id)
    worker.becomes("healthy")


@fact
def a_worker_whose_admin_server_does_not_answer_becomes_unhealthy(world):
    # It listens where nobody asks.
    worker = world.run(IMAGE, "dev", "--admin-listen", "127.0.0.1:9999", options=WATCHED)
    worker.becomes("unhealthy")
    code, said = worker.last_check()
    same("exit code", code, 69)
    holds(said, "no answer from http://127.0.0.1:9090/livez" in said)


@fact
def a_running_handler_finishes_when_the_container_is_stopped(world):
    queue, (handler, url) = world.queue(), world.slow_handler()
    worker = world.worker(IMAGE, queue, HANDLER__KIND="http", HANDLER__URL=url)
    queue.send("3")
    handler.says("begins attempt 1")
    same("exit code", worker.stop(30), 0)
    holds(handler.log(), "ends attempt 1" in handler.log())
    same("the queue", queue.depth(), (0, 0))


@fact
def a_message_whose_handler_takes_too_long_is_given_back_and_comes_again(world):
    queue, (handler, url) = world.queue(), world.slow_handler()
    settings = {"HANDLER__KIND": "http", "HANDLER__URL": url, "VISIBILITY": "10m"}
    worker = world.worker(IMAGE, queue, ["--env", "LONGSHORE__DRAIN__LIMIT=4s"], **settings)
    queue.send("20")
    handler.says("begins attempt 1")
    same("exit code", worker.stop(30), 0)
    holds(handler.log(), "ends attempt 1" not in handler.log())
    same("the queue", queue.depth(), (1, 0))
    world.worker(IMAGE, queue, **settings)
    handler.says("begins attempt 2")


@fact
def an_idle_worker_stops_when_its_long_poll_ends(world):
    handler, url = world.slow_handler()
    worker = world.worker(IMAGE, world.queue(), HANDLER__KIND="http", HANDLER__URL=url)
    worker.says("queue opened")
    same("exit code", worker.stop(30), 0)


@fact
def a_bad_configuration_ends_it_with_64_and_all_that_is_wrong(world):
    worker = world.run(IMAGE, "run", LONGSHORE__QUEUES__JOBS__CONCURRENCY="many")
    same("exit code", worker.ended(), 64)
    told = ('queues.jobs.concurrency = "many"', "from: environment LONGSHORE__QUEUES__JOBS__CONCURRENCY", "hint:")
    for words in told:
        holds(worker.log(), words in worker.log())


@fact
def a_queue_that_is_not_there_ends_it_with_69(world):
    settings = {"LONGSHORE__QUEUES__JOBS__NAME": "nowhere", "LONGSHORE__QUEUES__JOBS__HANDLER__KIND": "http"}
    worker = world.run(IMAGE, "run", **settings, LONGSHORE__QUEUES__JOBS__HANDLER__URL="http://127.0.0.1:1/")
    same("exit code", worker.ended(), 69)


@fact
def a_file_is_read_from_etc_longshore(world):
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(CONFIGURATION)
        file.flush()
        os.chmod(file.name, 0o644)
        mounted = f"{file.name}:/etc/longshore/longshore.toml:ro"
        worker = world.run(IMAGE, "config", options=["--volume", mounted])
        same("exit code", worker.ended(), 0)
    holds(worker.log(), "debug" in worker.log() and "longshore.toml" in worker.log())
