"""Lets real web pages in Chromium attack `longshore dev`, and checks that they reach nothing and that its own page works.

    python3 main.py PROGRAM

Prints a line for each fact and exits with 1 when any fails. Where there is no Chromium, it says "skipped: …" and exits with 0, or
with 1 if LONGSHORE_REQUIRE_BROWSER is 1. Needs nothing but Python.
"""

import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Two names of the attacker's; the browser finds both on this machine, as after DNS rebinding.
EVIL, REBOUND = "evil.example", "rebound.example"
QUEUE = "orders"
# The exit code where there is no browser.
WITHOUT_BROWSER = 1 if os.environ.get("LONGSHORE_REQUIRE_BROWSER") == "1" else 0
# The time for a page's requests, and for those that fail to fail.
PATIENCE = 30

# Every request that a page may send to another origin without asking its server first.
ATTACK = """<!doctype html><title>attack</title><body><script>
const [sqs, api, admin] = %s;
const form = (url, fields, enctype) => {
  const form = document.createElement('form');
  const frame = document.createElement('iframe');
  frame.name = 'frame' + document.forms.length;
  Object.assign(form, {action: url, method: 'POST', enctype, target: frame.name});
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement('input');
    Object.assign(input, {name, value});
    form.append(input);
  }
  document.body.append(frame, form);
  form.submit();
};
const image = url => new Promise(done => {
  const image = new Image();
  image.onload = image.onerror = done;
  image.src = url;
});
const plain = (url, body) =>
  fetch(url, {method: 'POST', mode: 'no-cors', headers: {'Content-Type': 'text/plain'}, body}).catch(() => {});
const create = name => ({Action: 'CreateQueue', QueueName: name, Version: '2012-11-05'});
const query = fields => new URLSearchParams(fields).toString();
(async () => {
  form(sqs + '/', create('by-form'), 'application/x-www-form-urlencoded');
  form(api + '/v1/messages', {'{"by': '"form"}'}, 'text/plain');
  await Promise.all([
    plain(sqs + '/', query(create('by-fetch'))),
    image(sqs + '/?' + query(create('by-image'))),
    plain(sqs + '/', query({Action: 'DeleteQueue', QueueUrl: sqs + '/000000000000/orders-dlq'})),
    image(sqs + '/?' + query({Action: 'DeleteQueue', QueueUrl: sqs + '/000000000000/orders-dlq'})),
    plain(api + '/v1/messages', '{"by": "fetch"}'),
    image(api + '/queue?message=by-image'),
    image(api + '/v1/send?MessageBody=by-image'),
    plain(admin + '/status', ''),
  ]);
  await new Promise(done => setTimeout(done, 1000));
  await fetch('/done?attack=' + encodeURIComponent(location.host), {method: 'POST'});
})();
</script>"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{what}: not within {PATIENCE} s")


class Dev:
    """A running `longshore dev`, whose handler writes each body it gets into a file."""

    def __init__(self, program, folder):
        self.sqs, self.api, self.admin = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
        self.bodies = folder / "bodies"
        self.bodies.touch()
        settings = folder / "longshore.toml"
        command = json.dumps(["sh", "-c", f"cat >>'{self.bodies}'; echo >>'{self.bodies}'"])
        queue = f'[queues.{QUEUE}]\nname = "{QUEUE}"\n[queues.{QUEUE}.handler]\nkind = "exec"\ncommand = {command}\n'
        settings.write_text(queue)
        listen = [("--sqs-listen", self.sqs), ("--api-listen", self.api), ("--admin-listen", self.admin)]
        options = [part for flag, url in listen for part in (flag, url.removeprefix("http://"))]
        self.process = subprocess.Popen(
            [program, "dev", "--config", str(settings), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self.is_ready, "longshore dev is ready")

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError("longshore dev has ended")
        try:
            return urllib.request.urlopen(self.admin + "/readyz", timeout=1).status == 200
        except OSError:
            return False

    def queues(self):
        answer = urllib.request.urlopen(self.sqs + "/?Action=ListQueues", timeout=5).read().decode()
        return sorted(part.split("</QueueUrl>")[0].rsplit("/", 1)[1] for part in answer.split("<QueueUrl>")[1:])

    def send(self, body):
        urllib.request.urlopen(self.api + "/v1/messages", data=body.encode(), timeout=5).read()

    def handled(self):
        return [line for line in self.bodies.read_text().split("\n") if line]

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


class Attacker:
    """The server of the attacker's pages, which report when they have done what they could."""

    def __init__(self, targets):
        self.done = set()
        attacker = self

        class Pages(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer((ATTACK % json.dumps(targets)).encode())

            def do_POST(self):
                attacker.done.add(urllib.parse.urlparse(self.path).query)
                self.answer(b"")

            def answer(self, page):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Browser:
    """Chromium without a window, which finds the attacker's names on this machine."""

    def __init__(self, path, folder):
        rules = f"MAP {EVIL} 127.0.0.1, MAP {REBOUND} 127.0.0.1"
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        self.command = [path, "--headless=new", *root, "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                        f"--user-data-dir={folder / 'profile'}", f"--host-resolver-rules={rules}"]

    def run(self, url, until_true):
        """Opens a page until something is true."""
        process = subprocess.Popen([*self.command, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(until_true, url)
        finally:
            process.terminate()
            process.wait(PATIENCE)

    def text(self, url):
        """The page as the browser shows it."""
        dumped = subprocess.run([*self.command, "--dump-dom", url], capture_output=True, text=True, timeout=PATIENCE)
        return dumped.stdout


def check(dev, browser):
    """Yields each fact and whether it holds."""
    attacker = Attacker([dev.sqs, dev.api, dev.admin])
    before = dev.queues()
    # By a name, by an address and by a name of loopback: another site, another origin, the same site.
    for host in (EVIL, "127.0.0.1", "localhost"):
        origin = f"{host}:{attacker.port}"
        browser.run(f"http://{origin}/", lambda origin=origin: f"attack={urllib.parse.quote(origin, safe='')}" in attacker.done)
        yield f"a page of http://{host} creates and deletes no queue", dev.queues() == before
        dev.send(f"after {host}")
        until(lambda host=host: f"after {host}" in dev.handled(), "the handler runs")
        yield f"a page of http://{host} runs no handler", all(body.startswith("after ") for body in dev.handled())
    for url in (dev.sqs + "/?Action=ListQueues", dev.api + "/queue?message=rebound"):
        page = browser.text(url.replace("127.0.0.1", REBOUND))
        yield f"a rebound name gets nothing of {url}", "is not a name of this server" in page
    typed = browser.text(dev.sqs + "/?Action=ListQueues")
    yield "a person may ask the emulator in the browser", QUEUE in typed
    for name in ("127.0.0.1", "localhost"):
        page = browser.text(dev.admin.replace("127.0.0.1", name))
        yield f"the admin page works at {name}", 'href="status"' in page
        status = browser.text(dev.admin.replace("127.0.0.1", name) + "/status")
        yield f"the status works at {name}", QUEUE in status


def chromium(checked):
    """The path of a Chromium; none, and says what is skipped for it, where there is none."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        print(f"skipped: {checked} (no Chromium, hint: apt-get install chromium)", flush=True)
    return path


def fails(fact, holds):
    """Prints whether a fact holds; true if it does not."""
    print(f"{'ok    ' if holds else 'FAILED'}  {fact}", flush=True)
    return not holds


def main(program):
    path = chromium("the browser's pages")
    if path is None:
        return WITHOUT_BROWSER
    failed = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = pathlib.Path(name)
        dev = Dev(program, folder)
        try:
            for fact, holds in check(dev, Browser(path, folder)):
                failed += fails(fact, holds)
            if failed:
                print(f"queues {dev.queues()}, handled {dev.handled()}")
        finally:
            dev.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
