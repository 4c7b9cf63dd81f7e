"""How fast `finalize` brings a clip into S3, and how much memory it needs for that.

Everything runs against one embedded AWS: the clip lies in its S3 and is fetched by a presigned
address; check and upload are those of the function, in a process of their own. Beside it, in the
same run, boto3's transfer manager, and `aws s3 cp` where there is one, bring the same file from
bucket to disk and from disk to bucket. The faster of the two is the baseline: to start the command
line takes seconds of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from local.embedded_aws import REGION, ROOT, EmbeddedAws
from local.simulators.render import ClipSpec, render

MIB = 1024 * 1024
SIZES_MB = (64, 512, 2048)
QUICK_MB = (16, 64)
_TIMEOUT_S = 900
_SOURCE, _CLIPS, _KEY = "bench-source", "bench-clips", "clip.mp4"
Row = dict[str, Any]


def rows(sizes_mb: Sequence[int] = SIZES_MB, repeats: int = 3) -> list[Row]:
    """One row per size; of the repeats, which take turns with the baseline, the best counts."""
    with EmbeddedAws() as aws, tempfile.TemporaryDirectory(prefix="dropreel-bench-") as folder:
        bench = _Bench(aws, Path(folder))
        return [bench.row(size, repeats) for size in sizes_mb]


class _Bench:
    def __init__(self, aws: EmbeddedAws, folder: Path) -> None:
        self._aws = aws
        self._folder = folder
        self._s3 = aws.client("s3")
        for bucket in (_SOURCE, _CLIPS):
            self._s3.create_bucket(Bucket=bucket)

    def row(self, size_mb: int, repeats: int) -> Row:
        ours: list[Row] = []
        others: list[tuple[float, str]] = []
        copy = self._folder / "copy.mp4"
        with self._source(size_mb):
            for _ in range(repeats):
                others += self._baselines(copy)
                ours.append(self._child("fetch", self._address()))
        seconds = min(run["seconds"] for run in ours)
        baseline, name = min(others)
        return {
            "size_mb": size_mb,
            "seconds": round(seconds, 2),
            "mb_per_s": round(size_mb / seconds, 1),
            "baseline": name,
            "baseline_mb_per_s": round(size_mb / baseline, 1),
            "ratio": round(baseline / seconds, 2),
            "rss_growth_mib": round(max(run["growth_mib"] for run in ours), 1),
        }

    @contextlib.contextmanager
    def _source(self, size_mb: int) -> Iterator[None]:
        """A real clip of that size, on disk and in the embedded S3."""
        file = self._folder / "source.mp4"
        write_clip(file, size_mb * MIB)
        self._s3.upload_file(str(file), _SOURCE, _KEY)
        file.unlink()
        yield
        self._s3.delete_object(Bucket=_SOURCE, Key=_KEY)

    def _address(self) -> str:
        asked = {"Bucket": _SOURCE, "Key": _KEY}
        return str(self._s3.generate_presigned_url("get_object", Params=asked))

    def _baselines(self, copy: Path) -> Iterator[tuple[float, str]]:
        """Seconds from bucket to disk and from disk to bucket, by every tool that there is."""
        yield self._child("copy", f"{_KEY}|{copy}")["seconds"], "boto3"
        if aws := shutil.which("aws"):
            begun = time.perf_counter()
            self._run(aws, "s3", "cp", "--quiet", f"s3://{_SOURCE}/{_KEY}", str(copy))
            self._run(aws, "s3", "cp", "--quiet", str(copy), f"s3://{_CLIPS}/{_KEY}")
            yield time.perf_counter() - begun, "aws s3 cp"
            self._empty()
        copy.unlink()

    def _child(self, what: str, argument: str) -> Row:
        printed = self._run(
            *(sys.executable, "-m", "local.bench.once", what, _SOURCE, _CLIPS, argument)
        )
        self._empty()
        return dict(json.loads(printed))

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env=self._environment(),
            cwd=ROOT,
            timeout=_TIMEOUT_S,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command} failed:\n{done.stderr}")
        return done.stdout

    def _empty(self) -> None:
        """The embedded S3 keeps everything in memory."""
        for item in self._s3.list_objects_v2(Bucket=_CLIPS).get("Contents", []):
            self._s3.delete_object(Bucket=_CLIPS, Key=item["Key"])

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT}",
            "AWS_ENDPOINT_URL": self._aws.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "POWERTOOLS_SERVICE_NAME": "bench",
        }


def write_clip(path: Path, size: int) -> None:
    """A clip of 5 s in a file of `size` bytes: the rest is noise in a box that players skip."""
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / "short.mp4"
        image = (ROOT / "events" / "lighthouse.jpg").read_bytes()
        render(image, ClipSpec.of("360p", "16:9", "5s"), short)
        movie = short.read_bytes()
    noise = random.Random(7)  # noqa: S311  noise, no secret
    room = size - len(movie)
    with path.open("wb") as file:
        file.write(movie + (1).to_bytes(4) + b"free" + room.to_bytes(8))
        for left in range(room - 16, 0, -MIB):
            file.write(noise.randbytes(min(left, MIB)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Throughput and memory of finalize.")
    parser.add_argument("--quick", action="store_true", help="small clips only")
    quick = parser.parse_args().quick
    found = rows(QUICK_MB, 1) if quick else rows()
    print("".join(f"{name:>18}" for name in found[0]))
    for row in found:
        print("".join(f"{value:>18}" for value in row.values()))


if __name__ == "__main__":
    main()
