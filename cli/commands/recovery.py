"""Recovering what was lost: `replay` for the dead-letter queues, `sync` for inbox and orders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError
from rich.console import Group

from cli.desk import Desk, desk_of
from cli.errors import Exit
from cli.facts import Facts, many, prefix_of
from cli.find import moment
from cli.foreign import foreign_orders
from cli.views import plain, table
from dropreel.drops.inbox import Drop, Inbox
from dropreel.errors import DropreelError
from dropreel.jobs.job import State
from dropreel.ledger.newest import NewestDrops
from dropreel.steps.finalize import Finalize
from dropreel.steps.lost_order import find_lost_orders
from dropreel.steps.missed_drops import YOUNGEST, MissedDrops
from dropreel.steps.outcomes import BatchEvent, DigestEvent, DropEvent, FinalizeEvent

_QUEUES = {"drops": "IngestDeadLetterQueueUrl", "events": "EventsDeadLetterQueueUrl"}
_LOOK_S = 2  # a long poll asks all servers of a queue; a short one may miss messages
_HIDDEN_S = 60  # while this command works on a message, nobody else sees it
_MOST = 1000
_RUNBOOK = 'docs/operations.md, section "Drops in a dead-letter queue", says what to do'
_ENDED = "Step Functions Execution Status Change"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message of a dead-letter queue. `body` is the event that could not be delivered."""

    queue: str
    receipt: str
    body: Any

    @property
    def event(self) -> Mapping[str, Any]:
        """Without what Lambda puts around the event of a function that failed."""
        found = self.body.get("requestPayload", self.body) if isinstance(self.body, dict) else {}
        return found if isinstance(found, dict) else {}

    @property
    def kind(self) -> str:
        """`end`, `drop` (what `submit` reads), or `other`: nobody could read it, so it stays."""
        return self._kind_and_words()[0]

    @property
    def words(self) -> str:
        """What it is about, for people."""
        return self._kind_and_words()[1]

    def facts(self) -> dict[str, Any]:
        return {"queue": self.queue, "kind": self.kind, "what": self.words}

    def _kind_and_words(self) -> tuple[str, str]:
        try:
            if self.event.get("detail-type") == _ENDED:
                return "end", _end_words(self.event)
            return "drop", _drop_words(self.event)
        except (AttributeError, KeyError, TypeError, ValueError):
            return "other", _other_words(self.body)


def _end_words(event: Mapping[str, Any]) -> str:
    """Raises what reading the event raises."""
    job = FinalizeEvent.of(event).job_id
    image = json.loads(event["detail"]["input"]).get("image", "")
    return f"the end of job {job} ({image}) was not handled"


def _drop_words(event: Mapping[str, Any]) -> str:
    """Raises what reading the event raises."""
    if "digest" in event:
        return f"the digest {DigestEvent.of(event).digest} was not sent"
    if "batch" in event:
        return f"the batch {BatchEvent.of(event).batch} was not looked at"
    return f"the drop {DropEvent.of(event).key} was not handled"


def _other_words(body: Any) -> str:
    if body == {}:
        return "the Scheduler could not call the sweep: nothing to do if later ones ran"
    if "SweepFunction" in _failed_function(body):
        return "a sweep failed: nothing to do if later ones succeed"
    return f"unknown: {json.dumps(body)[:120]}"


def _failed_function(body: Any) -> str:
    """The ARN that Lambda puts beside the event of a function that failed."""
    context = body.get("requestContext") if isinstance(body, dict) else None
    return str(context.get("functionArn", "")) if isinstance(context, dict) else ""


def replay(
    context: typer.Context,
    *,
    show: Annotated[bool, typer.Option("--show", help="Only show what is in the queues.")] = False,
) -> None:
    """Show what is in the dead-letter queues, and send it again. Nothing is ordered twice.

    Example: dropreel replay --show
    """
    desk = desk_of(context)
    with _taken(desk) as letters:
        if show or not letters:
            facts = [one.facts() for one in letters]
            desk.show({"messages": facts}, lambda: _letters_view(letters))
            return
        desk.say(f"{many(len(letters), 'message')} in the dead-letter queues:")
        for one in letters:
            desk.say(f"  {plain(one.words).plain}")
        desk.ask("Send them again? A drop that was handled before starts nothing.")
        results = list(_sent(desk, letters))
    kept = sum(not one["sent"] for one in results)
    sent = f"{len(results) - kept} sent again, {kept} kept"
    said = f"{sent}: {_RUNBOOK}." if kept else f"{sent}."
    desk.show({"messages": results}, lambda: plain(said))
    if kept:
        raise typer.Exit(Exit.NOT_MADE)


@contextmanager
def _taken(desk: Desk) -> Iterator[list[DeadLetter]]:
    """All messages. Whatever happens, those still in the list at the end can be seen again."""
    letters: list[DeadLetter] = []
    try:
        letters.extend(_letters(desk))
        yield letters
    finally:
        _back(desk, letters)


def _letters(desk: Desk) -> Iterator[DeadLetter]:
    sqs = desk.stack.client("sqs")
    for queue, output in _QUEUES.items():
        url, seen = desk.stack.outputs[output], 0
        while seen < _MOST:
            got = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=_HIDDEN_S,
                WaitTimeSeconds=_LOOK_S,
            ).get("Messages", [])
            for message in got:
                yield DeadLetter(queue, message["ReceiptHandle"], _read(message["Body"]))
            seen += len(got)
            if not got:
                break


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"text": text}


def _sent(desk: Desk, letters: list[DeadLetter]) -> Iterator[Facts]:
    """Send each; what was sent leaves the list."""
    for one in [*letters]:
        error = ""
        try:
            sent = _send(desk, one)
        except DropreelError as refused:  # of this one; the others can still be sent
            sent, error = False, str(refused)
            desk.say(f"  kept: {plain(error).plain}")
        if sent:
            letters.remove(one)
        yield {**one.facts(), "sent": sent, **({"error": error} if error else {})}


def _send(desk: Desk, letter: DeadLetter) -> bool:
    """Hand the event to whom it was for; only then it leaves the queue."""
    sqs = desk.stack.client("sqs")
    if letter.kind == "other":
        return False
    if letter.kind == "end":
        desk.container.step(Finalize).handle(FinalizeEvent.of(letter.event))
    else:
        target = desk.stack.outputs["IngestQueueUrl"]
        sqs.send_message(QueueUrl=target, MessageBody=json.dumps(letter.event))
    url = desk.stack.outputs[_QUEUES[letter.queue]]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=letter.receipt)
    return True


def _back(desk: Desk, letters: list[DeadLetter]) -> None:
    """Let others see these messages again."""
    sqs = desk.stack.client("sqs")
    for one in letters:
        with suppress(ClientError):  # seen again already: the question took longer than _HIDDEN_S
            sqs.change_message_visibility(
                QueueUrl=desk.stack.outputs[_QUEUES[one.queue]],
                ReceiptHandle=one.receipt,
                VisibilityTimeout=0,
            )


def _letters_view(letters: list[DeadLetter]) -> Any:
    if not letters:
        return plain("The dead-letter queues are empty.")
    shown = table("", "queue", "what")
    for one in letters:
        shown.add_row(one.queue, plain(one.words))
    return shown


# --- sync ----------------------------------------------------------------------------------------


def sync(
    context: typer.Context,
    folder: Annotated[str, typer.Option(help="Only files below this folder.")] = "",
    orders: Annotated[
        str, typer.Option(help="Also show orders that no job has, since 12h, 3d or a date.")
    ] = "",
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Process the drops that were missed.")] = False,
) -> None:
    """Compare the inbox with the ledger, and the ledger's unknown payments with the providers.

    Examples: dropreel sync --fix
              dropreel sync --orders 2d
    """
    desk = desk_of(context)
    unseen, unknown = list(_unseen(desk, prefix_of(folder))), list(_unknown(desk))
    foreign = foreign_orders(desk, moment(orders, desk.now)) if orders else []
    if fix and unseen:
        drops = many(len(unseen), "missed drop")
        desk.ask(f"Process {drops}? Each may become a clip, and be paid.")
        _look_again(desk, unseen)
    facts = {
        "never_seen": unseen,
        "unknown_payments": unknown,
        "foreign_orders": foreign,
        "looked_again": fix,
    }
    desk.show(facts, lambda: _sync_view(unseen, unknown, foreign, fixed=fix))
    if unseen or unknown or any(one["orders"] != [] for one in foreign):
        raise typer.Exit(Exit.NOT_MADE)


def _unseen(desk: Desk, prefix: str) -> Iterator[str]:
    """Files that nobody has decided on, by the same comparison as that of the sweep.

    Younger ones are left out: their event, or their partner, may be under way.
    """
    missed = _missed_drops(desk)
    until = missed.now() - YOUNGEST
    for page in _pages(missed.inbox):
        keys = [drop.key for drop in page]
        for drop in page:
            is_meant = drop.key.startswith(prefix) and drop.dropped_at <= until
            if is_meant and not missed.was_seen(drop, keys):
                yield drop.key


def _missed_drops(desk: Desk) -> MissedDrops:
    container, outputs = desk.container, desk.stack.outputs
    return MissedDrops(
        inbox=Inbox(container.client("s3"), outputs["InboxBucketName"]),
        table=container.table,
        newest=NewestDrops(container.table),
        queue=container.client("sqs"),
        queue_url=outputs["IngestQueueUrl"],
        now=container.now,
    )


def _pages(inbox: Inbox) -> Iterator[list[Drop]]:
    after = ""
    while page := inbox.page(after):
        yield page
        after = page[-1].key


def _unknown(desk: Desk) -> Iterator[dict[str, Any]]:
    """Jobs whose payment is unknown, with the orders that the provider's list shows for them."""
    ledger = desk.container.ledger
    for job_id in ledger.unsettled(_MOST):
        job = ledger.get(job_id)
        if job and job.state is State.UNKNOWN:
            provider = desk.container.provider(job.provider)
            orders = find_lost_orders(job, provider, desk.container.clips)
            yield {
                "job_id": job.job_id,
                "image": job.source.key,
                "provider": job.provider,
                "orders": orders,
            }


def _look_again(desk: Desk, keys: list[str]) -> None:
    sqs, url = desk.stack.client("sqs"), desk.stack.outputs["IngestQueueUrl"]
    for key in keys:
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(DropEvent(key).recheck()))


def _sync_view(
    unseen: list[str], unknown: list[Facts], foreign: list[Facts], *, fixed: bool
) -> Group:
    lines = [plain(f"missed drop: {key}") for key in unseen]
    for one in unknown:
        orders = one["orders"]
        found = "its list cannot tell" if orders is None else ", ".join(orders) or "none listed"
        lines.append(
            plain(
                f"payment unknown: {one['job_id'][:8]} {one['image']} at {one['provider']}: {found}"
            )
        )
    for one in foreign:
        names = "could not be read" if one["orders"] is None else ", ".join(one["orders"])
        lines += [plain(f"orders at {one['provider']} that no job has: {names}")] if names else []
    if unseen:
        next_step = "They are processed now." if fixed else "`dropreel sync --fix` processes them."
        lines.append(plain(next_step))
    if unknown:
        lines.append(plain("`dropreel resume JOB --order ID` settles a payment."))
    return Group(*(lines or [plain("Inbox, ledger and providers agree.")]))
