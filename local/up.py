"""`make up`, `make drop` and `make down`: the stack on an embedded AWS that keeps running.

python -m local.up            start, deploy, print what to do with it, and leave it running
python -m local.up --drop     drop what IMAGE, PROMPT and so on ask for, as `make demo` does
python -m local.up --down     stop what was started
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from local import stack
from local.demo import TIMEOUT_S, UnusableImageError, download, drop, print_mail, read_asked
from local.embedded_aws import ROOT, EmbeddedAws, Endpoint
from local.follow import ReceivedMail, mails, ticks
from local.simulators import Simulators

FOLDER = ROOT / "out" / "up"
PID = FOLDER / "pid"
FACTS = FOLDER / "facts.json"
LOG = FOLDER / "log.txt"
_START_S = 180


def main() -> int:
    if "--down" in sys.argv:
        return down()
    if "--drop" in sys.argv:
        return _drop_or_say_why_not()
    if "--serve" in sys.argv:
        return serve()
    return up()


def up() -> int:
    """Start a server of our own in the background and wait until it is deployed."""
    if _running():
        print("already up; `make down` stops it\n")
        _explain(json.loads(FACTS.read_text(encoding="utf-8")))
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    FACTS.unlink(missing_ok=True)
    with LOG.open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "local.up", "--serve"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    PID.write_text(str(server.pid), encoding="utf-8")
    print("starting and deploying ...", flush=True)
    deadline = time.monotonic() + _START_S
    while not FACTS.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            down()
            print(f"it did not start:\n{LOG.read_text(encoding='utf-8')}", file=sys.stderr)
            return 1
        time.sleep(0.2)
    _explain(json.loads(FACTS.read_text(encoding="utf-8")))
    return 0


def _drop_or_say_why_not() -> int:
    try:
        return drop_and_wait()
    except UnusableImageError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def drop_and_wait() -> int:
    """Drop into a folder of its own, so that the same again is another clip; show its mail."""
    if not (_running() and FACTS.exists()):
        print("Nothing is up: `make up` starts it.", file=sys.stderr)
        return 2
    asked = read_asked(os.environ)
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    aws = Endpoint(facts["endpoint"])
    key = drop(aws, facts["InboxBucketName"], time.strftime("drop-%H%M%S"), asked)
    print(f"dropped as {key}; waiting for the mail ...", flush=True)
    for _ in ticks(TIMEOUT_S):
        for mail in mails(aws, facts["mailbox"], wait_s=1):
            print_mail(mail)
            if mail.document.get("image") == key:
                return _save_clip(aws, mail)
    print(f"no mail within {TIMEOUT_S} seconds", file=sys.stderr)
    return 1


def _save_clip(aws: Endpoint, mail: ReceivedMail) -> int:
    if not mail.document.get("clip"):
        return 1
    saved, _ = download(aws, mail.document["clip"], FOLDER)
    print(f"clip: {saved.relative_to(ROOT)}")
    return 0


def down() -> int:
    if not _running():
        print("nothing is up")
        return 0
    pid = int(PID.read_text(encoding="utf-8"))
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 15
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    PID.unlink(missing_ok=True)
    print("stopped")
    return 0


def serve() -> int:
    """Runs in the background until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (
        EmbeddedAws(wait_scale=0.1, log=FOLDER / "aws.log") as aws,
        Simulators(keys=stack.KEYS, render_seconds=10.0, cache_dir=aws.scratch) as simulators,
    ):
        launched = stack.launch(aws, simulators, stack.build(), {"SidecarGraceSeconds": "60"})
        facts = {"endpoint": aws.endpoint, "mailbox": launched.results, **launched.outputs}
        FACTS.write_text(json.dumps(facts, indent=2), encoding="utf-8")
        signal.pause()
    return 0


def _explain(facts: dict[str, Any]) -> None:
    aws = f"aws --endpoint-url {facts['endpoint']} --region us-east-1"
    inbox, clips = facts["InboxBucketName"], facts["ClipsBucketName"]
    print(
        f"""
endpoint   {facts["endpoint"]}
inbox      s3://{inbox}
clips      s3://{clips}

`make drop` drops the sample or an IMAGE= of yours and shows the mail. With the AWS CLI:

export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
{aws} s3 cp events/lighthouse.json s3://{inbox}/try/
{aws} s3 cp events/lighthouse.jpg s3://{inbox}/try/
{aws} s3 ls --recursive s3://{clips}/clips/
{aws} sqs receive-message --wait-time-seconds 20 --queue-url {facts["mailbox"]}

`make down` stops it."""
    )


def _running() -> bool:
    return PID.exists() and _alive(int(PID.read_text(encoding="utf-8")))


def _alive(pid: int) -> bool:
    """Whether `pid` still is our server, as far as this system tells."""
    try:
        os.kill(pid, 0)
        words = Path(f"/proc/{pid}/cmdline")
        return not words.exists() or b"local.up" in words.read_bytes()
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
