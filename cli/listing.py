"""Which jobs `dropreel jobs` lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cli.desk import Desk
from cli.errors import CommandError
from cli.facts import CANCELLABLE, CANCELLING, word
from dropreel.jobs.job import Job, JobSummary, State
from dropreel.providers.catalog import CATALOG

_STATES = tuple(dict.fromkeys((*State, *(state.label for state in State), CANCELLING)))


@dataclass(frozen=True, slots=True)
class Selection:
    """Jobs of these states (as stored, or in the words of the list), folder and provider."""

    states: frozenset[str]
    prefix: str
    provider: str

    @classmethod
    def of(cls, states: Sequence[str], prefix: str, provider: str) -> Selection:
        """Raises CommandError at a word that is none."""
        for one in states:
            if one not in _STATES:
                raise CommandError(f"{one} is no state: {', '.join(_STATES)}")
        if provider and provider not in CATALOG:
            raise CommandError(f"{provider} is no provider: {', '.join(CATALOG)}")
        return cls(frozenset(states), prefix, provider)

    def jobs(self, desk: Desk, rows: Iterable[JobSummary]) -> Iterator[JobSummary | Job]:
        """Those that are under way are read in full: the list does not know who is cancelled."""
        for row in rows:
            if not self._may_be(row):
                continue
            job = desk.container.ledger.get(row.job_id) if row.state in CANCELLABLE else None
            if not job or self._is_of_state(job):
                yield job or row

    def _may_be(self, row: JobSummary) -> bool:
        cancelling = CANCELLING in self.states and row.state in CANCELLABLE
        return (
            (cancelling or self._is_of_state(row))
            and row.image_key.startswith(self.prefix)
            and self.provider in ("", row.provider)
        )

    def _is_of_state(self, job: JobSummary | Job) -> bool:
        said = {job.state.value, job.state.label, word(job)}
        return not self.states or bool(said & self.states)
