"""Builds the container images and checks what they are and do, each fact by running them.

    python3 main.py any [part of a fact's name]

Prints a line for each fact and exits with 1 when any fails. Where there is no Docker engine, or no base image, it says
"skipped: …" and exits with 0, or with 1 if LONGSHORE_REQUIRE_DOCKER is 1. Needs boto3 and hadolint.
"""

import os
import sys

import compose_facts
import extending_facts
import image_facts
import running_facts
import world
from facts import main

if __name__ == "__main__":
    if reason := world.missing():
        print(f"skipped: {reason}", flush=True)
        sys.exit(1 if os.environ.get("LONGSHORE_REQUIRE_DOCKER") == "1" else 0)
    compose_facts.register()
    main(world.World, __doc__)
