"""One image all the way, offline: the real template on an embedded AWS, simulated providers.

make demo
make demo IMAGE=photo.jpg PROMPT="slow push-in" PROVIDER=fal RESOLUTION=720p DURATION=5s
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import av

from local import stack
from local.embedded_aws import ROOT, EmbeddedAws
from local.follow import ReceivedMail, executions, mails, states_entered, ticks
from local.simulators import Simulators
from local.stack import Stack

SAMPLE = ROOT / "events" / "lighthouse.jpg"
OUT = ROOT / "out" / "demo"
TIMEOUT_S = 240
WAIT_SCALE = 0.02  # providers take seconds here, not minutes


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    asked = _arguments()
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    try:
        return _run(asked)
    except KeyboardInterrupt:
        print("\nstopped; nothing is left running")
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--image", type=Path, default=None)
    parser.add_argument("--prompt")
    parser.add_argument("--provider", default="luma")
    parser.add_argument("--resolution")
    parser.add_argument("--duration")
    asked = parser.parse_args([item for item in sys.argv[1:] if not item.endswith("=")])
    if asked.image and not asked.image.is_file():
        parser.error(f"there is no file {asked.image}")
    return asked


def _run(asked: argparse.Namespace) -> int:
    say = Progress()
    say("building the stack")
    template = stack.build()
    say("starting the embedded AWS and the provider simulators")
    with (
        Simulators(keys=stack.KEYS, render_seconds=4.0) as simulators,
        EmbeddedAws(wait_scale=WAIT_SCALE) as aws,
    ):
        say("deploying template.yaml")
        launched = stack.launch(aws, simulators, template, {"SidecarGraceSeconds": "0"})
        return _drop_and_follow(launched, asked, say)


def _drop_and_follow(world: Stack, asked: argparse.Namespace, say: Progress) -> int:
    image = asked.image or SAMPLE
    sidecar = _sidecar(asked)
    s3 = world.aws.client("s3")
    inbox = world.outputs["InboxBucketName"]
    say(f"dropping {image.name} and {image.stem}.json into s3://{inbox}/demo/")
    print(json.dumps(sidecar, indent=2, ensure_ascii=False))
    started = time.monotonic()
    s3.put_object(
        Bucket=inbox, Key=f"demo/{image.stem}.json", Body=json.dumps(sidecar, ensure_ascii=False)
    )
    s3.upload_file(str(image), inbox, f"demo/{image.name}")
    mail, states = _follow(world, say)
    seconds = time.monotonic() - started
    if mail is None:
        print(f"no mail within {TIMEOUT_S} seconds", file=sys.stderr)
        return 1
    _print_mail(mail)
    return _collect(world, mail, states, seconds, image)


def _sidecar(asked: argparse.Namespace) -> dict[str, Any]:
    """The sample's own sidecar or an empty one, with what was asked on the command line."""
    given = {
        "prompt": asked.prompt,
        "provider": asked.provider,
        "resolution": asked.resolution,
        "duration": asked.duration,
    }
    base = json.loads(SAMPLE.with_suffix(".json").read_text(encoding="utf-8"))
    return {**base, **{name: value for name, value in given.items() if value}}


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
        ended = not running or running[0]["status"] != "RUNNING"
        if ended and (received := mails(world.aws, world.results)):
            return received[0], shown
    return None, shown


def _print_mail(mail: ReceivedMail) -> None:
    line = "-" * 78
    print(f"\n{line}\nSubject: {mail.subject}\n{line}\n{mail.text.rstrip()}\n{line}\n")


def _collect(
    world: Stack, mail: ReceivedMail, states: list[str], seconds: float, image: Path
) -> int:
    """Save clip, record and summary; 0 only for a playable clip of what was asked."""
    facts = mail.document
    summary: dict[str, Any] = {
        "job_id": facts.get("job_id"),
        "provider": facts.get("provider"),
        "image": str(image),
        "clip": None,
        "clip_key": None,
        "record_key": None,
        "seconds_total": round(seconds, 2),
        "states": states,
        "polls": states.count("Look at the clip"),
        "estimated_cost_usd": facts.get("estimate_usd"),
        "mail_subject": mail.subject,
        "mail_body": mail.text,
    }
    problem = _fetch(world, facts, summary)
    (OUT / "summary.json").write_text(
        json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    if problem:
        print(f"no clip: {problem}", file=sys.stderr)
        return 1
    print(f"clip:    {summary['clip']}\nsummary: {(OUT / 'summary.json').relative_to(ROOT)}")
    return 0


def _fetch(world: Stack, facts: dict[str, Any], summary: dict[str, Any]) -> str:
    """Download what the mail names into `out/demo`. Returns what is wrong, or nothing."""
    s3 = world.aws.client("s3")
    for name in ("record", "clip"):
        if facts.get(name):
            bucket, _, key = facts[name].removeprefix("s3://").partition("/")
            target = OUT / key.rpartition("/")[2]
            s3.download_file(bucket, key, str(target))
            summary[f"{name}_key"] = key
            if name == "clip":
                summary["clip"] = str(target.relative_to(ROOT))
                return check_clip(target, facts["settings"])
    return str(facts.get("outcome", "not delivered"))


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
