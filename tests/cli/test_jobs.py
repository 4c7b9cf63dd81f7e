"""Finding and showing jobs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cli.app import hoisted
from cli.errors import CommandError
from cli.find import moment, month_of
from cli.stack import variable
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import Job, Reservation, State, utc_iso
from dropreel.ledger.breaker import THRESHOLD, Breaker
from dropreel.providers.base import Busy, Failure, Limited, Refused
from dropreel.providers.catalog import CATALOG
from tests.support.aws import Aws, Clock, make_job
from tests.support.container import FakeContainer
from tests.support.desk import Terminal

NO_CREDIT = Refused(Failure(FailureKind.NO_CREDIT, "no credit"))
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def job(aws: Aws, number: int, key: str, **fields: object) -> Job:
    """A job that was claimed today."""
    source = replace(make_job().source, key=key)
    facts = {"source": source, "created_at": utc_iso(datetime.now(UTC)), **fields}
    return aws.ledger.claim(make_job(job_id=f"{number:024x}", **facts))


def test_jobs_are_listed_newest_first_and_filtered(aws: Aws, terminal: Terminal) -> None:
    job(aws, 1, "summer/a.jpg", created_at=utc_iso(datetime.now(UTC)), provider="fal")
    aws.ledger.move(job(aws, 2, "winter/b.jpg"), State.REFUSED)
    listed = terminal.run("jobs", "--json").json["jobs"]
    assert {one["image"]: one["state"] for one in listed} == {
        "summer/a.jpg": "claimed",
        "winter/b.jpg": "refused",
    }
    for words in (["--state", "refused"], ["--folder", "winter"], ["--provider", "luma"]):
        (one,) = terminal.run("jobs", "--json", *words).json["jobs"]
        assert one["image"] == "winter/b.jpg"


def test_states_are_selected_in_the_words_of_the_list(aws: Aws, terminal: Terminal) -> None:
    job(aws, 1, "waits.jpg")
    job(aws, 2, "ends.jpg", cancel_requested=utc_iso(NOW))
    sent = aws.ledger.move(job(aws, 3, "lost.jpg"), State.SUBMITTING)
    aws.ledger.move(sent, State.UNKNOWN)
    for state, images in (
        ("waiting", ["ends.jpg", "waits.jpg"]),
        ("claimed", ["ends.jpg", "waits.jpg"]),
        ("being cancelled", ["ends.jpg"]),
        ("payment unknown", ["lost.jpg"]),
    ):
        listed = terminal.run("jobs", "--state", state, "--json").json["jobs"]
        assert sorted(one["image"] for one in listed) == images
    assert "being cancelled" in terminal.run("jobs").out


def test_without_a_terminal_a_row_is_one_line_that_ends_where_its_words_do(
    aws: Aws, terminal: Terminal
) -> None:
    key = f"{'summer/' * 40}a.jpg"
    job(aws, 1, key, labels=("vip", "spring"))
    shown = terminal.run("show", "a.jpg").out
    (record,) = (line for line in shown.splitlines() if line.startswith(" Record"))
    assert record.endswith(".json")
    assert re.search(r"^ Labels +vip, spring$", shown, re.MULTILINE)
    assert all(line == line.rstrip() for line in shown.splitlines())
    assert len([line for line in terminal.run("jobs").out.splitlines() if "summer/" in line]) == 1


@pytest.mark.parametrize(
    ("state", "words"), [(State.CLAIMED, "Cancel asked for"), (State.CANCELLED, "Cancelled")]
)
def test_a_job_that_is_asked_to_end_is_not_called_cancelled(
    aws: Aws, terminal: Terminal, state: State, words: str
) -> None:
    held = job(aws, 1, "a.jpg", cancel_requested=utc_iso(NOW))
    if state is State.CANCELLED:
        aws.ledger.move(held, state)
    shown = terminal.run("show", "a.jpg").out
    assert re.search(rf"^ {words} +2026-11-21T12", shown, re.MULTILINE)


def test_a_table_shows_names_as_they_are_and_takes_none_for_markup(
    aws: Aws, terminal: Terminal
) -> None:
    job(aws, 1, "summer/[bold]a\x1b[31m.jpg")
    shown = terminal.run("jobs").out
    assert "summer/[bold]a?[31m.jpg" in shown
    assert "waiting" in shown


@pytest.mark.parametrize("words", ["a.jpg", "a", "summer/a.jpg", f"{1:024x}", "SUMMER/A.jpg"])
def test_a_job_is_found_by_id_or_name(aws: Aws, terminal: Terminal, words: str) -> None:
    held = job(aws, 1, "summer/a.jpg", estimate_usd=Decimal("0.15"))
    job(aws, 2, "winter/b.jpg")
    shown = terminal.run("show", words, "--json").json
    assert (shown["job_id"], shown["cost_usd"]) == (held.job_id, 0.15)
    assert "summer/a.jpg" in terminal.run("show", words).out


def test_a_prompt_of_two_lines_is_shown_in_one(aws: Aws, terminal: Terminal) -> None:
    settings = replace(make_job().settings, prompt="slow push-in,\nsoft light")
    job(aws, 1, "summer/a.jpg", settings=settings)
    assert "slow push-in, soft light" in terminal.run("show", "a.jpg").out


def test_a_name_that_fits_several_images_or_none_is_told(aws: Aws, terminal: Terminal) -> None:
    job(aws, 1, "summer/a.jpg")
    job(aws, 2, "winter/a.jpg")
    several, none = terminal.run("show", "a.jpg"), terminal.run("show", "z.jpg")
    assert (several.code, none.code) == (2, 2)
    assert "fits 2 images (" in several.err
    assert none.err.startswith("dropreel: no job of the last 3 months fits z.jpg")
    assert len(none.err.splitlines()) == 1


def test_of_a_delivered_clip_an_address_is_given_and_of_others_the_state(
    aws: Aws, terminal: Terminal
) -> None:
    held = job(aws, 1, "summer/a.jpg")
    refused = terminal.run("open", "a.jpg")
    assert (refused.code, "it is waiting" in refused.err) == (2, True)
    console = terminal.run("open", "a.jpg", "--console", "--json").json["url"]
    assert held.execution_name in console
    for state in (State.SUBMITTING, State.SUBMITTED, State.READY, State.DELIVERED):
        held = aws.ledger.move(held, state)
    address = terminal.run("open", "a.jpg", "--json").json["url"]
    assert held.clip_key.replace(" ", "%20") in address


def test_a_folder_s_page_is_opened_by_its_name_with_a_slash(
    aws: Aws, clock: Clock, terminal: Terminal
) -> None:
    refused = terminal.run("open", "summer/")
    assert (refused.code, "this stack has no pages" in refused.err) == (2, True)
    address = "https://pages.example"
    terminal.container = FakeContainer(
        aws, clock, LINK_DAYS="7", PAGES_URL=address, PAGE_KEY_SECRET="page-key"
    )
    nothing = terminal.run("open", "winter/")
    assert (nothing.code, nothing.err) == (2, "dropreel: there is no job in winter/\n")
    job(aws, 1, "summer/a.jpg")
    opened = terminal.run("open", "summer/", "--json").json
    assert opened == {
        "folder": "summer/",
        "url": terminal.container.page_links.folder("summer"),
    }


def test_spending_is_summed_up_and_told_apart(aws: Aws, terminal: Terminal) -> None:
    money = Reservation(Decimal("0.15"), "2026-11-21", "2026-11")
    job(aws, 1, "summer/a.jpg", reservation=money)
    ended = job(aws, 2, "summer/b.jpg", reservation=money)
    for state in (State.SUBMITTING, State.UNKNOWN):
        ended = aws.ledger.move(ended, state)
    (row,) = terminal.run("spend", "--by", "folder", "--since", "1d", "--json").json["rows"]
    assert row == {
        "folder": "summer",
        "jobs": 2,
        "spent_usd": 0.0,
        "reserved_usd": 0.15,
        "unknown_usd": 0.15,
    }
    text = terminal.run("spend", "--since", "1d", "--csv").out
    assert text == ("day,jobs,spent_usd,reserved_usd,unknown_usd\n2026-11-21,2,0.00,0.15,0.15\n")
    assert "Caps (UTC)" in terminal.run("spend").out


def test_watch_shows_jobs_slots_and_a_pause_at_once(aws: Aws, terminal: Terminal) -> None:
    job(aws, 1, "summer/a.jpg")
    paused = terminal.run("pause", "--reason", "prices").out
    (since,) = re.findall(r"since (.* UTC)", paused)
    facts = terminal.run("watch", "--json").json
    assert [one["image"] for one in facts["jobs"]] == ["summer/a.jpg"]
    assert facts["paused_since"]
    shown = terminal.run("watch", "--once").out
    assert f"ALL ORDERS ARE PAUSED since {since}\n" in shown
    assert ("go on" in shown, shown.count(" paused")) == (False, len(CATALOG))


def test_watch_says_which_providers_are_stopped_and_which_only_limit_the_rate(
    aws: Aws, terminal: Terminal
) -> None:
    now = datetime.now(UTC).timestamp()
    for _ in range(THRESHOLD):
        Breaker(aws.table).note("luma", NO_CREDIT, now)
    limit = Busy(Failure(FailureKind.THROTTLED, "429"), 60, Limited.RATE)
    Breaker(aws.table).note("fal", limit, now)
    found = {one["provider"]: one for one in terminal.run("watch", "--json").json["providers"]}
    assert (found["luma"]["works"], found["luma"]["last_failure"]) == (False, "no credit")
    assert (found["fal"]["works"], found["fal"]["rate_limited"]) == (True, True)
    shown = terminal.run("watch", "--once").out
    assert "stopped" in shown
    assert "wait for a rate limit" in shown


def test_a_breaker_whose_time_is_over_stops_nothing(aws: Aws, terminal: Terminal) -> None:
    long_ago = datetime.now(UTC).timestamp() - 86400
    for _ in range(THRESHOLD):
        Breaker(aws.table).note("luma", NO_CREDIT, long_ago)
    providers = terminal.run("watch", "--json").json["providers"]
    assert all(one["works"] for one in providers)


def test_why_a_job_was_refused_is_in_the_list(aws: Aws, terminal: Terminal) -> None:
    failure = JobFailure.of(FailureKind.OVER_CAP, "over the cap of the day")
    aws.ledger.move(job(aws, 1, "a.jpg"), State.REFUSED, failure=failure)
    (one,) = terminal.run("jobs", "--json").json["jobs"]
    assert (one["failure"], one["reason"], one["cost_usd"]) == (
        "over_cap",
        "over the cap of the day",
        0,
    )


def test_a_month_begins_with_its_first_moment() -> None:
    assert month_of(datetime(2026, 11, 21, 12, 5, 30, 7, tzinfo=UTC)).isoformat() == (
        "2026-11-01T00:00:00+00:00"
    )


@pytest.mark.parametrize(
    ("words", "hours"), [("90m", 1.5), ("12h", 12), ("3d", 72), ("2w", 336), ("2026-11-21", 12)]
)
def test_times_are_read_as_people_write_them(words: str, hours: float) -> None:
    assert (NOW - moment(words, NOW)).total_seconds() == hours * 3600


def test_an_unreadable_time_is_refused_with_an_example() -> None:
    with pytest.raises(CommandError, match="write 90m"):
        moment("yesterday", NOW)


def test_options_of_all_commands_may_follow_the_command() -> None:
    words = ["jobs", "--stack", "a", "--json", "--since", "2d", "--region=r", "--", "--json"]
    assert hoisted(words) == [
        *("--stack", "a", "--json", "--region=r", "jobs", "--since", "2d", "--", "--json")
    ]


@pytest.mark.parametrize(
    ("parameter", "name"),
    [("DailyCapUsd", "DAILY_CAP_USD"), ("Providers", "PROVIDERS"), ("DigestAbove", "DIGEST_ABOVE")],
)
def test_parameters_have_the_names_of_the_settings(parameter: str, name: str) -> None:
    assert variable(parameter) == name
