"""Works on two queues over HTTP, with Python's standard library alone.

Orders come one a request: the body is the message's, the headers say the rest.
Readings come in batches: one JSON document a request, in the shape that AWS Lambda gives to functions.

Run it with `python3 worker.py 8080`, and `longshore run` beside it.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOO_HOT = 100


class Busy(Exception):
    """The work cannot be done now, but in so many seconds."""

    def __init__(self, seconds):
        super().__init__(f"busy for {seconds} s")
        self.seconds = seconds


def ship(order, attempt):
    """Ships one order; an order that cannot be read or shipped raises."""
    if order.get("fragile") and attempt == 1:
        raise Busy(1)
    print(f"shipped order {order['id']}", flush=True)


def store(reading):
    """Stores one reading; answers what is wrong with it, or nothing."""
    if reading["celsius"] is None:
        # Not measured yet: the message comes again, here after a second.
        return {"retryAfter": 1}
    if reading["celsius"] > TOO_HOT:
        return {"outcome": "reject"}
    return None


class Worker(BaseHTTPRequestHandler):
    # Keeps connections open between messages.
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            if "X-Longshore-Batch-Size" in self.headers:
                self.answer(200, self.batch(json.loads(body)["Records"]))
            else:
                ship(json.loads(body), int(self.headers["X-Aws-Sqsd-Receive-Count"]))
                self.answer(200)
        except Busy as busy:
            self.answer(503, retry_after=busy.seconds)
        except Exception as error:
            # The message comes again, until the queue's redrive policy moves it to the DLQ.
            print(f"failed: {error!r}", flush=True)
            self.answer(500)

    def batch(self, records):
        """Handles the messages one by one, so that one failure does not bring the others back."""
        failures = []
        for record in records:
            try:
                failure = store(json.loads(record["body"]))
            except Exception as error:
                print(f"failed: {error!r}", flush=True)
                failure = {}
            if failure is not None:
                failures.append({"itemIdentifier": record["messageId"], **failure})
        print(f"stored {len(records) - len(failures)} of {len(records)} readings", flush=True)
        return {"batchItemFailures": failures}

    def answer(self, status, document=None, retry_after=None):
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing of every request: Longshore does."""


class Server(ThreadingHTTPServer):
    # More connections at once than the default of 5 may wait to be accepted.
    request_queue_size = 128


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[1])), Worker)
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
