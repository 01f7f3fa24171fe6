"""Runs deploy/first.sh with stubs of AWS and Docker that write down what they are asked, and an API that checks its signature.

    python main.py

Where LONGSHORE_EMULATOR names a LocalStack, it is run there, too: everything but ECR and Docker is real then.
"""

import hashlib
import hmac
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

HERE = pathlib.Path(__file__).resolve().parent
DEPLOY = HERE.parents[1]
GIVEN = {"PROJECT_NAME": "orders", "AWS_REGION": "eu-west-1", "RETRY_SECONDS": "0"}
SETTINGS = ("IMAGE", "HANDLER_IMAGE", "HANDLER", "STAGE", "MESSAGE", "LONGSHORE_EMULATOR")


class Api(BaseHTTPRequestHandler):
    """Answers 202 to a request that is signed for API Gateway by the stub's credentials, after one 403 as a new stage does."""

    requests = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        Api.requests.append((self.path, dict((name.lower(), value) for name, value in self.headers.items()), body.decode()))
        status, answer = (202, b'{"messageId": "m-1"}') if len(Api.requests) > 1 and self.is_signed(body) else (403, b"{}")
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def is_signed(self, body):
        words = dict(part.split("=", 1) for part in self.headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", "))
        names = words["SignedHeaders"].split(";")
        _, *scope = words["Credential"].split("/")
        values = "".join(f"{name}:{self.headers[name].strip()}\n" for name in names)
        canonical = "\n".join(["POST", self.path, "", values, words["SignedHeaders"], hashlib.sha256(body).hexdigest()])
        signed = "\n".join(["AWS4-HMAC-SHA256", self.headers["x-amz-date"], "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()])
        key = b"AWS4secret"
        for part in [*scope, signed]:
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key.hex() == words["Signature"] and scope[1:3] == ["eu-west-1", "execute-api"] and "x-amz-security-token" in names

    def log_message(self, *_):
        """Says nothing."""


def first(*arguments, path=(), **environment):
    """Runs the script; its end. No credentials are inherited."""
    inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS and not name.startswith("AWS_")}
    search = os.pathsep.join([*map(str, path), os.environ["PATH"]])
    return subprocess.run([DEPLOY / "first.sh", *arguments], env=inherited | {"PATH": search} | GIVEN | environment, capture_output=True, text=True, check=False)


class DryRun(unittest.TestCase):
    def test_it_prints_a_script_that_assigns_whatever_it_uses(self):
        if shutil.which("shellcheck") is None:
            self.skipTest("no shellcheck here")
        for settings in ({}, {"IMAGE": "a:1", "HANDLER": "{}"}, {"HANDLER_IMAGE": "b:2", "FIFO": "yes", "MESSAGE": "it's '\"$(id)"}):
            printed = first(**settings)
            checked = subprocess.run(["shellcheck", "-"], input=printed.stdout, capture_output=True, text=True, check=False)
            self.assertEqual((printed.returncode, printed.stderr, checked.stdout), (0, "", ""))

    def test_the_scripts_are_as_shellcheck_wants_them(self):
        if shutil.which("shellcheck") is None:
            self.skipTest("no shellcheck here")
        scripts = [*DEPLOY.glob("*.sh"), *DEPLOY.glob("test/**/*.sh"), *HERE.glob("stubs/*")]
        self.assertEqual(subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False).stdout, "")

    def test_every_step_says_what_it_changes_or_costs(self):
        lines = first().stdout.splitlines()
        titles = [index for index, line in enumerate(lines) if line.startswith("# ") and line[2].isdigit()]
        self.assertGreater(len(titles), 8)
        for index in titles:
            self.assertRegex(lines[index + 1], r"^#    \w.{8,}\.$")

    def test_what_cannot_work_is_refused_by_name(self):
        wrong = {
            "PROJECT_NAME": "Orders",
            "STAGE": "a-stage-too-long",
            "AWS_REGION": "europe",
            "ARCHITECTURE": "arm",
            "HANDLER_CONTEXT": "/nowhere",
            "HANDLER_DOCKERFILE": "nothing",
        }
        for name, value in wrong.items():
            ended = first(**{name: value})
            self.assertEqual(ended.returncode, 64, name)
            self.assertRegex(ended.stderr, rf"(?s)^error: {name} .*{value}.*\nhint: .+")
            self.assertEqual(ended.stdout, "")
        self.assertIn("no such option: --yes", first("--yes").stderr)


class WithStubs(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        Api.requests = []
        server = HTTPServer(("127.0.0.1", 0), Api)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.stubbed = {"STUB_FOLDER": str(self.folder), "STACKS_OUT": str(self.folder), "STUB_API": f"http://127.0.0.1:{server.server_port}/dev/"}

    def go(self, **environment):
        return first("--go", path=[HERE / "stubs"], **self.stubbed, **environment)

    def calls(self, word):
        text = (self.folder / "calls").read_text() if (self.folder / "calls").exists() else ""
        return [line for line in text.splitlines() if word in line]

    def test_nothing_is_called_without_go(self):
        first(path=[HERE / "stubs"], **self.stubbed)
        self.assertEqual(self.calls(""), [])

    def test_it_ends_with_a_202_to_a_signed_request(self):
        ended = self.go(MESSAGE="@it's")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertIn('\n202 {"messageId": "m-1"}\n', ended.stdout)
        self.assertNotIn("None", ended.stdout, "a stack without outputs puts out nothing")
        path, headers, body = Api.requests[-1]
        self.assertEqual((path, headers["x-api-key"], body), ("/dev/v1/messages", "the-key", "@it's"))
        self.assertEqual(len(Api.requests), 2, "a stage that is not there yet is asked again")

    def test_the_images_are_pushed_before_the_stacks_are_deployed_in_their_order(self):
        self.go()
        pushed = self.calls("docker push")
        self.assertEqual([line.split(":")[0].split("amazonaws.com/")[1] for line in pushed], ["orders/longshore", "orders/handler"])
        self.assertIn(f"IMAGE={pushed[0].split()[-1]} HANDLER_IMAGE={pushed[1].split()[-1]}", self.calls("npx cdk synth")[0])
        order = self.calls("")
        stacks = [line.split("--stack-name ")[1].split()[0] for line in self.calls("cloudformation deploy")]
        self.assertEqual(stacks, ["orders-dev-queue", "orders-dev-api", "orders-dev-service"])
        self.assertLess(order.index(pushed[-1]), order.index(self.calls("cloudformation deploy")[0]))

    def test_what_is_there_is_not_made_again(self):
        self.go()
        (self.folder / "calls").unlink()
        self.assertEqual(self.go().returncode, 0)
        for word in ("create-repository", "docker build", "docker push", "create-service-linked-role"):
            self.assertEqual(self.calls(word), [])

    def test_images_that_are_given_are_not_built(self):
        self.assertEqual(self.go(IMAGE="x/worker:1", HANDLER_IMAGE="x/handler:1").returncode, 0)
        self.assertEqual(self.calls("docker") + self.calls("ecr"), [])

    def test_a_step_that_fails_ends_it_and_says_which(self):
        ended = self.go(STUB_FAILS="iam create-service-linked-role --aws-service-name ecs.amazonaws.com --query Role.Arn --output text")
        self.assertNotEqual(ended.returncode, 0)
        self.assertRegex(ended.stderr, r"AccessDenied[\s\S]*error: step \d+ did not succeed")
        self.assertEqual(self.calls("cloudformation"), [])

    def test_settings_are_refused_before_anything_is_made(self):
        ended = self.go(PROJECT_NAME="refused")
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn("MEMORY", ended.stderr)
        self.assertEqual(self.calls("create") + self.calls("docker"), [])

    def test_a_refusal_to_the_end_is_a_failure(self):
        ended = self.go(FIFO="yes", AWS_REGION="eu-west-2")
        self.assertEqual((ended.returncode != 0, len(Api.requests)), (True, 6))
        self.assertEqual(Api.requests[-1][1]["x-message-group-id"], "first")


@unittest.skipUnless("LONGSHORE_EMULATOR" in os.environ, "no LONGSHORE_EMULATOR")
class OnLocalStack(unittest.TestCase):
    def test_the_message_arrives_in_the_queue(self):
        emulator = os.environ["LONGSHORE_EMULATOR"]
        here = {"AWS_ENDPOINT_URL": emulator, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "STAGE": f"f{os.getpid()}"}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "path"
            path.mkdir()
            # ECR is not in the emulator, and its APIs have other addresses than AWS's.
            (path / "docker").symlink_to(HERE / "stubs" / "docker")
            forward = 'case "$1" in ecr) exec "{stubs}/aws" "$@" ;; *) exec "{aws}" "$@" ;; esac'
            self.program(path / "aws", forward.format(stubs=HERE / "stubs", aws=shutil.which("aws")))
            rewrite = r'args=(); for a; do args+=("$(sed -E "s#^https://([a-z0-9]+)\.execute-api\.[^/]*/#{emulator}/_aws/execute-api/\1/#" <<<"$a")"); done; exec "{curl}" "${{args[@]}}"'
            self.program(path / "curl", rewrite.format(emulator=emulator, curl=shutil.which("curl")))
            given = here | {"STUB_FOLDER": folder, "STACKS_OUT": str(pathlib.Path(folder) / "out")}
            for _ in range(2):  # again: nothing is in its way
                ended = first("--go", path=[path], **given)
                self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
                self.assertRegex(ended.stdout, r'\n202 \{"messageId":"[0-9a-f-]{36}"')
            queue = next(line for line in ended.stdout.splitlines() if line.startswith("QueueUrl=")).removeprefix("QueueUrl=")
            scope = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
            asked = urllib.request.Request(f"{queue}?Action=GetQueueAttributes&AttributeName.1=ApproximateNumberOfMessages", headers={"authorization": scope})
            with urllib.request.urlopen(asked) as answer:
                self.assertIn("<Value>2</Value>", answer.read().decode())

    def program(self, path, text):
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(0o755)


if __name__ == "__main__":
    if shutil.which("shellcheck") is None:
        print("skipped: shellcheck on the scripts of deploy/ and on what first.sh prints (it is not installed)")
    unittest.main()
