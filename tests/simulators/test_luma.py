"""Luma Agents API: providers.md section 5."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from tests.simulators.caller import Caller
from tests.simulators.conftest import ImageHost, Start


def test_a_submit_is_201_with_the_generation(luma: Caller) -> None:
    response = luma.submit()
    body = response.json()
    assert response.status_code == 201
    assert response.headers["X-API-Version"] == "2026-04-01"
    assert response.headers["X-RateLimit-Remaining"] == "599"
    assert (body["state"], body["model"], body["type"]) == ("queued", "ray-3.2", "video")
    assert (body["output"], body["failure_code"], body["failure_reason"]) == ([], None, None)


def test_a_job_goes_through_its_words(luma: Caller) -> None:
    job_id = luma.job()
    words = [luma.word(job_id)]
    for seconds in (4.0, 10.0):
        luma.simulators.advance(seconds)
        words.append(luma.word(job_id))
    assert words == ["queued", "processing", "completed"]


def test_the_request_id_is_echoed_or_made(luma: Caller) -> None:
    headers = {**luma.headers, "X-Request-Id": "mine"}
    echoed = luma.http.get(luma.url("/files"), headers=headers)
    assert echoed.headers["X-Request-Id"] == "mine"
    assert len(luma.get("/files").headers["X-Request-Id"]) == 36


def test_listing_files_checks_the_key(luma: Caller) -> None:
    page = luma.get("/files", limit="1").json()
    assert page == {"data": [], "has_more": False, "next_cursor": None}
    missing = luma.http.get(luma.url("/files"))
    assert (missing.status_code, missing.json()["detail"]) == (401, "Missing or invalid API key")
    wrong = luma.http.get(luma.url("/files"), headers={"Authorization": "Bearer x"})
    assert (wrong.status_code, wrong.json()["detail"]) == (401, "Invalid API key")


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"prompt": ""}, "Prompt must be between 1 and 6000 characters"),
        ({"prompt": "x" * 6001}, "Prompt must be between 1 and 6000 characters"),
        ({"aspect_ratio": "3:1"}, "Invalid aspect_ratio '3:1'. Valid: "),
        ({"resolution": "4k"}, "Invalid resolution '4k'"),
        ({"duration": "10s"}, "start_frame and end_frame are not supported"),
        ({"loop": True, "duration": "10s"}, "loop is not supported"),
        ({"loop": True, "hdr": True}, "loop excludes"),
        ({"hdr": True}, "hdr needs"),
        ({"exr_export": True}, "exr_export requires hdr"),
        ({"seed": 7}, "Unknown field: seed"),
        ({"start_frame": None}, "is required"),
        ({"start_frame": {"url": "a", "data": "b"}}, "provide exactly one of"),
        ({"start_frame": {"data": "b"}}, "media_type is required"),
        ({"start_frame": {"file_id": "f"}}, "file_id not found"),
        ({"keyframes": [{"url": "a"}], "keyframe_indexes": [0]}, "keyframes exclude"),
        ({"keyframes": [{"url": "a"}], "keyframe_indexes": [200]}, "from 0 to 120"),
        ({"keyframes": [{"url": "a"}]}, "must match keyframes"),
    ],
)
def test_wrong_parameters_are_refused_at_submit(
    luma: Caller, changes: dict[str, Any], detail: str
) -> None:
    response = luma.submit(**changes)
    assert response.status_code == 400
    assert detail in response.json()["detail"]
    assert luma.simulators.accepted() == 0


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"model": "ray-9"}, "Unknown model: ray-9"),
        ({"model": "uni-1"}, "Type 'video' is not supported for model 'uni-1'"),
        ({"seed": 7}, "Unknown field: seed"),
    ],
)
def test_the_model_and_stray_fields_are_checked(
    luma: Caller, changes: dict[str, Any], detail: str
) -> None:
    response = luma.post({**luma.body(), **changes})
    assert (response.status_code, response.json()["detail"]) == (400, detail)


def test_ten_seconds_go_through_one_keyframe(luma: Caller) -> None:
    frames: dict[str, Any] = {"keyframes": [{"url": luma.image_url}], "keyframe_indexes": [0]}
    job_id = luma.finished(start_frame=None, duration="10s", **frames)
    assert luma.word(job_id) == "completed"


def test_the_image_is_fetched_at_submit(luma: Caller, image_host: ImageHost) -> None:
    page = image_host.put("/page.jpg", b"<html></html>", "text/html")
    broken = image_host.put("/broken.jpg", b"not a picture")
    answers = {
        luma.image_url.replace("photo", "gone"): "failed to fetch URL (HTTP 403)",
        "http://127.0.0.1:9/photo.jpg": "failed to fetch URL",
        page: "content-type is not an image",
        broken: "the image cannot be decoded",
    }
    for url, detail in answers.items():
        response = luma.submit(image=url)
        assert response.status_code == 422
        assert response.json() == {"detail": f"video.start_frame: {detail}"}
    assert luma.simulators.accepted() == 0


def test_an_image_may_be_sent_inline(luma: Caller, photo: bytes) -> None:
    inline = {"data": base64.b64encode(photo).decode(), "media_type": "image/jpeg"}
    assert luma.submit(start_frame=inline).status_code == 201
    broken = luma.submit(start_frame={"data": "???", "media_type": "image/jpeg"})
    assert broken.json()["detail"] == "video.start_frame: invalid base64 data"


def test_an_image_that_is_too_large_is_413(
    start: Start, http: httpx.Client, image_url: str
) -> None:
    small = Caller("luma", start(max_image_bytes=1000), http, image_url)
    assert small.submit().status_code == 413


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("moderated", "content_moderated"),
        ("failed", "generation_failed"),
        ("no-credit", "budget_exhausted"),
        ("rate-limited", "rate_limited"),
        ("output-not-found", "output_not_found"),
        ("late-validation", "invalid_request"),
        ("image-unsupported", "unsupported_format"),
        ("failed code=something_new", "something_new"),
    ],
)
def test_each_bad_end_has_its_failure_code(luma: Caller, end: str, code: str) -> None:
    body = luma.status(luma.finished(f"[sim: end={end}]")).json()
    assert (body["state"], body["failure_code"], body["output"]) == ("failed", code, [])
    assert body["failure_reason"]


@pytest.mark.parametrize(
    ("marker", "detail"),
    [
        ("submit=401 code=revoked", "API key has been revoked"),
        ("submit=402", "Insufficient credits. Please add credits to continue."),
        ("submit=402 code=balance", "Insufficient balance. Please add funds to continue."),
        ("submit=403", "API client is suspended"),
        ("submit=429 code=concurrent", "Too many concurrent jobs"),
        ("submit=502", "Upstream service unavailable"),
        ("submit=503", "Image URL ingestion unavailable"),
    ],
)
def test_refusals_have_their_wording(luma: Caller, marker: str, detail: str) -> None:
    assert luma.submit(f"[sim: {marker}]").json() == {"detail": detail}


def test_a_detail_may_be_a_list(luma: Caller) -> None:
    assert isinstance(luma.submit("[sim: submit=422 code=list]").json()["detail"], list)


def test_the_post_limit_slides_over_a_minute(
    start: Start, http: httpx.Client, image_url: str
) -> None:
    limited = Caller("luma", start(luma_posts_per_minute=2), http, image_url)
    first = limited.submit()
    limited.simulators.advance(20)
    assert limited.submit().headers["X-RateLimit-Remaining"] == "0"
    refused = limited.submit()
    assert (first.status_code, refused.status_code) == (201, 429)
    assert refused.json() == {"detail": "Rate limit exceeded"}
    assert refused.headers["Retry-After"] == refused.headers["X-RateLimit-Reset"] == "40"
    limited.simulators.advance(40)
    assert limited.submit().status_code == 201
    limited.simulators.reset()
    assert limited.submit().headers["X-RateLimit-Remaining"] == "1"


def test_the_job_limit_answers_without_rate_headers(
    start: Start, http: httpx.Client, image_url: str
) -> None:
    limited = Caller("luma", start(max_running={"luma": 1}), http, image_url)
    limited.submit()
    refused = limited.submit()
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    assert "X-RateLimit-Limit" not in refused.headers


def test_each_get_mints_a_fresh_address(luma: Caller) -> None:
    job_id = luma.finished()
    assert luma.clip_url(job_id) != luma.clip_url(job_id)


def test_there_is_nothing_to_cancel_or_list(luma: Caller) -> None:
    assert luma.get("/generations").status_code == 404
    assert luma.http.delete(luma.url("/generations/x"), headers=luma.headers).status_code == 404
    assert luma.status("x").json() == {"detail": "Generation not found"}
