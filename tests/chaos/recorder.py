"""An HTTP server that every handler calls for each run: it records the run, and decides whether it succeeds."""

import collections
import http.server
import random
import threading
import time

from emulator import GROUPS


class Recorder:
    """Answers 200 after a while, and 500 to one in fifty. A body is a kind, a group and a number within the kind."""

    def __init__(self):
        self.lock = threading.Lock()
        self.begun, self.ended, self.running = collections.Counter(), collections.Counter(), collections.Counter()
        self.overlaps = collections.Counter()
        self.overtaken = collections.defaultdict(list)
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
            request_queue_size = 128

            def handle_error(self, *_):
                """A caller that was killed has closed its connection."""

        self.server = Server(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def run(self, body):
        kind, group, number = body.split()
        with self.lock:
            self.begun[body] += 1
            self.overlaps[kind] += self.running[body] > 0
            self.running[body] += 1
            self.check_order(kind, group, int(number))
        time.sleep(random.choice([0.001] * 8 + [0.05, 0.5]))
        is_done = random.random() > 0.02
        with self.lock:
            self.running[body] -= 1
            self.ended[body] += is_done
        return 200 if is_done else 500

    def check_order(self, kind, group, number):
        """No message begins for the first time before the one before it in its group was done."""
        before, body = f"{kind} {group} {number - GROUPS}", f"{kind} {group} {number}"
        if group != "plain" and number >= GROUPS and self.begun[body] == 1 and not self.ended[before]:
            self.overtaken[kind].append((before, body))

    def facts(self, kind, sent, dead, left):
        """What became of a kind's messages; the first four must be 0."""
        return {
            "lost": sum(1 for body in sent if not self.ended[body] and body not in dead),
            "dead without a run": sum(1 for body in dead if not self.begun[body]),
            "out of order": len(self.overtaken[kind]),
            "left in the queues": left,
            "messages": len(sent),
            "runs": sum(self.begun[body] for body in sent),
            "dead": len(dead),
            "done more than once": sum(1 for body in sent if self.ended[body] > 1),
            "running twice at once": self.overlaps[kind],
        }
