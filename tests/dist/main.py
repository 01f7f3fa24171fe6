"""Makes the release of a given program and looks at all of it as who installs it would.

    python3 tests/dist/main.py PROGRAM

lintian is asked where it is there, and only a skip is printed where it is not. It needs cargo for the packages of the crates.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "packaging"))

import notes

VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
TARGET = f"{os.uname().machine}-unknown-linux-gnu"
NAME = f"longshore-{VERSION}-{TARGET}"
COMMANDS = ("run", "dev", "send", "check", "dlq")
# The sections of a debug program are nine tenths of it, and no release has them.
PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve()


def run(*command, **options):
    """What a command writes, when it ends well."""
    return subprocess.run([*map(str, command)], check=True, capture_output=True, text=True, **options).stdout


def made(folder):
    """A release of the program in a new folder."""
    program, out = folder / "longshore", folder / "dist"
    run("strip", "-o", program, PROGRAM)
    bill = folder / "longshore.cdx.json"
    bill.write_text('{"bomFormat": "CycloneDX"}')
    flags = ["--target", TARGET, "--sbom", bill, "--maintainer", "Somebody <somebody@longshore.invalid>", "--fast"]
    run(sys.executable, ROOT / "packaging" / "dist.py", program, out, *flags, env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"})
    return out


class Release(unittest.TestCase):
    """One release, made once."""

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        (cls.folder / "first").mkdir()
        cls.out = made(cls.folder / "first")
        cls.archive, cls.package = cls.out / f"{NAME}.tar.gz", next(cls.out.glob("*.deb"))

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def test_the_sums_are_those_of_every_file(self):
        checked = run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=self.out)
        self.assertEqual(checked, f"{NAME}.tar.gz: OK\n{self.package.name}: OK\n")
        self.assertEqual({path.name for path in self.out.iterdir()}, {self.archive.name, self.package.name, "SHA256SUMS"})

    def test_the_same_program_gives_the_same_bytes(self):
        (self.folder / "second").mkdir()
        again = made(self.folder / "second")
        self.assertEqual((again / "SHA256SUMS").read_text(), (self.out / "SHA256SUMS").read_text())

    def test_the_archive_is_sorted_and_belongs_to_root_at_the_given_time(self):
        with tarfile.open(self.archive) as tar:
            entries = tar.getmembers()
        names = [entry.name for entry in entries]
        self.assertEqual(names, sorted(names, key=lambda name: pathlib.PurePath(name).parts))
        self.assertEqual({(entry.uid, entry.gid, entry.uname, entry.mtime) for entry in entries}, {(0, 0, "root", 1700000000)})
        self.assertEqual({entry.mode for entry in entries}, {0o755, 0o644})

    def test_the_unpacked_archive_runs_and_has_everything_beside_it(self):
        run("tar", "xzf", self.archive, "-C", self.folder)
        unpacked = self.folder / NAME
        self.assertEqual(run(unpacked / "bin" / "longshore", "--version").split()[:2], ["longshore", VERSION])
        documents = {"LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY.md", "README.md", "CHANGELOG.md", "longshore.cdx.json", "longshore.service"}
        self.assertEqual({path.name for path in unpacked.iterdir()}, documents | {"bin", "completions", "man"})
        pages = {path.name for path in (unpacked / "man").iterdir()}
        self.assertLessEqual({"longshore.1", *(f"longshore-{command}.1" for command in COMMANDS)}, pages)
        self.assertEqual({path.name for path in (unpacked / "completions").iterdir()}, {"longshore.bash", "_longshore", "longshore.fish"})
        run("bash", "-n", unpacked / "completions" / "longshore.bash")

    def test_the_program_needs_the_c_library_alone(self):
        dynamic = run("readelf", "--dynamic", "--wide", PROGRAM)
        needed = {line.split("[")[1].rstrip("]") for line in dynamic.splitlines() if "(NEEDED)" in line}
        self.assertLessEqual({name.split(".so")[0] for name in needed}, {"libc", "libm", "libgcc_s", "ld-linux-x86-64", "ld-linux-aarch64"})

    def test_the_package_has_its_files_in_the_places_of_debian(self):
        listed = {line.split(maxsplit=5)[5].removeprefix(".") for line in run("dpkg-deb", "--contents", self.package).splitlines()}
        for place in (
            "/usr/bin/longshore", "/lib/systemd/system/longshore.service", "/etc/longshore/", "/usr/share/man/man1/longshore-run.1.gz",
            "/usr/share/bash-completion/completions/longshore", "/usr/share/zsh/vendor-completions/_longshore",
            "/usr/share/fish/vendor_completions.d/longshore.fish", "/usr/share/doc/longshore/copyright",
            "/usr/share/doc/longshore/THIRD-PARTY.md.gz", "/usr/share/doc/longshore/longshore.cdx.json.gz",
        ):
            self.assertIn(place, listed)
        fields = run("dpkg-deb", "--info", self.package)
        architecture = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
        for field in (f"Version: {VERSION}", f"Architecture: {architecture}", "Depends: libc6 (>= 2."):
            self.assertIn(field, fields)

    def test_the_unit_of_the_package_starts_the_program_of_the_package(self):
        run("dpkg-deb", "--extract", self.package, self.folder / "root")
        root = self.folder / "root"
        unit = (root / "lib/systemd/system/longshore.service").read_text()
        start = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
        program = start.removeprefix("ExecStart=").split()[0]
        self.assertEqual(run(f"{root}{program}", "--version").split()[1], VERSION)
        self.assertTrue((root / "etc/longshore").is_dir(), "the working directory of the unit")

    def test_the_package_asks_for_a_c_library_that_has_what_the_program_names(self):
        depends = run("dpkg-deb", "--field", self.package, "Depends")
        asked = depends.split("libc6 (>= ")[1].split(")")[0]
        versions = run("readelf", "--version-info", "--wide", PROGRAM)
        named = [word.removeprefix("GLIBC_") for word in versions.split() if word.startswith("GLIBC_2.")]
        newest = max(named, key=lambda version: [int(part) for part in version.split(".")])
        self.assertEqual(asked, newest)

    @unittest.skipUnless(shutil.which("lintian"), "lintian is not here, hint: apt-get install lintian")
    def test_lintian_finds_nothing_else(self):
        # That one is about an upload to Debian.
        told = subprocess.run(
            ["lintian", "--allow-root", "--fail-on", "error,warning", "--suppress-tags", "initial-upload-closes-no-bugs", self.package],
            capture_output=True, text=True, check=False)
        self.assertEqual((told.returncode, told.stdout), (0, ""))


class Notes(unittest.TestCase):
    """The notes of a release."""

    def test_they_are_the_section_of_the_version(self):
        log = "# Changelog\n\nAll.\n\n## Unreleased\n\n## [0.2.0] - 2026-12-24\n\n### Added\n- more\n\n## 0.1.0 - 2026-11-30\n\n- all\n"
        self.assertEqual(notes.notes(log, "0.2.0"), "### Added\n- more")
        self.assertEqual(notes.notes(log, "0.1.0"), "- all")
        self.assertIsNone(notes.notes(log, "Unreleased"))
        self.assertIsNone(notes.notes(log, "0.3.0"))

    def test_the_changelog_has_some_for_what_is_not_released(self):
        self.assertIn("### Added", run(sys.executable, ROOT / "packaging" / "notes.py"))


class Crates(unittest.TestCase):
    """The packages for a registry of crates."""

    KEPT = ("src", "examples", "docs", "Cargo.toml", "Cargo.toml.orig", "Cargo.lock", ".cargo_vcs_info.json", "build.rs",
            "README.md", "CHANGELOG.md", "THIRD-PARTY.md", "LICENSE-MIT", "LICENSE-APACHE")

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        command = ["cargo", "package", "--workspace", "--locked", "--no-verify", "--allow-dirty", "--target-dir", cls.temporary.name]
        packed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        cls.told = packed.stderr
        cls.crates = {path.name: path for path in pathlib.Path(cls.temporary.name, "package").glob("*.crate")}

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def test_they_are_the_three_and_hold_nothing_that_no_user_needs(self):
        self.assertEqual(set(self.crates), {f"{name}-{VERSION}.crate" for name in ("longshore", "longshore-emulator", "longshore-listener")})
        for path in self.crates.values():
            with tarfile.open(path) as crate:
                tops = {name.split("/")[1] for name in crate.getnames()}
            self.assertEqual(tops - set(self.KEPT), set(), path.name)
            self.assertLessEqual({"README.md", "LICENSE-MIT", "LICENSE-APACHE"}, tops)

    def test_cargo_warns_of_nothing_but_the_tests_and_measurements_that_stay_outside(self):
        warnings = [line for line in self.told.splitlines() if line.startswith("warning")]
        left_out = ("warning: ignoring test `", "warning: ignoring example `")
        self.assertEqual([line for line in warnings if not line.startswith(left_out)], [])

    def test_docs_rs_builds_every_feature(self):
        told = json.loads(run("cargo", "metadata", "--no-deps", "--locked", "--format-version=1", cwd=ROOT))
        metadata = {package["name"]: package["metadata"] or {} for package in told["packages"]}
        self.assertTrue(metadata["longshore"]["docs"]["rs"]["all-features"])


if __name__ == "__main__":
    unittest.main()
