"""The handlers in process, from an image to its clip, with the environment they have in AWS."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from dropreel.jobs.job import Job
from dropreel.providers.catalog import CATALOG
from tests.support.aws import make_job
from tests.support.calls import failure_of
from tests.support.functions import (
    DONE,
    IMAGE,
    KEYS,
    PROMPT,
    Context,
    Functions,
    answer,
    clip,
    generation,
    module,
    submit,
)
from tests.support.mp4 import mp4
from tests.support.providers import contract

pytestmark = [pytest.mark.on_moto, pytest.mark.filterwarnings("ignore:No application metrics")]


def test_an_image_is_delivered_by_submit_generate_poll_and_finalize(
    functions: Functions, events: Path
) -> None:
    functions.wire.answers = {
        "POST": [answer(201, id="gen-1", state="queued")],
        "GET": [generation("processing"), DONE, DONE],
        "download": [clip],
    }
    functions.drop()
    carried = submit(functions, events)
    assert functions.call("generate", {**carried, "tries": 0})["outcome"] == "accepted"
    assert functions.call("poll", carried)["outcome"] == "wait"
    assert functions.call("poll", carried)["outcome"] == "ready"
    delivered = functions.finish(carried, polls=2)
    assert delivered["outcome"] == "delivered"
    stored = functions.aws.s3.get_object(Bucket="clips", Key=delivered["clip"])["Body"].read()
    assert stored == mp4(5.0, 64, 36)
    (mail,) = functions.aws.results.take()
    assert (mail["outcome"], mail["image"]) == ("delivered", IMAGE)
    (asked,) = functions.wire.bodies()
    assert asked["prompt"] == PROMPT
    assert "X-Amz-Signature=" in asked["video"]["start_frame"]["url"]


@pytest.mark.parametrize("name", CATALOG)
def test_every_provider_is_called_at_its_own_host_with_its_own_key(
    functions: Functions, name: str
) -> None:
    job = functions.aws.ledger.claim(make_job(provider=name, estimate_usd=Decimal("0.15")))
    event = {"job_id": job.job_id, "execution_id": "e", "tries": 0}
    assert functions.call("generate", event) == {"outcome": "ended", "state": "refused"}
    (request,) = functions.wire.requests
    host = httpx.URL(contract(name)["requests"]["submit"]["url"]).host
    assert (request.method, request.url.host) == ("POST", host)
    assert KEYS[name] in " ".join(request.headers.values())
    assert failure_of(functions.aws.ledger.require(job.job_id))["kind"] == "auth"


def test_an_aborted_execution_is_mailed_and_logged(functions: Functions, events: Path) -> None:
    event = json.loads((events / "execution-aborted.json").read_text())
    job: Job = make_job()
    functions.aws.ledger.claim(job)
    event["detail"]["input"] = json.dumps({"job_id": job.job_id})
    machine = event["detail"]["executionArn"].rpartition(":")[0]
    event["detail"]["executionArn"] = f"{machine}:{job.execution_name}"
    assert functions.call("finalize", event)["error"] == "refused.accident"
    assert functions.aws.results.take()[0]["outcome"] == "refused"
    (error, *_) = functions.log()
    assert error["accident"] == "the workflow was aborted"
    assert error["execution_id"] == event["detail"]["executionArn"]


def test_a_late_clip_starts_the_workflow_again(functions: Functions, events: Path) -> None:
    functions.wire.answers = {
        "POST": [answer(201, id="gen-1", state="queued")],
        "GET": [generation("processing"), DONE],
    }
    functions.drop()
    carried = submit(functions, events)
    functions.call("generate", {**carried, "tries": 0})
    functions.call("poll", carried)
    assert functions.finish(carried, accident="States.Timeout")["state"] == "stalled"
    assert functions.call("sweep", {}) == {"late": 1}
    names = [execution["name"] for execution in functions.aws.executions()]
    assert len(names) == 2
    assert any("-late-" in name for name in names)


def test_the_sweep_alerts_operators_when_a_topic_has_no_subscriber(functions: Functions) -> None:
    assert functions.call("sweep", {}) == {}
    (warning,) = functions.aws.operators.take()  # moto knows of no confirmed subscriber
    assert warning["alert"] == "subscribers"


def test_a_thumbnail_is_made_and_shown_by_the_widget(functions: Functions, events: Path) -> None:
    functions.drop()
    carried = submit(functions, events)
    job = functions.aws.ledger.require(carried["job_id"])
    order = {"job_id": job.job_id, "pinned_key": job.source.pinned_key}
    assert module("thumbnail").handler(order, Context("thumbnail")) is None
    shown = module("widget").handler({}, Context("widget"))
    assert '<img alt="" src="data:image/jpeg;base64,' in shown
    assert IMAGE in shown
    assert f'endpoint="{Context("widget").invoked_function_arn}"' in shown
    assert module("widget").handler({"describe": True}, Context("widget")).startswith("## ")
    assert functions.log()[-1]["message"] != "no thumbnail"
