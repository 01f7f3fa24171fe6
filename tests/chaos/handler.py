"""An HTTP handler that records each run: when it began, whether it was done, and whether it overtook its group."""

import collections
import http.server
import random
import threading
import time


class RecordingHandler:
    """Answers 200 after a while, and 500 to one in fifty. Of a FIFO queue, each group has every n-th number."""

    def __init__(self, groups):
        self.groups = groups
        self.lock = threading.Lock()
        self.begun, self.ended = collections.Counter(), collections.Counter()
        self.running, self.overlaps = collections.Counter(), 0
        self.out_of_order = []
        recorder = self

        class Answering(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status = recorder.run(body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """A worker that was killed has closed its connection."""

        self.server = Server(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def run(self, body):
        with self.lock:
            self.begun[body] += 1
            self.overlaps += self.running[body] > 0
            self.running[body] += 1
            self.check_order(body)
        time.sleep(random.choice([0.001] * 8 + [0.05, 0.5]))
        is_done = random.random() > 0.02
        with self.lock:
            self.running[body] -= 1
            self.ended[body] += is_done
        return 200 if is_done else 500

    def check_order(self, body):
        """No message begins for the first time before each earlier one of its group was done."""
        group, number = body.split()
        if group == "plain" or self.begun[body] > 1:
            return
        before = f"{group} {int(number) - self.groups}"
        if int(number) >= self.groups and not self.ended[before]:
            self.out_of_order.append((before, body))

    def done(self, body):
        return self.ended[body] > 0

    def runs(self, body):
        return self.begun[body]

    def all_runs(self):
        return sum(self.begun.values())

    def done_again(self):
        return sum(1 for count in self.ended.values() if count > 1)

    def overtakings(self):
        return self.out_of_order
