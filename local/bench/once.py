"""One fetch, or one copy for comparison, in a process of its own; prints seconds and memory."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import boto3
from botocore.config import Config

from dropreel.clips.bucket import ClipsBucket
from dropreel.clips.transfer import Transfer
from dropreel.jobs.job import ClipSettings, Job, Source, State
from dropreel.providers.base import Ready
from dropreel.providers.client import new_client

MIB = 1024 * 1024


def fetch(source: str, clips: str, address: str) -> Callable[[], None]:
    """What `finalize` does with a clip that is ready, without record and mail."""
    origin = "/".join(address.split("/")[:3])
    transfer = Transfer(
        clips=ClipsBucket(
            boto3.client("s3", config=Config(s3={"addressing_style": "path"})), clips
        ),
        http=new_client(),
        trusted_origins=frozenset({origin}),
        max_bytes=5000 * MIB,
    )
    job = Job(
        job_id="0123456789abcdef01234567",
        state=State.READY,
        source=Source(source, "photo.jpg", "e", "image/jpeg", 1600, 900, "sources/photo.jpg"),
        settings=ClipSettings("slow push-in", "16:9", "360p", "5s"),
        provider="luma",
        dropped_at="",
        created_at="",
    )

    def run() -> None:
        transfer.fetch(job, Ready(address), lambda: 840)

    return run


def copy(source: str, clips: str, address: str) -> Callable[[], None]:
    """From bucket to disk and from disk to bucket, as `aws s3 cp` does it."""
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    key, file = address.split("|")

    def run() -> None:
        s3.download_file(source, key, file)
        s3.upload_file(file, clips, key)

    return run


def memory() -> float:
    """The most this process has ever held, in MiB; its parent's share does not count."""
    status = Path("/proc/self/status")
    if not status.exists():  # macOS counts in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024


def main() -> None:
    what, source, clips, argument = sys.argv[1:]
    run = {"fetch": fetch, "copy": copy}[what](source, clips, argument)
    before, begun = memory(), time.perf_counter()
    run()
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "growth_mib": memory() - before}))


if __name__ == "__main__":
    main()
