"""Writes THIRD-PARTY.md: the packages that the program and the emulator are made of, with their licences.

    python3 tests/notices.py          writes it anew
    python3 tests/notices.py --check  fails where it is stale

The texts are those in the packages themselves. Of several licences the Apache licence is used where it is offered.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "THIRD-PARTY.md"
TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
HEAD = """# Third-party notices

The program `longshore` and the emulator contain these packages, besides Rust's standard library (MIT OR Apache-2.0). Longshore's own
licence is in `LICENSE-MIT` and `LICENSE-APACHE`, at your choice. `make notices` writes this page.
"""


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def packages():
    """The packages that are compiled in, by name and version."""
    used = set()
    for target in TARGETS:
        tree = cargo("tree", "--locked", "--workspace", "--edges=normal", f"--target={target}", "--prefix=none", "--format={p}")
        used |= set(re.findall(r"^(\S+) v(\S+)", tree, re.MULTILINE))
    every = json.loads(cargo("metadata", "--locked", "--format-version=1"))["packages"]
    foreign = [package for package in every if package["source"] and (package["name"], package["version"]) in used]
    return sorted(foreign, key=lambda package: (package["name"], package["version"]))


def texts(package):
    """The texts of the licence that is used, and notices; the licence's own text where the package has none."""
    folder = pathlib.Path(package["manifest_path"]).parent
    files = sorted(path for path in folder.iterdir() if path.is_file())
    licences = [path for path in files if re.match(r"(?i)(licen[cs]e|copying|unlicense)", path.name)]
    notices = [path for path in files if re.match(r"(?i)(notice|copyright)", path.name)]
    apache = [path for path in licences if "apache" in path.name.lower()]
    offered = "Apache-2.0" in re.split(r"\s+OR\s+|\s*/\s*|[()]", package["license"] or "")
    chosen = (apache if apache and offered else licences) + notices
    found = ["\n".join(line.rstrip() for line in path.read_text().strip().splitlines()) for path in chosen]
    return found or [standard(package)]


def standard(package):
    """For a package without a file: the text of its licence, with its authors."""
    authors = ", ".join(package["authors"]) or f"the authors of {package['name']}"
    name = "APACHE" if "Apache-2.0" in package["license"] else "MIT"
    text = (ROOT / f"LICENSE-{name}").read_text().strip()
    return re.sub(r"(?m)^Copyright \(c\).*$", f"Copyright (c) {authors}", text) if name == "MIT" else text


def page():
    users, licences = collections.defaultdict(list), {}
    for package in packages():
        title = f"{package['name']} {package['version']}"
        for text in texts(package):
            key = " ".join(text.split())
            licences.setdefault(key, text)
            users[key].append(f"- {title} ({package['license']})")
    ordered = sorted(users, key=lambda key: (-len(users[key]), users[key]))
    parts = [f"\n## {number}\n\n" + "\n".join(users[key]) + f"\n\n~~~text\n{licences[key]}\n~~~\n"
             for number, key in enumerate(ordered, 1)]
    return HEAD + "".join(parts)


if __name__ == "__main__":
    written = page()
    if "--check" not in sys.argv:
        PAGE.write_text(written)
    elif not PAGE.is_file() or PAGE.read_text() != written:
        sys.exit("error: THIRD-PARTY.md is stale, hint: make notices")
