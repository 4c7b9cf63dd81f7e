"""`make up`, `drop`, `mails` and `down`: the stack on an embedded AWS that keeps running.

python -m local.up            start, deploy, print what to do with it, and leave it running
python -m local.up --drop     drop what IMAGE, PROMPT and so on ask for, as `make demo` does
python -m local.up --mails    show what has come by mail, and delete it
python -m local.up --down     stop what was started
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from local import builds, stack
from local.builds import BuildError
from local.demo import TIMEOUT_S, UnusableError, download, drop, print_mail, read_asked
from local.embedded_aws import ROOT, EmbeddedAws, Endpoint
from local.follow import ReceivedMail, mails, ticks
from local.sam import SamError
from local.simulators import Simulators

FOLDER = ROOT / "out" / "up"
PID = FOLDER / "pid"
FACTS = FOLDER / "facts.json"
LOG = FOLDER / "log.txt"
_START_S = 180
_STOP_S = 60


def main() -> int:
    if "--down" in sys.argv:
        return down()
    if "--drop" in sys.argv:
        return _drop_or_say_why_not()
    if "--mails" in sys.argv:
        return show_mails()
    if "--serve" in sys.argv:
        return _serve_or_say_why_not()
    return up()


def up() -> int:
    """Start a server of our own in the background and wait until it is deployed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _alone():
        if _running():
            print("already up; `make down` stops it\n")
        elif not _started():
            down()
            print(f"it did not start:\n{LOG.read_text(encoding='utf-8')}", file=sys.stderr)
            return 1
        _explain(json.loads(FACTS.read_text(encoding="utf-8")))
    return 0


@contextmanager
def _alone() -> Iterator[None]:
    """A second `make up` waits until the first one is deployed."""
    folder = os.open(FOLDER, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _started() -> bool:
    FACTS.unlink(missing_ok=True)
    with LOG.open("wb") as log:
        server = launch([sys.executable, "-m", "local.up", "--serve"], log)
    print("starting and deploying ...", flush=True)
    deadline = time.monotonic() + _START_S
    while not FACTS.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def launch(command: Sequence[str], log: BinaryIO) -> subprocess.Popen[bytes]:
    """Start the server in the background. It holds a lock on its file for as long as it lives.

    A number alone may have become that of another program, which must never be stopped.
    """
    with PID.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        server = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[file.fileno()],
        )
        file.write(str(server.pid))
    return server


def _serve_or_say_why_not() -> int:
    try:
        return serve()
    except (BuildError, SamError) as error:
        print(error, file=sys.stderr)
        return 1


def _drop_or_say_why_not() -> int:
    try:
        return drop_and_wait()
    except UnusableError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def drop_and_wait() -> int:
    """Drop into a folder of its own, so that the same again is another clip; show its mail."""
    facts = _facts()
    if facts is None:
        return 2
    asked = read_asked(os.environ)
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


def show_mails() -> int:
    """Print the mails that nobody has read yet, those for operators last; each is shown once."""
    facts = _facts()
    if facts is None:
        return 2
    aws, shown, told_by_others = Endpoint(facts["endpoint"]), 0, 0
    for mailbox in (facts["mailbox"], facts["operators"]):
        while received := mails(aws, mailbox):
            for mail in received:
                if mail.in_mailboxes:
                    print_mail(mail)
                shown += mail.in_mailboxes
                told_by_others += not mail.in_mailboxes
    if told_by_others:
        print(f"{told_by_others} results come in a digest, or in the mail about their batch")
    print("no new mails" if not shown else f"{shown} shown; they are deleted")
    return 0


def _facts() -> dict[str, Any] | None:
    """Of the stack that is up; else says that there is none."""
    if _running() and FACTS.exists():
        return dict(json.loads(FACTS.read_text(encoding="utf-8")))
    print("Nothing is up: `make up` starts it.", file=sys.stderr)
    return None


def _save_clip(aws: Endpoint, mail: ReceivedMail) -> int:
    if not mail.document.get("clip"):
        return 1
    saved, _ = download(aws, mail.document["clip"], FOLDER)
    print(f"clip: {saved.relative_to(ROOT)}")
    return 0


def down() -> int:
    """Return when the server and all that it started have ended."""
    if not _running():
        print("nothing is up")
        return 0
    pid = int(PID.read_text(encoding="utf-8"))
    print("stopping ...", flush=True)
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_S
    while _running():
        if time.monotonic() > deadline:
            print(f"process {pid} has not ended within {_STOP_S} seconds: {LOG}", file=sys.stderr)
            return 1
        time.sleep(0.1)
    PID.unlink(missing_ok=True)
    print("stopped")
    return 0


def serve() -> int:
    """Runs in the background until SIGTERM."""
    signal.signal(signal.SIGTERM, _leave)
    with (
        EmbeddedAws(wait_scale=0.1, log=FOLDER / "aws.log") as aws,
        Simulators(keys=stack.KEYS, render_seconds=10.0, cache_dir=aws.scratch) as simulators,
    ):
        launched = stack.launch(aws, simulators, builds.build(), {"SidecarGraceSeconds": "60"})
        mailboxes = {"mailbox": launched.results, "operators": launched.operators}
        facts = {"endpoint": aws.endpoint, **mailboxes, **launched.outputs}
        draft = FACTS.with_suffix(".draft")
        draft.write_text(json.dumps(facts, indent=2), encoding="utf-8")
        draft.rename(FACTS)  # whoever sees it reads all of it
        signal.pause()
    return 0


def _leave(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break off the tidying
    sys.exit(0)


def _explain(facts: dict[str, Any]) -> None:
    aws = f"aws --endpoint-url {facts['endpoint']} --region us-east-1"
    inbox, clips = facts["InboxBucketName"], facts["ClipsBucketName"]
    print(
        f"""
endpoint   {facts["endpoint"]}
inbox      s3://{inbox}
clips      s3://{clips}

`make drop` drops the sample or an IMAGE= of yours and shows the mail. `make mails` shows all other
mails. A file whose partner is missing waits 60 seconds for it. With the AWS CLI:

export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
{aws} s3 cp events/lighthouse.json s3://{inbox}/try/
{aws} s3 cp events/lighthouse.jpg s3://{inbox}/try/
{aws} s3 ls --recursive s3://{clips}/clips/

`make down` stops it."""
    )


def _running() -> bool:
    """Whether our server lives."""
    with suppress(FileNotFoundError), PID.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
