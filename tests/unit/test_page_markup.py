"""Pages are made of our elements, whatever the names and prompts in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from dropreel.clips.bucket import ClipsBucket
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import Job, State
from dropreel.pages.folder import folder_page
from dropreel.pages.layout import nothing_here, page_headers
from dropreel.pages.media import Media
from dropreel.pages.takes import clip_page, compare_page
from tests.support.pages import BUCKET, Page, shown_job
from tests.support.widget import HOSTILE

UNTIL = 1_800_000_000
OURS = {
    *("html", "head", "meta", "title", "link", "script", "body", "header", "main", "footer"),
    *("h1", "h2", "p", "bdi", "article", "div", "figure", "img", "video", "a", "dl", "dt", "dd"),
    *("mark", "details", "summary", "pre", "button", "nav"),
}


class _Unsigned:
    """Addresses as S3 signs them, without the work."""

    def generate_presigned_url(self, _: str, **asked: Any) -> str:
        return boto3_like(asked["Params"])


def boto3_like(params: dict[str, str]) -> str:
    named = "&response-content-disposition=x" if "ResponseContentDisposition" in params else ""
    return f"{BUCKET}/an-object?X-Amz-Signature=5ec2e7{named}"


MEDIA = Media(ClipsBucket(_Unsigned(), "clips"))  # type: ignore[arg-type]


def pages_of(*jobs: Job) -> list[Page]:
    """Every page that may show these jobs."""
    folder = folder_page(jobs, MEDIA, UNTIL, 1, lambda key: "token")
    return [
        Page(clip_page(jobs[0], MEDIA, UNTIL)),
        Page(compare_page(jobs, MEDIA, UNTIL)),
        Page(folder),
    ]


def assert_only_ours(page: Page) -> None:
    assert {tag for tag, _ in page.tags} <= OURS
    assert [name for _, of in page.tags for name in of if name.startswith("on")] == []
    assert [name for _, of in page.tags for name in of if name == "style"] == []
    assert page.all("script", "src") == ["page.js"]
    media = [*page.all("video", "src"), *page.all("video", "poster"), *page.all("img", "src")]
    assert all(address.startswith(f"{BUCKET}/") for address in media)
    links = [link for link in page.all("a", "href") if link != "token"]
    assert all(link.startswith(f"{BUCKET}/") for link in links)
    assert page.html.count("<script") == 1


def hostile(words: str, state: State = State.DELIVERED) -> Job:
    job = shown_job(key=f"a/{words}.jpg", settings={"prompt": words}, state=state)
    failure = JobFailure(FailureKind.MODERATED, words)
    return replace(job, failure=failure, remark=words, provider=words, labels=(words,))


@given(st.text(max_size=60), st.sampled_from(State))
def test_no_words_can_change_a_page(words: str, state: State) -> None:
    for page in pages_of(hostile(words, state), hostile("other")):
        assert_only_ours(page)


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_are_only_words(words: str) -> None:
    for page in pages_of(hostile(words), hostile(words, State.FAILED)):
        assert_only_ours(page)
        assert "\u202e" not in page.html


def test_lines_and_joined_emoji_of_a_prompt_stay() -> None:
    prompt = "first line\nsecond line \U0001f468\u200d\U0001f469"
    page = Page(clip_page(shown_job(settings={"prompt": prompt}), MEDIA, UNTIL))

    assert prompt in "".join(page.texts)


def test_a_clip_plays_muted_again_and_again_where_it_stands() -> None:
    page = Page(clip_page(shown_job(), MEDIA, UNTIL))

    (video,) = [of for tag, of in page.tags if tag == "video"]
    assert {"muted", "loop", "autoplay", "playsinline", "controls", "poster"} <= set(video)


def test_a_clip_comes_with_all_that_is_known_of_it() -> None:
    remark, labels = "it has 4.0 s instead of 5 s", ("spring", "hero shot")
    advice = ("The image is heavily compressed. Export it again.",)
    job = shown_job(settings={"take": 2, "loop": True}, remark=remark, labels=labels, advice=advice)
    text = Page(clip_page(job, MEDIA, UNTIL)).text

    for fact in ("photo.jpg", "Download photo-take2.mp4", "luma", "540p", "$0.15", "75 seconds"):
        assert fact in text
    assert "it has 4.0 s instead of 5 s" in text
    assert "spring, hero shot" in text
    assert advice[0] in text
    assert "15 January 2027, 08:00 UTC" in text


def test_clips_of_one_image_stand_side_by_side_with_their_differences_marked() -> None:
    jobs = [
        shown_job(3, provider="fal", settings={"prompt": "slow orbit", "take": 2}),
        shown_job(2, settings={"prompt": "slow push-in"}, state=State.FAILED),
        shown_job(1, settings={"prompt": "slow push-in"}),
    ]
    page = Page(compare_page(jobs, MEDIA, UNTIL))

    assert len(page.all("video", "src")) == len(page.downloads) == 2
    assert "2 clips" in page.text
    assert "No clip" in page.text
    assert page.marked == ["orbit", "fal", "2"]
    assert "slow <mark>orbit</mark>" in page.html


def test_takes_stand_in_the_order_of_their_list_and_the_newest_drop_before_them() -> None:
    newest = shown_job(9, settings={"prompt": "pan"})
    dropped = {"created_at": "2026-11-20T09:01:00.000Z"}
    third, first, second = (
        shown_job(n, group_take=take, **dropped) for n, take in ((1, 3), (2, 1), (3, 2))
    )
    page = Page(compare_page([newest, third, second, first], MEDIA, UNTIL))

    assert page.all("video", "aria-label") == [
        "photo.mp4",
        "photo-take1.mp4",
        "photo-take2.mp4",
        "photo-take3.mp4",
    ]
    assert "3" in page.marked


@pytest.mark.parametrize(
    ("resolution", "words"),
    [("540p", "Order this clip again in 1080p"), ("1080p", "Order this clip once more")],
)
def test_the_same_clip_is_offered_with_the_names_of_its_files_and_its_price(
    resolution: str, words: str
) -> None:
    job = shown_job(settings={"resolution": resolution, "duration": "5s"})
    text = Page(clip_page(job, MEDIA, UNTIL)).text

    assert words in text
    saved = "Save this text as photo.json and drop it beside photo.jpg. It costs about $1.20."
    assert saved in text


def test_a_single_clip_has_nothing_marked() -> None:
    assert Page(compare_page([shown_job()], MEDIA, UNTIL)).marked == []


def test_a_page_without_any_clip_has_no_button_to_stop_them() -> None:
    page = Page(compare_page([shown_job(state=State.FAILED)], MEDIA, UNTIL))

    assert "data-pause" not in page.html


def test_a_folder_shows_the_newest_clip_of_each_image_by_name() -> None:
    jobs = [
        shown_job(1, "a/b.jpg"),
        shown_job(2, "a/b.jpg", settings={"take": 2}),
        shown_job(3, "a/b.jpg", state=State.FAILED),
        shown_job(4, "a/a.jpg", state=State.RUNNING),
    ]
    page = Page(folder_page(jobs, MEDIA, UNTIL, 1, lambda key: f"to-{key}"))

    assert page.text.index("a.jpg") < page.text.index("b.jpg")
    assert page.all("a", "title") == ["b-take2.mp4"]
    assert [x for x in page.all("a", "href") if "to-" in x] == ["to-a/a.jpg", "to-a/b.jpg"]
    assert "Compare all 3" in page.text
    assert "being made" in page.text


def test_a_large_folder_has_several_pages() -> None:
    jobs = [shown_job(1, f"a/{number:03d}.jpg") for number in range(100)]

    def turned(number: int) -> Page:
        return Page(folder_page(jobs, MEDIA, UNTIL, number, lambda key: key))

    seen = [name for n in (1, 2, 3) for name in turned(n).texts if name.endswith(".jpg")]
    assert seen == [f"{number:03d}.jpg" for number in range(100)]
    assert turned(99).html == turned(3).html
    assert turned(0).html == turned(1).html
    assert "?page=1" in turned(2).html
    assert "?page=3" in turned(2).html


@pytest.mark.parametrize(("key", "name"), [("photo.jpg", "All images"), ("a/b/c.jpg", "a/b/")])
def test_a_folder_is_called_by_its_name(key: str, name: str) -> None:
    page = Page(folder_page([shown_job(key=key)], MEDIA, UNTIL, 1, lambda key: key))

    assert name in page.texts


def test_nothing_here_is_one_page_that_names_nobody() -> None:
    page = Page(nothing_here())

    assert_only_ours(page)
    assert "This link does not open a page" in page.text
    assert page.all("video", "src") == []


def test_a_page_may_load_its_own_files_and_the_bucket_s_media_and_nothing_else() -> None:
    policy = page_headers(BUCKET)["content-security-policy"]

    assert "default-src 'none'" in policy
    assert f"media-src {BUCKET};" in policy
    assert "unsafe" not in policy
    assert BUCKET not in page_headers()["content-security-policy"]


def test_addresses_are_those_of_the_bucket_s_own_host_in_its_region() -> None:
    s3 = boto3.client(
        "s3",
        region_name="eu-west-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
    )
    media = Media(ClipsBucket(s3, "clips"))

    assert media.origin == "https://clips.s3.eu-west-1.amazonaws.com"
    assert media.clip(shown_job()).startswith(f"{media.origin}/clips/")
    assert "photo-take2.mp4" in media.download(shown_job(settings={"take": 2}))
