"""What pages say of jobs."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import ENDS, Job, State
from dropreel.jobs.naming import clip_name, content_disposition
from dropreel.pages.words import (
    Comparison,
    cost_of,
    labelled_settings,
    seconds_to_clip,
    sidecar_again,
    why_no_clip,
)
from tests.support.pages import shown_job
from tests.support.sidecars import parse_sidecar


def marked(job: Job, jobs: list[Job]) -> set[str]:
    """Labels of the settings that are marked when `job` stands among `jobs`."""
    usual = Comparison.of(jobs).settings
    return {label for label, value in labelled_settings(job).items() if (label, value) not in usual}


def test_of_two_clips_every_setting_that_differs_is_marked() -> None:
    one, other = shown_job(1), shown_job(2, provider="fal", settings={"resolution": "720p"})

    assert marked(one, [one, other]) == marked(other, [one, other]) == {"Provider", "Resolution"}
    assert marked(one, [one]) == set()


def test_of_several_clips_the_setting_that_is_out_of_line_is_marked() -> None:
    one, two, other = shown_job(1), shown_job(2), shown_job(3, settings={"loop": True})

    assert marked(one, [one, two, other]) == set()
    assert marked(other, [one, two, other]) == {"Loop"}


def test_a_clip_that_references_guide_says_so() -> None:
    one = shown_job(1, settings={"reference_image_urls": ("https://example.com/look.jpg",)})

    assert marked(one, [one, shown_job(2)]) == {"Reference images"}


def test_words_that_most_prompts_do_not_have_are_marked() -> None:
    one = shown_job(1, settings={"prompt": "Slow wide orbit, soft light"})
    other = shown_job(2, settings={"prompt": "slow push-in,\nsoft light."})

    compared = Comparison.of([one, other])
    first, second = (compared.pieces(job.settings.prompt) for job in (one, other))
    assert [text for text, is_marked in first if is_marked] == ["wide orbit, "]
    assert [text for text, is_marked in second if is_marked] == ["push-in,\n"]
    assert "".join(text for text, _ in second) == other.settings.prompt


@pytest.mark.parametrize(
    ("real", "estimate", "words"),
    [("0.5", "0.4", "$0.50"), (None, "0.4", "about $0.40"), (None, None, "unknown")],
)
def test_the_cost_says_whether_it_is_known(
    real: str | None, estimate: str | None, words: str
) -> None:
    job = shown_job(
        cost_usd=Decimal(real) if real else None,
        estimate_usd=Decimal(estimate) if estimate else None,
    )

    assert cost_of(job) == words


def test_the_time_counts_from_the_drop_to_the_stored_clip() -> None:
    assert seconds_to_clip(shown_job()) == "75 seconds"


@pytest.mark.parametrize("state", [state for state in State if state not in ENDS])
def test_a_job_under_way_says_that_its_clip_will_come(state: State) -> None:
    (sentence,) = why_no_clip(shown_job(state=state))

    assert sentence.endswith("Open this page again in a few minutes.")


def test_a_job_that_waits_for_another_day_says_for_which() -> None:
    job = shown_job(state=State.CLAIMED, waits_until="2026-12-01T00:00:00.000Z")

    assert why_no_clip(job) == [
        "This clip waits for the budget of 1 December. Open this page again then."
    ]


def test_a_failure_says_why_and_whether_it_was_paid() -> None:
    failure = JobFailure(FailureKind.MODERATED, "the image shows a logo", billed=False)
    said = why_no_clip(shown_job(state=State.FAILED, failure=failure))

    assert said[0] == "The content filter of luma refused the image or the prompt."
    assert said[1] == "Reason: the image shows a logo"
    assert said[2].startswith("Nothing was paid")


@pytest.mark.parametrize("kind", [FailureKind.UNEXPECTED, FailureKind.AUTH, FailureKind.TRANSIENT])
def test_a_provider_s_words_that_help_nobody_are_not_shown(kind: FailureKind) -> None:
    failure = JobFailure(kind, "KeyError: 0x7f at /srv/app.py")

    said = " ".join(why_no_clip(shown_job(state=State.FAILED, failure=failure)))

    assert "KeyError" not in said


def test_an_end_without_a_reason_has_words_all_the_same() -> None:
    assert why_no_clip(shown_job(state=State.STALLED, failure=None))


def test_the_sidecar_orders_the_same_clip_in_1080p() -> None:
    job = shown_job(settings={"loop": True, "duration": "5s", "aspect_ratio": "1:1"})
    sidecar = parse_sidecar(sidecar_again(job, [job]).encode())

    assert sidecar.prompt == job.settings.prompt
    assert (sidecar.resolution, sidecar.aspect_ratio, sidecar.duration) == ("1080p", "1:1", "5s")
    assert (sidecar.loop, sidecar.take, sidecar.provider) == (True, 1, "luma")


def test_the_sidecar_of_a_clip_in_1080p_asks_for_another_take() -> None:
    best = {"resolution": "1080p"}
    jobs = [shown_job(1, settings=best), shown_job(2, settings={**best, "take": 2})]

    assert json.loads(sidecar_again(jobs[0], jobs))["take"] == 3


def test_the_number_of_a_refused_take_is_offered_again() -> None:
    best = {"resolution": "1080p"}
    failed = shown_job(2, settings={**best, "take": 2}, state=State.REFUSED)
    job = shown_job(1, settings=best)

    assert json.loads(sidecar_again(job, [job, failed]))["take"] == 2


def test_the_sidecar_names_references_in_the_inbox_as_they_were_asked_for() -> None:
    places = ("https://e.com/a.png", "sources/abc.png")
    job = shown_job(settings={"reference_image_urls": places})
    known = replace(job, references={"sources/abc.png": "/brand/references/logo.png"})
    assert json.loads(sidecar_again(known, [known]))["reference_images"] == [
        "https://e.com/a.png",
        "/brand/references/logo.png",
    ]


def test_the_sidecar_shows_no_secret_of_a_reference_image() -> None:
    urls = ("https://example.com/look.jpg?X-Amz-Signature=5ec2e7",)
    job = shown_job(settings={"reference_image_urls": urls})

    assert json.loads(sidecar_again(job, [job]))["reference_image_urls"] == [
        "https://example.com/look.jpg"
    ]


def test_the_sidecar_can_be_copied_whatever_the_prompt_holds() -> None:
    prompt = 'a "quote", \u202e, a tab\t, \U000e0041 and é'
    job = shown_job(settings={"prompt": prompt})
    text = sidecar_again(job, [job])

    assert json.loads(text)["prompt"] == prompt
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "é" in text


@pytest.mark.parametrize(
    ("key", "take", "name"),
    [
        ("a/b/lighthouse.jpg", 1, "lighthouse.mp4"),
        ("lighthouse.tar.JPG", 2, "lighthouse.tar-take2.mp4"),
        ("a/.jpg", 1, "clip.mp4"),
        ("a/b\nc\u202e.jpg", 1, "b_c_.mp4"),
        (f"{'é' * 300}.jpg", 999, f"{'é' * 90}-take999.mp4"),
    ],
)
def test_a_download_is_named_like_its_image(key: str, take: int, name: str) -> None:
    assert clip_name(key, take) == name
    assert len(name.encode()) <= 200


def test_old_programs_get_a_name_in_ascii_and_others_the_real_one() -> None:
    assert content_disposition("attachment", 'Café "1" 雪.mp4') == (
        'attachment; filename="Cafe _1_ .mp4"; '
        "filename*=UTF-8''Caf%C3%A9%20%221%22%20%E9%9B%AA.mp4"
    )


def test_a_job_of_another_provider_is_another_clip() -> None:
    job = shown_job(1, settings={"resolution": "1080p"})
    other = replace(job, provider="fal")

    assert json.loads(sidecar_again(job, [other]))["take"] == 1
