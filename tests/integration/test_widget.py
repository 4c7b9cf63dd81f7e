"""The dashboard's widget: what it shows, and that names of files cannot change it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.dashboard.page import DESCRIPTION, Shown
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import ENDS, Job, State, utc_iso
from dropreel.ledger.rejected import note_rejected
from dropreel.steps.outcomes import WidgetEvent
from dropreel.steps.widget import MOST_ROWS, Widget
from tests.support.aws import NOW, Aws, Clock, make_job
from tests.support.container import FakeContainer
from tests.support.pictures import picture
from tests.support.states import PATHS
from tests.support.widget import ARN, CONSOLE, HOSTILE


@dataclass
class Page(HTMLParser):
    """What a browser finds in the widget."""

    html: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str, attribute: str) -> list[str]:
        return [str(of[attribute]) for name, of in self.tags if name == tag and attribute in of]

    @property
    def names(self) -> set[str]:
        return {tag for tag, _ in self.tags}

    @property
    def text(self) -> str:
        return " | ".join(text for text in self.texts if text.strip())


@pytest.fixture
def widget(aws: Aws, clock: Clock) -> Widget:
    return FakeContainer(aws, clock).step(Widget)


def show(widget: Widget, **event: Any) -> Page:
    return Page(widget.handle(WidgetEvent.of(event), ARN))


def job_named(aws: Aws, number: int, key: str = "", **changes: Any) -> Job:
    """A claimed job; each is a minute older than the one before."""
    job = make_job(
        job_id=f"{number:024d}", created_at=utc_iso(NOW - timedelta(minutes=number)), **changes
    )
    if key:
        source = job.source.__class__(
            **{name: getattr(job.source, name) for name in job.source.__slots__} | {"key": key}
        )
        job = job.__class__(
            **{name: getattr(job, name) for name in job.__slots__} | {"source": source}
        )
    return aws.ledger.claim(job)


def in_state(aws: Aws, number: int, state: State, **facts: Any) -> Job:
    job = job_named(aws, number)
    for step in PATHS[state]:
        job = aws.ledger.move(job, step, **(facts if step is state else {}))
    return job


def test_a_clip_is_shown_with_picture_state_provider_cost_age_and_links(
    aws: Aws, widget: Widget
) -> None:
    job = in_state(aws, 5, State.DELIVERED, cost_usd=Decimal("0.30"), execution="arn:e:x")
    small = picture()
    aws.clips.put_thumbnail(job.job_id, small)
    page = show(widget)
    for shown in (job.source.key, "delivered", "luma", "$0.30", "5 min"):
        assert shown in page.texts
    (image,) = page.all("img", "src")
    assert base64.b64decode(image.removeprefix("data:image/jpeg;base64,")) == small
    execution, clip = page.all("a", "href")
    assert execution == f"{CONSOLE}states/home?region=us-east-1#/v2/executions/details/arn:e:x"
    assert clip.startswith(f"{CONSOLE}s3/object/clips?region=us-east-1&prefix=clips%2Fcampaign")
    assert clip.endswith(f"{job.job_id}.mp4")


def test_a_job_that_nobody_has_begun_links_to_its_first_execution(aws: Aws, widget: Widget) -> None:
    job = job_named(aws, 1)
    (link,) = show(widget).all("a", "href")
    assert link.endswith(f":execution:render:{job.execution_name}")


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_words_and_its_filter(aws: Aws, widget: Widget, state: State) -> None:
    in_state(aws, 1, state)
    kinds = [kind for kind in Shown if state.label in show(widget, show=kind.value).texts]
    assert kinds[0] is Shown.ALL
    assert len(kinds) == 2
    assert (kinds[1] is Shown.UNDER_WAY) == (state not in ENDS)
    assert (len(show(widget).all("a", "href")) == 2) == (state is State.DELIVERED)


@pytest.mark.parametrize(
    ("state", "facts", "cost"),
    [
        (State.CLAIMED, {}, "unknown"),
        (State.SUBMITTED, {"estimate_usd": Decimal("0.15")}, "about $0.15"),
        (State.DELIVERED, {"cost_usd": Decimal("0.2")}, "$0.20"),
        (State.REFUSED, {"estimate_usd": Decimal("0.15")}, "nothing"),
        (State.FAILED, {"failure": JobFailure(FailureKind.MODERATED, billed=False)}, "nothing"),
    ],
)
def test_the_cost_says_what_is_known(
    aws: Aws, widget: Widget, state: State, facts: dict[str, Any], cost: str
) -> None:
    in_state(aws, 1, state, **facts)
    assert cost in show(widget).texts


def test_why_there_is_no_clip_is_said_and_no_more(aws: Aws, widget: Widget) -> None:
    failure = JobFailure(FailureKind.BAD_INPUT, "prompt was: secret <b>plans</b>")
    in_state(aws, 1, State.FAILED, failure=failure)
    page = show(widget)
    assert "image or setting not accepted" in page.texts
    assert "secret" not in page.text


def test_the_newest_come_first_and_reach_back_into_the_month_before(
    aws: Aws, widget: Widget, clock: Clock
) -> None:
    for number, minutes in enumerate((5, 60 * 24 * 25, 1)):
        created = utc_iso(NOW - timedelta(minutes=minutes))
        aws.ledger.claim(make_job(job_id=f"{number:024d}", created_at=created))
    assert re.findall(r"\d+ (?:min|d)\b", show(widget).text) == ["1 min", "5 min", "25 d"]


def test_rejected_drops_stand_among_the_jobs_with_their_reason(aws: Aws, widget: Widget) -> None:
    job_named(aws, 1)
    reason = 'duration: "7s" is not possible. Use 5s or 10s.'
    note_rejected(aws.table, "rejected-1", "campaign/dog.jpg", reason, NOW - timedelta(seconds=30))
    note_rejected(aws.table, "rejected-2", "campaign/cat.jpg", "old", NOW - timedelta(hours=1))
    for shown in ("all", "not delivered", "not made"):
        page = show(widget, show=shown)
        assert "campaign/dog.jpg" in page.texts
        assert reason in page.texts
        assert page.texts.index("campaign/dog.jpg") < page.texts.index("campaign/cat.jpg")
    assert "rejected-1.json" in show(widget).all("a", "href")[0]
    for shown in ("delivered", "made", "under way", "to look at"):
        assert "campaign/dog.jpg" not in show(widget, show=shown).texts


def test_a_hostile_name_or_reason_of_a_rejected_drop_is_only_text(aws: Aws, widget: Widget) -> None:
    usual = show(widget).names
    for number, name in enumerate(HOSTILE):
        note_rejected(aws.table, f"rejected-{number}", name, name * 9, NOW)
    page = show(widget)
    assert page.names <= usual | {"table", "tr", "th", "td", "div", "bdi", "b", "br", "small", "a"}
    assert all(link.startswith(CONSOLE) for link in page.all("a", "href"))


def test_the_rows_are_limited_and_filters_find_older_jobs(aws: Aws, widget: Widget) -> None:
    in_state(aws, 50, State.DELIVERED)
    for number in range(MOST_ROWS + 5):
        job_named(aws, number)
    assert len([1 for tag, _ in show(widget).tags if tag == "tr"]) == MOST_ROWS + 1
    assert "delivered" in show(widget, show="delivered").texts


@pytest.mark.parametrize("asked", [None, "", "everything", 3, ["made"], {"a": 1}, "<b>"])
def test_an_unknown_filter_shows_all(aws: Aws, widget: Widget, asked: Any) -> None:
    job_named(aws, 1)
    assert "waiting" in show(widget, show=asked).texts


def test_filters_call_the_widget_again(widget: Widget) -> None:
    page = show(widget, show="delivered")
    assert page.all("cwdb-action", "endpoint") == [ARN] * len(Shown)
    assert page.all("a", "class").count("btn btn-primary") == 1
    assert "Nothing here yet." in page.texts


def test_the_widget_describes_itself_to_cloudwatch(widget: Widget) -> None:
    assert widget.handle(WidgetEvent(describe=True), ARN) == DESCRIPTION
    assert [kind for kind in Shown if kind.value not in DESCRIPTION] == []


# --- other people's words ------------------------------------------------------------------------

OUR_TAGS = {"style", "div", "a", "cwdb-action", "table", "tr", "th", "td", "bdi", "b", "br"}
OUR_TAGS |= {"img", "p", "small"}


def assert_only_ours(page: Page, rows: int) -> None:
    assert page.names <= OUR_TAGS
    assert [name for tag, of in page.tags for name in of if name.startswith("on")] == []
    assert [link for link in page.all("a", "href") if not link.startswith(CONSOLE)] == []
    assert page.all("cwdb-action", "endpoint") == [ARN] * len(Shown)
    assert [tag for tag, _ in page.tags].count("tr") == rows + 1


def test_hostile_names_are_only_names(aws: Aws, widget: Widget) -> None:
    for number, name in enumerate(HOSTILE):
        job_named(aws, number, f"e2e/{name}")
    page = show(widget)
    assert_only_ours(page, len(HOSTILE))
    assert "e2e/<script>alert(1)</script>.jpg" in page.texts
    assert "\u202e" not in page.text


@given(st.text(min_size=1, max_size=60))
def test_no_name_can_change_the_page(name: str) -> None:
    from dropreel.dashboard.page import Entry, page
    from dropreel.jobs.job import JobSummary
    from dropreel.mail.message import Links

    job = JobSummary(
        job_id="0" * 24,
        state=State.DELIVERED,
        image_key=name,
        provider=name,
        created_at=utc_iso(NOW),
        run=1,
        execution=name,
        failure=JobFailure(FailureKind.UNEXPECTED, name),
        estimate_usd=None,
        cost_usd=None,
    )
    links = Links("us-east-1", "clips", job.execution_name)
    entry = Entry(job, None, links.execution_link(), links.object_link(job.clip_key))
    assert_only_ours(Page(page([entry], Shown.ALL, function_arn=ARN, now=NOW)), 1)
