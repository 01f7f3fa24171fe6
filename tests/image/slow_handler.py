"""An HTTP handler that takes as many seconds as the message's body says, and tells when it begins and ends.

    python3 slow_handler.py PORT
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        seconds = float(self.rfile.read(int(self.headers["Content-Length"])))
        attempt = self.headers["X-Aws-Sqsd-Receive-Count"]
        print(f"begins attempt {attempt}", flush=True)
        time.sleep(seconds)
        print(f"ends attempt {attempt}", flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
