"""Writes what a release hands out: an archive, a Debian package and their checksums.

    python3 packaging/dist.py PROGRAM OUT --target x86_64-unknown-linux-gnu --sbom target/longshore.cdx.json

The same program gives the same bytes: files are sorted, belong to root and have the time of SOURCE_DATE_EPOCH.
"""

import argparse
import gzip
import hashlib
import os
import pathlib
import subprocess
import tarfile
import tempfile
import tomllib

import debian

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCUMENTS = ("LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY.md", "README.md", "CHANGELOG.md")
UNIT = ROOT / "deploy" / "systemd" / "longshore.service"
COMPLETIONS = {"bash": "longshore.bash", "zsh": "_longshore", "fish": "longshore.fish"}


def contents(program, writer, sbom, folder):
    """Lays out what the archive and the package are made of: the program in `bin`, its shells' and its manual's files, the documents."""
    places = {"bin/longshore": program.read_bytes(), "longshore.service": UNIT.read_bytes(), "longshore.cdx.json": sbom.read_bytes()}
    places |= {name: (ROOT / name).read_bytes() for name in DOCUMENTS}
    for shell, name in COMPLETIONS.items():
        places[f"completions/{name}"] = subprocess.run([writer, "completions", shell], check=True, stdout=subprocess.PIPE).stdout
    for name, content in places.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "man").mkdir()
    subprocess.run([writer, "man", folder / "man"], check=True)
    (folder / "bin" / "longshore").chmod(0o755)


def archive(folder, name, out, epoch, level):
    """Packs the folder as `name.tar.gz`, everything under `name/`."""
    written = out / f"{name}.tar.gz"
    with written.open("wb") as file, gzip.GzipFile("", "wb", level, file, epoch) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for path in [folder, *sorted(folder.rglob("*"))]:
                entry = tar.gettarinfo(path, f"{name}/{path.relative_to(folder)}".removesuffix("/."))
                is_executable = path.is_dir() or path.stat().st_mode & 0o100
                entry.mode, entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0o755 if is_executable else 0o644, epoch, 0, 0, "root", "root"
                with path.open("rb") if path.is_file() else open(os.devnull, "rb") as content:
                    tar.addfile(entry, content)
    return written


def sums(out):
    """Writes SHA256SUMS of everything in the folder, as `sha256sum --check` reads it."""
    files = sorted(path for path in out.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (out / "SHA256SUMS").write_text("".join(lines))


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--target", required=True, help="the target that the program was built for, as cargo names it")
    parser.add_argument("--sbom", type=pathlib.Path, required=True)
    parser.add_argument("--writer", type=pathlib.Path, help="a program of the same version that runs here, where PROGRAM does not")
    parser.add_argument("--maintainer", required=True, help="the name and address for the Debian package")
    parser.add_argument("--fast", action="store_true", help="compress little, for tests")
    return parser.parse_args()


def main():
    given = options()
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "longshore"
        contents(given.program, given.writer or given.program.resolve(), given.sbom, folder)
        made = [archive(folder, f"longshore-{version}-{given.target}", given.out, epoch, 1 if given.fast else 9)]
        package = debian.Package(version, given.target, given.maintainer, epoch)
        made.append(package.build(folder, pathlib.Path(temporary) / "debian", given.out, given.fast))
    sums(given.out)
    for path in [*made, given.out / "SHA256SUMS"]:
        print(path)


if __name__ == "__main__":
    main()
