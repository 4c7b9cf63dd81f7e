"""What `sam build` makes of the stack, built once for all tests of this folder."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local import stack

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ("submit", "slot", "generate", "poll", "finalize", "sweep", "thumbnail", "widget")
# What Lambda's Python runtimes bring along besides Python.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")

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
    """The folder with the build for this host."""
    return stack.build(tmp_path_factory.mktemp("host") / "build").parent


@pytest.fixture(scope="session")
def lambda_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer as `sam build` makes it for AWS, by the same rule and with its defaults."""
    artifacts = tmp_path_factory.mktemp("lambda")
    tools = Path(sys.executable).parent
    env = {name: value for name, value in os.environ.items() if not name.startswith("DROPREEL_")}
    command = ["make", "-C", str(ROOT / "shared"), "build-SharedLayer", f"UV={tools / 'uv'}"]
    command.append(f"ARTIFACTS_DIR={artifacts}")
    subprocess.run(command, env=env, check=True, capture_output=True)  # noqa: S603  our own rule
    return artifacts


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what Lambda brings along, and nothing else of this environment."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME:
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        file = Path(found.origin)
        place = file.parent if file.name == "__init__.py" else file
        (folder / place.name).symlink_to(place)
    return folder


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
