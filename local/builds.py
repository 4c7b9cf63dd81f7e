"""Builds the stack with the SAM command line, for AWS or for the embedded AWS on this host.

A build is kept, and made anew only when something that goes into it has changed. `make build`
builds for AWS.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from samtranslator.yaml_helper import yaml_parse

from local import sam
from local.embedded_aws import ROOT

BUILDS = ROOT / ".aws-sam" / "local"
# What a build is made of: the stack, and the tools and rules that build it.
INPUTS = (
    *("template.yaml", "samconfig.toml", "functions", "layers", "shared", "statemachine"),
    *("requirements/run.txt", "requirements/uv.txt", "local/builds.py"),
)
_KEPT_S = 3600
# The embedded AWS refuses a template with these. They do nothing until somebody clicks on them.
UNKNOWN = ("AWS::Logs::QueryDefinition",)
# The id of the pages' API, which a tag of the embedded AWS sets: their address is known before.
PAGES = "pages"
_UNREACHED = re.compile(r"Failed to (?:fetch|download):? [`']?(\S+?)/?[`']?\s")


class BuildError(Exception):
    """The stack cannot be built. The message is for people."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a build is for: variables of the layers' Makefiles, and what its template must lack."""

    variables: Mapping[str, str]
    without: tuple[str, ...] = ()


AWS = Target(MappingProxyType({}))  # the Makefiles' defaults are Lambda's


def this_host() -> Target:
    """The embedded AWS runs the functions with this Python, on this processor."""
    machine = platform.machine().lower().replace("arm64", "aarch64").replace("amd64", "x86_64")
    system = "apple-darwin" if sys.platform == "darwin" else "manylinux_2_28"
    variables = {
        "DROPREEL_PLATFORM": f"{machine}-{system}",
        "DROPREEL_PYTHON": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    return Target(variables, UNKNOWN)


def build(target: Target | None = None, folder: Path | None = None) -> Path:
    """Build, by default for this host; returns the built template. Raises BuildError.

    With a `folder` the build is not kept. Processes that want one at the same time make one.
    """
    target = target or this_host()
    if folder is not None:
        return _build(folder, target)
    with _alone():
        kept = BUILDS / fingerprint(target)
        if not kept.exists():
            _forget_builds()
            draft = BUILDS / "draft"
            shutil.rmtree(draft, ignore_errors=True)
            _build(draft, target)
            draft.rename(kept)
        return kept / "template.yaml"


@contextmanager
def _alone() -> Iterator[None]:
    BUILDS.mkdir(parents=True, exist_ok=True)
    with (BUILDS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fingerprint(target: Target, root: Path = ROOT) -> str:
    """Of everything that goes into a build: sources, tools, and what it is built for."""
    found = hashlib.sha256(json.dumps([sys.version, dict(target.variables)]).encode())
    for path in sorted(file for name in INPUTS for file in _files(root / name)):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(root)} {os.access(path, os.X_OK)} {content}\n".encode())
    return found.hexdigest()[:16]


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return [p for p in place.rglob("*") if p.is_file() and "__pycache__" not in p.parts]


def _forget_builds() -> None:
    """All but those of the last hour: somebody may be deploying one."""
    for old in BUILDS.iterdir():
        if old.is_dir() and time.time() - old.stat().st_mtime > _KEPT_S:
            shutil.rmtree(old, ignore_errors=True)


def _build(folder: Path, target: Target) -> Path:
    try:
        sam.run(["build", "--build-dir", str(folder)], target.variables)
    except sam.SamError as error:
        raise BuildError(_reason(str(error))) from None
    template = folder / "template.yaml"
    if target.without:
        _fit(template, target.without)
    return template


def _reason(said: str) -> str:
    """One line where only the network is missing, else all that SAM said."""
    missing = _UNREACHED.search(said)
    if missing is None:
        return said
    name = missing[1].rpartition("/")[2]
    return (
        f"{name} is not in uv's cache and the package index cannot be reached: connect this "
        "machine to the network once."
    )


def _fit(template: Path, kinds: Collection[str]) -> None:
    """Leave out resources of these kinds, to which nothing may refer; fix the API's id."""
    document = yaml_parse(template.read_text(encoding="utf-8"))
    resources = document["Resources"]
    document["Resources"] = {n: r for n, r in resources.items() if r["Type"] not in kinds}
    resources["PagesApi"]["Properties"]["Tags"]["ms-custom-id"] = PAGES
    template.write_text(json.dumps(document, indent=2), encoding="utf-8")  # YAML, too


def remark(template: Path) -> str:
    """What a build for AWS lacks on this host, or nothing."""
    if any((template.parent / "SharedLayer").rglob("*.pyc")):
        return ""
    return (
        "This machine has no Python 3.13, so the layer holds no byte code and functions start more "
        "slowly.\n`uv python install 3.13` brings one."
    )


def build_layer(folder: Path) -> Path:
    """The layer as `sam build` makes it for AWS, by the same rule and with its defaults."""
    tools = Path(sys.executable).parent
    left_out = ("DROPREEL_", "MAKEFLAGS")
    env = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    command = ["make", "-C", str(ROOT / "shared"), "build-SharedLayer", f"UV={tools / 'uv'}"]
    subprocess.run([*command, f"ARTIFACTS_DIR={folder}"], env=env, check=True, capture_output=True)
    return folder


if __name__ == "__main__":
    try:
        built = build(AWS)
        print(f"built: {built.relative_to(ROOT)}\n{remark(built)}".rstrip())
    except BuildError as error:
        sys.exit(str(error))
