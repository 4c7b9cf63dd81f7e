"""Oxen.ai: providers.md section 3."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.simulators.caller import KEYS, MODEL, Caller
from tests.simulators.conftest import Start


def test_a_job_goes_through_its_words(oxen: Caller) -> None:
    job_id = oxen.job()
    words = [oxen.word(job_id)]
    for seconds in (4.0, 10.0):
        oxen.simulators.advance(seconds)
        words.append(oxen.word(job_id))
    assert words == ["queued", "processing", "succeeded"]


def test_a_row_echoes_the_parameters_and_has_unix_times(oxen: Caller) -> None:
    row = oxen.status(oxen.finished(aspect_ratio="3:1")).json()
    assert (row["model_name"], row["media_type"], row["error_message"]) == (MODEL, "video", None)
    assert (row["aspect_ratio"], row["duration"]) == ("3:1", "5s")
    assert row["completed_at"] - row["enqueued_at"] >= 10
    assert row["result_url"].startswith(f"{oxen.simulators.origin}/oxen/files/")


def test_an_unknown_row_is_not_found(oxen: Caller) -> None:
    response = oxen.status("unknown")
    assert response.status_code == 404
    assert response.json() == {
        "error": {
            "type": "resource_not_found",
            "title": "The requested resource could not be found",
        },
        "status": "error",
        "status_message": "resource_not_found",
    }


def test_a_wrong_key_is_unauthenticated(oxen: Caller) -> None:
    response = oxen.http.get(oxen.url("/queue"), headers={"Authorization": "Bearer wrong"})
    assert response.status_code == 401
    assert response.json()["error"]["type"] == "unauthenticated"


def test_only_model_and_number_are_checked_at_submit(oxen: Caller) -> None:
    unknown = oxen.post({**oxen.body(), "model": "ray-9"})
    assert unknown.status_code == 404
    assert unknown.json()["error"]["detail"] == "Model not found: ray-9"
    assert oxen.submit(num_generations=5).status_code == 400
    assert oxen.submit(num_generations="two").status_code == 400
    assert oxen.simulators.accepted() == 0


@pytest.mark.parametrize(
    "changes",
    [{"resolution": "4k"}, {"loop": True, "duration": "10s"}, {"image": None}, {"loop": "yes"}],
)
def test_wrong_parameters_fail_late_with_the_upstream_text(
    oxen: Caller, changes: dict[str, Any]
) -> None:
    row = oxen.status(oxen.finished(**changes)).json()
    assert row["status"] == "failed"
    assert row["error_message"].startswith("Getting model response error: 422 - ")
    assert row["result_url"] is None


def test_what_fal_no_longer_takes_fails_late_if_so_switched(
    start: Start, http: httpx.Client, image_url: str
) -> None:
    narrow = Caller("oxen", start(oxen_narrow=True), http, image_url)
    jobs = [narrow.finished(aspect_ratio="3:1"), narrow.finished(duration="10s"), narrow.finished()]
    assert [narrow.word(job_id) for job_id in jobs] == ["failed", "failed", "succeeded"]


@pytest.mark.parametrize(
    ("end", "text"),
    [
        ("no-credit", "Insufficient credits"),
        ("moderated", "content_policy_violation"),
        ("failed", "500 - Internal Server Error"),
        ("timeout", "504 - "),
        ("rate-limited", "429 - "),
        ("failed code=face_detection_error", "face_detection_error"),
    ],
)
def test_each_bad_end_has_its_text(oxen: Caller, end: str, text: str) -> None:
    row = oxen.status(oxen.finished(f"[sim: end={end}]")).json()
    assert row["status"] == "failed"
    assert text in row["error_message"]


def test_an_image_that_is_gone_fails_with_the_upstream_text(oxen: Caller) -> None:
    gone = oxen.image_url.replace("photo", "gone")
    message = oxen.status(oxen.finished(image=gone)).json()["error_message"]
    assert "file_download_error" in message
    assert "HTTP 403" in message


def test_an_image_may_come_as_a_list_of_one(oxen: Caller) -> None:
    assert oxen.word(oxen.finished(image=[oxen.image_url])) == "succeeded"


def test_several_generations_are_several_jobs(oxen: Caller) -> None:
    generations = oxen.submit(num_generations=3).json()["generations"]
    assert len({row["generation_id"] for row in generations}) == 3
    assert oxen.simulators.accepted("oxen") == 3


def test_the_queue_lists_active_rows_unless_asked_for_others(oxen: Caller) -> None:
    done = oxen.finished()
    active = oxen.job()
    assert [row["generation_id"] for row in oxen.get("/queue").json()["generations"]] == [active]
    ended = oxen.get("/queue", status="succeeded").json()
    assert (ended["count"], ended["generations"][0]["generation_id"]) == (1, done)
    assert oxen.get("/queue", model="other").json() == {"count": 0, "generations": []}


def test_a_generation_tells_its_cost_as_text(oxen: Caller) -> None:
    body = oxen.get(f"/generations/{oxen.finished(resolution='1080p', duration='10s')}").json()
    assert (body["status"], body["status_message"]) == ("success", "resource_found")
    assert body["generation"]["cost"] == "4.0000"


def test_deleting_cancels_and_the_row_stays(oxen: Caller) -> None:
    job_id = oxen.job()
    assert oxen.cancel(job_id).json() == {"status": "success", "generation_id": job_id}
    assert oxen.word(job_id) == "cancelled"
    assert oxen.cancel("unknown").status_code == 404


def test_deleting_a_finished_job_changes_nothing(oxen: Caller) -> None:
    job_id = oxen.finished()
    assert oxen.cancel(job_id).status_code == 200
    assert oxen.word(job_id) == "succeeded"


def test_files_need_the_key_if_so_switched(
    start: Start, http: httpx.Client, image_url: str
) -> None:
    keyed = Caller("oxen", start(oxen_needs_key=True), http, image_url)
    url = keyed.clip_url(keyed.finished("[sim: result=empty]"))
    assert http.get(url).status_code == 401
    assert http.get(url, headers={"Authorization": f"Bearer {KEYS['oxen']}"}).status_code == 200
    assert keyed.simulators.keys_seen_on_cdn == 0


def test_the_model_page_is_public(oxen: Caller) -> None:
    page = oxen.http.get(oxen.url(f"/models/{MODEL}")).json()
    assert page["json_request_schema"]["required"] == ["prompt", "input_image"]
    assert oxen.http.get(oxen.url("/models/nope")).status_code == 404
    assert len(oxen.http.get(oxen.url("/models")).json()["models"]) == 1
