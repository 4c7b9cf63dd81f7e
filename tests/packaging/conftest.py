"""What `sam build` makes of the stack, built once for all tests of this folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local import builds
from local.bench import start

FUNCTIONS = ("submit", "generate", "poll", "finalize", "sweep", "thumbnail", "widget", "view")

Imports = Callable[..., "Imported"]


@dataclass(frozen=True)
class Imported:
    """What a process of its own could import, and what it said."""

    code: int
    complaint: str
    loaded: dict[str, str | None]
    handlers: dict[str, bool]
    standard: list[str]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build for this host, copied, since what is imported from it leaves byte code there."""
    folder = tmp_path_factory.mktemp("host") / "build"
    return shutil.copytree(builds.build().parent, folder)


@pytest.fixture(scope="session")
def lambda_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer as `sam build` makes it for AWS, by the same rule and with its defaults."""
    return builds.build_layer(tmp_path_factory.mktemp("lambda"))


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what Lambda brings along, and nothing else of this environment."""
    return start.runtime_folder(tmp_path_factory.mktemp("runtime") / "folder")


@pytest.fixture(scope="session")
def imports() -> Imports:
    """Imports modules in a process that sees the given folders and the standard library only."""

    def run(*modules: str, folders: list[Path]) -> Imported:
        script = Path(__file__).with_name("isolated.py")
        command = [sys.executable, "-I", "-S", "-B", str(script), *modules, "--"]
        done = subprocess.run(  # noqa: S603  our own script
            [*command, *map(str, folders)],
            env={"AWS_REGION": "us-east-1", "POWERTOOLS_SERVICE_NAME": "dropreel"},
            capture_output=True,
            text=True,
            check=False,
        )
        said: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
        return Imported(
            done.returncode,
            done.stderr,
            said.get("loaded", {}),
            said.get("handlers", {}),
            said.get("standard", []),
        )

    return run
