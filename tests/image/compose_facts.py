"""What deploy/compose.yaml is, and what it does with as many of its images as can be had here."""

import atexit
import json
import os
import subprocess
import time
import urllib.parse
import urllib.request

import engine
from engine import until
from facts import fact, holds, same
from world import HERE, IMAGE, ROOT

# What runs in the test; Grafana and Jaeger do not, and their part of the file is only validated.
STAND_INS = {
    "python:3.13-alpine": "python",
    "ministackorg/ministack:1.5.21": "ministack",
    "prom/prometheus:v3.13.1": "prometheus",
}


def register():
    """Adds the facts about a running composition, if its images are here."""
    if os.environ.get("LONGSHORE_STAND_INS") == "1":
        for image, target in STAND_INS.items():
            if not engine.has_image(image):
                file = ROOT / HERE / "stand_ins.Dockerfile"
                engine.build(image, "--target", target, "--file", str(file), str(file.parent))
    if absent := [image for image in STAND_INS if not engine.has_image(image)]:
        hint = "hint: docker pull them once, or LONGSHORE_STAND_INS=1"
        print(f"skipped: docker compose up: neither here nor to be pulled: {', '.join(absent)} ({hint})", flush=True)
        return
    fact(a_message_goes_through_the_composition_and_is_counted)
    fact(a_message_goes_through_the_ingest_api_and_is_counted)
    fact(the_dashboards_have_something_to_show_within_a_minute_in_each_profile)


class Composition:
    """A composition of its own, in a profile."""

    def __init__(self, profile):
        self.profile = profile
        self.project = f"longshore-{profile}-{engine.RUN}"

    def __enter__(self):
        atexit.register(self.end)
        return self

    def __exit__(self, *_):
        atexit.unregister(self.end)
        self.end()

    def end(self):
        self("--profile", "*", "down", "--volumes", "--timeout", "2")

    def __call__(self, *arguments):
        files = [ROOT / "deploy" / "compose.yaml", ROOT / HERE / "compose.ports.yaml"]
        command = ["docker", "compose", "--project-name", self.project]
        command += [word for file in files for word in ("--file", str(file))]
        command += ["--profile", self.profile, *arguments]
        environment = os.environ | {"LONGSHORE_IMAGE": IMAGE}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
        holds(f"{' '.join(arguments)}: {done.stderr[-1500:]}", done.returncode == 0)
        return done.stdout.strip()

    def says(self, service, words):
        until(f"{service}: {words}", lambda: words in self("logs", "--no-log-prefix", service))

    def address(self, service, port):
        return f"http://{self('port', service, str(port))}"

    def measures(self, query):
        """Waits until Prometheus has an answer, and answers its value."""
        at = f"{self.address('prometheus', 9090)}/api/v1/query?{urllib.parse.urlencode({'query': query})}"

        def ask():
            with urllib.request.urlopen(at, timeout=10) as answer:
                return json.load(answer)["data"]["result"]

        return float(until(query, ask)[0]["value"][1])


def services(profile, environment=None):
    """The services of a profile as Compose understands them, from the file alone."""
    command = ["docker", "compose", "--file", str(ROOT / "deploy" / "compose.yaml")]
    command += ["--profile", profile] if profile else []
    done = subprocess.run([*command, "config", "--format", "json"], capture_output=True, text=True, env=os.environ | (environment or {}))
    same("docker compose config", (done.returncode, done.stderr), (0, ""))
    return json.loads(done.stdout)["services"]


@fact
def the_composition_is_valid_in_every_profile(_):
    shown = {"prometheus", "grafana", "jaeger"}
    same("by default", set(services(None)), {"worker", "handler", "sqs", "traffic"} | shown)
    same("embedded", set(services("embedded")), {"embedded", "embedded-handler", "embedded-traffic"} | shown)


@fact
def every_port_of_the_composition_is_a_setting(_):
    def published(environment):
        return {port["published"] for service in services("*", environment).values() for port in service.get("ports", [])}

    names = ["ADMIN_PORT", "SQS_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT", "JAEGER_PORT", "EMBEDDED_SQS_PORT", "INGEST_PORT"]
    own = {name: str(40000 + index) for index, name in enumerate(names)}
    same("ports by default", published({}), {"9090", "4566", "9091", "3000", "16686", "9324", "8000"})
    same("ports that are set", published(own), set(own.values()))


@fact
def everything_in_the_composition_is_confined_and_pinned_and_listens_on_loopback(_):
    for name, service in services("*").items():
        holds(f"{name} is read-only", service["read_only"])
        same(f"{name}'s capabilities", service["cap_drop"], ["ALL"])
        same(f"{name}'s privileges", service["security_opt"], ["no-new-privileges:true"])
        holds(f"{name} has a memory limit", int(service["mem_limit"]) > 0)
        holds(f"{name} is pinned", "build" in service or ":" in service["image"] and "latest" not in service["image"])
        same(f"{name}'s ports", {port["host_ip"] for port in service.get("ports", [])} - {"127.0.0.1"}, set())


def a_message_goes_through_the_composition_and_is_counted(_):
    with Composition("emulator") as composition:
        composition("up", "--detach", "--no-build", "--wait", "worker", "prometheus")
        composition("run", "--rm", "--no-deps", "send", "--queue", "orders", '{"id": 7}')
        composition.says("handler", "shipped order 7")
        same("up", composition.measures('up{job="longshore"}'), 1)
        same("done", composition.measures('longshore_messages_ended_total{queue="orders",ending="done"} > 0'), 1)


def a_message_goes_through_the_ingest_api_and_is_counted(_):
    with Composition("embedded") as composition:
        composition("up", "--detach", "--no-build", "--wait", "embedded", "prometheus")
        door = f"{composition.address('embedded-handler', 8000)}/v1/messages"
        with urllib.request.urlopen(door, data=b'{"id": 8}', timeout=10) as answer:
            holds(f"status {answer.status}", answer.status in (200, 202))
        composition.says("embedded-handler", "shipped order 8")
        same("done", composition.measures('longshore_messages_ended_total{queue="orders",ending="done"} > 0'), 1)


def the_dashboards_have_something_to_show_within_a_minute_in_each_profile(_):
    for profile, traffic in (("emulator", "traffic"), ("embedded", "embedded-traffic")):
        with Composition(profile) as composition:
            composition("up", "--detach", "--no-build", "--wait", "prometheus", "worker" if profile == "emulator" else "embedded")
            began = time.monotonic()
            composition("up", "--detach", "--no-build", traffic)
            for queue in ("orders", "readings"):
                composition.measures(f'rate(longshore_messages_ended_total{{queue="{queue}",ending="done"}}[30s]) > 0')
            holds(f"{profile}: {time.monotonic() - began:.0f} s", time.monotonic() - began < 60)
