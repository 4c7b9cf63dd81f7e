"""Replaced files: whatever comes first, the newest image and sidecar are ordered, once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import State
from tests.support.uploads import GRACE_S, IMAGE, SETTLE_S, SIDECAR, Uploads, body, prompt

pytestmark = pytest.mark.uncounted  # many plays of what other tests cover

LATER = 3600.0  # after everything has settled, and long after the first pair
# Every order of four uploads in which each file's second version comes after its first.
FILES = {"i": IMAGE, "s": SIDECAR}
ORDERS = ["isis", "issi", "siis", "sisi", "iiss", "ssii"]
# Events that come at once, late, or twice with the second one late.
DELAYS = [(0.5,), (45.0,), (0.5, 70.0)]


def play(
    uploads: Uploads, order: str, at: Sequence[float], delays: Sequence[Sequence[float]]
) -> None:
    versions = dict.fromkeys(FILES, 0)
    for name, moment, late in zip(order, at, delays, strict=True):
        versions[name] += 1
        uploads.upload(moment, FILES[name], body(FILES[name], versions[name]), *late)


def drop_first_pair(uploads: Uploads, at: float = 0) -> None:
    uploads.upload(at, IMAGE, body(IMAGE, 1), 1)
    uploads.upload(at + 1, SIDECAR, body(SIDECAR, 1), 1)


def told(uploads: Uploads) -> list[tuple[int, str]]:
    return [(order.image, order.prompt) for order in uploads.run()]


NEWEST = (2, prompt(2))
FIRST = (1, prompt(1))


@pytest.mark.parametrize("order", ORDERS)
def test_of_four_uploads_in_any_order_the_newest_pair_alone_is_ordered(order: str) -> None:
    for delays in product(DELAYS, repeat=4):
        uploads = Uploads(line_s=LATER)
        play(uploads, order, (0, 2, 5, 9), delays)
        assert told(uploads) == [NEWEST], delays


@pytest.mark.parametrize("apart", [0.25, 2.0, 19.0])
@pytest.mark.parametrize("order", ["is", "si"])
def test_when_both_files_of_an_ordered_clip_are_replaced_one_clip_is_ordered(
    order: str, apart: float
) -> None:
    for delays in product(DELAYS, repeat=2):
        uploads = Uploads()
        drop_first_pair(uploads)
        for name, late, moment in zip(order, delays, (LATER, LATER + apart), strict=True):
            uploads.upload(moment, FILES[name], body(FILES[name], 2), *late)
        assert told(uploads) == [FIRST, NEWEST], delays


def test_a_large_image_that_took_long_to_upload_waits_for_its_sidecar() -> None:
    uploads = Uploads()
    drop_first_pair(uploads)
    uploads.upload(LATER, IMAGE, body(IMAGE, 2), 0.5, took_s=120)
    uploads.upload(LATER + 15, SIDECAR, body(SIDECAR, 2), 0.5)
    assert told(uploads) == [FIRST, NEWEST]


moments = st.lists(st.floats(0, 19.5), min_size=4, max_size=4).map(sorted)
lateness = st.lists(st.floats(0, 90), min_size=1, max_size=3)


@settings(max_examples=150)
@given(
    order=st.sampled_from(ORDERS),
    at=moments,
    delays=st.lists(lateness, min_size=4, max_size=4),
    line_s=st.sampled_from([0.0, 3.0, LATER]),
    there_before=st.booleans(),
)
def test_the_newest_pair_is_ordered_once_and_in_time(
    order: str, at: list[float], delays: list[list[float]], line_s: float, there_before: bool
) -> None:
    uploads = Uploads(line_s)
    if there_before:
        drop_first_pair(uploads, at=-LATER)
        uploads.run()
    play(uploads, order, at, delays)
    orders = [(one.image, one.prompt) for one in uploads.run()]
    assert orders.count(NEWEST) == 1
    assert len(orders) == len(set(orders))
    last_event = max(moment + max(late) for moment, late in zip(at, delays, strict=True))
    newest = next(one for one in uploads.orders if (one.image, one.prompt) == NEWEST)
    # Jobs of this image may wait for twice the settling time.
    assert newest.at <= last_event + SETTLE_S + line_s + SETTLE_S + 2


def test_files_that_come_together_start_at_once() -> None:
    for order in ("is", "si"):
        uploads = Uploads()
        play(uploads, order, (0, 19), ((1,), (1,)))
        (ordered,) = uploads.run()
        assert ordered.at == 21


def test_a_sidecar_that_an_image_was_waiting_for_starts_it_at_once() -> None:
    uploads = Uploads()
    play(uploads, "is", (0, GRACE_S - 60), ((1,), (1,)))
    (ordered,) = uploads.run()
    assert ordered.at == GRACE_S - 60 + 2


@pytest.mark.parametrize("key", [IMAGE, SIDECAR])
def test_a_file_that_is_replaced_alone_starts_after_it_has_settled(key: str) -> None:
    uploads = Uploads()
    drop_first_pair(uploads)
    uploads.upload(LATER, key, body(key, 2), 1)
    _, ordered = uploads.run()
    assert LATER + SETTLE_S < ordered.at <= LATER + SETTLE_S + 2


def test_a_new_image_beside_a_sidecar_that_nobody_used_settles_too() -> None:
    uploads = Uploads()
    play(uploads, "si", (0, 60), ((1,), (1,)))
    (ordered,) = uploads.run()
    assert ordered.at > 60 + SETTLE_S


def test_an_image_with_a_prompt_of_its_own_waits_for_a_sidecar() -> None:
    uploads = Uploads()
    uploads.upload(0, IMAGE, body(IMAGE, 1), 0.5, prompt="from the metadata")
    uploads.upload(1.5, SIDECAR, body(SIDECAR, 1), 0.5)
    assert told(uploads) == [FIRST]


def test_an_image_with_a_prompt_of_its_own_needs_no_sidecar() -> None:
    uploads = Uploads()
    uploads.upload(0, IMAGE, body(IMAGE, 1), 0.5, prompt="from the metadata")
    (ordered,) = uploads.run()
    assert (ordered.prompt, ordered.at) == ("from the metadata", SETTLE_S + 1.5)


def test_without_settling_a_new_image_starts_beside_its_old_sidecar() -> None:
    uploads = Uploads(settle_s=0)
    drop_first_pair(uploads)
    uploads.upload(LATER, IMAGE, body(IMAGE, 2), 1)
    _, ordered = uploads.run()
    assert ordered.at == LATER + 2


def test_a_job_in_line_is_not_ordered_while_a_newer_drop_settles() -> None:
    uploads = Uploads(line_s=100)
    drop_first_pair(uploads)
    uploads.upload(95, SIDECAR, body(SIDECAR, 2), 1)  # its turn would come at 102
    assert told(uploads) == [(1, prompt(2))]


def test_a_job_in_line_is_refused_unpaid_when_newer_files_have_come() -> None:
    uploads = Uploads(line_s=100)
    drop_first_pair(uploads)
    uploads.upload(10, SIDECAR, body(SIDECAR, 2), 1)
    uploads.run()
    replaced, newest = uploads.jobs
    assert replaced.state is State.REFUSED
    assert replaced.failure
    assert (replaced.failure.kind, replaced.failure.billed) == (FailureKind.REPLACED, False)
    assert newest.state is State.SUBMITTED


def test_files_that_come_back_replace_those_that_replaced_them() -> None:
    uploads = Uploads(line_s=200)
    drop_first_pair(uploads)
    uploads.upload(40, SIDECAR, body(SIDECAR, 2), 1)
    uploads.upload(80, SIDECAR, body(SIDECAR, 1), 1)
    assert told(uploads) == [FIRST]


def test_takes_do_not_replace_one_another() -> None:
    uploads = Uploads(line_s=100)
    drop_first_pair(uploads)
    uploads.upload(10, SIDECAR, body(SIDECAR, 1, take=2), 1)
    assert told(uploads) == [FIRST, FIRST]


def test_a_broken_sidecar_replaces_nothing_and_is_mailed() -> None:
    uploads = Uploads(line_s=100)
    drop_first_pair(uploads)
    uploads.upload(10, SIDECAR, b"{", 1)
    assert told(uploads) == [FIRST]
    assert uploads.mails == ["photo.jpg: please correct its sidecar"]


@pytest.mark.parametrize("order", ["is", "si"])
@pytest.mark.parametrize("delays", [(0.5, 0.5), (10, 0.5), (0.5, 60)])
def test_dropping_both_files_again_after_a_refusal_makes_one_run(
    order: str, delays: tuple[float, float]
) -> None:
    uploads = Uploads()
    uploads.upload(0, IMAGE, body(IMAGE, 1), 1)
    uploads.upload(1, SIDECAR, body(SIDECAR, 1, max_cost_usd=0.01), 1)
    again = {IMAGE: body(IMAGE, 1), SIDECAR: body(SIDECAR, 1, max_cost_usd=0.01)}
    for name, late, moment in zip(order, delays, (LATER, LATER + 2), strict=True):
        uploads.upload(moment, FILES[name], again[FILES[name]], late)
    assert told(uploads) == []
    assert len(uploads.steps.executions) == 2
    (job,) = {job.job_id: job for job in uploads.jobs}.values()
    assert (job.run, job.state) == (2, State.REFUSED)


@pytest.mark.parametrize("order", ["is", "si"])
def test_dropping_both_wrong_files_again_sends_one_more_mail(order: str) -> None:
    uploads = Uploads()
    for start in (0.0, LATER):
        for name, moment in zip(order, (start, start + 2), strict=True):
            content = b"{" if name == "s" else body(IMAGE, 1)
            uploads.upload(moment, FILES[name], content, 0.5)
    assert told(uploads) == []
    assert len(uploads.mails) == 2


@pytest.mark.parametrize("changed_at", [0.4, 10.0])
def test_a_lower_cap_counts_for_a_job_in_line(changed_at: float) -> None:
    uploads = Uploads(line_s=60)
    uploads.upload(0, IMAGE, body(IMAGE, 1), 0.2)
    uploads.upload(0.1, SIDECAR, body(SIDECAR, 1, max_cost_usd=0.6), 0.2)
    uploads.upload(changed_at, SIDECAR, body(SIDECAR, 1, max_cost_usd=0.1), 0.2)
    assert told(uploads) == []
    (job,) = uploads.jobs
    assert job.failure
    assert (job.state, job.failure.kind) == (State.REFUSED, FailureKind.OVER_CAP)


def test_a_lower_cap_changes_nothing_in_what_was_ordered() -> None:
    uploads = Uploads()
    drop_first_pair(uploads)
    uploads.upload(LATER, SIDECAR, body(SIDECAR, 1, max_cost_usd=0.1), 0.5)
    assert told(uploads) == [FIRST]
    (job,) = uploads.jobs
    assert job.max_cost_usd is None
