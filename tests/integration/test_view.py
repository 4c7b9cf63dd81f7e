"""What visitors of pages get, from the handler's event to the answer."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dropreel.container import using
from dropreel.jobs.job import Job, State
from dropreel.jobs.naming import folder_id
from dropreel.observability import logger
from dropreel.pages.links import PageLinks
from dropreel.pages.tokens import PageKind, Token
from dropreel.steps.outcomes import ViewAnswer, ViewEvent
from dropreel.steps.view import View
from tests.support.aws import Aws, Clock
from tests.support.container import FakeContainer
from tests.support.functions import Context, module
from tests.support.pages import Page, shown_job

Open = Callable[[str | None], ViewAnswer]


@pytest.fixture
def container(aws: Aws, clock: Clock) -> FakeContainer:
    address = "https://pages.example"
    return FakeContainer(aws, clock, LINK_DAYS="7", PAGES_URL=address, PAGE_KEY_SECRET="page-key")


@pytest.fixture
def links(container: FakeContainer) -> PageLinks:
    return container.page_links


@pytest.fixture
def visit(container: FakeContainer) -> Open:
    def run(link: str | None) -> ViewAnswer:
        assert link is not None
        path, _, query = link.removeprefix("https://pages.example").partition("?page=")
        asked = {"queryStringParameters": {"page": query}} if query else {}
        return container.step(View).handle(ViewEvent.of({"rawPath": path, **asked}))

    return run


def kept(aws: Aws, *jobs: Job) -> Job:
    for job in jobs:
        aws.ledger.claim(job)
    return jobs[0]


def test_a_link_to_a_job_shows_its_clip(aws: Aws, links: PageLinks, visit: Open) -> None:
    job = kept(aws, shown_job())
    answer = visit(links.job(job.job_id))
    page = Page(answer.body)

    assert answer.status == 200
    (clip,) = page.all("video", "src")
    assert f"/{job.clip_key}?" in clip
    (download,) = page.downloads
    assert "filename%3D%22photo.mp4%22" in download


def test_a_link_to_an_image_shows_its_jobs_and_no_other_s(
    aws: Aws, links: PageLinks, visit: Open
) -> None:
    kept(aws, shown_job(1), shown_job(2, settings={"take": 2}), shown_job(3, "campaign/b.jpg"))
    page = Page(visit(links.image("campaign/photo.jpg")).body)

    assert [link for link in page.all("video", "src") if "/photo/" not in link] == []
    assert ["photo-take2" in link for link in page.downloads] == [True, False]


def test_a_link_to_a_folder_shows_its_images_and_leads_to_their_pages(
    aws: Aws, links: PageLinks, visit: Open
) -> None:
    kept(aws, shown_job(1), shown_job(2, "campaign/b.jpg"), shown_job(3, "campaign/below/c.jpg"))
    page = Page(visit(links.folder("campaign")).body)

    assert [name for name in page.texts if name.endswith(".jpg")] == ["b.jpg", "photo.jpg"]
    (first, _) = [link for link in page.all("a", "href") if link not in page.downloads]
    assert "b.jpg" in visit(f"https://pages.example/{first}").body


def test_a_link_found_in_a_folder_ends_with_the_folder_s(
    aws: Aws, links: PageLinks, visit: Open, clock: Clock
) -> None:
    kept(aws, shown_job())
    folder = links.folder("campaign")
    clock.pass_time(days=6)
    (link,) = [a for a in Page(visit(folder).body).all("a", "href") if "amazonaws" not in a]
    clock.pass_time(days=1)

    assert visit(f"https://pages.example/{link}").status == 410


def test_a_job_that_has_moved_on_is_shown_as_it_is_now(
    aws: Aws, links: PageLinks, visit: Open
) -> None:
    job = aws.ledger.claim(replace(shown_job(), state=State.CLAIMED, clip=None))
    before = visit(links.job(job.job_id)).body
    aws.ledger.move(job, State.REFUSED)

    assert "waiting to be ordered" in before
    assert "waiting to be ordered" not in visit(links.job(job.job_id)).body


def test_every_invalid_link_gets_the_same_page(
    aws: Aws, links: PageLinks, visit: Open, clock: Clock
) -> None:
    job = kept(aws, shown_job())
    good = links.job(job.job_id) or ""
    unknown = links.job("f" * 24) or ""
    strange = ["", "/", "/favicon.ico", "/a/b/c", "/é", f"/{'A' * 5000}", good[:-1]]
    answers = [visit(one) for one in (*strange, unknown, f"{good}/")]
    clock.pass_time(days=7)
    ended = visit(good)

    assert {answer.status for answer in answers} == {404}
    assert ended.status == 410
    assert {(a.body, json.dumps(dict(a.headers))) for a in (*answers, ended)} == {
        (ended.body, json.dumps(dict(ended.headers)))
    }
    assert job.source.key not in ended.body


def test_an_invalid_link_reads_nothing_from_the_ledger(aws: Aws, container: FakeContainer) -> None:
    container.client("dynamodb")
    view = replace(container.step(View), ledger=None)  # type: ignore[arg-type]
    forged = Token(PageKind.FOLDER, (folder_id(""),), 2_000_000_000).sign(b"x" * 64)

    assert view.handle(ViewEvent(forged)).status == 404


def test_another_key_ends_all_links_within_a_minute(
    aws: Aws, links: PageLinks, container: FakeContainer
) -> None:
    job = kept(aws, shown_job())
    link = links.job(job.job_id) or ""
    event = ViewEvent(link.rpartition("/")[2])
    assert container.step(View).handle(event).status == 200

    aws.secrets.value = "n" * 64
    view = container.step(View)
    view.key.secrets.store.clear()  # as after a minute

    assert view.handle(event).status == 404


@pytest.mark.parametrize("name", ["page.css", "page.js", "icon.svg"])
def test_the_pages_own_files_are_served(visit: Open, name: str) -> None:
    answer = visit(f"https://pages.example/{name}")

    assert answer.status == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "public, max-age=3600"


def test_pages_are_neither_cached_nor_indexed_and_send_no_referrer(
    aws: Aws, links: PageLinks, visit: Open
) -> None:
    job = kept(aws, shown_job())
    for answer in (visit(links.job(job.job_id)), visit("https://pages.example/x")):
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("page", ["0", "-1", "x", "99999999999", "²", "3"])
def test_an_impossible_page_number_shows_a_page_that_exists(
    aws: Aws, links: PageLinks, visit: Open, page: str
) -> None:
    kept(aws, shown_job())

    assert visit(f"{links.folder('campaign')}?page={page}").status == 200


def test_names_longer_than_an_index_may_hold_are_listed(
    aws: Aws, links: PageLinks, visit: Open
) -> None:
    key = f"{'é' * 300}/{'a' * 400}.jpg"
    kept(aws, shown_job(key=key))

    assert visit(links.image(key)).status == 200
    assert visit(links.folder("é" * 300)).status == 200


def test_no_log_holds_a_token(
    aws: Aws,
    container: FakeContainer,
    links: PageLinks,
    events: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    token = (links.job(kept(aws, shown_job()).job_id) or "").rpartition("/")[2]
    event = json.loads((events / "page-visit.json").read_text(encoding="utf-8"))
    with using(container):
        answer = module("view").handler({**event, "rawPath": f"/{token}"}, Context("view"))
        module("view").handler(event, Context("view"))

    assert answer["statusCode"] == 200
    assert "video" in answer["body"]
    assert token not in log.getvalue()
    assert event["rawPath"][1:] not in log.getvalue()


def test_a_link_ends_to_the_second(aws: Aws, links: PageLinks, visit: Open, clock: Clock) -> None:
    link = links.job(kept(aws, shown_job()).job_id)
    clock.now += timedelta(days=7) - timedelta(seconds=1)

    assert visit(link).status == 200
    clock.pass_time(seconds=1)
    assert visit(link).status == 410
