"""Runs LocalStack on loopback without Docker, in the foreground: `python start_localstack.py PORT FOLDER`."""

import os
import sys

import twisted.internet.endpoints as endpoints

port, folder = sys.argv[1:]
os.environ.update(
    GATEWAY_LISTEN=f"127.0.0.1:{port}",
    LOCALSTACK_HOST=f"127.0.0.1:{port}",
    LOCALSTACK_VOLUME_DIR=folder,
    FILESYSTEM_ROOT=folder,
    SQS_ENDPOINT_STRATEGY="off",  # else the addresses of queues need DNS
    DNS_ADDRESS="0",
    DISABLE_EVENTS="1",
    SKIP_SSL_CERT_DOWNLOAD="1",
)
sys.argv = sys.argv[:1]

# Without Docker it would bind every interface.
bind = endpoints.TCP4ServerEndpoint
endpoints.TCP4ServerEndpoint = lambda reactor, port, backlog=50, interface="": bind(reactor, port, backlog, interface or "127.0.0.1")

from localstack.runtime.main import main  # noqa: E402  (it reads the environment)

main()
