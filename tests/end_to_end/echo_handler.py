"""A handler that keeps every posted body, and returns all of them to a GET.

Prints its address once it listens.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODIES = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        BODIES.append(body.decode())
        self.answer(b"")

    def do_GET(self):
        self.answer(json.dumps(BODIES).encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
