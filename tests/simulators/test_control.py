"""The control door and the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from dropreel.providers.catalog import CATALOG
from local.simulators import PROVIDERS, ManualClock, MarkerError, Settings, Simulators
from tests.simulators.caller import KEYS, Caller, control

ROOT = Path(__file__).parents[2]


def test_every_provider_of_the_catalog_has_a_simulator(fal: Caller) -> None:
    assert set(CATALOG) == set(PROVIDERS) == set(fal.simulators.base_urls())


def test_jobs_and_counters_can_be_read(fal: Caller) -> None:
    job_id, _ = fal.finished(), fal.submit("[sim: submit=500]")
    fal.http.get(fal.clip_url(job_id))
    body = fal.http.get(f"{fal.simulators.origin}/_control/jobs").json()
    assert [(job["id"], job["state"]) for job in body["jobs"]] == [(job_id, "succeeded")]
    counters = body["counters"]
    assert counters["accepted"] == {**dict.fromkeys(PROVIDERS, 0), "fal": 1}
    assert counters["calls"]["fal"] == {"answer": 1, "download": 1, "submit": 2}
    assert counters["max_running"]["fal"] == 1
    assert counters["keys_seen_on_cdn"] == 0


def test_a_fault_of_the_run_can_be_set_and_cleared(fal: Caller) -> None:
    assert control(fal, "faults", provider="fal", marker="submit=503").status_code == 200
    assert fal.submit().status_code == 503
    assert control(fal, "faults", provider="fal", marker=None).status_code == 200
    assert fal.submit().status_code == 200


@pytest.mark.parametrize(
    "body", [{"provider": "gcp", "marker": "submit=503"}, {"provider": "fal", "marker": "x=1"}]
)
def test_an_unknown_fault_is_refused(fal: Caller, body: dict[str, object]) -> None:
    response = control(fal, "faults", **body)
    assert response.status_code == 400
    assert "simulator: " in response.json()["error"]


def test_everything_can_be_reset(fal: Caller) -> None:
    fal.job()
    assert control(fal, "reset").status_code == 200
    assert fal.simulators.jobs() == []


def test_an_unknown_path_is_404(fal: Caller) -> None:
    assert fal.http.get(f"{fal.simulators.origin}/_control/nothing").status_code == 404
    assert fal.http.get(f"{fal.simulators.origin}/nothing").status_code == 404


def test_only_known_providers_can_be_set_up() -> None:
    with pytest.raises(ValueError, match="no provider is called 'gcp'"):
        Settings(keys={"gcp": "x"})


def test_a_real_clock_cannot_be_advanced(clip_cache: Path, clock: ManualClock) -> None:
    del clock
    with Simulators(keys=KEYS, cache_dir=clip_cache) as simulators:
        with pytest.raises(TypeError, match="ManualClock"):
            simulators.advance(1)
        with pytest.raises(MarkerError):
            simulators.set_fault("fal", "nonsense")


def test_the_command_line_serves_until_standard_input_closes() -> None:
    command = [sys.executable, "-m", "local.simulators", "--key", "fal=id:secret"]
    options = ["--render-seconds", "0.5", "--max-running", "luma=10", "--until-stdin-closes"]
    with subprocess.Popen(  # noqa: S603 - this project's own program
        [*command, *options], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdin
        ready = json.loads(process.stdout.readline())
        assert ready["base_urls"]["fal"] == f"http://127.0.0.1:{ready['port']}/fal"
        answer = httpx.get(f"http://127.0.0.1:{ready['port']}/_control/jobs", trust_env=False)
        assert answer.json()["jobs"] == []
        process.stdin.close()
        assert process.wait(timeout=10) == 0
