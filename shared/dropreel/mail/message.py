"""What a mail is: plain text for a phone, a JSON document for machines, attributes for filters.

`results`, `operators` and `digest_text` hold the texts and call no AWS service; `publisher` sends
what they return.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from dropreel.jobs.job import Job, State
from dropreel.jobs.naming import stem

MAX_SUBJECT = 99  # SNS: fewer than 100 characters
# SNS takes 256 KiB with both bodies and all attributes: what others wrote is cut long before.
_MAX_REASON = 600
_MAX_PROMPT = 400

# What the value of an attribute may not hold: the characters that XML does not know.
_ILLEGAL = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class DigestEntry:
    """One result as a digest lists it, under its `mail_id`. `text` is empty for a clip.

    `cost_usd` is the price, `real` where the provider has named it; None where nothing was paid
    or nobody knows a price.
    """

    mail_id: str
    file: str
    outcome: str
    text: str = ""
    cost_usd: Decimal | None = None
    real: bool = False


@dataclass(frozen=True, slots=True)
class Mail:
    """One message. `document` is the JSON body that every protocol but e-mail gets.

    Subscriptions filter by the `attributes`, each a text or a list of texts.
    `entry` is set where many such mails may become one digest, `batch` where the mail about that
    batch tells the same.
    """

    subject: str
    text: str
    document: Mapping[str, Any]
    attributes: Mapping[str, str | Sequence[str]]
    entry: DigestEntry | None = None
    batch: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    """Where things lie: for `s3://` names and console links.

    `page` opens the clip without a login, for `page_days`; empty where there are no pages.
    """

    region: str
    clips_bucket: str
    execution_arn: str = ""
    page: str = ""
    page_days: int = 0

    def on_page(self, what: str) -> str:
        """`what` can be done on the page, and for how long."""
        days = "1 day" if self.page_days == 1 else f"{self.page_days} days"
        return f"{what} here, for {days}, without signing in:\n{self.page}"

    def uri(self, key: str) -> str:
        return f"s3://{self.clips_bucket}/{key}"

    def object_link(self, key: str) -> str:
        address = f"{self.clips_bucket}?region={self.region}&prefix={quote(key, safe='')}"
        return f"{self._console}/s3/object/{address}"

    def folder_link(self, prefix: str) -> str:
        address = f"{self.clips_bucket}?region={self.region}&prefix={quote(prefix, safe='')}"
        return f"{self._console}/s3/buckets/{address}"

    def resume_command(self, job_id: str, word: str) -> str:
        """The command with which an operator resumes a job; the console takes its JSON as well."""
        machine = self.execution_arn.replace(":execution:", ":stateMachine:").rpartition(":")[0]
        given = f'{{"job_id": "{job_id}", "resume": {word}}}'
        return (
            f"aws stepfunctions start-execution --region {self.region} \\\n"
            f"  --state-machine-arn {machine} \\\n"
            f"  --input '{given}'"
        )

    def execution_link(self) -> str:
        arn = quote(self.execution_arn, safe=":")
        return f"{self._console}/states/home?region={self.region}#/v2/executions/details/{arn}"

    @property
    def _console(self) -> str:
        if self.region.startswith("cn-"):
            return f"https://{self.region}.console.amazonaws.cn"
        if self.region.startswith("us-gov-"):
            return "https://console.amazonaws-us-gov.com"
        return f"https://{self.region}.console.aws.amazon.com"


def compose(
    subject: str,
    parts: Sequence[str],
    document: Mapping[str, Any],
    attributes: Mapping[str, str | Sequence[str]],
    entry: DigestEntry | None = None,
) -> Mail:
    """A mail of these paragraphs; the document holds subject and text as well."""
    text = "\n\n".join(parts) + "\n"
    legal = legal_subject(subject)
    return Mail(legal, text, {**document, "subject": legal, "text": text}, attributes, entry)


def compose_about(
    job: Job,
    subject: str,
    parts: Sequence[str],
    links: Links,
    facts: Mapping[str, Any],
    entry: DigestEntry | None = None,
) -> Mail:
    """A mail about a job, with everything that machines may want to know of it."""
    document = {
        "outcome": job.state.value,
        "job_id": job.job_id,
        "image": job.source.key,
        "provider": job.provider,
        "provider_job_id": job.provider_job_id,
        "settings": settings_of(job),
        "clip": links.uri(job.clip_key) if job.state is State.DELIVERED else None,
        "record": links.uri(job.record_key),
        "execution": links.execution_arn,
        "estimate_usd": str(job.estimate_usd) if job.estimate_usd is not None else None,
        "cost_usd": str(job.cost_usd) if job.cost_usd is not None else None,
        "failure": _short_failure(job),
        **({"labels": list(job.labels)} if job.labels else {}),
        **facts,
    }
    attributes: dict[str, str | Sequence[str]] = {
        "outcome": job.state.value,
        "provider": job.provider,
        "folder": folder_attribute(job.source.key),
        **({"labels": job.labels} if job.labels else {}),
    }
    return replace(compose(subject, parts, document, attributes, entry), batch=job.batch)


def settings_of(job: Job) -> dict[str, Any]:
    """The settings of a clip as documents hold them."""
    names = ("aspect_ratio", "resolution", "duration", "loop", "take")
    return {name: getattr(job.settings, name) for name in names}


def _short_failure(job: Job) -> dict[str, Any] | None:
    return {**job.failure.facts(), "message": reason_of(job)} if job.failure else None


def legal_subject(text: str) -> str:
    """Printable ASCII, no leading blank, at most 99 characters: what SNS never refuses.

    A long file name is cut in its middle, so that the outcome behind it stays readable.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "replace").decode()
    plain = re.sub(r"\?+", "?", re.sub(r"[^ -~]", " ", plain))
    plain = " ".join(plain.split()) or "dropreel"
    if len(plain) <= MAX_SUBJECT:
        return plain
    name, colon, outcome = plain.rpartition(": ")
    room = max(10, MAX_SUBJECT - len(colon + outcome) - 3)
    return f"{name[: room // 2]}...{name[-(room - room // 2) :]}{colon}{outcome}"[:MAX_SUBJECT]


def folder_attribute(key: str) -> str:
    """The folder of a file with its last slash, `/` for the bucket's top, as an attribute."""
    folder = key.rpartition("/")[0]
    return _ILLEGAL.sub("?", f"{folder}/")


def rows(given: Mapping[str, str]) -> str:
    return "\n".join(f"{label}: {one_line(value)}" for label, value in given.items())


def sidecar_name(job: Job) -> str:
    """The JSON file beside the image in which another clip can be asked for."""
    nearest = f"{job.source.key}.json"
    in_use = nearest in job.origins.values()
    return file_name(nearest if in_use else f"{stem(job.source.key)}.json")


def file_name(key: str) -> str:
    """The file's own name, on one line whatever the key holds."""
    return one_line(key.rstrip("/").rpartition("/")[2] or key)


def one_line(text: str) -> str:
    """Nothing in it breaks the line, moves the cursor or turns the writing round."""
    return "".join(char if _harmless(char) else "?" for char in text)


def _harmless(char: str) -> bool:
    # All kinds of blanks stay: macOS puts narrow ones into the names of screenshots.
    return char.isprintable() or unicodedata.category(char) == "Zs"


def shortened(text: str, most: int) -> str:
    """One line of at most `most` characters, blanks for what separates words."""
    entry = one_line(" ".join(text.split()))
    return entry if len(entry) <= most else f"{entry[: most - 4]} ..."


def reason_of(job: Job) -> str:
    return shortened(job.failure.message, _MAX_REASON) if job.failure else ""


def prompt_of(job: Job) -> str:
    return shortened(job.settings.prompt, _MAX_PROMPT)


def shape_of(job: Job) -> str:
    """The settings in a few words: `5s, 540p, 16:9, loop, take 2`."""
    settings = job.settings
    loop = ", loop" if settings.loop else ""
    take = f", take {settings.take}" if settings.take > 1 else ""
    return f"{settings.duration}, {settings.resolution}, {settings.aspect_ratio}{loop}{take}"


def about_usd(amount: Decimal | None) -> str:
    return f"about ${amount:.2f}" if amount is not None else "at an unknown price"


_MONEY_SURE = {
    State.UNKNOWN: "It may or may not have been paid ({usd}).",
    State.STALLED: "It was ordered and may be charged ({usd}).",
}
_MONEY_ENDED = {
    False: "Nothing was paid: {provider} does not charge for it.",
    None: "{provider} may charge for it ({usd}) and does not say whether it does.",
    True: "{provider} charges for it ({usd}).",
}


def money(job: Job) -> str:
    """Whether a job that has ended without a clip has cost anything, as far as is known."""
    never_ordered = job.state is State.CANCELLED and job.is_unbilled and not job.orders
    if job.state is State.REFUSED or never_ordered:
        if job.orders:
            return (
                "Nothing was paid: the clip was ordered, but the order failed and is not charged."
            )
        return "Nothing was paid: no clip was ordered."
    words = _MONEY_SURE.get(job.state) or _MONEY_ENDED[job.failure.billed if job.failure else None]
    price = f"${job.cost_usd:.2f}" if job.cost_usd is not None else about_usd(job.estimate_usd)
    return words.format(provider=job.provider, usd=price)
