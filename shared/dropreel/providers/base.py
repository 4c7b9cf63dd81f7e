"""The port every provider implements, and the closed set of what a provider can answer.

Outcomes are data: an adapter never raises for what a provider says or fails to say. Where a wire
protocol differs from the others, its adapter's docstring says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from dropreel.jobs.failure import FailureKind, JobFailure


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong. `message` is the provider's own text, shortened and without secrets.

    `code` is the provider's machine-readable reason where it gives one. `retryable` says
    whether a *new* submit may succeed. `billed` is None where the provider does not say.
    """

    kind: FailureKind
    message: str
    code: str | None = None
    http_status: int | None = None
    retryable: bool = False
    billed: bool | None = None

    def of_job(self) -> JobFailure:
        """The same as the reason why a job has no clip."""
        return JobFailure(
            self.kind, self.message, self.code, self.http_status, self.retryable, self.billed
        )


@dataclass(frozen=True, slots=True)
class ClipRequest:
    """What to make. Values are the model's own: `16:9`, `540p`, `5s`.

    `image_url` must stay fetchable for as long as the provider may queue the job.
    """

    job_id: str
    image_url: str
    prompt: str
    aspect_ratio: str
    resolution: str
    duration: str
    loop: bool = False
    reference_image_urls: tuple[str, ...] = ()


# --- submit ------------------------------------------------------------------------------------


# Where to ask about one order, by what is asked; only a provider that names them reads them.
Addresses = Mapping[str, str]
NO_ADDRESSES: Addresses = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has taken the job: from here on it may cost money.

    `addresses` are those that the answer names for this order.
    """

    provider_job_id: str
    addresses: Addresses = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer proves that nothing was made, and asking the same again will not help.

    With the code IMAGE_NOT_FETCHED one more order with a fresh address of the image may.
    """

    failure: Failure


class Limited(StrEnum):
    """What a provider has enough of, where that is why it takes no order."""

    RATE = "rate"  # orders in a time: it takes none from anybody until that has passed
    JOBS = "jobs"  # jobs under way at once


@dataclass(frozen=True, slots=True)
class Busy:
    """The answer proves that nothing was made; asking again later may help (seconds)."""

    failure: Failure
    retry_after: float | None = None
    limited: Limited | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A job may or may not have been made: never ask again by itself."""

    failure: Failure


IMAGE_NOT_FETCHED = "image_not_fetched"

SubmitOutcome = Accepted | Refused | Busy | Unknown


# --- status ------------------------------------------------------------------------------------


class Phase(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WITHOUT_CLIP = "without clip"  # the job is said to have succeeded, but no address has come
    UNRECOGNISED = "unrecognised"  # a word the contract does not know; never a success


@dataclass(frozen=True, slots=True)
class Pending:
    """Not ended yet. `word` is the provider's own status word."""

    phase: Phase
    word: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The clip can be fetched from `url`, which may be short-lived: ask again for a fresh one.

    `headers` are needed to fetch it and must go to that URL's own host only. `cost_usd` is the
    real price where the provider tells it.
    """

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The job has ended without a clip."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The status could not be read this time; the job is what it was (seconds)."""

    failure: Failure
    retry_after: float | None = None


StatusOutcome = Pending | Ready | Failed | NoAnswer


# --- cancel ------------------------------------------------------------------------------------


class CancelOutcome(StrEnum):
    REQUESTED = "requested"  # best effort everywhere: the job may still finish and be billed
    TOO_LATE = "too_late"
    NOT_FOUND = "not_found"
    NOT_SUPPORTED = "not_supported"
    NO_ANSWER = "no_answer"


# --- access ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Access:
    """What a free call with the key has shown. `accepted` is None where that cannot be told.

    `words` is the provider's reason, or what else it has told, such as the balance. `lacks` is
    what an accepted key may not do. `missing`: there is no key.
    """

    accepted: bool | None
    words: str = ""
    lacks: str = ""
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a model takes, and what its adapter knows of it.

    `fields` holds the allowed values by the name of a field, none where it names none. `sent` are
    the model's names by ours, `known` other fields that are left alone. `retired`: the provider
    says that the model will go.
    """

    fields: Mapping[str, tuple[str, ...]]
    required: frozenset[str]
    sent: Mapping[str, str]
    known: frozenset[str] = frozenset()
    retired: bool = False


class Provider(Protocol):
    """One hosted API. Calls block, make no retries of a submit, and raise for no answer."""

    name: str

    def check_key(self) -> Refused | Busy | None:
        """Why nothing could be sent just now: no usable key, or none that can be read. Sends
        nothing. None: there is a key, which the provider may still refuse."""
        ...

    def submit(self, request: ClipRequest) -> SubmitOutcome:
        """Ask for one clip with exactly one POST (plus one more after a 401 with a new key)."""
        ...

    def status(self, provider_job_id: str, addresses: Addresses = NO_ADDRESSES, /) -> StatusOutcome:
        """Read the job's state; safe to repeat. `Ready` carries a fresh result URL.

        `addresses` are those of `Accepted`, if they are known.
        """
        ...

    def cancel(self, provider_job_id: str, addresses: Addresses = NO_ADDRESSES, /) -> CancelOutcome:
        """Ask the provider to stop the job."""
        ...

    def find_orders(
        self, request: ClipRequest, since: datetime, until: datetime
    ) -> list[str] | None:
        """Look up the ids of jobs made for this request between two times (with a time zone).

        For use after a lost answer; only reads. A job counts when prompt and image are those of
        the request. `[]`: the provider's list shows none *now*, and a young job may be listed
        late, so look more than once. None: there is no list, it could not be read to its end,
        or it holds jobs that it does not describe well enough to be ruled out.
        """
        ...

    def list_orders(self, since: datetime, until: datetime) -> list[str] | None:
        """The ids of all jobs of this account and model between two times, whoever made them.

        Only to be shown to people. None: there is no list, or it could not be read.
        """
        ...

    def access(self) -> Access:
        """Whether the provider accepts the key. Free: reads something, orders nothing."""
        ...

    def inputs(self) -> Inputs | Failure | None:
        """The model's inputs as the provider publishes them; None if it publishes none. Free."""
        ...


class KeySource(Protocol):
    """Where an adapter gets its API key: cached, and read anew when the provider says 401."""

    def key(self, provider: str, *, fresh: bool = False) -> str:
        """Return the key.

        Raises SettingsError when there is none for this provider, KeyUnreadableError when that
        cannot be told just now, and nothing else.
        """
        ...
