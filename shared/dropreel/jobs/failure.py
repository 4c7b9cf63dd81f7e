"""Why a job has no clip: one closed list of kinds, and one row of words and rules per kind.

Mails, the dashboard, the runbook's sections, the circuit breaker and failover all read `ROWS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self


class FailureKind(StrEnum):
    # What a provider's answer, or its absence, means:
    BAD_INPUT = "bad_input"  # the image or a parameter; the same request fails again
    MODERATED = "moderated"  # refused by a content filter
    NO_KEY = "no_key"  # none is entered, or none that can be read; nothing was sent
    AUTH = "auth"  # key wrong, revoked or without access
    NO_MODEL = "no_model"  # the provider does not know the model that is ordered
    NO_CREDIT = "no_credit"  # the account cannot pay
    THROTTLED = "throttled"  # too many requests or jobs at once
    TRANSIENT = "transient"  # a fault on the provider's side that may pass
    CANCELLED = "cancelled"
    UNREACHABLE = "unreachable"  # no connection, so the provider never saw the request
    UNEXPECTED = "unexpected"  # an answer that the contract does not know
    # What dropreel itself finds:
    OVER_CAP = "over_cap"
    UNKNOWN_PRICE = "unknown_price"
    PAID_CALLS_OFF = "paid_calls_off"
    REPLACED = "replaced"  # by a newer drop of the same image, before it was ordered
    LOST_ANSWER = "lost_answer"  # the order's answer: a clip may or may not be made and paid
    NOTHING_MADE = "nothing_made"  # an operator found that a lost order was never taken
    DEADLINE = "deadline"
    DOWNLOAD = "download"
    NOT_A_CLIP = "not_a_clip"
    UNSAFE_RESULT = "unsafe_result"
    ACCIDENT = "accident"  # a step of the workflow broke


_KINDS = frozenset(kind.value for kind in FailureKind)


@dataclass(frozen=True, slots=True)
class FailureRow:
    """What one kind means, for all who read it.

    `label` is for lists. `what` and `next` are for the people who dropped the files, `operator`
    for the operator (empty: the operator is not asked) with the `runbook` section that says more.
    In `next`, `{again}` is how the same clip is ordered once more; `next_if_ordered` takes its
    place while an order is under way. `billed` False: no money has moved; None: it may have, unless
    the provider says otherwise. `cured_elsewhere`: another provider may succeed, because the
    failure says nothing of image and prompt. `outage`: it would meet every job of this provider.
    `reason_helps`: the message is in words that people who dropped files can use. `subject` is that
    of the mail about a refused job (empty: that of all refused jobs).
    """

    label: str
    what: str
    next: str
    operator: str = ""
    runbook: str = ""
    next_if_ordered: str = ""
    billed: bool | None = None
    cured_elsewhere: bool = False
    outage: bool = False
    reason_helps: bool = False
    subject: str = ""


_LATER = "Wait a few minutes, then {again}."
ROWS: Mapping[FailureKind, FailureRow] = {
    FailureKind.BAD_INPUT: FailureRow(
        "image or setting not accepted",
        "{provider} did not accept the image or a setting.",
        "Correct what the reason names, then drop the corrected file.",
        reason_helps=True,
    ),
    FailureKind.MODERATED: FailureRow(
        "refused by a content filter",
        "The content filter of {provider} refused the image or the prompt.",
        "Change the prompt or the image, then drop the changed file.",
        reason_helps=True,
    ),
    FailureKind.NO_KEY: FailureRow(
        "no API key",
        "{provider} is not set up here yet. Your operator has been told.",
        "When your operator has set it up, {again}.",
        "Enter this provider's key: the stack's output ProviderKeysSecretUrl opens the secret with "
        "the keys. New drops use it at once; waiting jobs try again automatically.",
        "A provider does not work",
        billed=False,
        cured_elsewhere=True,
        outage=True,
        subject="not set up yet, nothing paid",
    ),
    FailureKind.AUTH: FailureRow(
        "API key not accepted",
        "{provider} did not accept the API key that is set up here. Your operator has been told.",
        "When your operator has fixed this, {again}.",
        "Check this provider's key in the stack's secret.",
        "A provider does not work",
        cured_elsewhere=True,
        outage=True,
    ),
    FailureKind.NO_MODEL: FailureRow(
        "model not known",
        "{provider} does not know the model that is set up here. Your operator has been told.",
        "When your operator has fixed this, {again}.",
        "Correct this provider's model or endpoint in the parameter ProviderOptions, or remove it "
        "there to use the default. `dropreel doctor` shows what the provider offers.",
        "A provider does not work",
        cured_elsewhere=True,
        outage=True,
    ),
    FailureKind.NO_CREDIT: FailureRow(
        "no credit",
        "The account at {provider} has run out of credit. Your operator has been told.",
        "When your operator has added credit, {again}.",
        "Add credit to the account at this provider.",
        "A provider does not work",
        cured_elsewhere=True,
        outage=True,
    ),
    FailureKind.THROTTLED: FailureRow(
        "provider too busy",
        "{provider} is too busy for more clips at the moment.",
        _LATER,
        cured_elsewhere=True,
    ),
    FailureKind.TRANSIENT: FailureRow(
        "error at the provider",
        "{provider} had a problem on its side.",
        _LATER,
        cured_elsewhere=True,
    ),
    FailureKind.UNREACHABLE: FailureRow(
        "provider not reachable",
        "{provider} could not be reached.",
        _LATER,
        cured_elsewhere=True,
        outage=True,
    ),
    FailureKind.UNEXPECTED: FailureRow(
        "unknown answer",
        "{provider} gave an answer that dropreel does not understand. Your operator has been told.",
        "Once the cause is known, {again}.",
        "Read the reason. If the provider has changed its API, `dropreel doctor` shows what "
        "differs. If there was an order, check at the provider what it has cost.",
        "An unknown answer",
    ),
    FailureKind.CANCELLED: FailureRow(
        "cancelled",
        "The clip was cancelled.",
        "If you still want it, {again}.",
    ),
    FailureKind.NOT_A_CLIP: FailureRow(
        "not a video",
        "What {provider} delivered is not a video, even after many tries.",
        "Show this mail to your operator. For another try, {again}.",
        "Look at the file that is kept in quarantine, and check this job at the provider. It may "
        "have been charged.",
        "A clip is not what was ordered",
    ),
    FailureKind.UNSAFE_RESULT: FailureRow(
        "unsafe address",
        "{provider} has made the clip, but it cannot be downloaded safely yet.",
        "Please wait, and do not upload it again. dropreel tries for three days.",
        "Ask the provider why it returned an address that must not be fetched. The clip can also "
        "be downloaded from the provider's own page.",
        "Stalled jobs",
    ),
    FailureKind.DEADLINE: FailureRow(
        "not finished in time",
        "{provider} is taking much longer than usual.",
        "Please wait, and do not upload it again. If the clip is ready within three days, you will "
        "get it.",
        "Nothing yet. The sweep checks every half hour for three days. If the clip has not arrived "
        "by then, check the job at the provider.",
        "Stalled jobs",
    ),
    FailureKind.DOWNLOAD: FailureRow(
        "clip not downloaded yet",
        "{provider} has made the clip, but it cannot be downloaded yet.",
        "Please wait, and do not upload it again. dropreel tries for three days.",
        "Nothing yet. The sweep tries again every half hour for three days. The clip can also be "
        "downloaded from the provider's own page.",
        "Stalled jobs",
    ),
    FailureKind.LOST_ANSWER: FailureRow(
        "answer lost",
        "The answer from {provider} was lost. Your operator has been told and will check.",
        "Please wait, and do not upload it again: it could be paid twice. You will get a mail when "
        "we know.",
        "First check at the provider whether there is a job with this time and prompt. A second "
        "order could be paid twice.",
        "Payment unknown",
    ),
    FailureKind.NOTHING_MADE: FailureRow(
        "never ordered",
        "Your operator found that the clip was never ordered.",
        "If you still want it, {again}.",
        billed=False,
    ),
    FailureKind.OVER_CAP: FailureRow(
        "over a cap",
        "The clip would exceed a spending limit.",
        "Choose a smaller clip or fewer takes, or ask your operator for a higher limit. "
        "Then {again}.",
        billed=False,
        reason_helps=True,
        subject="over the spending limit, nothing paid",
    ),
    FailureKind.UNKNOWN_PRICE: FailureRow(
        "price unknown",
        "The price of this clip is not known, so it was not ordered.",
        "Choose other settings, or ask your operator to enter the price. Then {again}.",
        billed=False,
    ),
    FailureKind.PAID_CALLS_OFF: FailureRow(
        "paid clips are off",
        "Your operator has switched paid clips off.",
        "Ask your operator to switch them on, then {again}.",
        billed=False,
    ),
    FailureKind.REPLACED: FailureRow(
        "replaced by a newer drop",
        "You dropped newer files before this clip was ordered.",
        "Nothing. The newer files are used.",
        billed=False,
        subject="replaced by newer files, nothing paid",
    ),
    FailureKind.ACCIDENT: FailureRow(
        "error in dropreel",
        "Something went wrong in dropreel.",
        "To try again, {again}. If it happens twice, show this mail to your operator.",
        "Read the execution's history and the functions' logs.",
        "Jobs fail",
        next_if_ordered="Show this mail to your operator. The clip may still come: do not upload "
        "it again.",
    ),
}


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why this job has no clip, as the ledger, the records and the mails' documents hold it.

    `message` is the reason in the provider's words or ours, without secrets. `code` is the
    provider's machine-readable reason. `retryable` says whether a new order may succeed, `billed`
    is None where nobody knows.
    """

    kind: FailureKind
    message: str = ""
    code: str | None = None
    http_status: int | None = None
    retryable: bool = False
    billed: bool | None = None

    @classmethod
    def of(cls, kind: FailureKind, message: str) -> Self:
        """A failure that dropreel itself has found."""
        return cls(kind, message, billed=ROWS[kind].billed)

    @classmethod
    def stored(cls, facts: Mapping[str, Any] | None) -> Self | None:
        """Read back what `facts` wrote; a kind that other versions wrote becomes `unexpected`."""
        if not facts:
            return None
        known = {name: facts[name] for name in cls.__slots__ if name in facts}
        kind = facts.get("kind")
        found = FailureKind(kind) if kind in _KINDS else FailureKind.UNEXPECTED
        return cls(**{**known, "kind": found})

    def facts(self) -> dict[str, Any]:
        """Without what is not known, but for `billed`, whose absence would say less than None."""
        facts = {name: value for name, value in asdict(self).items() if value is not None}
        return {**facts, "kind": self.kind.value, "billed": self.billed}

    @property
    def row(self) -> FailureRow:
        return ROWS[self.kind]
