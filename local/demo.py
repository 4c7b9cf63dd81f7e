"""One image all the way, offline: the real template on an embedded AWS, simulated providers.

make demo
make demo TAKES=3
make demo IMAGE=photo.jpg PROMPT="slow push-in" PROVIDER=fal RESOLUTION=720p DURATION=5s

What is asked comes in environment variables of these names, so that no shell reads it again.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from dropreel.drops.pairing import is_image
from dropreel.jobs.naming import stem
from local import builds, stack
from local.browser import DESKTOP, PHONE
from local.builds import BuildError
from local.control_room import picture
from local.embedded_aws import ROOT, EmbeddedAws, Endpoint
from local.follow import ReceivedMail, executions, mails, states_entered, ticks
from local.pages import opens
from local.pages import picture as page_picture
from local.sam import SamError
from local.simulators import Simulators
from local.stack import Stack
from local.variations import variations

SAMPLE = ROOT / "events" / "lighthouse.jpg"
OUT = ROOT / "out" / "demo"
DASHBOARD = "dashboard.png"
PAGE, COMPARED = "page.png", "compare.png"
NEUTRAL_PROMPT = "Slow cinematic push-in, gentle natural motion"
TIMEOUT_S = 240
WAIT_SCALE = 0.02  # providers take seconds here, not minutes
_FIELDS = ("prompt", "provider", "resolution", "duration")
_SAVED = re.compile(
    r"summary\.json|(dashboard|page|compare)\.png|(rejected-)?[0-9a-f]{24}\.(json|mp4)"
)


class UnusableError(Exception):
    """What is asked for cannot be dropped. The message is a sentence for people."""


@dataclass(frozen=True)
class Asked:
    """An image, and the sidecar to drop beside it."""

    image: Path
    sidecar: dict[str, Any]


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with own_folder(OUT) as folder:
            clear(folder)  # before anything can fail: what lies there afterwards is this run's
            return _run(read_asked(os.environ), folder)
    except UnusableError as error:
        print(error, file=sys.stderr)
        return 2
    except (BuildError, SamError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; nothing is left running")
        return 130


@contextmanager
def own_folder(wanted: Path) -> Iterator[Path]:
    """`wanted`, or while other runs use it, `wanted-2` and so on; this run's until it ends."""
    others = (wanted.with_name(f"{wanted.name}-{number}") for number in itertools.count(2))
    candidates = ((folder, _claimed(folder)) for folder in itertools.chain([wanted], others))
    folder, held = next((folder, held) for folder, held in candidates if held is not None)
    try:
        yield folder
    finally:
        os.close(held)


def _claimed(folder: Path) -> int | None:
    """A handle that keeps other runs out of `folder` until it is closed; None if one is there."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def clear(folder: Path) -> None:
    """Remove what an earlier run saved, and nothing else: other files there may be people's."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if _SAVED.fullmatch(old.name) and not old.is_dir():
            old.unlink()


def read_asked(variables: Mapping[str, str]) -> Asked:
    """The sample with its sidecar or one's own image with a neutral one, changed as asked.

    Raises UnusableError.
    """
    given = {name: variables.get(name.upper(), "") for name in _FIELDS}
    own = variables.get("IMAGE", "")
    image = _own_image(own) if own else SAMPLE
    base = {"prompt": NEUTRAL_PROMPT} if own else _sample_sidecar()
    said = {"provider": "luma", **base, **{name: text for name, text in given.items() if text}}
    takes = _takes(variables.get("TAKES", ""))
    return Asked(image, {**said, "takes": takes} if takes else said)


def _takes(wanted: str) -> list[Mapping[str, str]]:
    try:
        return variations(wanted)
    except ValueError as error:
        raise UnusableError(str(error)) from None


def _own_image(name: str) -> Path:
    if not is_image(name):
        raise UnusableError(
            f"IMAGE={name} does not end like an image: give a JPEG, PNG or WebP file."
        )
    image = Path(name).expanduser() if name.startswith("~/") else Path(name)
    try:
        image.open("rb").close()
    except OSError as error:
        raise UnusableError(f"IMAGE={name} cannot be read: {error.strerror}.") from None
    return image


def _sample_sidecar() -> dict[str, str]:
    return dict(json.loads(SAMPLE.with_suffix(".json").read_text(encoding="utf-8")))


def _run(asked: Asked, folder: Path) -> int:
    say = Progress()
    if folder != OUT:
        say(f"another demo is running; this one saves its files in {folder.relative_to(ROOT)}")
    say("building the stack")
    template = builds.build()
    say("starting the embedded AWS and the provider simulators")
    with (
        EmbeddedAws(wait_scale=WAIT_SCALE) as aws,
        Simulators(keys=stack.KEYS, render_seconds=4.0, cache_dir=aws.scratch) as simulators,
    ):
        say("deploying template.yaml")
        launched = stack.launch(aws, simulators, template, {"SidecarGraceSeconds": "0"})
        return _drop_and_follow(launched, asked, say, folder)


def _drop_and_follow(world: Stack, asked: Asked, say: Progress, folder: Path) -> int:
    started = time.monotonic()
    inbox = world.outputs["InboxBucketName"]
    say(f"dropping {asked.image.name} and {stem(asked.image.name)}.json into s3://{inbox}/demo/")
    drop(world.aws, inbox, "demo", asked)
    mail, states = _follow(world, say)
    seconds = time.monotonic() - started
    if mail is None:
        print(f"no mail within {TIMEOUT_S} seconds", file=sys.stderr)
        return 1
    print_mail(mail)
    code = _collect(world, mail, _summary(mail, states, seconds, asked.image), folder)
    _open_page(mail, folder)
    _draw(world, folder)
    return code


def drop(aws: Endpoint, inbox: str, folder: str, asked: Asked) -> str:
    """Show the sidecar, drop it and then the image; returns the image's key."""
    text = json.dumps(asked.sidecar, indent=2, ensure_ascii=False)
    print(text, flush=True)
    s3 = aws.client("s3")
    key = f"{folder}/{asked.image.name}"
    s3.put_object(Bucket=inbox, Key=f"{stem(key)}.json", Body=text.encode())
    s3.upload_file(str(asked.image), inbox, key)
    return key


def _follow(world: Stack, say: Progress) -> tuple[ReceivedMail | None, list[str]]:
    """Show each state as it is entered; return the mail when it comes."""
    shown: list[str] = []
    for _ in ticks(TIMEOUT_S):
        running = executions(world.aws, world.outputs["RenderStateMachineArn"])
        if running:
            states = states_entered(world.aws, running[0]["executionArn"])
            for name in states[len(shown) :]:
                say(name)
            shown = states
        ended = all(execution["status"] != "RUNNING" for execution in running)
        if ended and (received := mails(world.aws, world.results)):
            return received[0], shown
    return None, shown


def print_mail(mail: ReceivedMail) -> None:
    line = "-" * 78
    print(f"\n{line}\nSubject: {mail.subject}\n{line}\n{mail.text.rstrip()}\n{line}\n")


def _summary(mail: ReceivedMail, states: list[str], seconds: float, image: Path) -> dict[str, Any]:
    return {
        "job_id": mail.document.get("job_id"),
        "provider": mail.document.get("provider"),
        "image": str(image),
        "clip": None,
        "clip_key": None,
        "record_key": None,
        "seconds_total": round(seconds, 2),
        "states": states,
        "polls": states.count("Poll"),
        "estimated_cost_usd": mail.document.get("estimate_usd"),
        "mail_subject": mail.subject,
        "mail_body": mail.text,
    }


def _collect(world: Stack, mail: ReceivedMail, summary: dict[str, Any], folder: Path) -> int:
    """Save clip, record and summary; 0, and a `clip` in it, only for a clip as it was asked."""
    takes = mail.document.get("takes")
    problem = _fetch(world, mail.document, summary, folder) if takes is None else ""
    if takes is not None:
        summary["takes"] = [_fetched(world, take, folder) for take in takes]
        problem = "; ".join(take["problem"] for take in summary["takes"] if take["problem"])
    summary["problem"] = problem or None
    file = folder / "summary.json"
    file.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if problem:
        print(f"no clip: {problem}", file=sys.stderr)
        return 1
    for one in summary.get("takes", [summary]):
        print(f"clip:    {one['clip']}")
    print(f"summary: {file.relative_to(ROOT)}")
    return 0


def _fetched(world: Stack, take: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What became of one take, with its clip."""
    facts: dict[str, Any] = {"job_id": take["job_id"], "provider": take["provider"], "clip": None}
    problem = _fetch(world, take, facts, folder)
    return {**facts, "problem": problem}


def _open_page(mail: ReceivedMail, folder: Path) -> None:
    """Open the mail's link as it stands, while there is somebody to answer it."""
    link = mail.document.get("page")
    if not link:
        return
    opened = "opened its page; it ends with the demo (make up keeps it)"
    print(f"the link in the mail {opened if opens(link) else 'opens nothing'}")
    several = "takes" in mail.document
    target, screen = folder / (COMPARED if several else PAGE), DESKTOP if several else PHONE
    problem = page_picture(link, target, screen)
    print(problem or f"what it shows{'' if several else ' on a phone'}: {target.relative_to(ROOT)}")


def _draw(world: Stack, folder: Path) -> None:
    """The operator's view of what has just happened; nice to have, never a reason to fail."""
    target = folder / DASHBOARD
    problem = picture(world.aws, world.outputs, target)
    print(problem or f"what the operator sees: {target.relative_to(ROOT)}")


def _fetch(world: Stack, facts: dict[str, Any], summary: dict[str, Any], folder: Path) -> str:
    """Download what the mail names into `folder`. Returns what is wrong, or nothing."""
    for name in ("record", "clip"):
        if facts.get(name):
            target, summary[f"{name}_key"] = download(world.aws, facts[name], folder)
            if name == "clip":
                problem = check_clip(target, facts["settings"])
                summary["clip"] = None if problem else str(target.relative_to(ROOT))
                return problem
    return str(facts.get("outcome", "not delivered"))


def download(aws: Endpoint, address: str, folder: Path) -> tuple[Path, str]:
    """Save what lies at an s3:// address; returns the file and the key."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    target = folder / key.rpartition("/")[2]
    aws.client("s3").download_file(bucket, key, str(target))
    return target, key


def check_clip(path: Path, settings: dict[str, Any]) -> str:
    """Decode the whole clip. Returns in what it differs from `settings`, or nothing."""
    short_side = int(settings["resolution"].removesuffix("p"))
    seconds = int(settings["duration"].removesuffix("s"))
    wide, high = (int(part) for part in settings["aspect_ratio"].split(":"))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        played = frames / float(stream.average_rate or 1)
        width, height = stream.width, stream.height
    if abs(played - seconds) > 0.25:
        return f"the clip plays {played:.2f} s, not {seconds} s"
    if abs(width / height - wide / high) > 0.02 * wide / high or min(width, height) != short_side:
        return f"the clip is {width}x{height}, not {settings['resolution']} {wide}:{high}"
    return ""


class Progress:
    """Lines with the time passed since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"{time.monotonic() - self._start:6.1f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
