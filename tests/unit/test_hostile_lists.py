"""Batches and metadata of any kind are read or refused, within bounds."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from dropreel.drops.batch import MAX_ROWS, read_batch
from dropreel.drops.metadata import metadata_fields
from dropreel.errors import Problem
from dropreel.mail.message import Links
from dropreel.mail.rejected import drop_rejected
from tests.support.fuzz import fuzzed

CELLS = st.sampled_from(
    [
        *("image", "prompt", "take", "photo.jpg", "photo.png", "a/b.jpg", "slow push-in", "1"),
        *(",", ";", "\t", "\n", "\r\n", '"', '""', "sep=;\n", "\x00", "\ufeff", "\u2028", "\ud7ff"),
        *('{"image": "a.jpg"}', '{"image": "a.jpg", "prompt": ["x", "y"]}', "[" * 300, "1" * 5000),
        *('{"take": NaN}', '"\\ud800"', "=1+1", "=?utf-8?q?=00?=", "=?x?b?!?="),
    ]
)
TEXTS = st.lists(CELLS, max_size=12).map("".join)


def mailable(problems: Sequence[Problem]) -> bool:
    mail = drop_rejected("a/batch.csv", problems, "clips/a/x.json", Links("r", "clips"))
    return len(mail.text.encode()) + len(json.dumps(mail.document).encode()) < 200_000


@fuzzed(200)
@given(st.sampled_from(["a/batch.csv", "a/batch.jsonl"]), TEXTS.map(str.encode) | st.binary())
@example("a/batch.csv", b"image,prompt\n" + b"a.jpg,x\n" * (MAX_ROWS + 1))
@example("a/batch.csv", b'image,prompt\na.jpg,"' + b"a" * 200_000 + b'"\n')
@example("a/batch.csv", b"image," + b",".join(b"c%d" % n for n in range(20_000)) + b"\na.jpg\n")
@example("a/batch.jsonl", b'{"image": "a.jpg", "take": ' + b"1" * 60_000 + b"}")
@example("a/batch.jsonl", b"[" * 60_000)
def test_any_batch_has_rows_or_problems(key: str, data: bytes) -> None:
    batch = read_batch(key, data, [])
    assert bool(batch.rows) != bool(batch.problems)
    assert mailable([*batch.problems, *(one for row in batch.rows for one in row.numbered)])
    assert all(row.version for row in batch.rows)


@fuzzed(200)
@given(st.dictionaries(CELLS | st.text(max_size=30), TEXTS | st.text(max_size=60), max_size=8))
def test_any_metadata_says_fields_or_problems(metadata: dict[str, str]) -> None:
    said = metadata_fields("a/photo.jpg", metadata)
    assert mailable(said.problems)
