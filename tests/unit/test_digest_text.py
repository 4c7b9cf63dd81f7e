"""What a digest says of its results, whatever they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dropreel.errors import Problem
from dropreel.mail.digest_text import digest
from dropreel.mail.message import DigestEntry, Links
from dropreel.mail.publisher import Publisher
from dropreel.mail.rejected import drop_rejected
from dropreel.mail.windows import Window

PLACE = Links("us-east-1", "clips", "arn:aws:states:us-east-1:1:execution:render:x")


hostile = st.text(st.characters(codec="utf-8"), max_size=1024)
line_of = st.builds(
    DigestEntry,
    mail_id=st.text(min_size=1),
    file=hostile.filter(bool),
    outcome=st.sampled_from(["delivered", "failed", "refused", "rejected", "unknown", "stalled"]),
    text=hostile,
    cost_usd=st.none() | st.decimals(0, 1000, places=2),
    real=st.booleans(),
)


@given(st.lists(line_of, min_size=1, max_size=5), st.integers(1, 400))
def test_no_digest_is_too_long_for_sns(lines: list[DigestEntry], times: int) -> None:
    sent: list[dict[str, Any]] = []

    class Sns:
        def publish(self, **message: Any) -> None:
            sent.append(message)

    window = Window.at(datetime(2026, 11, 20, 9, 30, tzinfo=UTC), 10)
    many = digest(window, lines * times, PLACE, lambda _: f"https://pages.example/{'x' * 80}")
    Publisher(Sns(), "arn").send(many)  # type: ignore[arg-type]
    (message,) = sent
    assert len(message["Message"].encode()) < 250 * 1024
    assert message["Subject"].startswith(f"{len(lines) * times:,} more file")


def test_a_rejection_is_told_with_the_text_that_would_be_right_or_what_to_do() -> None:
    broken = Problem("sidecar", "broken", "JSON", corrected='{\n  "prompt": "a"\n}', text="Broken.")
    other = Problem("sidecar", "two names", "one", "Rename b.json to a.json.", text="Two names.")
    entry = drop_rejected("a.jpg", [broken, other], "clips/a/rejected-1.json", PLACE).entry
    assert entry
    assert 'Broken. This would be correct: { "prompt": "a" }' in entry.text
    assert "Two names. Rename b.json to a.json." in entry.text


def test_clips_and_takes_are_listed_with_the_link_to_their_page() -> None:
    made = DigestEntry("1", "set/a.jpg", "delivered")
    takes = DigestEntry("2", "set/b.jpg", "group", "all 3 clips ready.")
    window = Window.at(datetime.now(UTC), 10)
    text = digest(window, [made, takes], PLACE, lambda file: f"https://p/{file}").text
    assert "- a.jpg https://p/set/a.jpg" in text
    assert "- b.jpg: all 3 clips ready. https://p/set/b.jpg" in text


def test_a_rejection_is_told_with_its_problems() -> None:
    problems = [Problem("prompt", "nothing", "a text"), Problem("take", "0", "1 to 999")]
    entry = drop_rejected("set/a.jpg", problems, "clips/set/a/rejected-1.json", PLACE).entry
    assert entry
    assert (entry.mail_id, entry.file, entry.cost_usd) == ("rejected-1", "set/a.jpg", None)
    text = digest(Window.at(datetime.now(UTC), 10), [entry], PLACE).text
    assert "- a.jpg: rejected. prompt is missing. take is 0. Correct the file and drop it" in text
    assert "s3://clips/clips/set/\n" in text
    assert "no clip was made" in text


def test_files_of_one_name_are_told_with_their_folders() -> None:
    lines = [DigestEntry("1", "a/x.jpg", "delivered"), DigestEntry("2", "b/x.jpg", "delivered")]
    text = digest(Window.at(datetime.now(UTC), 10), lines, PLACE).text
    assert "- a/x.jpg\n- b/x.jpg\n" in text


def test_real_prices_estimates_and_unknown_ones_are_told_apart() -> None:
    window = Window.at(datetime.now(UTC), 10)
    real = DigestEntry("1", "a.jpg", "delivered", cost_usd=Decimal("0.38"), real=True)
    guess = replace(real, real=False)
    unknown = replace(real, cost_usd=None, real=False)
    failed = DigestEntry("2", "b.jpg", "failed", "why", Decimal("0.40"))
    assert "Cost: $0.76 for 2 clips\n" in digest(window, [real, real], PLACE).text
    assert "Cost: about $0.76 for 2 clips\n" in digest(window, [real, guess], PLACE).text
    text = digest(window, [real, unknown, failed], PLACE).text
    assert "Cost: $0.38 for 1 clip, and 1 at an unknown price; up to $0.40 more" in text


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)), st.integers(1, 14))  # noqa: DTZ001
def test_a_window_has_a_name_from_which_it_is_known_again(moment: datetime, minutes: int) -> None:
    window = Window.at(moment.replace(tzinfo=UTC), minutes)
    assert window.start <= moment.replace(tzinfo=UTC) < window.end
    assert Window.named(window.name) == window
    assert " " not in window.name
