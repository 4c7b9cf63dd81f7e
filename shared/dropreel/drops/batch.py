"""A batch: one file with a row for each image of its folder, `batch.csv` or `batch.jsonl`.

A row is a sidecar: the column `image` names its image, every other column is a field. CSV is read
as RFC 4180 has it, and as European spreadsheets write it, with semicolons.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dropreel.drops.fields import (
    Fields,
    Merged,
    decoded,
    json_fields,
    named,
    shown,
)
from dropreel.drops.pairing import is_image
from dropreel.drops.sidecar import unknown_names
from dropreel.drops.takes import takes_of
from dropreel.errors import Problem, RejectedError, UnreadableError
from dropreel.jobs.naming import folder_of

MAX_BATCH_BYTES = 1024 * 1024
MAX_ROWS = 500  # which one run of `submit` handles, and one mail tells of
_IMAGE = "image"
_DELIMITERS = (",", ";", "\t")
_NAME = "the name of an image in the folder of this file, such as photo.jpg"
_TOO_MANY = Problem(
    "row",
    "more cells than the table has columns",
    "one cell for each column",
    "A text with commas in it needs quotation marks around it.",
)


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One row. `number` is the one that a spreadsheet shows; `image` is the image's key, empty if
    the row names none."""

    number: int
    image: str
    said: Fields

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self.said.problems

    @property
    def numbered(self) -> tuple[Problem, ...]:
        """Its problems, each with the row's number."""
        return tuple(one.within(f"row {self.number},") for one in self.problems)

    @property
    def version(self) -> str:
        """The same for the same fields, in whatever place of whatever version of the file."""
        text = json.dumps(self.said.values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch file says. `problems` are those of the file as a whole: then it has no rows."""

    rows: tuple[BatchRow, ...] = ()
    problems: tuple[Problem, ...] = ()

    def row_of(self, image_key: str) -> BatchRow | None:
        return next((row for row in self.rows if row.image == image_key), None)


def read_batch(key: str, data: bytes, defaults: Sequence[Fields]) -> Batch:
    """All rows of the file `key`, each checked with the `defaults` of its folder below it."""
    read = _csv_rows if key.endswith(".csv") else _json_rows
    try:
        rows = list(read(key, decoded(data, MAX_BATCH_BYTES)))
    except UnreadableError as error:
        return Batch(problems=(error.problem("batch"),))
    except csv.Error:
        found = "a table whose quotation marks do not match"
        return Batch(problems=(Problem("batch", found, "CSV as spreadsheets save it"),))
    if not rows or len(rows) > MAX_ROWS:
        return Batch(problems=(Problem("batch", f"{len(rows):,} rows", f"1 to {MAX_ROWS:,} rows"),))
    times = Counter(row.image for row in rows)
    return Batch(tuple(_checked(row, times[row.image], defaults) for row in rows))


def _checked(row: BatchRow, times: int, defaults: Sequence[Fields]) -> BatchRow:
    problems = row.problems
    if not problems:
        try:
            takes_of(Merged.of([*defaults, row.said]))
        except RejectedError as error:
            problems = error.problems
    if row.image and times > 1:
        problems += (Problem(_IMAGE, f"{row.image} in {times} rows", "one row for each image"),)
    return replace(row, said=replace(row.said, problems=problems))


def _csv_rows(key: str, text: str) -> Iterator[BatchRow]:
    lines = list(csv.reader(io.StringIO(_without_hint(text), newline=""), _dialect(text)))
    names = _columns(lines[0]) if lines else []
    for number, cells in enumerate(lines[1:], 2):
        if any(cell.strip() for cell in cells):
            said = Fields(f"{key}, row {number}", _by_name(names, cells))
            problems = [_TOO_MANY] if any(cells[len(names) :]) else []
            yield _row(key, number, said, problems)


def _columns(header: Sequence[str]) -> list[str]:
    width = max((number for number, name in enumerate(header, 1) if name.strip()), default=0)
    names = list(named((name, "") for name in header[:width]))
    unknown = unknown_names(name for name in names if name != _IMAGE)
    if unknown or _IMAGE not in names:
        found = f"the columns {shown(', '.join(names))}"
        raise UnreadableError(found, "the column image, and fields of a sidecar")
    return names


def _by_name(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """An empty cell says nothing."""
    return {name: cell for name, cell in zip(names, cells, strict=False) if cell.strip()}


def _without_hint(text: str) -> str:
    """Excel's first line `sep=;` is none of the table."""
    first, _, rest = text.partition("\n")
    return rest if first.strip().lower() in {f"sep={one}" for one in _DELIMITERS} else text


def _dialect(text: str) -> type[csv.Dialect]:
    """The delimiter is the one that the line with the names has most of."""
    header = _without_hint(text).partition("\n")[0]

    class Written(csv.excel):
        delimiter = max(_DELIMITERS, key=header.count)
        strict = True

    return Written


def _json_rows(key: str, text: str) -> Iterator[BatchRow]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            said = json_fields(f"{key}, row {number}", line.encode(), role="row")
            yield _row(key, number, said, [])


def _row(key: str, number: int, said: Fields, problems: Sequence[Problem]) -> BatchRow:
    given = said.values.get(_IMAGE)
    name = given.strip() if isinstance(given, str) else ""
    is_name = "/" not in name and is_image(name)
    found = [*said.problems, *problems]
    if not said.problems and not is_name:
        found.append(Problem(_IMAGE, shown(given) if given else "nothing", _NAME))
    values = {field: value for field, value in said.values.items() if field != _IMAGE}
    image = folder_of(key) + name if is_name else ""
    return BatchRow(number, image, Fields(said.origin, values, tuple(found)))
