"""The Debian package: the files of the archive in Debian's places, built by dpkg-deb."""

import dataclasses
import email.utils
import gzip
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# Where the files of the archive go; what is not here goes among the documents.
PLACES = {
    "bin/longshore": "usr/bin/longshore",
    "longshore.service": "lib/systemd/system/longshore.service",
    "completions/longshore.bash": "usr/share/bash-completion/completions/longshore",
    "completions/_longshore": "usr/share/zsh/vendor-completions/_longshore",
    "completions/longshore.fish": "usr/share/fish/vendor_completions.d/longshore.fish",
}
DOCUMENTS = "usr/share/doc/longshore"
# Beside the manual pages.
COMPRESSED = ("CHANGELOG.md", "THIRD-PARTY.md", "longshore.cdx.json")
# The copyright file has the one, and names where Debian has the other.
LICENCES = ("LICENSE-MIT", "LICENSE-APACHE")

CONTROL = """Package: longshore
Version: {version}-1
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {size}
Depends: libc6 (>= {libc}), libgcc-s1
Recommends: ca-certificates
Section: net
Priority: optional
Description: long-running worker on Amazon SQS queues
 Longshore receives messages from SQS queues and hands each to a handler: an
 HTTP server, a Lambda function, a program or an SNS topic. A message stays
 hidden for as long as its handler runs, and is deleted when it is done.
 .
 It comes with an emulator of SQS and SNS for tests and development.
"""
# What Debian wants beside the changelog of the program.
DEBIAN_CHANGELOG = """longshore ({version}-1) unstable; urgency=medium

  * Packaged by `make dist`; changelog.gz has the changes.

 -- {maintainer}  {date}
"""
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: longshore

Files: *
{holder}
License: MIT or Apache-2.0
Comment: THIRD-PARTY.md.gz has the licences of the packages in the program.

License: MIT
{mit}

License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
"""


@dataclasses.dataclass
class Package:
    """A package for one architecture."""

    version: str
    target: str
    maintainer: str
    epoch: int

    @property
    def architecture(self):
        return ARCHITECTURES[self.target.split("-")[0]]

    def build(self, folder, tree, out, fast):
        """Lays the archive's files out in `tree` and packs them; `fast` compresses little."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.install(path.relative_to(folder).as_posix(), path, tree)
        self.write(tree / DOCUMENTS / "copyright", copyright_file(folder).encode())
        self.write_compressed(tree / DOCUMENTS / "changelog.Debian", self.changelog().encode())
        (tree / "etc" / "longshore").mkdir(parents=True)
        self.describe(tree, libc_needed(folder / "bin" / "longshore"))
        for path in tree.rglob("*"):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            os.utime(path, (self.epoch, self.epoch))
        package = out / f"longshore_{self.version}-1_{self.architecture}.deb"
        packing = ["-Zgzip", "-z1"] if fast else ["-Zxz"]
        command = ["dpkg-deb", "--root-owner-group", *packing, "--build", tree, package]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"SOURCE_DATE_EPOCH": str(self.epoch)})
        return package

    def install(self, name, path, tree):
        if name in LICENCES:
            return
        place = PLACES.get(name) or (f"usr/share/man/man1/{path.name}" if name.startswith("man/") else f"{DOCUMENTS}/{path.name}")
        content = path.read_bytes()
        if name == "longshore.service":
            content = content.replace(b"/usr/local/bin/", b"/usr/bin/")
        if name == "CHANGELOG.md":
            place = f"{DOCUMENTS}/changelog"
        if name.startswith("man/") or name in COMPRESSED:
            return self.write_compressed(tree / place, content)
        self.write(tree / place, content)
        (tree / place).chmod(path.stat().st_mode)

    def changelog(self):
        date = email.utils.formatdate(self.epoch)
        return DEBIAN_CHANGELOG.format(version=self.version, maintainer=self.maintainer, date=date)

    def write_compressed(self, path, content):
        self.write(path.with_name(f"{path.name}.gz"), gzip.compress(content, 9, mtime=0))

    def write(self, path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def describe(self, tree, libc):
        """Writes what dpkg reads: the control file, the sums and the scripts."""
        files = sorted(path for path in tree.rglob("*") if path.is_file())
        size = sum(path.stat().st_size for path in files) // 1024
        sums = "".join(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n" for path in files)
        control = CONTROL.format(version=self.version, architecture=self.architecture, maintainer=self.maintainer, size=size, libc=libc)
        self.write(tree / "DEBIAN" / "control", control.encode())
        self.write(tree / "DEBIAN" / "md5sums", sums.encode())
        for script in sorted((HERE / "debian").iterdir()):
            shutil.copy(script, tree / "DEBIAN")
            (tree / "DEBIAN" / script.name).chmod(0o755)


def libc_needed(program):
    """The oldest version of the C library with every symbol that the program names."""
    named = re.findall(rb"GLIBC_(\d+)\.(\d+)", program.read_bytes())
    return ".".join(map(str, max((int(major), int(minor)) for major, minor in named)))


def copyright_file(folder):
    text = (folder / "LICENSE-MIT").read_text()
    holder = re.search(r"^Copyright \(c\) (.*)$", text, re.MULTILINE)[1]
    body = text[text.index("Permission"):].strip()
    mit = "\n".join(f" {line}" if line else " ." for line in body.splitlines())
    return COPYRIGHT.format(holder=f"Copyright: {holder}", mit=mit)
