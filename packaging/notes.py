"""Prints the notes of a release: its section of CHANGELOG.md, without the heading.

    python3 packaging/notes.py [VERSION]

Without a version it is what has no version yet, `Unreleased`.
"""

import pathlib
import re
import sys

CHANGELOG = pathlib.Path(__file__).resolve().parents[1] / "CHANGELOG.md"


def notes(changelog, version):
    """The section of a version; `## 0.2.0 - 2026-12-24` and `## [0.2.0]` are headings of 0.2.0. None where there is none."""
    parts = re.split(r"^## \[?([^\s\]]+).*\n", changelog, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2]))
    return sections.get(version, "").strip() or None


def main():
    version = sys.argv[1] if len(sys.argv) > 1 else "Unreleased"
    found = notes(CHANGELOG.read_text(), version)
    if not found:
        sys.exit(f"error: CHANGELOG.md has no section for {version}, or nothing in it, hint: name a section as it stands behind ##")
    print(found)


if __name__ == "__main__":
    main()
