"""How long each function takes to start, measured on what `sam build` makes of it.

Every start is a fresh interpreter that sees the function, the layer, the standard library and
what Lambda brings along, nothing else; it imports the handler and makes the clients of an ordinary
first call, up to the first request. The certificates for HTTPS are read with that, by boto3, too,
and do not count. Yardsticks of the same run stand beside it: `import boto3` and one client, that
of S3 or the lighter one of DynamoDB; and the four large packages imported without byte code. Of
several starts, which take turns, the fastest counts, in processor time, which other programs do
not disturb.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import builds
from local.environment import ENVIRONMENT

# The clients that every call uses which comes to something; they are made when first used.
CLIENTS = {
    "submit": ("s3", "dynamodb", "stepfunctions"),
    "slot": ("dynamodb",),
    "generate": ("dynamodb", "s3"),
    "poll": ("dynamodb",),
    "finalize": ("dynamodb", "s3", "sns"),
    "sweep": ("dynamodb", "sns"),
    "thumbnail": ("s3",),
    "widget": ("dynamodb", "s3"),
    "view": ("dynamodb", "s3", "secretsmanager"),
}
PACKAGES = ("boto3", "httpx", "pydantic", "aws_lambda_powertools")
# What Lambda's Python runtimes bring along besides Python.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
# Packages of the layer by what brings them along, and who needs what beside boto3.
BROUGHT_BY = {
    "httpx": ("httpx", "httpcore", "h11", "anyio", "idna"),
    "pydantic": (
        *("pydantic", "pydantic_core", "annotated_types", "typing_inspection"),
        "typing_extensions",
    ),
    "aws_lambda_powertools": ("aws_lambda_powertools",),
}
_ALL = tuple(BROUGHT_BY)
_WITHOUT_HTTP = ("pydantic", "aws_lambda_powertools")
USED_BY = dict.fromkeys(CLIENTS, _ALL) | dict.fromkeys(
    ("submit", "slot", "thumbnail", "widget", "view"), _WITHOUT_HTTP
)
_ENVIRONMENT = {
    **ENVIRONMENT,
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": "us-east-1",
    "POWERTOOLS_SERVICE_NAME": "dropreel",
    "POWERTOOLS_METRICS_NAMESPACE": "dropreel",
}
# Lambda's order: function, layer, Python, boto3.
_SCRIPT = """
import sys, time
begun = time.process_time()
sys.path[:] = [*{ours}, *sys.path, {runtime!r}]
{code}
seconds = time.process_time() - begun
import json
print(json.dumps([seconds, sorted(sys.modules)]))
"""
Row = dict[str, Any]


@dataclass
class Start:
    """One way to start; `times` in milliseconds."""

    code: str
    folders: list[str]
    byte_code: bool = True
    times: list[float] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)

    @property
    def best(self) -> float:
        return min(self.times)


def rows(repeats: int = 9) -> list[Row]:
    """One row per function; times in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="dropreel-start-") as folder:
        build = builds.build(folder=Path(folder) / "build").parent
        return measure(build, repeats)


def measure(build: Path, repeats: int) -> list[Row]:
    """`rows` of a build that is there already."""
    layer = str(build / "SharedLayer" / "python")
    clients = {
        name: Start(f"import boto3; boto3.client('{name}')", [layer]) for name in ("s3", "dynamodb")
    }
    naive = Start(f"import {', '.join(PACKAGES)}", [layer], byte_code=False)
    starts = {
        name: Start(
            f"from functions.{name}.handler import {name.capitalize()} as step, container\n"
            f"container().step(step)\n"
            f"for name in {clients}: container().client(name).meta",
            [str(build / f"{name.capitalize()}Function"), layer],
        )
        for name, clients in CLIENTS.items()
    }
    with tempfile.TemporaryDirectory(prefix="dropreel-runtime-") as folder:
        runtime = runtime_folder(Path(folder) / "runtime")
        for _ in range(repeats):
            for start in (naive, *clients.values(), *starts.values()):
                _run(start, runtime)
    return [
        {
            "function": name,
            "ms": round(start.best),
            **_compared(start, clients),
            "naive_ms": round(naive.best),
            "ratio_to_naive": round(start.best / naive.best, 2),
            "needless": needless(name, start.modules),
        }
        for name, start in starts.items()
    ]


def _compared(start: Start, clients: dict[str, Start]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, client in clients.items():
        found[f"{name}_ms"] = round(client.best)
        found[f"ratio_to_{name}"] = round(start.best / client.best, 2)
    return found


def runtime_folder(folder: Path) -> Path:
    """A folder that holds what Lambda brings along, and nothing else of this environment."""
    folder.mkdir()
    for name in RUNTIME:
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            raise RuntimeError(f"{name} is not installed here")
        file = Path(found.origin)
        place = file.parent if file.name == "__init__.py" else file
        (folder / place.name).symlink_to(place)
    return folder


def needless(function: str, modules: Sequence[str]) -> list[str]:
    """Packages of the layer that a function has loaded and does not use."""
    loaded = {name.partition(".")[0] for name in modules}
    used = {name for brought in USED_BY[function] for name in BROUGHT_BY[brought]}
    ours = {name for names in BROUGHT_BY.values() for name in names}
    return sorted((loaded & ours) - used)


def _run(start: Start, runtime: Path) -> None:
    script = _SCRIPT.format(ours=start.folders, runtime=str(runtime), code=start.code)
    # Without byte code: it is looked for where there is none, and not kept.
    bare = ["-B", "-X", f"pycache_prefix={runtime / 'none'}"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", *(() if start.byte_code else bare), "-c", script],
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{start.code} failed:\n{done.stderr}")
    seconds, start.modules = json.loads(done.stdout.splitlines()[-1])
    start.times.append(1000 * seconds)


def layer_megabytes() -> float:
    """The size of the layer's zip as it is built for Lambda."""
    with tempfile.TemporaryDirectory(prefix="dropreel-layer-") as folder:
        layer = builds.build_layer(Path(folder))
        return len(zipped(layer)) / 1024 / 1024


def zipped(layer: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(layer.rglob("*")):
            archive.write(path, path.relative_to(layer))
    return packed.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description="Start times of the built functions.")
    parser.add_argument("--quick", action="store_true", help="few repeats")
    found = rows(3 if parser.parse_args().quick else 15)
    print("".join(f"{name:>20}" for name in found[0]))
    for row in found:
        print("".join(f"{value!s:>20}" for value in row.values()))
    print(f"\nlayer for Lambda, zipped: {layer_megabytes():.1f} MB")


if __name__ == "__main__":
    main()
