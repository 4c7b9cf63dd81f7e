"""What can go wrong in a submit, a poll or a cancel, at each provider in turn."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.simulators.caller import FAL_ENDPOINT, Caller, until
from tests.support.providers import contract


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 422, 429, 500, 502, 503, 504])
def test_a_submit_can_be_refused_with_any_code(caller: Caller, code: int) -> None:
    response = caller.submit(f"[sim: submit={code} retry_after=2]")
    assert response.status_code == code
    assert response.headers["Retry-After"] == "2"
    assert response.headers["Content-Type"] == "application/json"
    assert set(response.json()) & set(contract(caller.provider)["error"])
    assert caller.simulators.accepted() == 0


def test_a_refusal_can_pass(caller: Caller) -> None:
    prompt = "[sim: submit=503 times=2]"
    codes = [caller.submit(prompt).status_code for _ in range(3)]
    assert codes[:2] == [503, 503]
    assert httpx.codes.is_success(codes[2])
    assert caller.simulators.accepted() == 1


def test_a_new_signature_of_the_same_image_is_the_same_job(caller: Caller) -> None:
    prompt = "[sim: submit=503 times=1]"
    caller.submit(prompt)
    signed_anew = caller.image_url.replace("secret", "other")
    assert caller.submit(prompt, image=signed_anew).is_success


@pytest.mark.parametrize(
    ("fault", "accepted"), [("drop-before", 0), ("drop-after", 1), ("drop-mid", 1)]
)
def test_a_submit_can_lose_its_answer(caller: Caller, fault: str, accepted: int) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        caller.submit(f"[sim: submit={fault}]")
    assert caller.simulators.accepted(caller.provider) == accepted


def test_a_submit_can_be_answered_too_late(caller: Caller) -> None:
    headers, body = caller.headers, caller.body("[sim: submit=slow-after:0.4]")
    with pytest.raises(httpx.ReadTimeout):
        caller.http.post(caller.submit_url, json=body, headers=headers, timeout=0.2)
    until(lambda: caller.simulators.accepted(caller.provider) == 1)


def test_a_submit_can_be_answered_with_a_page(caller: Caller) -> None:
    response = caller.submit("[sim: submit=html]")
    assert (response.status_code, response.text[:9]) == (200, "<!doctype")
    assert caller.simulators.accepted() == 1


def test_a_submit_can_be_answered_without_an_id(caller: Caller) -> None:
    response = caller.submit("[sim: submit=no-id]")
    job_id = caller.simulators.jobs()[0].id
    assert response.is_success
    assert job_id not in response.text


def test_a_misspelt_switch_is_refused_loudly(caller: Caller) -> None:
    response = caller.submit("[sim: sumbit=429]")
    assert response.status_code == 400
    assert "unknown switch 'sumbit'" in response.text


@pytest.mark.parametrize("code", [404, 429, 500])
def test_a_poll_can_be_refused_for_a_while(caller: Caller, code: int) -> None:
    job_id = caller.job(f"[sim: status={code} times=2 retry_after=1]")
    answers = [caller.status(job_id) for _ in range(3)]
    assert [answer.status_code for answer in answers[:2]] == [code, code]
    assert answers[0].headers["Retry-After"] == "1"
    assert answers[2].is_success


def test_a_poll_can_lose_its_answer(caller: Caller) -> None:
    job_id = caller.job("[sim: status=drop times=1]")
    with pytest.raises(httpx.RemoteProtocolError):
        caller.status(job_id)
    assert caller.status(job_id).is_success


def test_a_poll_can_be_answered_with_a_page(caller: Caller) -> None:
    response = caller.status(caller.job("[sim: status=html]"))
    assert response.headers["Content-Type"].startswith("text/html")


def test_a_poll_can_be_answered_with_the_page_of_a_gateway(caller: Caller) -> None:
    response = caller.status(caller.job("[sim: status=html:502]"))
    assert (response.status_code, response.text[:9]) == (502, "<!doctype")


def test_a_poll_can_be_slow(caller: Caller) -> None:
    job_id = caller.job("[sim: status=slow:0.2]")
    begin = time.monotonic()
    assert caller.status(job_id).is_success
    assert time.monotonic() - begin >= 0.2


def test_a_poll_can_say_a_word_that_no_one_knows(caller: Caller) -> None:
    assert caller.word(caller.job("[sim: status=word:PONDERING]")) == "PONDERING"


def test_the_result_of_fal_can_fail_on_the_way(fal: Caller) -> None:
    job_id = fal.finished("[sim: answer=502 times=1]")
    assert [fal.result(job_id).status_code for _ in range(2)] == [502, 200]


@pytest.mark.parametrize("provider", ["eachlabs", "oxen", "fal"])
def test_a_cancel_can_be_refused_or_ignored(caller: Caller) -> None:
    refused, ignored = caller.job("[sim: cancel=500]"), caller.job("[sim: cancel=ignored]")
    assert caller.cancel(refused).status_code == 500
    assert caller.cancel(ignored).is_success
    caller.simulators.advance(100)
    assert [job.state for job in caller.simulators.jobs()] == ["succeeded", "succeeded"]


def test_a_good_end_can_come_without_a_file(caller: Caller) -> None:
    job_id = caller.finished("[sim: end=no-output]")
    answer = caller.result(job_id) if caller.provider == "fal" else caller.status(job_id)
    assert answer.is_success
    assert caller.word(job_id) == caller.word(caller.finished())
    assert "/clip.mp4" not in answer.text


def test_success_can_come_before_its_file(caller: Caller) -> None:
    job_id = caller.finished("[sim: output=late times=2]")
    look = caller.result if caller.provider == "fal" else caller.status
    answers = [look(job_id) for _ in range(3)]
    assert [answer.is_success for answer in answers] == [True] * 3
    assert ["/clip.mp4" in answer.text for answer in answers] == [False, False, True]


def test_a_job_can_end_well_on_the_second_try(caller: Caller) -> None:
    prompt = "[sim: end=failed times=1]"
    states = [caller.finished(prompt), caller.finished(prompt)]
    assert [job.state for job in caller.simulators.jobs()] == ["failed", "succeeded"]
    assert len(set(states)) == 2


def test_a_job_takes_as_long_as_its_marker_says(caller: Caller) -> None:
    caller.job("[sim: render=100]")
    caller.simulators.advance(99)
    assert caller.simulators.jobs()[0].state == "running"
    caller.simulators.advance(1)
    assert caller.simulators.jobs()[0].state == "succeeded"


def test_a_fault_of_a_whole_run_meets_every_job(caller: Caller) -> None:
    caller.simulators.set_fault(caller.provider, "submit=503")
    codes = [caller.submit("One").status_code, caller.submit("Two").status_code]
    caller.simulators.set_fault(caller.provider, None)
    assert codes == [503, 503]
    assert caller.submit("One").is_success


LISTS = {
    "eachlabs": ("/v1/executions", {}, "executions"),
    "oxen": ("/queue", {}, "generations"),
    "fal": ("/v1/models/requests/by-endpoint", {"endpoint_id": FAL_ENDPOINT}, "items"),
}


def listed(caller: Caller) -> int:
    path, query, name = LISTS[caller.provider]
    return len(caller.get(path, **query).json()[name])


@pytest.mark.parametrize("provider", list(LISTS))
def test_a_job_can_be_listed_late(caller: Caller) -> None:
    caller.job("[sim: render=100 listed=30]")
    seen = [listed(caller)]
    caller.simulators.advance(29)
    seen.append(listed(caller))
    caller.simulators.advance(1)
    assert [*seen, listed(caller)] == [0, 0, 1]


@pytest.mark.parametrize("provider", ["eachlabs", "fal"])
def test_a_job_can_be_listed_when_it_has_ended(caller: Caller) -> None:
    caller.job("[sim: render=100 listed=ended]")
    caller.simulators.advance(99)
    running = listed(caller)
    caller.simulators.advance(1)
    assert (running, listed(caller)) == (0, 1)
