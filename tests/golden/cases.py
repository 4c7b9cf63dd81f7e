"""Every kind of mail by name, as the golden files in this folder hold it.

`make golden` writes them anew; `tests/unit/test_golden.py` compares. Read the difference as
the person who gets the mail would.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import Attempt, ClipInfo, Job, Source, State
from dropreel.ledger.pause import Pause
from dropreel.mail.digest_text import batch_digest, digest
from dropreel.mail.dry_run import would_order
from dropreel.mail.message import Links, Mail
from dropreel.mail.operators import (
    budget_alert,
    cap_alert,
    change_alert,
    job_alert,
    pause_alert,
    provider_alert,
    subscriber_alert,
    unpause_alert,
)
from dropreel.mail.rejected import all_ordered, already_ordered, drop_rejected
from dropreel.mail.results import clip_delivered, clip_not_delivered
from dropreel.mail.windows import Window
from dropreel.money.budget import Spending
from dropreel.providers.base import Inputs
from dropreel.providers.catalog import CATALOG
from dropreel.providers.checkup import model_finding
from dropreel.steps.cancel import NEVER_ORDERED
from dropreel.steps.rejections import all_made_before, made_before
from tests.golden.groups import group_mails
from tests.golden.rejections import SIDECARS, problems_of, rejections
from tests.support.aws import make_job
from tests.support.sidecars import parse_sidecar

FOLDER = Path(__file__).parent
PAGE = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/AWprDXb6i2o0nFDdL6bBQbq9Ir2"
PLACE = Links(
    "eu-central-1",
    "dropreel-clips",
    "arn:aws:states:eu-central-1:111122223333:execution:render:photo-0123456789abcdef01234567",
)
CLIP = ClipInfo(duration_s=5.0, width=960, height=540, size=1_834_567, sha256="ab" * 32)
ASKED_AT = "2026-11-20T09:30:02.000Z"
USD = Decimal("0.40")

# What their words are where a provider has some.
REASONS = {
    "bad_input": "image_url: unsupported colour space",
    "moderated": "Prompt was flagged by moderation",
    "auth": "Invalid API key",
    "no_key": "the secret of the provider keys holds no key for luma",
    "no_model": "model ray-3.2 is not known there: Unknown model: ray-3.2",
    "no_credit": "Insufficient credits",
    "throttled": "Rate limit exceeded",
    "transient": "Internal server error",
    "unreachable": "could not connect",
    "unexpected": "unknown answer: 418",
    "cancelled": "cancelled by user",
    "not_a_clip": "the file is no MP4 but a web page or XML message; the file is kept for 30 days: "
    "s3://dropreel-clips/quarantine/0123456789abcdef01234567-1",
    "unsafe_result": "the address leads to a host that is not public",
    "deadline": "last seen: running",
    "download": "the connection broke off",
    "lost_answer": "no answer within 60 seconds",
    "over_cap": "this clip costs about $7.20; a single clip may cost at most $5.00",
    "unknown_price": "nobody knows the price of 10s 1080p at oxen",
    "paid_calls_off": "paid calls are off in this installation",
    "nothing_made": "an operator found no order",
    "replaced": "the newer files are job 89abcdef0123456789abcdef",
    "accident": "States.Timeout",
}
# Which kinds end in which state; `billed` matters only where an order was taken.
BEFORE_THE_ORDER = (
    *("bad_input", "moderated", "auth", "no_credit", "throttled", "unreachable", "transient"),
    *(
        "no_key",
        "no_model",
        "unexpected",
        "over_cap",
        "unknown_price",
        "paid_calls_off",
        "nothing_made",
        "accident",
    ),
    "replaced",
)
AFTER_THE_ORDER = (
    *("bad_input", "moderated", "auth", "no_credit", "throttled", "transient", "unexpected"),
    "not_a_clip",
)
STALLED = ("deadline", "download", "unsafe_result", "accident")
BILLED = {"free": False, "perhaps paid": None, "paid": True}


REJECTION = f"clips/campaign/photo/rejected-{'0' * 24}.json"


def job(state: State, **changes: Any) -> Job:
    order = Attempt("luma", ASKED_AT, provider_job_id="7c1f4b62")
    facts = {"estimate_usd": USD, "asked_at": ASKED_AT, "provider_job_id": "7c1f4b62"}
    return make_job(**{"state": state, **facts, "attempts": (order,), **changes})


def delivered(**changes: Any) -> Job:
    facts = {"clip": CLIP, "delivered_at": "2026-11-20T09:31:14.000Z"}
    return job(State.DELIVERED, **{**facts, **changes})


def ended(state: State, kind: str, billed: bool | None = None, **changes: Any) -> Job:
    failure = JobFailure(FailureKind(kind), REASONS[kind], billed=billed)
    return job(state, **{"failure": failure, **changes})


def refused(kind: str) -> Job:
    return ended(State.REFUSED, kind, False, provider_job_id="", attempts=())


def ends() -> Iterator[tuple[str, Job]]:
    """Every end without a clip, by the name of its file."""
    for kind in BEFORE_THE_ORDER:
        yield f"refused {kind}", refused(kind)
    yield "refused after an order that came to nothing", ended(State.REFUSED, "transient", False)
    for kind in AFTER_THE_ORDER:
        for money, billed in BILLED.items():
            yield f"failed {kind} {money}", ended(State.FAILED, kind, billed)
    for money, billed in BILLED.items():
        yield f"cancelled {money}", ended(State.CANCELLED, "cancelled", billed)
    never = {"provider_job_id": "", "attempts": (), "failure": NEVER_ORDERED}
    yield "cancelled before the order", job(State.CANCELLED, **never)
    for kind in STALLED:
        yield f"stalled {kind}", ended(State.STALLED, kind)
    yield "unknown", ended(State.UNKNOWN, "lost_answer", provider_job_id="")
    yield "unknown at an unknown price", ended(State.UNKNOWN, "lost_answer", estimate_usd=None)
    yield "failed at a real price", ended(State.FAILED, "transient", True, cost_usd=Decimal("0.38"))


def clips() -> Iterator[tuple[str, Job]]:
    settings = delivered().settings
    yield "delivered estimate", delivered()
    yield "delivered real price", delivered(provider="eachlabs", cost_usd=Decimal("0.38"))
    yield "delivered unknown price", delivered(estimate_usd=None)
    yield "delivered unconfirmed settings", delivered(provider="oxen", unconfirmed=("10s", "3:1"))
    yield "delivered take and loop", delivered(settings=replace(settings, take=3, loop=True))
    yield "delivered by another provider", delivered(provider="fal", first_provider="luma")
    yield "delivered with labels", delivered(labels=("campaign=spring", "shop"))
    yield "delivered after an hour", delivered(delivered_at="2026-11-20T11:42:00.000Z")
    prompt = "A very slow push-in over wet cobblestones, " * 20
    yield "delivered with a remark", delivered(remark="ordered 5s, got 8.00 s")
    yield "delivered long prompt", delivered(settings=replace(settings, prompt=prompt))


def dry_runs() -> Iterator[tuple[str, Mail]]:
    tips = ("The prompt names no motion. Add one.",)
    first = job(State.CLAIMED, advice=tips)
    second = job(State.CLAIMED, provider="fal", estimate_usd=Decimal("1.20"), advice=tips)
    yield "dry run", would_order([first], "dry-run-1")
    yield "dry run of takes", would_order([first, second], "dry-run-2")


def dropped_again() -> Iterator[tuple[str, Mail]]:
    links = replace(PLACE, page="https://pages.example/abc", page_days=7)
    for state in (State.DELIVERED, State.FAILED, State.STALLED, State.UNKNOWN):
        held = job(state)
        mail = already_ordered(held, held.source.key, [made_before(held)], REJECTION, links)
        yield f"rejected already {state}", mail
    takes = [job(State.DELIVERED), job(State.DELIVERED), job(State.STALLED)]
    for name, some in (("delivered", takes[:2]), ("ordered", takes)):
        facts = (takes[0].source.key, [all_made_before(some)], REJECTION, links)
        yield f"rejected takes already {name}", all_ordered(some, *facts)


def alerts() -> Iterator[tuple[str, Mail]]:
    day = Spending("2026-11-20", Decimal("20.40"), Decimal(25))
    month = Spending("2026-11", Decimal("249.90"), Decimal(250))
    yield "alert budget of the day", budget_alert(day)
    yield "alert budget of the month", budget_alert(month)
    yield "alert cap reached", cap_alert(month)
    yield "alert nobody subscribed", subscriber_alert()
    changed = model_finding(
        Inputs({"prompt": ()}, frozenset({"prompt", "style"}), {"prompt": "prompt"}),
        CATALOG["fal"].capability,
    )
    yield "alert provider changed", change_alert("fal", changed.words, changed.todo)
    pause = Pause(1_795_000_000, "user/ann", "the prices at luma have changed")
    yield "alert paused", pause_alert(pause)
    yield "alert unpaused", unpause_alert(pause, "user/ben")
    yield "alert provider", provider_alert("luma", 3, "Insufficient credits")


def digests() -> Iterator[tuple[str, Mail]]:
    window = Window(datetime(2026, 11, 20, 9, 30, tzinfo=UTC), 10)
    ends = [
        ended(State.FAILED, "transient", False, source=source_of("pier.jpg")),
        ended(State.REFUSED, "moderated", False, source=source_of("crowd.jpg"), attempts=()),
        ended(State.STALLED, "deadline", source=source_of("night.jpg")),
        ended(State.FAILED, "not_a_clip", source=source_of("fog.jpg")),
    ]
    clips = [delivered(source=source_of(f"frame{number:03}.jpg")) for number in range(40)]
    mails = [clip_delivered(clip, CLIP, PLACE) for clip in clips]
    mails += [clip_not_delivered(end, PLACE) for end in ends]
    bad = problems_of(partial(parse_sidecar, SIDECARS["many problems"]))
    record = "clips/campaign/dog/rejected-1.json"
    mails.append(drop_rejected("campaign/dog.jpg", bad.problems, record, PLACE))
    lines = [mail.entry for mail in mails if mail.entry]
    yield "digest", digest(window, lines, PLACE)
    yield "digest of clips alone", digest(window, lines[:3], PLACE)
    more = [mail.entry for _, mail in group_mails() if mail.entry]
    alike = [replace(entry, mail_id=f"{n}") for n, entry in enumerate(more)]
    yield "digest with groups", digest(window, [*lines[:2], *alike], PLACE, lambda _: PAGE)
    page = replace(PLACE, page="https://pages.example/abc", page_days=7)
    batch = partial(batch_digest, "campaign/batch.csv", links=page)
    waiting = ["campaign/late.jpg"]
    mail = batch([lines[0], lines[41]], waiting=waiting, made_before=2, dry_runs=1, rejected=1)
    yield "digest of a batch", mail


def source_of(name: str) -> Source:
    return replace(job(State.CLAIMED).source, key=f"campaign/{name}")


def mails() -> dict[str, Mail]:
    """All of them."""
    found: dict[str, Mail] = {}
    for name, done in clips():
        assert done.clip
        found[name] = clip_delivered(done, done.clip, PLACE)
        note = job_alert(done, PLACE)
        if note:
            found[f"operator {name}"] = note
    linked = replace(PLACE, page=PAGE, page_days=7)
    found["delivered with a link"] = clip_delivered(delivered(), CLIP, linked)
    for name, end in ends():
        found[name] = clip_not_delivered(end, PLACE)
        note = job_alert(end, PLACE)
        if note:
            found[f"operator {name}"] = note
    for name, key, error in rejections():
        found[name] = drop_rejected(key, error.problems, REJECTION, PLACE)
    return (
        found
        | dict(dropped_again())
        | dict(dry_runs())
        | dict(alerts())
        | dict(digests())
        | dict(group_mails())
    )


def files() -> dict[str, str]:
    """What each golden file holds: a mail as its reader sees it, with its attributes."""
    return {f"{name.replace(' ', '-')}.txt": written(mail) for name, mail in mails().items()} | {
        f"{name.replace(' ', '-')}.json": document(mail)
        for name, mail in mails().items()
        if name in DOCUMENTS
    }


# One of each shape that a document can have.
DOCUMENTS = (
    *("delivered estimate", "delivered real price", "failed transient perhaps paid"),
    *("refused over_cap", "rejected sidecar many problems", "alert provider", "digest"),
)


def written(mail: Mail) -> str:
    attributes = "".join(f"{name}: {value}\n" for name, value in sorted(mail.attributes.items()))
    return f"Subject: {mail.subject}\n{attributes}\n{mail.text}"


def document(mail: Mail) -> str:
    """The JSON body, but for the text that the other file holds."""
    told = {name: value for name, value in mail.document.items() if name != "text"}
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def write() -> None:
    for old in [*FOLDER.glob("*.txt"), *FOLDER.glob("*.json")]:
        old.unlink()
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
