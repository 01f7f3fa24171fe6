"""Uses the live page of the admin server in Chromium, as an operator would, and tries to make it run foreign text.

    python3 page.py PROGRAM [--pictures FOLDER]

Prints a line for each fact and exits with 1 when any fails; with `--pictures` it writes page-light.png and page-dark.png instead.
Where there is no Chromium, it says "skipped: …" and exits with 0, or with 1 if LONGSHORE_REQUIRE_BROWSER is 1.
"""

import base64
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from devtools import Chromium
from main import PATIENCE, WITHOUT_BROWSER, chromium, fails, free_port, until

# A handler of the shell: its body decides. The reason of a failure is the last line on standard error.
HANDLER = """
body=$(cat)
case "$body" in
  slow*) sleep 600 ;;
  gate*) until [ -e "$GATE" ]; do sleep 0.1; done ;;
  odd*) echo "order 4711 has no address" >&2; exit 1 ;;
  lost*) echo "no such customer: 88" >&2; exit 65 ;;
  bad*) echo "order 4711 has no address <script>attacked = 1</script><img src=x onerror='attacked = 1'>" >&2; exit 1 ;;
  *) sleep 0.05 ;;
esac
"""
SETTINGS = """
[queues.orders]
name = "orders"
concurrency = 4
retry = {{ initial = "5m", jitter = "none" }}
handler = {{ kind = "exec", command = ["sh", "-c", {handler}], env = {{ GATE = {gate} }} }}

[queues.invoices]
name = "invoices"
handler = {{ kind = "exec", command = ["sh", "-c", "true"] }}

[queues.emails]
name = "emails"
handler = {{ kind = "http", url = "http://127.0.0.1:{closed}/" }}

[admin]
control = "{control}"
"""


class Dev:
    """A running `longshore dev` with three queues: one at work, one empty, one whose handler is down."""

    def __init__(self, program, folder):
        self.sqs, self.api, self.admin = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
        self.program, self.folder, self.gate, self.closed = program, folder, folder / "gate", free_port()
        self.start("loopback")

    def start(self, control):
        settings = self.folder / "page.toml"
        quoted = {"handler": json.dumps(HANDLER), "gate": json.dumps(str(self.gate))}
        settings.write_text(SETTINGS.format(**quoted, closed=self.closed, control=control))
        listen = [("--sqs-listen", self.sqs), ("--api-listen", self.api), ("--admin-listen", self.admin)]
        options = [part for flag, url in listen for part in (flag, url.removeprefix("http://"))]
        self.process = subprocess.Popen(
            [self.program, "dev", "--config", str(settings), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: self.status() and len(self.status()["queues"]) == 3, "three queues are open")

    def status(self):
        if self.process.poll() is not None:
            raise RuntimeError("longshore dev has ended")
        try:
            return json.load(urllib.request.urlopen(self.admin + "/status", timeout=5))
        except OSError:
            return None

    def queue(self, name="orders"):
        return next(queue for queue in self.status()["queues"] if queue["queue"] == name)

    def send(self, *bodies, queue="orders"):
        url = f"{self.sqs}/000000000000/{queue}"
        for body in bodies:
            fields = urllib.parse.urlencode({"Action": "SendMessage", "MessageBody": body, "Version": "2012-11-05"})
            urllib.request.urlopen(url, data=fields.encode(), timeout=5).read()

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            # A second signal ends the calls that run for ten minutes.
            self.process.terminate()
            self.process.wait(PATIENCE)


def text(browser, selector):
    return browser.value(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''")


def shows(browser, selector, *parts):
    """True once the text of an element has all these parts."""
    def has_them():
        found = text(browser, selector)
        return all(part in found for part in parts)
    try:
        until(has_them, f"{selector} shows {parts}")
    except TimeoutError:
        print(f"{selector} is {text(browser, selector)!r}", flush=True)
        return False
    return True


def contrast(browser, selector):
    """The contrast of an element's text with the page, by the formula of WCAG."""
    return browser.value("""(selector => {
      const parts = color => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
      const linear = part => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      const luminance = color => parts(color).map(linear).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
      const text = luminance(getComputedStyle(document.querySelector(selector)).color);
      const ground = luminance(getComputedStyle(document.body).backgroundColor);
      return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    })(%s)""" % json.dumps(selector))


def check(dev, browser):
    """Yields each fact and whether it holds."""
    browser.size(1200, 800)
    browser.open(dev.admin + "/")
    yield "the page becomes live", shows(browser, "#worker", "running", "live")
    yield "it has a row for each queue", shows(browser, "#queues tbody", "orders", "invoices", "emails")
    dev.send("gate")
    until(lambda: dev.queue()["calls"], "the longest call runs")
    dev.send("slow", "slow", "bad", *(f"good {number}" for number in range(20)))
    until(lambda: dev.queue()["failures"] and len(dev.queue()["calls"]) >= 3, "calls run and one has failed")
    browser.value("document.querySelector('#queues tr[data-key=orders]').click()")
    running, failed = dev.queue()["calls"][0], dev.queue()["failures"][0]
    yield "it names the calls that run", shows(browser, "#calls tbody", running["messageId"])
    yield "it names failures, with what their handler says", shows(
        browser, "#failures tbody", failed["messageId"], "<script>attacked = 1</script><img src=x onerror='attacked = 1'>")
    yield "a reason is text", browser.value("document.querySelectorAll('#failures script, #failures img').length") == 0
    yield "it says why the busy queue receives or not", shows(browser, "#why", ".")
    browser.value("document.querySelector('#queues tr[data-key=emails]').click()")
    yield "it says why nothing is received from a queue whose handler is down", shows(
        browser, "#why", "Polling is paused because the handler is down")
    browser.value("document.querySelector('#queues tr[data-key=invoices]').click()")
    yield "it says that a queue is empty", shows(browser, "#why", "The queue is empty")
    browser.value("document.querySelector('#queues tr[data-key=orders]').click()")
    yield from dead_letters(dev, browser)
    yield from keyboard(browser, failed)
    yield from focus(dev, browser)
    yield from opened_from_below(browser)
    yield from narrow(browser)
    yield from attacks(browser)
    yield from schemes(browser)
    yield "it has requested nothing of others", all(
        url.startswith((dev.admin, "about:", "data:")) for url in browser.requested())


def dead_letters(dev, browser):
    dev.send("<b>first</b>", "second", queue="orders-dlq")
    until(lambda: dev.queue()["dlqMessages"] is not None, "the DLQ is counted")
    yield "the DLQ is offered, and nothing of it is shown unasked", (
        shows(browser, "#dlq", "counts as one receive") and text(browser, "#dlq-messages tbody") == "")
    browser.value("document.getElementById('dlq-peek').click()")
    yield "a peek shows the bodies as text", shows(browser, "#dlq-messages tbody", "<b>first</b>", "second") and browser.value(
        "document.querySelectorAll('#dlq-messages b').length") == 0
    click = "[...document.querySelectorAll('#dlq-messages tr')].find(row => row.textContent.includes(%s)).querySelectorAll('button')[%d].click()"
    browser.value(click % (json.dumps("second"), 1))
    asks = browser.value("document.getElementById('confirm').open && document.activeElement.id") == "confirm-no"
    browser.press("Escape")
    yield "a delete asks first, and Escape deletes nothing", asks and not browser.value(
        "document.getElementById('confirm').open") and "second" in text(browser, "#dlq-messages tbody")
    browser.value(click % (json.dumps("second"), 1))
    browser.value("document.getElementById('confirm-yes').click()")
    yield "a message is deleted", shows(browser, "#dlq-answer", "delete finished: 1 deleted")
    browser.value("document.getElementById('dlq-all').click()")
    browser.value("document.getElementById('confirm-yes').click()")
    yield "all others are redriven", shows(browser, "#dlq-answer", "redrive", "1 redriven")
    until(lambda: dev.queue()["totals"]["done"] >= 21, "the redriven message is done")


def keyboard(browser, failed):
    browser.press("/", "/")
    yield "the key / goes to the search", browser.value("document.activeElement.id") == "message-id"
    browser.type(failed["messageId"])
    browser.press("Enter", "\r")
    yield "a message is found by its id", shows(browser, "#message", failed["messageId"], "attempt 1: given back",
                                               "received", "ended retry", "next try not before")
    yield "its steps are text", "<script>attacked = 1</script><img" in text(browser, "#message") and browser.value(
        "document.querySelectorAll('#message script, #message img').length") == 0
    browser.press("Escape")
    browser.press("Escape")
    yield "Escape closes it", browser.value("document.getElementById('message').hidden")
    browser.press("/", "/")
    browser.type("nobody-knows-this")
    browser.press("Enter", "\r")
    yield "an unknown message has the reach of the history", shows(browser, "#message", "this worker knows nothing", "orders: messages")
    browser.press("Escape")
    browser.press("Escape")
    browser.press("ArrowDown")
    focused = "document.activeElement.dataset.key"
    first = browser.value(focused)
    browser.press("ArrowDown")
    second = browser.value(focused)
    yield "the arrows move between rows", first is not None and second is not None and first != second
    time.sleep(2.5)
    yield "a row keeps its focus when the status changes", browser.value(focused) == second


def focus(dev, browser):
    """The keyboard keeps its place when what has the focus goes."""
    focused = "document.activeElement.id || document.activeElement.dataset.key"
    for verb, heir in (("pause", "resume"), ("resume", "pause")):
        browser.value(f"document.getElementById('{verb}').focus()")
        browser.press("Enter", "\r")
        yield f"after {verb} the focus is on {heir}", until_true(lambda heir=heir: browser.value(focused) == heir)
    browser.value("document.getElementById('concurrency').focus()")
    browser.press("Enter", "\r")
    yield "after a change of the concurrency the focus stays with it", browser.value(focused) == "scale"
    calls = "[...document.querySelectorAll('#calls tbody tr')].map(row => row.dataset.key)"
    ends, stays, *_ = browser.value(calls)
    browser.value(f"document.querySelector('#calls tr[data-key=\"{stays}\"]').focus()")
    dev.gate.touch()
    until(lambda: ends not in browser.value(calls), "the longest call has ended")
    yield "a row keeps its focus when the one above it goes", browser.value(focused) == stays


def opened_from_below(browser):
    """A message that is opened in a row far down is seen, and closing it leads back."""
    in_view = "(element => { const at = element.getBoundingClientRect(); return at.top >= 0 && at.top < innerHeight; })"
    browser.size(1200, 400)
    browser.value("document.querySelector('#failures tbody tr').focus()")
    browser.press("Enter", "\r")
    yield "a message opened from below is in view", until_true(
        lambda: browser.value(f"{in_view}(document.getElementById('message-title'))"))
    browser.press("Escape")
    row = "document.querySelector('#failures tbody tr')"
    yield "closing it leads back to its row", browser.value(
        f"document.activeElement === {row} && {in_view}({row})")
    browser.size(1200, 800)


def narrow(browser):
    browser.size(400, 800)
    browser.value("document.querySelector('#failures tbody tr').click()")
    yield "a narrow page is no wider than its window", until_true(lambda: browser.value(
        "!document.getElementById('message').hidden && document.documentElement.scrollWidth <= innerWidth"))
    yield "the id of a message is not below the button that closes it", browser.value("""(() => {
      const range = document.createRange();
      range.selectNodeContents(document.getElementById('message-title'));
      const close = document.getElementById('message-close').getBoundingClientRect();
      return range.getBoundingClientRect().right <= close.left;
    })()""")
    browser.press("Escape")
    browser.size(1200, 800)


def until_true(condition):
    try:
        return bool(until(condition, "the page follows"))
    except TimeoutError:
        return False


def gone_and_back(dev, browser):
    """The page says that its worker is gone, and follows the next one, whose settings may be others."""
    dev.close()
    yield "a worker that is gone is not live", shows(browser, "#worker", "not live")
    yield "the title says so, too", browser.value("document.title") == "not live: Longshore"
    dev.start("off")
    yield "the page is live again by itself", shows(browser, "#worker", "running · live")
    yield "the title does, too", until_true(lambda: browser.value("document.title") == "Longshore")
    yield "the buttons go when the worker allows them no more", until_true(
        lambda: browser.value("document.getElementById('control').hidden && document.getElementById('dlq').hidden"))


def attacks(browser):
    browser.value("""(() => {
      const script = document.createElement('script');
      script.textContent = 'window.attacked = 1';
      document.body.append(script);
      const holder = document.createElement('div');
      holder.innerHTML = '<img src="x" onerror="window.attacked = 1"><b style="color: red">red</b>';
      document.body.append(holder);
      window.foreign = fetch('https://127.0.0.1:9/').then(() => 'sent', () => 'refused');
    })()""")
    time.sleep(0.5)
    yield "an inline script does not run, even if it comes into the page", browser.value("window.attacked === undefined")
    refused = [complaint for complaint in browser.complaints() if "Content Security Policy" in complaint]
    yield "the browser refuses it by the policy", len(refused) >= 3
    others = [complaint for complaint in browser.complaints()
              if "Content Security Policy" not in complaint and "404" not in complaint]
    if others:
        print(others, flush=True)
    yield "nothing else is wrong with the page", not others


def schemes(browser):
    grounds = []
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        grounds.append(browser.value("getComputedStyle(document.body).backgroundColor"))
        low = [selector for selector in ("body", "th", "#queues .warn, #queues .bad", "#failures .bad", "footer")
               if contrast(browser, selector) < 4.5]
        yield f"its texts are legible in the {scheme} scheme", not low
    yield "the schemes differ", grounds[0] != grounds[1]


def pictures(dev, browser, folder):
    """Writes the page at work, with a call that takes long, failures and dead letters."""
    browser.size(1280, 1120)
    browser.open(dev.admin + "/")
    shows(browser, "#worker", "live")
    dev.send("slow", "odd", "lost 1", "lost 2")
    until(lambda: dev.queue()["dlqMessages"] == 2, "the DLQ is counted")
    browser.value("document.querySelector('#queues tr[data-key=orders]').click()")
    dev.send(*(f"good {number}" for number in range(300)))
    browser.value("document.getElementById('dlq-peek').click()")
    shows(browser, "#dlq-messages tbody", "lost 1", "lost 2")
    time.sleep(3)
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        time.sleep(1)
        (folder / f"page-{scheme}.png").write_bytes(base64.b64decode(browser.picture()))


def main(program, *options):
    path = chromium("the live page")
    if path is None:
        return WITHOUT_BROWSER
    failed = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = pathlib.Path(name)
        dev = Dev(program, folder)
        try:
            with Chromium(path, folder, PATIENCE) as browser:
                if options:
                    pictures(dev, browser, pathlib.Path(options[1]))
                    return 0
                for fact, holds in itertools.chain(check(dev, browser), gone_and_back(dev, browser)):
                    failed += fails(fact, holds)
        finally:
            dev.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
