"""What was accepted would have been paid: the count must hold whatever happens at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from local.simulators import Simulators
from tests.simulators.caller import Caller
from tests.simulators.conftest import ImageHost, Start


def at_once(caller: Caller, prompts: list[str]) -> list[int]:
    """Submit from as many threads; -1 where the answer was lost."""

    def submit(prompt: str) -> int:
        try:
            return caller.submit(prompt).status_code
        except httpx.RemoteProtocolError:
            return -1

    with ThreadPoolExecutor(len(prompts)) as pool:
        return list(pool.map(submit, prompts))


def test_twenty_submits_at_once_are_twenty_jobs(caller: Caller) -> None:
    codes = at_once(caller, [f"Take {number}" for number in range(20)])
    assert all(map(httpx.codes.is_success, codes))
    assert caller.simulators.accepted(caller.provider) == 20
    assert len({job.id for job in caller.simulators.jobs()}) == 20
    assert caller.simulators.calls(caller.provider, "submit") == 20


def test_lost_answers_count_and_refusals_do_not(caller: Caller) -> None:
    prompts = ["[sim: submit=drop-after]", "[sim: submit=drop-before]", "[sim: submit=429]", "Good"]
    codes = at_once(caller, prompts * 5)
    assert codes.count(-1) == 10
    assert caller.simulators.accepted(caller.provider) == 10


def test_first_tries_are_counted_once_each_however_many_come_at_once(caller: Caller) -> None:
    codes = at_once(caller, ["[sim: submit=503 times=7]"] * 20)
    assert codes.count(503) == 7
    assert caller.simulators.accepted(caller.provider) == 13


@pytest.mark.parametrize("provider", ["eachlabs", "luma"])
def test_the_job_limit_holds_against_many_at_once(
    provider: str, start: Start, http: httpx.Client, image_url: str
) -> None:
    limited = Caller(provider, start(max_running={provider: 6}), http, image_url)
    codes = at_once(limited, [f"Take {number}" for number in range(20)])
    assert codes.count(429) == 14
    assert limited.simulators.accepted(provider) == 6


def test_no_more_run_at_once_than_the_limit(
    start: Start, http: httpx.Client, image_url: str
) -> None:
    queued = Caller("oxen", start(max_running={"oxen": 3}), http, image_url)
    at_once(queued, [f"Take {number}" for number in range(10)])
    queued.simulators.advance(200)
    assert {job.state for job in queued.simulators.jobs()} == {"succeeded"}
    assert queued.simulators.max_running("oxen") == 3


def test_the_image_is_fetched_when_the_job_starts(oxen: Caller, image_host: ImageHost) -> None:
    url = image_host.put("/late.jpg", b"")
    oxen.job(image=url)
    asked_at_submit = "/late.jpg" in image_host.asked
    oxen.simulators.advance(4)
    assert not asked_at_submit
    assert "/late.jpg" in image_host.asked


def test_a_job_is_shown_with_what_was_asked_and_without_secrets(caller: Caller) -> None:
    caller.job("A slow rise", aspect_ratio="9:16")
    job = caller.simulators.jobs(caller.provider)[0]
    assert (job.prompt, job.state) == ("A slow rise", "queued")
    assert job.image_host.startswith("127.0.0.1:")
    assert "9:16" in str(job.parameters)
    assert "/photo.jpg" in str(job.parameters)
    assert "secret" not in str(job)


def test_a_reset_forgets_jobs_counts_and_faults(caller: Caller) -> None:
    caller.simulators.set_fault(caller.provider, "submit=503 times=5")
    caller.submit()
    caller.simulators.reset()
    assert caller.submit().is_success
    assert caller.simulators.accepted() == 1
    assert caller.simulators.calls(caller.provider, "submit") == 1


def test_fifty_connections_at_once_are_served(fal: Caller) -> None:
    job_id = fal.job()

    def poll(_: int) -> int:
        with httpx.Client(trust_env=False, timeout=30) as client:
            url = fal.url(f"/luma/agent/requests/{job_id}/status")
            return client.get(url, headers=fal.headers).status_code

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(poll, range(50))) == {202}


def test_closing_is_quick_while_connections_wait(clip_cache: Path) -> None:
    simulators = Simulators(keys={"fal": "k"}, cache_dir=clip_cache)
    with httpx.Client(trust_env=False, timeout=30) as client:
        url = f"{simulators.origin}/_control/jobs"
        assert client.get(url).status_code == 200
        simulators.close()
        with pytest.raises(httpx.TransportError):
            client.get(url)
