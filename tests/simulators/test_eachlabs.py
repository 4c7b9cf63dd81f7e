"""each::labs: providers.md section 2."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.simulators.caller import KEYS, MODEL, Caller
from tests.simulators.conftest import Start


def test_a_job_goes_through_its_words(eachlabs: Caller) -> None:
    job_id = eachlabs.job()
    words = [eachlabs.word(job_id)]
    for seconds in (3.5, 3.0, 10.0):
        eachlabs.simulators.advance(seconds)
        words.append(eachlabs.word(job_id))
    assert words == ["created", "starting", "processing", "success"]


def test_the_answer_to_a_submit_names_the_prediction(eachlabs: Caller) -> None:
    response = eachlabs.submit()
    assert response.status_code == 200
    assert response.json() == {
        "status": "success",
        "message": "Prediction created successfully",
        "predictionID": eachlabs.simulators.jobs()[0].id,
    }


def test_a_finished_prediction_has_output_metrics_and_urls(eachlabs: Caller) -> None:
    body = eachlabs.status(eachlabs.finished()).json()
    assert body["output"].startswith(f"{eachlabs.simulators.origin}/cdn/eachlabs/")
    assert body["metrics"] == {"predict_time": 7.0, "cost": 0.5}
    assert set(body["urls"]) == {"get", "cancel"}
    assert body["logs"] is None


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key"])
def test_the_key_may_come_in_the_old_or_the_new_header(eachlabs: Caller, name: str) -> None:
    value = KEYS["eachlabs"] if name == "X-API-Key" else f"Bearer {KEYS['eachlabs']}"
    url = eachlabs.url("/v1/executions")
    assert eachlabs.http.get(url, headers={name: value}).status_code == 200
    response = eachlabs.http.get(url, headers={name: value + "x"})
    assert (response.status_code, response.json()) == (
        401,
        {"error": "Invalid or missing API key"},
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"aspect_ratio": "5:4"}, "Invalid aspect_ratio '5:4'"),
        ({"resolution": "4k"}, "Invalid resolution '4k'"),
        ({"duration": 5}, "duration must be a string"),
        ({"loop": True, "duration": "10s"}, "loop is not supported"),
        ({"prompt": ""}, "between 1 and 6000"),
        ({"prompt": "x" * 6001}, "between 1 and 6000"),
    ],
)
def test_wrong_input_is_refused_at_submit(
    eachlabs: Caller, changes: dict[str, Any], told: str
) -> None:
    response = eachlabs.submit(**changes)
    assert response.status_code == 400
    assert response.json()["error"] == "Invalid input for model"
    assert told in response.json()["details"]
    assert eachlabs.simulators.accepted() == 0


def test_an_unknown_model_is_not_found(eachlabs: Caller) -> None:
    response = eachlabs.post({**eachlabs.body(), "model": "ray-9"})
    assert (response.status_code, response.json()) == (404, {"error": "Model not found"})


def test_malformed_json_is_422(eachlabs: Caller) -> None:
    url = eachlabs.url("/v1/prediction")
    assert eachlabs.http.post(url, content=b"{", headers=eachlabs.headers).status_code == 422


@pytest.mark.parametrize("word", ["error", "failed"])
def test_a_failed_prediction_tells_its_error_code_under_either_word(
    eachlabs: Caller, word: str
) -> None:
    body = eachlabs.status(eachlabs.finished(f"[sim: end=timeout word={word}]")).json()
    assert body["status"] == word
    assert body["output"]["error_code"] == "EXECUTION_TIMEOUT"
    assert body["output"]["classification"] == {"category": "TIMEOUT"}
    assert body["output"]["retryable"] is True
    assert body["metrics"]["cost"] == 0


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("moderated", "CONTENT_MODERATION"),
        ("failed", "PROVIDER_FAILED"),
        ("failed-retryable", "PROVIDER_SERVER_ERROR"),
        ("bad-image", "INPUT_DOWNLOAD_ERROR"),
        ("image-corrupt", "PROVIDER_REJECTED"),
        ("late-validation", "INPUT_VALIDATION_ERROR"),
        ("rate-limited", "PROVIDER_RATE_LIMIT"),
        ("failed code=NETWORK_ERROR", "NETWORK_ERROR"),
    ],
)
def test_each_bad_end_has_its_error_code(eachlabs: Caller, end: str, code: str) -> None:
    job_id = eachlabs.finished(f"[sim: end={end}]")
    assert eachlabs.status(job_id).json()["output"]["error_code"] == code


def test_a_dispatch_failure_holds_only_an_error(eachlabs: Caller) -> None:
    job_id = eachlabs.finished("[sim: end=no-credit]")
    assert eachlabs.status(job_id).json()["output"] == {"error": "payment required"}


def test_an_image_that_is_gone_fails_the_job_late(eachlabs: Caller) -> None:
    gone = eachlabs.image_url.replace("photo", "gone")
    body = eachlabs.status(eachlabs.finished(image=gone)).json()
    assert body["output"]["error_code"] == "INPUT_DOWNLOAD_ERROR"
    assert "HTTP 403" in body["output"]["error_message"]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [("string", str), ("list", list), ("object", dict), ("flat", dict)],
)
def test_output_comes_in_every_shape(eachlabs: Caller, shape: str, expected: type) -> None:
    body = eachlabs.status(eachlabs.finished(f"[sim: output={shape}]")).json()
    assert isinstance(body["output"], expected)
    assert "/cdn/eachlabs/" in str(body["output"])


def test_cancelling_ends_the_job_without_cost(eachlabs: Caller) -> None:
    job_id = eachlabs.job()
    response = eachlabs.cancel(job_id)
    assert response.json() == {
        "status": "cancelled",
        "message": "Prediction canceled successfully",
        "predictionID": job_id,
    }
    assert eachlabs.word(job_id) == "cancelled"
    assert eachlabs.cancel("unknown").json() == {"error": "Prediction not found"}


def test_executions_list_the_newest_first_with_cost_and_output(eachlabs: Caller) -> None:
    done = eachlabs.finished()
    eachlabs.simulators.advance(5)
    young = eachlabs.job()
    body = eachlabs.get("/v1/executions", limit="5").json()
    assert [row["id"] for row in body["executions"]] == [young, done]
    assert body["executions"][1]["execution_cost"] == 0.5
    assert body["executions"][1]["run_time"] == 7.0
    assert "/cdn/" in body["executions"][1]["output"]
    assert (body["total_count"], body["total_capped"]) == (2, False)
    assert eachlabs.get("/v1/executions", status="success").json()["total_count"] == 1
    assert eachlabs.get("/v1/executions", limit="101").status_code == 400


def test_the_model_page_shows_the_input_names_of_this_run(
    start: Start, http: httpx.Client, image_url: str
) -> None:
    names = ("prompt", "aspect_ratio", "resolution", "duration", "loop", "reference_image_urls")
    fields = {**{name: name for name in names}, "image_url": "start_image_url"}
    renamed = Caller("eachlabs", start(eachlabs_fields=fields), http, image_url)
    page = http.get(renamed.url("/v1/model"), params={"slug": MODEL}).json()
    assert (page["slug"], page["version"], page["output_type"]) == (MODEL, "0.0.1", "string")
    assert page["request_schema"]["required"] == ["prompt", "start_image_url"]
    assert renamed.submit().status_code == 400
    assert renamed.submit(image=None, start_image_url=image_url).status_code == 200


def test_the_catalogue_is_public(eachlabs: Caller) -> None:
    slugs = [page["slug"] for page in eachlabs.http.get(eachlabs.url("/v1/models")).json()]
    assert slugs == [MODEL]
    missing = eachlabs.http.get(eachlabs.url("/v1/model"), params={"slug": "nope"})
    assert missing.status_code == 404


def test_more_jobs_at_once_than_allowed_are_refused(
    start: Start, http: httpx.Client, image_url: str
) -> None:
    limited = Caller("eachlabs", start(max_running={"eachlabs": 2}), http, image_url)
    codes = [limited.submit().status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert limited.simulators.accepted() == 2
    limited.simulators.advance(10)
    assert limited.submit().status_code == 200
