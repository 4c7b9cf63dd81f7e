"""`make pythons`: does a fresh copy install and run the demo with every Python that is here?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from local.embedded_aws import ROOT

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
_UV = ROOT / ".venv" / "bin" / "uv"


def main() -> int:
    failed = 0
    for version in VERSIONS:
        python = found(version)
        said = trial(python) if python else "not on this machine"
        failed += bool(python) and said != "works"
        print(f"Python {version}: {said}", flush=True)
    return 1 if failed else 0


def found(version: str) -> str | None:
    """A Python of this version, wherever uv or pyenv keeps one; none is downloaded."""
    command = [str(_UV), "python", "find", "--no-config", "--no-python-downloads", "--system"]
    done = subprocess.run([*command, version], capture_output=True, text=True, check=False)
    return done.stdout.strip() or next(_of_pyenv(version), None)


def _of_pyenv(version: str) -> Iterator[str]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (str(p) for p in root.glob(f"versions/{version}.*/bin/python{version}"))


def trial(python: str) -> str:
    """`make demo` in a copy of what git knows, as it is now; what it said last if it failed."""
    with tempfile.TemporaryDirectory(prefix="dropreel-python-") as folder:
        checkout = Path(folder) / "dropreel"
        copy(checkout)
        done = subprocess.run(
            ["make", "-C", str(checkout), f"PYTHON={python}", "demo"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    return "works" if done.returncode == 0 else f"fails:\n{done.stdout[-3000:]}"


def copy(target: Path) -> None:
    """What git knows or would add, as it is now."""
    listed = [
        "git",
        "-C",
        str(ROOT),
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in names:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


if __name__ == "__main__":
    sys.exit(main())
