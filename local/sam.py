"""Runs the SAM command line of this checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.embedded_aws import ROOT


class SamError(Exception):
    """SAM ended with an error; the message holds all that it said, unless that was shown."""


def run(arguments: Sequence[str], env: Mapping[str, str], *, shown: bool = False) -> None:
    """Run `sam` in the checkout; with `shown`, people see what it says while it works.

    Raises SamError.
    """
    tools = os.path.dirname(sys.executable)  # noqa: PTH120 - resolved, it would leave .venv
    path = f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # With the flags of a `make -n` around it, SAM's own make would build nothing, without a word.
    inherited = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    done = subprocess.run(
        [f"{tools}/sam", *arguments],
        cwd=ROOT,
        env={**inherited, **env, "PATH": path, "SAM_CLI_TELEMETRY": "0"},
        stdout=None if shown else subprocess.PIPE,
        stderr=None if shown else subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SamError(f"sam {arguments[0]} failed.\n{done.stdout or ''}".rstrip())


def deploy(
    template: Path,
    stack: str,
    region: str,
    parameters: Mapping[str, str],
    env: Mapping[str, str],
    *options: str,
    shown: bool = False,
) -> None:
    """Deploy a built template; parameters that are not given keep their values. Raises SamError."""
    command = ["deploy", "--template-file", str(template), "--stack-name", stack]
    command += ["--region", region, "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"]
    with tempfile.TemporaryDirectory(prefix="dropreel-") as folder:
        file = Path(folder) / "parameters.yaml"
        file.write_text(
            json.dumps({n: _quoted(_quoted(v)) for n, v in parameters.items()}), "utf-8"
        )
        given = ["--parameter-overrides", f"file://{file}"] if parameters else []
        run([*command, *options, *given], env, shown=shown)


def _quoted(value: str) -> str:
    """For SAM, which takes away quotes, and backslashes before a quote or space; in files twice."""
    kept = re.sub(r"\\(?=[ \"'])", r"\\\\", value)
    return f'"{kept}"'
