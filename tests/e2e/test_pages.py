"""The mail's link in a real browser, on a phone and on a desktop: it plays."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dropreel.pages.links import PageLinks
from dropreel.pages.tokens import PageKind, Token
from local.browser import DESKTOP, PHONE, Browser, Screen, Tab
from local.control_room import browser as installed_browser
from local.metrics import log_lines
from local.pages import PLAYING, links_of
from tests.conftest import EVENTS
from tests.e2e.world import World

KEY = "pages/light house.jpg"
FORGED = Token(PageKind.JOB, ("0" * 24,), 2_000_000_000).sign(b"k" * 64)


@dataclass(frozen=True)
class Visited:
    """Two takes of one image, and what leads to their pages."""

    first: str
    job_id: str
    links: PageLinks

    @property
    def compared(self) -> str:
        return self.links.image(KEY) or ""


@pytest.fixture(scope="module")
def visited(world: World) -> Visited:
    image = (EVENTS / "lighthouse.jpg").read_bytes()
    world.drop(KEY, image, prompt="slow push-in, soft light", provider="luma")
    mail = world.mail_about(KEY)
    stem = KEY.rpartition(".")[0]
    again = {"prompt": "slow orbit, soft light", "provider": "fal", "take": 2}
    world.put(f"{stem}.json", json.dumps(again).encode())
    world.second_mail_about(KEY)
    links = links_of(world.stack.aws, world.stack.outputs)
    return Visited(mail.document["page"], mail.document["job_id"], links)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if installed_browser() is None:
        pytest.skip("no chromium on this host")
    with Browser() as running:
        yield running


def get(link: str) -> tuple[int, Any, bytes]:
    try:
        with urllib.request.urlopen(link, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def seen(tab: Tab, what: str) -> Any:
    """A value of each clip on the page."""
    return tab.value(f"[...document.querySelectorAll('video')].map(clip => {what})")


@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_link_in_the_mail_plays_the_clip(
    visited: Visited, browser: Browser, screen: Screen
) -> None:
    tab = browser.open(visited.first, screen)
    tab.wait_for(PLAYING)

    before = seen(tab, "clip.currentTime")
    tab.wait_for(f"document.querySelector('video').currentTime != {before[0]}")
    assert seen(tab, "[clip.muted, clip.loop, clip.playsInline]") == [[True, True, True]]
    assert seen(tab, "clip.videoHeight") == [540]
    assert tab.value("document.documentElement.scrollWidth <= innerWidth")
    poster = tab.value("document.querySelector('video').poster")
    assert get(poster)[2] == (EVENTS / "lighthouse.jpg").read_bytes()
    assert tab.complaints() == []


def test_the_clip_is_saved_under_the_name_of_its_image(visited: Visited, browser: Browser) -> None:
    tab = browser.open(visited.compared, DESKTOP)

    newest = "document.querySelectorAll('.download')[0]"
    assert tab.click_download(newest) == "light house-take2.mp4"


def test_clips_of_one_image_play_in_step_and_stop_together(
    visited: Visited, browser: Browser
) -> None:
    tab = browser.open(visited.compared, PHONE)
    tab.wait_for(PLAYING)

    one, other = seen(tab, "clip.currentTime")
    assert abs(one - other) < 0.3
    tab.value("document.querySelector('[data-pause]').click()")
    assert seen(tab, "clip.paused") == [True, True]
    assert {"push-in,", "orbit,"} <= set(
        tab.value("[...document.querySelectorAll('mark')].map(mark => mark.textContent)")
    )
    assert tab.complaints() == []


def test_the_page_of_a_folder_leads_to_its_images(visited: Visited, browser: Browser) -> None:
    tab = browser.open(visited.links.folder("pages") or "", DESKTOP)
    tab.wait_for(PLAYING)
    tab.value("document.querySelector('article a:not([title])').click()")

    tab.wait_for("document.querySelectorAll('.download').length == 2")


def test_a_link_that_has_ended_or_was_made_up_shows_nothing(
    visited: Visited, world: World, browser: Browser
) -> None:
    key = visited.links.key.read()
    base = world.stack.outputs["PagesUrl"]
    ended = Token(PageKind.JOB, (visited.job_id,), 1_600_000_000).sign(key)
    answers = [get(f"{base}/{token}") for token in (ended, FORGED, "x/y/z", visited.first[-30:])]

    assert [status for status, _, _ in answers] == [410, 404, 404, 404]
    assert len({body for _, _, body in answers}) == 1
    tab = browser.open(f"{base}/{ended}", PHONE)
    assert tab.value("document.querySelector('h1').textContent") == "This link does not open a page"


def test_nothing_is_kept_or_passed_on_by_browsers(visited: Visited) -> None:
    _, headers, _ = get(visited.first)

    assert headers["cache-control"] == "private, no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_the_stored_clip_has_the_name_of_its_image(visited: Visited, world: World) -> None:
    listed = world.client("s3").list_objects_v2(Bucket=world.clips, Prefix="clips/pages/")
    clips = [item["Key"] for item in listed["Contents"] if item["Key"].endswith(".mp4")]
    heads = [world.client("s3").head_object(Bucket=world.clips, Key=key) for key in clips]

    names = sorted(head["ContentDisposition"].split(";")[1] for head in heads)
    assert names == [' filename="light house-take2.mp4"', ' filename="light house.mp4"']


def test_no_log_holds_the_token_of_a_link(visited: Visited, world: World) -> None:
    token = visited.first.rpartition("/")[2]
    get(visited.first)

    assert not [line for line in log_lines(world.stack.aws) if token in line]
