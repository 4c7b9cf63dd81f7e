"""Installs what a target of the Makefile needs: `python3 -I local/install.py ready|dev|bench`.

Run by whatever Python is at hand before anything is installed, so it uses the standard library
only. What is installed already is not loaded again: uv keeps it in its cache.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT, EMBEDDED = ".venv", ".venv-aws"
LOCKED = "requirements"
COMMAND = "cli/dropreel.sh"
# The sets, what they are for, and about how much they load from the package index, in MB.
SETS = {
    "ready": ("what builds, deploys and runs the stack", 145),
    "dev": ("what checks and tests it", 60),
    "bench": ("what draws the benchmarks' pictures", 25),
}
FILES = {
    "ready": ("uv.txt", "run.txt", "embedded-aws.txt"),
    "dev": ("dev.txt",),
    "bench": ("bench.txt",),
}
_LEFT_OUT = (" + ", " - ", " ~ ", "warning:", "         ")
LAYERS = (("shared", "SharedLayer"), ("layers/pillow", "PicturesLayer"))


def main(name: str) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one shall read why not
        print("Python 3.11 or newer is needed: make PYTHON=python3.12 ...", file=sys.stderr)
        return 1
    with _alone():
        if is_installed(ROOT, name):
            return 0
        what, megabytes = SETS[name]
        print(f"installing {what}, once: about {megabytes} MB to load", flush=True)
        try:
            {"ready": _ready, "dev": _dev, "bench": _bench}[name]()
        except subprocess.CalledProcessError as error:
            print(f"not installed: `{_short(error.cmd)}` failed, see above.", file=sys.stderr)
            print("The first installation needs the network.", file=sys.stderr)
            return 1
        (ROOT / ENVIRONMENT / name).touch()
    return 0


def is_installed(root: Path, name: str) -> bool:
    """Whether the set is there and nothing that it is made from is newer."""
    mark = root / ENVIRONMENT / name
    sources = [root / LOCKED / file for file in FILES[name]]
    return mark.exists() and all(s.stat().st_mtime <= mark.stat().st_mtime for s in sources)


def _ready() -> None:
    for folder, options in ((ENVIRONMENT, []), (EMBEDDED, ["--without-pip"])):
        _run(sys.executable, "-m", "venv", *options, *_anew(ROOT / folder), str(ROOT / folder))
    pip = (_program("python"), "-m", "pip", "-qq", "--disable-pip-version-check", "install")
    _run(*pip, "--require-hashes", "-r", str(ROOT / LOCKED / "uv.txt"))
    _load("run.txt", ENVIRONMENT)
    _load("embedded-aws.txt", EMBEDDED)
    shutil.copy(ROOT / COMMAND, _program("dropreel"))


def _dev() -> None:
    """The layers for Lambda's processor go into uv's cache, so that tests need no network."""
    _load("dev.txt", ENVIRONMENT)
    with tempfile.TemporaryDirectory(prefix="dropreel-") as folder:
        for place, layer in LAYERS:
            rule = ("make", "-C", str(ROOT / place), f"build-{layer}", f"UV={_program('uv')}")
            _run(*rule, f"ARTIFACTS_DIR={folder}/{layer}", stdout=subprocess.DEVNULL)


def _bench() -> None:
    _load("bench.txt", ENVIRONMENT)


def _anew(folder: Path) -> list[str]:
    """An environment of another Python is cleared: parts of two of them do not go together."""
    packages = f"lib/python{sys.version_info.major}.{sys.version_info.minor}"
    return ["--clear"] if folder.exists() and not (folder / packages).exists() else []


def _load(locked: str, environment: str) -> None:
    """uv names each large file as it comes; its list of all packages and its hints are left out."""
    files = ("--python", str(ROOT / environment), "-r", str(ROOT / LOCKED / locked))
    command = (_program("uv"), "pip", "install", "--require-hashes", "--no-deps", *files)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as uv:
        for line in uv.stderr or ():
            if not line.startswith(_LEFT_OUT):
                print(f"  {line.strip()}", flush=True)
    if uv.returncode:
        raise subprocess.CalledProcessError(uv.returncode, command)


def _run(*command: str, stdout: int | None = None) -> None:
    subprocess.run(command, check=True, stdout=stdout)


def _program(name: str) -> str:
    return str(ROOT / ENVIRONMENT / "bin" / name)


def _short(command: tuple[str, ...]) -> str:
    return " ".join([Path(command[0]).name, *command[1:4]])


@contextmanager
def _alone() -> Iterator[None]:
    """Two installers in one checkout: the second waits, and then finds its work done."""
    checkout = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(checkout, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another `make` installs here; waiting until it is done", flush=True)
            fcntl.flock(checkout, fcntl.LOCK_EX)
        yield
    finally:
        os.close(checkout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
