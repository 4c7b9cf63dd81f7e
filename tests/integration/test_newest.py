"""The newest drop of an image: who decides on it, and which job may be ordered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from dropreel.drops.fields import Merged
from dropreel.drops.inbox import Drop
from dropreel.drops.settling import Pair
from dropreel.errors import ContentionError
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Job, Reservation, State
from dropreel.ledger.newest import NewestDrop, NewestDrops
from dropreel.providers.base import Accepted
from dropreel.steps.generate import Generate
from tests.support.aws import NOW, Aws, Clock, FakeProvider, make_job
from tests.support.calls import generate
from tests.support.generating import CAPS, make_generation

JOB = make_job(estimate_usd=Decimal("0.15"))
NEWER = replace(JOB, job_id="f" * 24)
OTHER_TAKE = replace(NEWER, settings=replace(JOB.settings, take=2))


def pair(version: int, **said: Any) -> Pair:
    at = NOW + timedelta(seconds=version)
    image = Drop(JOB.source.key, f'"image {version}"', 10, at)
    sidecar = Drop("campaign/photo.json", f'"sidecar {version}"', 10, at)
    return Pair(image, (sidecar,), Merged(said))


@pytest.fixture
def newest(aws: Aws) -> NewestDrops:
    return NewestDrops(aws.table)


@pytest.fixture
def generation(aws: Aws, provider: FakeProvider, clock: Clock) -> Generate:
    provider.submit_answers = [Accepted("p-1")]
    return make_generation(aws, provider, clock)


def note(newest: NewestDrops, version: int, *jobs: Job, **said: Any) -> None:
    assert newest.note(newest.of(JOB.source), pair(version, **said), jobs)


def test_a_decision_is_found_again_under_the_images_key(newest: NewestDrops) -> None:
    note(newest, 1, JOB)
    found = newest.read("inbox", JOB.source.key)
    assert found.versions == pair(1).versions
    assert found.jobs_of(JOB) == [JOB.job_id]
    assert newest.read("inbox", "campaign/other.jpg").versions == ("", "")
    assert newest.read("other", JOB.source.key).versions == ("", "")


def test_of_two_who_looked_at_the_same_time_one_decides(newest: NewestDrops) -> None:
    for version in (1, 3):
        before = newest.of(JOB.source)
        assert newest.note(before, pair(version + 1), [NEWER])
        assert not newest.note(before, pair(version), [JOB])
        assert newest.of(JOB.source).versions == pair(version + 1).versions


def test_the_same_decision_by_two_events_counts_for_both(newest: NewestDrops) -> None:
    before = newest.of(JOB.source)
    assert newest.note(before, pair(1), [JOB])
    assert newest.note(before, pair(1), [JOB])
    assert newest.note(newest.of(JOB.source), pair(1), [JOB])


def test_a_drop_that_becomes_no_job_replaces_none(newest: NewestDrops) -> None:
    note(newest, 1, JOB)
    note(newest, 2)
    assert newest.of(JOB.source).versions == pair(2).versions
    assert not newest.of(JOB.source).replaces(JOB)


def test_a_rejected_pair_that_becomes_a_job_after_all_is_the_newest(newest: NewestDrops) -> None:
    note(newest, 1, JOB)
    note(newest, 2)
    note(newest, 2, NEWER)
    assert newest.of(JOB.source).replaces(JOB)


def test_a_newer_job_of_the_same_take_replaces_the_older_one(newest: NewestDrops) -> None:
    note(newest, 1, JOB)
    note(newest, 2, OTHER_TAKE, take=2)
    assert not newest.of(JOB.source).replaces(JOB)
    note(newest, 3, NEWER)
    assert newest.of(JOB.source).replaces(JOB)
    assert not newest.of(JOB.source).replaces(NEWER)


def test_clips_of_one_drop_with_several_settings_do_not_replace_one_another(
    newest: NewestDrops,
) -> None:
    other_take = replace(OTHER_TAKE, job_id="e" * 24)
    note(newest, 1, JOB, NEWER, other_take)
    for job in (JOB, NEWER, other_take):
        assert not newest.of(JOB.source).replaces(job)
    note(newest, 2, NEWER)
    assert newest.of(JOB.source).replaces(JOB)
    assert newest.of(JOB.source).replaces(other_take)


def test_newer_files_settle_until_the_next_decision(newest: NewestDrops) -> None:
    newest.let_settle(newest.of(JOB.source), 5)  # no job of this image can be under way
    assert newest.of(JOB.source).settling_until == 0
    note(newest, 1, JOB)
    newest.let_settle(newest.of(JOB.source), 5)
    assert newest.of(JOB.source).settling_until == 5
    note(newest, 2, NEWER)
    assert newest.of(JOB.source).settling_until == 0


def test_settling_after_an_outdated_decision_has_no_effect(newest: NewestDrops) -> None:
    note(newest, 1, JOB)
    before = newest.of(JOB.source)
    note(newest, 2, NEWER)
    newest.let_settle(before, 5)
    assert newest.of(JOB.source).settling_until == 0


def test_the_order_of_a_replaced_job_is_not_reserved(aws: Aws, newest: NewestDrops) -> None:
    job = aws.ledger.claim(JOB)
    note(newest, 2, NEWER)
    reservation = Reservation.at(NOW, Decimal("0.15"))
    with pytest.raises(ContentionError, match="newer drop"):
        aws.ledger.move_reserving(job, State.SUBMITTING, reservation, CAPS)
    assert aws.ledger.require(job.job_id) == job
    assert {spent.committed for spent in aws.ledger.spending(reservation, CAPS)} == {Decimal(0)}


def test_a_replaced_job_is_refused_unpaid(
    aws: Aws, newest: NewestDrops, generation: Generate, provider: FakeProvider
) -> None:
    job = aws.ledger.claim(JOB)
    note(newest, 2, NEWER)
    assert generate(generation, job.job_id) == {"outcome": "ended", "state": "refused"}
    failure = aws.ledger.require(job.job_id).failure
    assert failure
    assert (failure.kind, failure.billed) == (FailureKind.REPLACED, False)
    assert NEWER.job_id in failure.message
    assert provider.requests == []


def test_a_job_that_is_replaced_at_the_last_moment_is_not_ordered(
    aws: Aws, newest: NewestDrops, generation: Generate, provider: FakeProvider
) -> None:
    class Late(NewestDrops):
        def of(self, source: Any) -> NewestDrop:
            found = super().of(source)
            note(newest, 2, NEWER)
            return found

    job = aws.ledger.claim(JOB)
    note(newest, 1, job)
    step = replace(generation, newest=Late(aws.table))
    assert generate(step, job.job_id)["outcome"] == "wait"
    assert generate(step, job.job_id) == {"outcome": "ended", "state": "refused"}
    assert provider.requests == []


def test_nothing_is_ordered_while_newer_files_settle(
    aws: Aws, newest: NewestDrops, generation: Generate, provider: FakeProvider, clock: Clock
) -> None:
    job = aws.ledger.claim(JOB)
    note(newest, 1, job)
    newest.let_settle(newest.of(job.source), clock().timestamp() + 40)
    waits = {"outcome": "wait", "wait_seconds": 40, "state": "claimed"}
    assert generate(generation, job.job_id) == waits
    assert provider.requests == []
    clock.pass_time(seconds=40)
    assert generate(generation, job.job_id)["outcome"] == "accepted"


def test_a_job_of_an_older_version_is_ordered_though_no_drop_was_noted(
    aws: Aws, generation: Generate
) -> None:
    job = aws.ledger.claim(JOB)
    assert generate(generation, job.job_id)["outcome"] == "accepted"
