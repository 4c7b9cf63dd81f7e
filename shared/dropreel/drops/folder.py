"""What the files around an image say of it, from the far ones to the near ones.

`defaults.json` of every folder above it, its own metadata, its row in the batch of its folder, its
`.txt` and its `.json`. The nearest wins, field by field. Reads are bounded in number and size.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime

from dropreel.drops.batch import MAX_BATCH_BYTES, Batch, BatchRow, read_batch
from dropreel.drops.fields import MAX_SIDECAR_BYTES, Fields, Merged, json_fields, text_fields
from dropreel.drops.inbox import Drop, Inbox
from dropreel.drops.metadata import metadata_fields
from dropreel.drops.pairing import (
    BATCHES,
    DEFAULTS,
    PROMPT_ENDING,
    file_of,
    sidecars_of,
)
from dropreel.drops.settling import Pair
from dropreel.drops.takes import problems_in
from dropreel.errors import Problem
from dropreel.jobs.job import utc_iso
from dropreel.jobs.naming import folder_of, split_ending

MAX_FOLDERS = 16  # above an image, whose defaults count

NO_SIDECAR = Problem(
    "sidecar",
    "none beside this image",
    'a text file with the image\'s name and the ending .json, such as {"prompt": "slow push-in"}',
    "Drop it into the same folder.",
    text="What should happen in it? Write it into a plain text file with the image's name and the "
    "ending .txt, such as: slow push-in, soft light.",
)


@dataclass(frozen=True, slots=True)
class BatchFile:
    """A batch as it lies in the inbox. `name` is that of this version of it."""

    file: Drop
    batch: Batch
    name: str


@dataclass(frozen=True, slots=True)
class Found:
    """An image with all that is said of it. `defaults` are those that cannot be used."""

    pair: Pair
    defaults: tuple[Fields, ...] = ()
    batch: BatchFile | None = None
    row: BatchRow | None = None

    @property
    def dropped_at(self) -> datetime:
        """When the image or a file beside it was dropped last."""
        beside = (file.dropped_at for file in self.pair.sidecars if not file.is_row)
        return max((self.pair.image.dropped_at, *beside))

    @property
    def missing(self) -> tuple[Problem, ...]:
        """What the image has to wait for; empty if it has all that a clip needs."""
        wrong = tuple(
            problem if problem.text else problem.within(f"{DEFAULTS},")  # texts name the file
            for one in self.defaults
            for problem in one.problems
        )
        said = self.pair.said
        has_prompt = "prompt" in said.values or "takes" in said.values
        silent = not (self.pair.sidecars or has_prompt or said.problems)
        return wrong or ((NO_SIDECAR,) if silent else ())


def look_around(inbox: Inbox, image: Drop) -> Found:
    """All that is said of `image` now."""
    defaults = defaults_of(inbox, image.key)
    batch, row = _row_of(inbox, image.key, defaults)
    files = [inbox.head(key) for key in sidecars_of(image.key, inbox.partners(image.key))]
    beside = [file for file in files if file]
    rows = [_as_file(batch, row)] if batch and row else []
    said = [
        *defaults,
        metadata_fields(image.key, image.metadata),
        *([_said(row)] if row else []),
        *(_read(inbox, file) for file in reversed(beside)),
    ]
    pair = Pair(image, (*beside, *rows), Merged.of(said), batch.name if batch and row else "")
    return Found(pair, tuple(one for one in defaults if one.problems), batch, row)


def defaults_of(inbox: Inbox, key: str) -> list[Fields]:
    """The defaults of the folders that `key` lies in, the top one's first."""
    parts = folder_of(key).split("/")[:-1]
    folders = ["".join(f"{part}/" for part in parts[:depth]) for depth in range(len(parts) + 1)]
    read = (read_defaults(inbox, folder + DEFAULTS) for folder in folders[-MAX_FOLDERS:])
    return [one for one in read if one]


def read_defaults(inbox: Inbox, key: str) -> Fields | None:
    found = inbox.read(key, MAX_SIDECAR_BYTES)
    if not found:
        return None
    said = json_fields(key, found[1], role=DEFAULTS)
    return said if said.problems else replace(said, problems=problems_in(said))


def read_batch_file(inbox: Inbox, key: str, defaults: list[Fields]) -> BatchFile | None:
    found = inbox.read(key, MAX_BATCH_BYTES)
    if not found:
        return None
    file, data = found
    facts = json.dumps([inbox.bucket, key, file.etag, utc_iso(file.dropped_at)])
    name = hashlib.sha256(facts.encode()).hexdigest()[:24]
    return BatchFile(file, read_batch(key, data, defaults), name)


def _row_of(
    inbox: Inbox, image_key: str, defaults: list[Fields]
) -> tuple[BatchFile | None, BatchRow | None]:
    for name in BATCHES:
        found = read_batch_file(inbox, folder_of(image_key) + name, defaults)
        row = found.batch.row_of(image_key) if found else None
        if row:
            return found, row
    return None, None


def _said(row: BatchRow) -> Fields:
    """What a row says, or only what is wrong with it and where."""
    wrong = tuple(one.within(f"{file_of(row.said.origin)},") for one in row.problems)
    return Fields(row.said.origin, problems=wrong) if wrong else row.said


def _as_file(batch: BatchFile, row: BatchRow) -> Drop:
    """A row is as old as its file, and another one only if its fields have changed."""
    file = batch.file
    return Drop(file.key, row.version, file.size, file.dropped_at, is_row=True)


def _read(inbox: Inbox, sidecar: Drop) -> Fields:
    data = inbox.read_sidecar(sidecar)
    is_prompt = split_ending(sidecar.key)[1] == PROMPT_ENDING
    return text_fields(sidecar.key, data) if is_prompt else json_fields(sidecar.key, data)
