"""A slow handler that crashes: at every 60th call, and whenever the body is "poison".

    python3 crashing_handler.py PORT JOURNAL

Writes a line into the journal for each message it is done with. Prints its address once it listens.
"""

import itertools
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CALLS = itertools.count(1)
JOURNAL = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        time.sleep(0.05)
        if body == "poison" or next(CALLS) % 60 == 0:
            os._exit(1)
        os.write(JOURNAL, f"{body}\n".encode())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
print(f"http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
