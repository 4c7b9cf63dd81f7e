"""fal's queue: providers.md section 4."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.simulators.caller import FAL_ENDPOINT, Caller
from tests.simulators.conftest import Start


def test_a_submit_answers_with_short_urls(fal: Caller) -> None:
    response = fal.submit()
    body = response.json()
    own = f"{fal.simulators.base_url('fal')}/luma/agent/requests/{body['request_id']}"
    assert response.status_code == 200
    assert response.headers["x-fal-request-id"] == body["request_id"]
    assert body == {
        "request_id": body["request_id"],
        "response_url": own,
        "status_url": f"{own}/status",
        "cancel_url": f"{own}/cancel",
        "queue_position": 0,
    }


def test_a_job_goes_through_its_words(fal: Caller) -> None:
    job_id = fal.job()
    seen = []
    for seconds in (0.0, 4.0, 10.0):
        fal.simulators.advance(seconds)
        response = fal.status(job_id)
        seen.append((response.status_code, response.json()["status"]))
    assert seen == [(202, "IN_QUEUE"), (202, "IN_PROGRESS"), (200, "COMPLETED")]
    assert fal.status(job_id).json()["metrics"] == {"inference_time": 7.0}


@pytest.mark.parametrize(
    "form",
    ["/luma/agent/requests/{}", f"/{FAL_ENDPOINT}/requests/{{}}"],
)
def test_both_forms_of_the_addresses_are_answered(fal: Caller, form: str) -> None:
    path = form.format(fal.finished())
    assert fal.get(f"{path}/status").json()["status"] == "COMPLETED"
    first, second = fal.get(path), fal.get(f"{path}/response")
    assert first.json() == second.json()
    assert "/cdn/fal/" in first.json()["video"]["url"]
    assert first.headers["X-Fal-Billable-Units"] == "0.5"


def test_a_result_that_is_not_there_yet_is_400(fal: Caller) -> None:
    assert fal.result(fal.job()).status_code == 400


def test_an_unknown_job_is_not_found(fal: Caller) -> None:
    response = fal.status("unknown")
    assert (response.status_code, response.json()) == (404, {"status": "NOT_FOUND"})


def test_a_wrong_key_and_a_wrong_endpoint_are_refused(fal: Caller) -> None:
    url = fal.url(f"/{FAL_ENDPOINT}")
    bearer = {"Authorization": fal.headers["Authorization"].replace("Key", "Bearer")}
    assert fal.http.post(url, json=fal.body(), headers=bearer).status_code == 401
    other = fal.http.post(fal.url("/luma/other"), json=fal.body(), headers=fal.headers)
    assert other.status_code == 404
    assert "detail" in other.json()


WRONG = [
    ({"prompt": ""}, "prompt", "string_too_long"),
    ({"aspect_ratio": "3:1"}, "aspect_ratio", "one_of"),
    ({"resolution": "360p"}, "resolution", "one_of"),
    ({"loop": "yes"}, "loop", "type_error"),
    ({"image": None}, "image_url", "value_error"),
    ({"duration": "10s"}, "duration", "value_error"),
    ({"hdr": True}, "hdr", "value_error"),
    ({"exr_export": True}, "exr_export", "value_error"),
    ({"loop": True, "end_image_url": "http://x.test/a.jpg"}, "loop", "value_error"),
    ({"keyframes": ["http://x.test/a.jpg"]}, "image_url", "value_error"),
]


@pytest.mark.parametrize(("changes", "where", "kind"), WRONG)
def test_wrong_parameters_show_only_on_the_result(
    fal: Caller, changes: dict[str, Any], where: str, kind: str
) -> None:
    job_id = fal.finished(**changes)
    status = fal.status(job_id)
    assert (status.status_code, status.json()["status"]) == (200, "COMPLETED")
    assert "error" not in status.json()
    result = fal.result(job_id)
    assert result.status_code == 422
    detail = result.json()["detail"][0]
    assert (detail["loc"], detail["type"]) == (["body", where], kind)


@pytest.mark.parametrize(("changes", "where", "kind"), WRONG[:3])
def test_wrong_parameters_are_refused_at_submit_if_so_switched(
    start: Start,
    http: httpx.Client,
    image_url: str,
    changes: dict[str, Any],
    where: str,
    kind: str,
) -> None:
    strict = Caller("fal", start(early_validation=True), http, image_url)
    response = strict.submit(**changes)
    assert response.status_code == 422
    detail = response.json()["detail"][0]
    assert (detail["loc"][1], detail["type"]) == (where, kind)
    assert strict.simulators.accepted() == 0


def test_ten_seconds_go_through_keyframes(fal: Caller) -> None:
    frames: dict[str, Any] = {"keyframes": [fal.image_url], "keyframe_indexes": [0]}
    job_id = fal.finished(image=None, duration="10s", **frames)
    assert fal.result(job_id).status_code == 200


def test_fields_of_the_older_schema_are_ignored(fal: Caller) -> None:
    job_id = fal.finished(reference_image_urls=["http://x.test/a.jpg"])
    assert fal.result(job_id).status_code == 200


@pytest.mark.parametrize(
    ("end", "code", "kind"),
    [
        ("moderated", 422, "content_policy_violation"),
        ("failed", 500, "internal_server_error"),
        ("bad-image", 422, "file_download_error"),
        ("image-too-large", 422, "file_too_large"),
        ("timeout", 504, "generation_timeout"),
        ("late-validation", 422, "one_of"),
        ("output-not-found", 422, "no_media_generated"),
        ("failed code=downstream_service_error", 500, "downstream_service_error"),
        ("failed code=something_new", 422, "something_new"),
    ],
)
def test_model_errors_are_lists(fal: Caller, end: str, code: int, kind: str) -> None:
    response = fal.result(fal.finished(f"[sim: end={end}]"))
    assert response.status_code == code
    assert response.json()["detail"][0]["type"] == kind


@pytest.mark.parametrize(
    ("end", "code", "kind", "again"),
    [
        ("failed-retryable", 503, "runner_scheduling_failure", "1"),
        ("rate-limited", 429, "concurrent_requests_limit", "1"),
        ("cancelled", 499, "client_cancelled", None),
        ("failed code=runner_server_error", 500, "runner_server_error", None),
    ],
)
def test_platform_errors_are_texts_with_a_type(
    fal: Caller, end: str, code: int, kind: str, again: str | None
) -> None:
    response = fal.result(fal.finished(f"[sim: end={end}]"))
    assert response.status_code == code
    assert response.json()["error_type"] == response.headers["X-Fal-Error-Type"] == kind
    assert isinstance(response.json()["detail"], str)
    assert response.headers.get("X-Fal-Needs-Retry") == again


@pytest.mark.parametrize(
    ("code", "kind", "again"),
    [
        (500, "internal_error", None),
        (502, "runner_incomplete_response", None),
        (503, "runner_scheduling_failure", "1"),
        (504, "request_timeout", None),
        (429, "concurrent_requests_limit", "1"),
        (499, "client_disconnected", None),
    ],
)
def test_calls_that_fail_have_a_type_and_a_header(
    fal: Caller, code: int, kind: str, again: str | None
) -> None:
    job_id = fal.finished(f"[sim: status={code} answer={code} times=1]")
    answers = [fal.status(job_id), fal.result(job_id), fal.submit(f"[sim: submit={code}]")]
    assert [answer.status_code for answer in answers] == [code] * 3
    assert {answer.json()["error_type"] for answer in answers} == {kind}
    assert {answer.headers["X-Fal-Error-Type"] for answer in answers} == {kind}
    assert {answer.headers.get("X-Fal-Needs-Retry") for answer in answers} == {again}
    assert fal.result(job_id).is_success


def test_the_type_of_a_call_that_fails_can_be_chosen_or_left_out(fal: Caller) -> None:
    chosen = fal.finished("[sim: answer=503 code=runner_disconnected]")
    bare = fal.finished("[sim: answer=503 code=gateway]")
    assert fal.result(chosen).json()["error_type"] == "runner_disconnected"
    assert fal.result(bare).json() == {"detail": "Service unavailable"}
    assert "X-Fal-Error-Type" not in fal.result(bare).headers


def test_a_failure_can_tell_what_the_model_behind_it_answered(fal: Caller) -> None:
    job_id = fal.finished("[sim: end=failed told=status downstream=400]")
    assert fal.status(job_id).json()["downstream_status"] == 400


def test_a_failure_can_show_in_the_status(fal: Caller) -> None:
    job_id = fal.finished("[sim: end=failed-retryable told=status]")
    body = fal.status(job_id).json()
    assert (body["status"], body["error_type"]) == ("COMPLETED", "runner_scheduling_failure")
    assert fal.result(job_id).status_code == 503


def test_a_locked_account_reads_the_same_at_submit_and_late(fal: Caller) -> None:
    early = fal.submit("[sim: submit=403]")
    late = fal.result(fal.finished("[sim: end=no-credit]"))
    assert early.status_code == late.status_code == 403
    assert early.json() == late.json() == {"detail": "User is locked. Reason: Exhausted balance."}
    assert "TOP UP" in fal.submit("[sim: submit=403 code=TOP_UP]").text


def test_cancelling_answers_by_state(fal: Caller) -> None:
    job_id, done = fal.job(), fal.finished()
    assert fal.cancel(done).json() == {"status": "ALREADY_COMPLETED"}
    assert fal.cancel("unknown").json() == {"status": "NOT_FOUND"}
    job_id = fal.job()
    response = fal.cancel(job_id)
    assert (response.status_code, response.json()["status"]) == (202, "CANCELLATION_REQUESTED")
    assert fal.word(job_id) == "COMPLETED"
    assert fal.result(job_id).status_code == 499


def test_queued_work_waits_for_a_slot(start: Start, http: httpx.Client, image_url: str) -> None:
    narrow = Caller("fal", start(max_running={"fal": 2}), http, image_url)
    jobs = [narrow.job() for _ in range(4)]
    narrow.simulators.advance(4)
    words = [narrow.word(job_id) for job_id in jobs]
    assert words == ["IN_PROGRESS", "IN_PROGRESS", "IN_QUEUE", "IN_QUEUE"]
    assert narrow.status(jobs[3]).json()["queue_position"] == 1
    narrow.simulators.advance(20)
    assert {narrow.word(job_id) for job_id in jobs} == {"COMPLETED"}
    assert narrow.simulators.max_running("fal") == 2


def test_a_full_queue_refuses_if_the_caller_wants_so(fal: Caller) -> None:
    fal.job()
    url = fal.url(f"/{FAL_ENDPOINT}?fal_max_queue_length=1")
    response = fal.http.post(url, json=fal.body(), headers=fal.headers)
    assert response.status_code == 429
    assert fal.simulators.accepted() == 1


def test_a_job_that_does_not_start_in_time_is_given_up(
    start: Start, http: httpx.Client, image_url: str
) -> None:
    narrow = Caller("fal", start(max_running={"fal": 1}), http, image_url)
    narrow.job("A slow rise [sim: render=600]")
    narrow.simulators.advance(200)
    headers = {**narrow.headers, "X-Fal-Request-Timeout": "20"}
    url = narrow.url(f"/{FAL_ENDPOINT}")
    job_id = http.post(url, json=narrow.body(), headers=headers).json()["request_id"]
    narrow.simulators.advance(200)
    result = narrow.result(job_id)
    assert result.status_code == 504
    assert result.headers["X-Fal-Request-Timeout-Type"] == "user"


def test_the_caller_says_how_long_the_file_lives(fal: Caller) -> None:
    headers = {
        **fal.headers,
        "X-Fal-Object-Lifecycle-Preference": '{"expiration_duration_seconds": 60}',
    }
    url = fal.url(f"/{FAL_ENDPOINT}")
    job_id = fal.http.post(url, json=fal.body(), headers=headers).json()["request_id"]
    fal.simulators.advance(20)
    clip = fal.clip_url(job_id)
    assert "X-Amz-Expires=60" in clip
    fal.simulators.advance(61)
    assert fal.http.get(clip).status_code == 403


def test_history_lists_requests_of_the_endpoint(fal: Caller) -> None:
    failed, done, young = fal.finished("[sim: end=moderated]"), fal.finished(), fal.job()
    url = f"{fal.simulators.origin}/fal-api/v1/models/requests/by-endpoint"
    asked = {"endpoint_id": FAL_ENDPOINT, "limit": "2"}
    first = fal.http.get(url, params=asked, headers=fal.headers).json()
    assert [row["request_id"] for row in first["items"]] == [young, done]
    assert [row["status_code"] for row in first["items"]] == [None, 200]
    assert first["has_more"] is True
    rest = {**asked, "cursor": first["next_cursor"], "expand": "payloads"}
    second = fal.http.get(url, params=rest, headers=fal.headers).json()
    assert [row["request_id"] for row in second["items"]] == [failed]
    assert second["items"][0]["status_code"] == 422
    assert second["items"][0]["json_input"]["prompt"] == "[sim: end=moderated]"
