"""The measured runtimes in the ledger.

Item: RUNTIMES#<provider>#<resolution>#<duration> with `bin_<number>`, the jobs whose runtime lies
in that bin (parts of jobs, and aged), and `jobs`, all that were ever counted.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

from boto3.dynamodb.conditions import Attr

from dropreel.errors import ConditionFailedError
from dropreel.ledger.table import Item, Table, Update
from dropreel.waiting.runtimes import JobKind, Runtimes, aged, shares

_BIN = "bin_"


class MeasuredRuntimes:
    """What is known of how long jobs take."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def of(self, kind: JobKind) -> Runtimes:
        return Runtimes(kind, _counts(self._table.get(_key(kind)) or {}))

    def note(self, kind: JobKind, after_s: float, until_s: float) -> None:
        """Count one job that ended between two times. Not idempotent: call it once per job."""
        parts = {f"{_BIN}{n}": Decimal(str(part)) for n, part in shares(after_s, until_s).items()}
        item = self._table.update(Update(_key(kind), adds={**parts, "jobs": 1}))
        # A plain ADD counts concurrent ends without a conflict; aging is rare, so it may conflict.
        if halves := aged(_counts(item)):
            self._age(kind, item["jobs"], halves)

    def _age(self, kind: JobKind, jobs: int, halves: dict[int, float]) -> None:
        """Nobody may have counted a job meanwhile, which would be lost; the next one ages then."""
        update = Update(
            _key(kind),
            sets={f"{_BIN}{number}": half for number, half in halves.items()},
            condition=Attr("jobs").eq(jobs),
        )
        with suppress(ConditionFailedError):
            self._table.update(update)


def _counts(item: Item) -> dict[int, float]:
    return {
        int(name.removeprefix(_BIN)): count for name, count in item.items() if name.startswith(_BIN)
    }


def _key(kind: JobKind) -> str:
    return f"RUNTIMES#{kind.provider}#{kind.resolution}#{kind.duration}"
