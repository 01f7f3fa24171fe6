"""Renders the chart in deploy/helm, and checks its objects against the schemas of Kubernetes and KEDA and against docs/kubernetes.md.

    python main.py PROGRAM

Renders with `helm` where there is one, else with Helm's own library from PyPI. PROGRAM is a longshore, which checks the settings
of the pod; `-` leaves that out, and says so. Without node_modules in deploy/ KEDA's schemas are left out, and that is said, too.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import kubernetes_validate
import yaml

DEPLOY = pathlib.Path(__file__).resolve().parents[2]
CHART = DEPLOY / "helm"
PAGE = (DEPLOY.parent / "docs" / "kubernetes.md").read_text()
# The oldest Kubernetes of Chart.yaml and the newest that is known here; EKS has others between them.
VERSIONS = ("1.29", "1.37")
PROGRAM = sys.argv.pop(1) if len(sys.argv) > 1 else "-"
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
CONFIG = f"""[queues.orders]
url = "{QUEUE}"
timeout = "10m"

[queues.orders.handler]
kind = "http"
url = "http://127.0.0.1:8080/"
"""
LEAST = {"image": {"repository": "example.test/longshore"}, "config": CONFIG}
# Every value that changes what is rendered.
FULL = LEAST | {
    "image": {"repository": "example.test/longshore", "tag": "1.0.0@sha256:" + "0" * 64, "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "pull"}],
    "env": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"}],
    "envFrom": [{"secretRef": {"name": "orders"}}],
    "sidecars": [{"name": "handler", "image": "example.test/handler:42", "startupProbe": {"tcpSocket": {"port": 8080}}}],
    "keda": {"enabled": True, "queues": [{"url": QUEUE, "region": "eu-west-1", "messagesPerReplica": 32}]},
    "terminationGracePeriodSeconds": 600,
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/orders"}},
    "admin": {"listen": "[::]:9191"},
    "podAnnotations": {"prometheus.io/scrape": "true"},
    "podLabels": {"team": "orders"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
}


class Refused(Exception):
    """Helm's error."""


def texts(values: dict) -> list[str]:
    """The rendered files."""
    if shutil.which("helm"):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(json.dumps(values))
            file.flush()
            command = ["helm", "template", "orders", str(CHART), "--values", file.name]
            rendered = subprocess.run(command, capture_output=True, text=True, check=False)
        if rendered.returncode:
            raise Refused(rendered.stderr)
        return [rendered.stdout]
    import helm_python

    try:
        with helm_python.Chart.load(CHART) as chart:
            chart.validate_schema(values)
            files = chart.render(values, name="orders", namespace="default")
    except helm_python.HelmError as error:
        raise Refused(str(error)) from error
    return [text for name, text in files.items() if name.endswith(".yaml")]


def rendered(values: dict) -> dict[str, dict]:
    """The objects by their kind."""
    objects = [an for text in texts(values) for an in yaml.safe_load_all(text) if an]
    return {an["kind"]: an for an in objects}


def validate(an: dict) -> None:
    """Compares an object with the schema of its kind."""
    if not an["apiVersion"].startswith("keda.sh/"):
        for version in VERSIONS:
            kubernetes_validate.validate(an, version, strict=True)
        return
    if not (DEPLOY / "node_modules" / "@kubernetes-models").exists():
        return
    script = (
        "const [an] = process.argv.slice(1).map(JSON.parse);"
        "const models = await import(`@kubernetes-models/keda/${an.apiVersion}/${an.kind}`);"
        "new models[an.kind](an).validate();"
    )
    checked = subprocess.run(["node", "--input-type=module", "-e", script, json.dumps(an)], cwd=DEPLOY, capture_output=True, text=True, check=False)
    if checked.returncode:
        raise ValueError(checked.stderr)


def worker(objects: dict[str, dict]) -> dict:
    """The container of the worker."""
    [container] = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container


def variables(container: dict) -> dict[str, str]:
    """The plain variables of a container."""
    return {variable["name"]: variable["value"] for variable in container["env"]}


class Chart(unittest.TestCase):
    """The chart with few values, and with all of them."""

    def test_every_object_follows_its_schema(self):
        for values, kinds in [
            (LEAST, {"ConfigMap", "Deployment", "PodDisruptionBudget", "ServiceAccount"}),
            (FULL, {"ConfigMap", "Deployment", "PodDisruptionBudget", "ServiceAccount", "ScaledObject", "TriggerAuthentication"}),
        ]:
            objects = rendered(values)
            self.assertEqual(set(objects), kinds)
            for an in objects.values():
                with self.subTest(kind=an["kind"]):
                    validate(an)

    def test_the_worker_knows_the_grace_period_of_its_pod(self):
        for values in (LEAST, FULL):
            objects = rendered(values)
            seconds = objects["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
            given = variables(worker(objects))["LONGSHORE__KUBERNETES__TERMINATION_GRACE_PERIOD"]
            self.assertEqual(given, f"{seconds}s")

    def test_the_program_takes_the_settings_and_stops_in_time(self):
        if PROGRAM == "-":
            self.skipTest("no longshore")
        for values, limit in [(LEAST, "1m 50s"), (FULL, "9m 50s")]:
            objects = rendered(values)
            with tempfile.TemporaryDirectory() as directory:
                file = pathlib.Path(directory, "longshore.toml")
                file.write_text(objects["ConfigMap"]["data"]["longshore.toml"])
                environment = variables(worker(objects)) | {"KUBERNETES_SERVICE_HOST": "10.100.0.1"}
                checked = subprocess.run(
                    # Nothing listens there, so the queue is a finding; the pod is none.
                    [PROGRAM, "check", "--format", "json", "--config", file, "--endpoint-url", "http://127.0.0.1:1"],
                    env=environment | {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"},
                    capture_output=True, text=True, check=False,
                )
            findings = {finding["code"]: finding["message"] for finding in json.loads(checked.stdout)["findings"]}
            self.assertIn(f"a stop gives the worker {limit}", findings.pop("timeout-beyond-drain"))
            self.assertLessEqual(set(findings), {"queue-unreachable", "handler-unreachable"}, checked.stdout)

    def test_the_container_is_confined_as_the_image_allows(self):
        objects = rendered(LEAST)
        context = worker(objects)["securityContext"]
        self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
        self.assertEqual((context["runAsNonRoot"], context["runAsUser"]), (True, 65532))
        self.assertEqual((context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]), (True, False))
        pod = objects["Deployment"]["spec"]["template"]["spec"]
        self.assertEqual(pod["automountServiceAccountToken"], False)
        mounts = {mount["mountPath"] for mount in worker(objects)["volumeMounts"]}
        self.assertEqual(mounts, {"/etc/longshore", "/tmp"})

    def test_the_probes_reach_the_admin_server(self):
        for values, port in [(LEAST, 9090), (FULL, 9191)]:
            container = worker(rendered(values))
            self.assertEqual(container["ports"], [{"name": "admin", "containerPort": port}])
            self.assertTrue(variables(container)["LONGSHORE__ADMIN__LISTEN"].endswith(f"]:{port}" if port == 9191 else f"0.0.0.0:{port}"))
            probes = [container[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe")]
            self.assertEqual(probes, [{"path": path, "port": "admin"} for path in ("/livez", "/readyz")])

    def test_a_handler_starts_before_the_worker_and_ends_after_it(self):
        [sidecar] = rendered(FULL)["Deployment"]["spec"]["template"]["spec"]["initContainers"]
        self.assertEqual((sidecar["name"], sidecar["restartPolicy"]), ("handler", "Always"))

    def test_keda_counts_messages_in_flight_and_owns_the_number_of_pods(self):
        objects = rendered(FULL)
        self.assertNotIn("replicas", objects["Deployment"]["spec"])
        self.assertEqual(rendered(LEAST)["Deployment"]["spec"]["replicas"], 2)
        trigger = {
            "type": "aws-sqs-queue",
            "authenticationRef": {"name": "orders"},
            "metadata": {
                "queueURL": QUEUE, "awsRegion": "eu-west-1", "queueLength": "32", "activationQueueLength": "0",
                "scaleOnInFlight": "true", "scaleOnDelayed": "false",
            },
        }
        self.assertEqual(objects["ScaledObject"]["spec"], {
            "scaleTargetRef": {"name": "orders"}, "minReplicaCount": 0, "maxReplicaCount": 20,
            "pollingInterval": 30, "cooldownPeriod": 300, "triggers": [trigger],
        })
        identity = objects["TriggerAuthentication"]["spec"]
        self.assertEqual(identity, {"podIdentity": {"provider": "aws", "identityOwner": "keda"}})

    def test_names_and_selectors_fit_together(self):
        objects = rendered(FULL)
        labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
        for kind in ("Deployment", "PodDisruptionBudget"):
            selector = objects[kind]["spec"]["selector"]["matchLabels"]
            self.assertLessEqual(selector.items(), labels.items())
        account = objects["Deployment"]["spec"]["template"]["spec"]["serviceAccountName"]
        self.assertEqual(account, objects["ServiceAccount"]["metadata"]["name"])
        self.assertIn("eks.amazonaws.com/role-arn", objects["ServiceAccount"]["metadata"]["annotations"])

    def test_a_change_of_the_file_rolls_the_pods(self):
        sums = [
            rendered(LEAST | {"config": config})["Deployment"]["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
            for config in (CONFIG, CONFIG + "# changed\n")
        ]
        self.assertNotEqual(*sums)

    def test_what_is_missing_or_unknown_is_refused_by_its_name(self):
        for values, name in [
            ({"config": CONFIG}, "image.repository is empty"),
            ({"image": {"repository": "r"}}, "config is empty"),
            (LEAST | {"keda": {"enabled": True}}, "keda.queues is empty"),
            (LEAST | {"keda": {"enabled": True, "queues": [{"url": QUEUE}]}}, "region"),
            (LEAST | {"replica": 3}, "replica"),
            (LEAST | {"terminationGracePeriodSeconds": 0}, "terminationGracePeriodSeconds"),
        ]:
            with self.subTest(name), self.assertRaisesRegex(Refused, name):
                rendered(values)


class Page(unittest.TestCase):
    """The manifests of docs/kubernetes.md."""

    def test_every_manifest_follows_its_schema(self):
        manifests = [
            an for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.S) for an in yaml.safe_load_all(block) if "kind" in an
        ]
        kinds = {an["kind"] for an in manifests}
        self.assertLessEqual({"ConfigMap", "Deployment", "PodDisruptionBudget", "ScaledObject", "ServiceAccount"}, kinds)
        for an in manifests:
            with self.subTest(kind=an["kind"]):
                validate(an)

    def test_the_deployment_is_that_of_the_chart(self):
        blocks = [yaml.safe_load_all(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.S)]
        [shown] = [an for block in blocks for an in block if an.get("kind") == "Deployment"]
        pod, charted = (one["spec"]["template"]["spec"] for one in (shown, rendered(LEAST)["Deployment"]))
        [container], [of_chart] = pod["containers"], charted["containers"]
        for key in ("terminationGracePeriodSeconds", "automountServiceAccountToken", "enableServiceLinks", "securityContext"):
            self.assertEqual(pod[key], charted[key], key)
        for key in ("env", "ports", "securityContext", "volumeMounts"):
            self.assertEqual(container[key], of_chart[key], key)


if __name__ == "__main__":
    ended = unittest.main(exit=False, verbosity=2)
    if PROGRAM == "-":
        print("skipped: the pod's settings by the program itself (no longshore)")
    if not (DEPLOY / "node_modules" / "@kubernetes-models").exists():
        print("skipped: KEDA's schemas (no node_modules in deploy/)")
    sys.exit(not ended.result.wasSuccessful())
