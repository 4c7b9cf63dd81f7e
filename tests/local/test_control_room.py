"""The dashboard's picture, looked at in a real browser where there is one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dropreel.dashboard.page import Entry, Shown
from dropreel.dashboard.page import page as widget_page
from dropreel.jobs.job import JobSummary, State
from dropreel.mail.message import Links
from dropreel.steps.thumbnail import make_thumbnail
from local import control_room
from local.control_room import browser, page, run_browser
from local.metrics import emitted
from tests.conftest import EVENTS
from tests.support import stack
from tests.support.dashboards import dashboard
from tests.support.widget import ARN, CONSOLE, HOSTILE

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
PWNED = "document.documentElement.setAttribute('pwned', 1)"
NAMES = (
    *HOSTILE,
    f"<script>{PWNED}</script>.jpg",
    f'"><img src=x onerror="{PWNED}">.jpg',
    f"<svg onload={PWNED.replace(' ', '')}>.jpg",
    "<style>table{display:none}</style>.jpg",
)
# Tells what the page has become, after everything in it has loaded or run.
PROBE = """<script>addEventListener("load", () => setTimeout(() => {
  const seen = {
    pwned: document.documentElement.hasAttribute("pwned"),
    pictures: [...document.images].map((image) => image.naturalWidth),
    links: [...document.links].map((link) => [link.protocol, link.host, link.href]),
    rows: [...document.querySelectorAll("td bdi")].map((cell) => cell.innerText),
    visible: document.querySelector("section table").offsetHeight > 0,
    numbers: [...document.querySelectorAll(".tile")].map((tile) => tile.innerText),
  };
  const told = document.body.appendChild(document.createElement("pre"));
  told.id = "seen"; told.textContent = JSON.stringify(seen);
}, 200))</script>"""

Look = Callable[[str], dict[str, Any]]


@pytest.fixture
def program() -> str:
    found = browser()
    if found is None:
        pytest.skip("no chromium on this host")
    return found


@pytest.fixture
def look(program: str, tmp_path: Path) -> Look:
    """Opens a page in a browser of its own; returns what it has become."""

    def run(html: str) -> dict[str, Any]:
        file = tmp_path / "page.html"
        file.write_text(html + PROBE, encoding="utf-8")
        dumped, problem = run_browser(
            program, tmp_path, "--dump-dom", "--virtual-time-budget=5000", file.as_uri()
        )
        assert problem == ""
        told = re.search(r'<pre id="seen">(.*?)</pre>', dumped, re.DOTALL)
        assert told, dumped[-500:]
        return dict(json.loads(unescape(told[1])))

    return run


def entry(name: str) -> Entry:
    job = JobSummary(
        job_id="0123456789abcdef01234567",
        state=State.DELIVERED,
        image_key=name,
        provider="luma",
        created_at="2026-11-20T09:00:00.000Z",
        run=1,
        execution="",
        failure=None,
        estimate_usd=Decimal("0.15"),
        cost_usd=None,
    )
    arn = f"arn:aws:states:us-east-1:111122223333:execution:render:{job.execution_name}"
    place = Links("us-east-1", "clips", arn)
    small = make_thumbnail((EVENTS / "lighthouse.jpg").read_bytes())
    return Entry(job, small, place.execution_link(), place.object_link(job.clip_key))


def line(name: str, value: float, **dimensions: str) -> str:
    """What a function logs to publish a metric."""
    names = ["service", *dimensions]
    metrics = [{"Name": name, "Unit": "Count"}]
    block = {"Namespace": "dropreel", "Dimensions": [names], "Metrics": metrics}
    body = {"_aws": {"CloudWatchMetrics": [block]}, "service": "dropreel", **dimensions}
    return json.dumps({**body, name: [value]})


LINES = [
    *(line("JobStarted", 1) for _ in range(3)),
    line("DropRejected", 1),
    *(line("ClipDelivered", 1) for _ in range(2)),
    *(line("SecondsToClip", seconds) for seconds in (80, 100)),
    line("ClipNotDelivered", 1),
    line("SpentToday", 0.3),
    line("SpentToday", 0.45),
    *(line("JobsWaiting", waiting, provider="luma") for waiting in (7, 3)),
    line("JobsWaiting", 1, provider="fal"),
]


def deployed_dashboard() -> dict[str, Any]:
    text = json.dumps(dashboard(stack.template()))
    return dict(json.loads(text.replace("${AWS::StackName}", "dropreel")))


def html(names: tuple[str, ...] = NAMES) -> str:
    entries = [entry(name) for name in names]
    widget = widget_page(entries, Shown.ALL, function_arn=ARN, now=NOW)
    return page(deployed_dashboard(), emitted(LINES), widget)


def test_pictures_load_links_are_right_and_hostile_names_do_nothing(look: Look) -> None:
    seen = look(html())
    assert not seen["pwned"]
    assert seen["visible"]
    assert seen["pictures"] == [160] * len(NAMES)
    assert len(seen["rows"]) == len(NAMES)
    assert f"<script>{PWNED}</script>.jpg" in seen["rows"]
    links = [link for link in seen["links"] if link[2]]
    assert len(links) == 2 * len(NAMES)
    assert {(protocol, host) for protocol, host, _ in links} == {
        ("https:", CONSOLE.removeprefix("https://").rstrip("/"))
    }
    assert [href for *_, href in links if "/states/" not in href and "/s3/" not in href] == []


def test_a_page_that_does_not_escape_would_be_noticed(look: Look) -> None:
    careless = html(("photo.jpg",)).replace("photo.jpg", NAMES[-3], 1)
    assert look(careless)["pwned"]


def test_the_first_row_counts_what_the_functions_have_published(look: Look) -> None:
    numbers = [text.split() for text in look(html(("a.jpg",)))["numbers"]]
    words = [" ".join(text) for text in numbers]
    assert words[0] == "Dropped 4 images"
    assert words[1] == "Delivered 2 clips"
    assert words[2] == "Failed 1 without a clip 1 rejected"
    assert words[3] == "Waiting 4 in line"
    assert words[4].endswith("dollars 0.45 US dollars")
    assert words[5] == "Seconds from drop to clip 80 half within 100 9 of 10 within"


def test_a_picture_is_taken(program: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(html(("photo.jpg",)), encoding="utf-8")
    target = tmp_path / "shot.png"
    address = (tmp_path / "page.html").as_uri()
    shot = (f"--screenshot={target}", "--window-size=1280,430", address)
    assert run_browser(program, tmp_path, *shot)[1] == ""
    with Image.open(target) as taken:
        assert taken.size == (1280, 430)
        assert len(taken.convert("RGB").getcolors(1 << 24) or ()) > 100  # there is a photograph


def test_without_a_browser_the_reason_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("local.control_room.shutil.which", lambda _: None)
    nowhere: Any = None
    said = control_room.picture(nowhere, {}, tmp_path / "dashboard.png")
    assert said == "no chromium here, so no picture of the dashboard"
    assert list(tmp_path.iterdir()) == []


def test_a_browser_that_fails_is_told_of(tmp_path: Path) -> None:
    assert run_browser("/bin/false", tmp_path)[1].startswith("the browser failed")
    assert run_browser("/no/such/browser", tmp_path)[1].startswith("the browser did not work")
