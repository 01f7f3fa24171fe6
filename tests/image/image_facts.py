"""What the image is: its size, its user, its labels, and what is in it and what is not."""

import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile

import engine
from engine import docker
from facts import fact, holds, same
from world import HERE, IMAGE, ROOT, RUNTIME_BASE, VERSION

LARGEST_BYTES = 40_000_000
PATTERNS = ["Dockerfile", "deploy/extend/**/*Dockerfile", f"{HERE}/*.Dockerfile"]
DOCKERFILES = [str(path.relative_to(ROOT)) for pattern in PATTERNS for path in ROOT.glob(pattern)]

# Where the image has its licences and its bill of materials.
DOCUMENTS = "usr/share/doc/longshore"
SBOM = "longshore.cdx.json"
DOCUMENT_NAMES = {"LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY.md", SBOM}

# Amazon Linux 2023, which AWS's Lambda images are made of, has this one.
NEWEST_GLIBC = (2, 34)


def config():
    return json.loads(docker("image", "inspect", "--format", "{{json .Config}}", IMAGE))


@fact
def hadolint_finds_nothing(_):
    hadolint = pathlib.Path(sys.executable).with_name("hadolint")
    found = subprocess.run([hadolint, "--no-color", *DOCKERFILES], cwd=ROOT, capture_output=True, text=True)
    same("hadolint", (len(DOCKERFILES), found.returncode, found.stdout), (5, 0, ""))


@fact
def no_dockerfile_needs_another_frontend(_):
    for name in DOCKERFILES:
        holds(name, "syntax=" not in (ROOT / name).read_text().replace(" ", ""))


@fact
def the_image_has_40_mb_at_most(_):
    size = int(docker("image", "inspect", "--format", "{{.Size}}", IMAGE))
    print(f"      the image has {size / 1e6:.1f} MB", flush=True)
    holds(f"{size} bytes", size <= LARGEST_BYTES)


@fact
def the_user_is_a_number_and_not_root(_):
    same("user", config()["User"], "65532:65532")


@fact
def it_is_started_and_stopped_and_asked_without_a_shell(_):
    found = config()
    same("entry point", (found["Entrypoint"], found["Cmd"]), (["longshore"], ["run"]))
    same("health check", found["Healthcheck"]["Test"], ["CMD", "longshore", "healthcheck"])
    same("signal", found["StopSignal"], "SIGTERM")


@fact
def labels_tell_what_it_is(_):
    labels = config()["Labels"]
    prefix = "org.opencontainers.image."
    for name in ("title", "description", "licenses"):
        holds(name, labels.get(prefix + name))
    same("version", (labels[prefix + "version"], labels[prefix + "revision"]), (VERSION, "abc1234"))


@fact
def the_version_that_nobody_gave_is_that_of_the_manifest(_):
    manifest = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    holds(manifest[1], f"\nARG VERSION={manifest[1]}\n" in (ROOT / "Dockerfile").read_text())


@fact
def the_program_and_its_c_library_are_all_that_it_adds_to_its_base(_):
    added = engine.files(IMAGE) - engine.files(RUNTIME_BASE)
    documents = {f"{DOCUMENTS}/{name}" for name in DOCUMENT_NAMES}
    libraries = {name for name in added if name.startswith(("lib/", "lib64/"))}
    names = {"loader" if name.rpartition("/")[2].startswith("ld-linux") else name.rpartition("/")[2] for name in libraries}
    same("libraries", names, {"loader", "libc.so.6", "libm.so.6", "libgcc_s.so.1"})
    packages = {f"var/lib/dpkg/status.d/{name}" for name in ("libc6", "libgcc-s1")}
    same("added", added - libraries, {"usr/local/bin/longshore"} | documents | packages)


@fact
def it_has_its_licences_and_a_bill_of_materials_with_every_package(_):
    for name in DOCUMENT_NAMES - {SBOM}:
        same(name, content(name), (ROOT / name).read_text())
    bill = json.loads(content(SBOM))
    same("form", (bill["bomFormat"], bill["specVersion"]), ("CycloneDX", "1.5"))
    same("program", bill["metadata"]["component"]["name"], "longshore")
    noticed = set(re.findall(r"^- (\S+ \S+) \(", (ROOT / "THIRD-PARTY.md").read_text(), re.MULTILINE))
    listed = {f"{component['name']} {component['version']}" for component in bill["components"]}
    same("packages without an entry", noticed - listed, set())


@fact
def the_tool_of_the_bill_of_materials_has_one_version(_):
    version = re.search(r"^CYCLONEDX := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    holds(version[1], f"\nARG CYCLONEDX={version[1]}\n" in (ROOT / "Dockerfile").read_text())


def content(name):
    made = docker("create", "--label", engine.LABEL, IMAGE)
    copied = subprocess.run(["docker", "cp", f"{made}:/{DOCUMENTS}/{name}", "-"], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(copied.stdout)) as archive:
        return archive.extractfile(name).read().decode()


@fact
def the_build_is_given_manifests_and_sources_and_nothing_else(_):
    # Without a secret of the working directory, none can come into a layer.
    command = ["docker", "build", "--quiet", "--output", "type=tar,dest=-", "--file", "-", str(ROOT)]
    built = subprocess.run(command, input=b"FROM scratch\nCOPY . /\n", capture_output=True, check=True)
    names = engine.names(io.BytesIO(built.stdout))
    licences = DOCUMENT_NAMES - {SBOM}
    manifests = {"Cargo.toml", "Cargo.lock", "build.rs"}
    same("given", {name.split("/")[0] for name in names}, manifests | {"src", "emulator", "listener"} | licences)


@fact
def no_layer_tells_a_secret(_):
    history = docker("image", "history", "--no-trunc", "--format", "{{.CreatedBy}}", IMAGE)
    for word in ("secret", "password", "token", "aws_"):
        holds(f"{word} in the history", word not in history.lower())
    same("variables", {line.split("=")[0] for line in config()["Env"]} - {"PATH", "SSL_CERT_FILE"}, set())


@fact
def the_program_runs_on_amazon_linux_2023_too(_):
    made = docker("create", "--label", engine.LABEL, IMAGE)
    copied = subprocess.run(["docker", "cp", f"{made}:/usr/local/bin/longshore", "-"], capture_output=True, check=True)
    wanted = re.findall(rb"GLIBC_([0-9]+)\.([0-9]+)", copied.stdout)
    newest = max((int(major), int(minor)) for major, minor in wanted)
    holds(f"glibc {newest}", newest <= NEWEST_GLIBC)


@fact
def it_has_no_shell(_):
    refused = docker("run", "--rm", "--label", engine.LABEL, "--entrypoint", "sh", IMAGE, "-c", "true", check=False)
    holds(refused.stderr, "executable file not found" in refused.stderr)


@fact
def the_tests_tell_of_a_missing_engine(_):
    command = [sys.executable, str(ROOT / HERE / "main.py"), "none"]
    for required, code in (("0", 0), ("1", 1)):
        environment = os.environ | {"DOCKER_HOST": "unix:///nowhere", "LONGSHORE_REQUIRE_DOCKER": required}
        told = subprocess.run(command, capture_output=True, text=True, env=environment)
        same("exit code", told.returncode, code)
        holds(told.stdout + told.stderr, told.stdout.startswith("skipped: no Docker engine"))
