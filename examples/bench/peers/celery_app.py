"""The Celery application: one task, on a queue that exists (`PEERS_QUEUE_URL`)."""

import os
import time
from urllib.parse import urlsplit

from celery import Celery

URL = os.environ["PEERS_QUEUE_URL"]
QUEUE = "tasks"

app = Celery("celery_app", broker=f"sqs://any:any@{urlsplit(URL).netloc}//")
app.conf.update(
    broker_transport_options={
        "is_secure": False,
        "predefined_queues": {QUEUE: {"url": URL}},
        # Also the pause after which the worker looks again whether it may prefetch: 1 s leaves it without work.
        "polling_interval": 0.01,
    },
    # A message is deleted when its task is done, as everywhere else here.
    task_acks_late=True,
    task_default_queue=QUEUE,
    task_ignore_result=True,
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=int(os.environ.get("PEERS_PREFETCH", "4")),
)


@app.task
def handle(sleep_ms, padding):
    if sleep_ms:
        time.sleep(sleep_ms / 1000)
