"""The handlers in process, with the environment, the events and the logs they have in AWS."""

from __future__ import annotations

import importlib
import io
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import boto3
import httpx
import pytest
from botocore.loaders import Loader

from dropreel.container import Container, Session, container, using
from dropreel.errors import SettingsError
from dropreel.jobs.job import Job, State
from dropreel.observability import logger, metrics
from dropreel.providers.catalog import CATALOG
from dropreel.steps.finalize import Finalize
from dropreel.steps.generate import Generate
from dropreel.steps.poll import Poll
from dropreel.steps.slot import Slot
from dropreel.steps.submit import Submit
from dropreel.steps.sweep import Sweep
from dropreel.steps.thumbnail import Thumbnail
from dropreel.steps.widget import Widget
from local.metrics import emitted
from tests.conftest import ROOT
from tests.support.aws import Aws, make_job
from tests.support.calls import failure_of
from tests.support.metrics import catalogue
from tests.support.mp4 import mp4
from tests.support.pictures import picture
from tests.support.providers import contract

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics")

IMAGE, SIDECAR = "campaign/lighthouse.jpg", "campaign/lighthouse.json"
PROMPT = "slow push-in towards the whispering lighthouse"
KEYS = {name: f"{name}-k3y-0123456789" for name in CATALOG}
CDN = "http://127.0.0.1:8090"
SIGNED = f"{CDN}/out/clip.mp4?X-Amz-Signature=5ec2e7&X-Amz-Expires=3600"
HOSTS = {name: httpx.URL(contract(name)["requests"]["submit"]["url"]).host for name in CATALOG}


@dataclass(frozen=True)
class Context:
    """What Lambda tells a function about its invocation."""

    function_name: str
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        return 840_000


@dataclass
class Wire:
    """What the functions reach by HTTP: answers by method in the given order, else a refusal."""

    answers: dict[str, list[Callable[[], httpx.Response]]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        kind = "download" if str(request.url).startswith(CDN) else request.method
        waiting = self.answers.get(kind)
        return waiting.pop(0)() if waiting else httpx.Response(401, json={"detail": "who?"})

    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests if request.content]


class Functions:
    """The deployed functions, called by name with the events of the services before them."""

    def __init__(self, aws: Aws, wire: Wire, log: io.StringIO) -> None:
        self.aws = aws
        self.wire = wire
        self._log = log

    def call(self, name: str, event: dict[str, Any]) -> dict[str, Any]:
        return dict(module(name).handler(event, Context(function_name=name)))

    def drop(self, **fields: Any) -> None:
        self.aws.s3.put_object(Bucket="inbox", Key=IMAGE, Body=picture())
        sidecar = json.dumps({"prompt": PROMPT, **fields})
        self.aws.s3.put_object(Bucket="inbox", Key=SIDECAR, Body=sidecar)

    def started(self) -> dict[str, Any]:
        """What the one execution carries through the workflow."""
        (execution,) = self.aws.executions()
        arn = execution["executionArn"]
        described = self.aws.workflow.describe_execution(executionArn=arn)
        return {"job_id": json.loads(described["input"])["job_id"], "execution_id": arn}

    def finish(self, carried: dict[str, Any], **knowledge: Any) -> dict[str, Any]:
        known = {"run": 1, "polls": 0, "fetches": 0, "accident": "", **knowledge}
        return self.call("finalize", {**carried, **known})

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.getvalue().splitlines()]

    def log_text(self) -> str:
        return self._log.getvalue()


def module(name: str) -> ModuleType:
    return importlib.import_module(f"functions.{name}.handler")


@pytest.fixture(scope="module", autouse=True)
def _service_models_read_once() -> Iterator[None]:
    """Every function opens a session of its own, which reads all descriptions of AWS anew."""
    loader = Loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda _: loader)
        yield


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def functions(aws: Aws, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[Functions]:
    secrets = boto3.client("secretsmanager")
    secret = secrets.create_secret(Name="keys", SecretString=json.dumps(KEYS))
    environment = {
        "INBOX_BUCKET": "inbox",
        "CLIPS_BUCKET": "clips",
        "LEDGER_TABLE": "ledger",
        "INGEST_QUEUE_URL": aws.ingest_queue,
        "THUMBNAIL_FUNCTION": "thumbnail",
        "RESULTS_TOPIC_ARN": aws.results.topic_arn,
        "OPERATORS_TOPIC_ARN": aws.operators.topic_arn,
        "STATE_MACHINE_ARN": aws.machine_arn,
        "PROVIDERS": "luma",
        "SIDECAR_GRACE_SECONDS": "900",
        "PROVIDER_KEYS_SECRET": secret["ARN"],
        "PROVIDER_OPTIONS": "{}",
        "WATCH_SECONDS": "40",
        "JOB_DEADLINE_MINUTES": "60",
        "SOURCE_URL_SECONDS": "3600",
        "TRUSTED_RESULT_ORIGINS": CDN,
        "MAX_CLIP_MEGABYTES": "10",
        "ALLOW_PAID_CALLS": "true",
        "ALLOW_UNKNOWN_PRICES": "false",
        "PRICE_OVERRIDES": "{}",
        "JOB_CAP_USD": "5",
        "DAILY_CAP_USD": "25",
        "MONTHLY_CAP_USD": "250",
        "MAX_ORDERS_PER_JOB": "2",
        "FAILOVER_PROVIDERS": "",
        "CANCEL_STALLED_ORDERS": "false",
        "DIGEST_ABOVE": "1",
        "DIGEST_MINUTES": "10",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    # Both read these when they are first imported, which in tests is before any fixture.
    monkeypatch.setattr(metrics.provider, "namespace", "dropreel")
    monkeypatch.setattr(metrics.provider, "service", "dropreel")
    metrics.clear_metrics()
    session = cast("Session", boto3.session.Session())
    with using(Container(os.environ, session, transport=httpx.MockTransport(wire))):
        yield Functions(aws, wire, log)
    metrics.clear_metrics()


def clip() -> httpx.Response:
    body = mp4(5.0, 64, 36)
    return httpx.Response(200, headers={"Content-Length": str(len(body))}, content=iter([body]))


def answer(status: int, **body: Any) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(status, json=body)


def generation(state: str, **more: Any) -> Callable[[], httpx.Response]:
    return answer(200, id="gen-1", state=state, **more)


DONE = generation("completed", output=[{"type": "video", "url": SIGNED}])


# --- submit ----------------------------------------------------------------------------------


def test_only_the_message_that_could_not_be_handled_comes_again(
    functions: Functions, events: Path
) -> None:
    functions.drop()
    batch = json.loads((events / "sqs-batch.json").read_text())
    broken = batch["Records"][1]["messageId"]
    answered = functions.call("submit", batch)
    assert answered == {"batchItemFailures": [{"itemIdentifier": broken}]}
    carried = functions.started()
    assert functions.aws.ledger.require(carried["job_id"]).state is State.CLAIMED
    (error,) = [line for line in functions.log() if line["level"] == "ERROR"]
    assert "will be tried again" in error["message"]
    assert error["exception_name"] == "JSONDecodeError"
    assert not {"job_id", "image_key"} & set(error)


def test_when_no_message_could_be_handled_all_of_them_come_again(
    functions: Functions, events: Path
) -> None:
    batch = json.loads((events / "sqs-batch.json").read_text())
    batch["Records"] = batch["Records"][1:]
    assert len(functions.call("submit", batch)["batchItemFailures"]) == 1
    assert functions.aws.executions() == []


def test_a_batch_that_was_delivered_twice_starts_one_job(
    functions: Functions, events: Path
) -> None:
    functions.drop()
    batch = json.loads((events / "sqs-batch.json").read_text())
    batch["Records"] = batch["Records"][:1]
    for _ in range(2):
        assert functions.call("submit", batch) == {"batchItemFailures": []}
    assert len(functions.aws.executions()) == 1


def test_a_tagged_image_is_pinned_without_its_tags(functions: Functions, events: Path) -> None:
    functions.drop()
    tags = {"TagSet": [{"Key": "project", "Value": "lighthouse"}]}
    functions.aws.s3.put_object_tagging(Bucket="inbox", Key=IMAGE, Tagging=tags)
    submit(functions, events)
    (pinned,) = functions.aws.stored("sources/")
    found = functions.aws.s3.get_object_tagging(Bucket="clips", Key=pinned)
    assert found["TagSet"] == []


# --- the way of one image --------------------------------------------------------------------


def submit(functions: Functions, events: Path) -> dict[str, Any]:
    batch = json.loads((events / "sqs-batch.json").read_text())
    batch["Records"] = batch["Records"][:1]
    assert functions.call("submit", batch) == {"batchItemFailures": []}
    return functions.started()


def test_an_image_comes_through_all_four_functions(functions: Functions, events: Path) -> None:
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


def eventful(functions: Functions, events: Path) -> dict[str, Any]:
    """A whole run in which everything that can be said about trouble is said.

    The provider quotes the request in its answers, as some do: the presigned address of the
    image, and the key.
    """
    wire = functions.wire

    def quoting(status: int) -> Callable[[], httpx.Response]:
        def said() -> httpx.Response:
            asked = wire.bodies()[-1] if wire.bodies() else {}
            url = asked.get("video", {}).get("start_frame", {}).get("url", "")
            key = wire.requests[-1].headers.get("authorization", "")
            return httpx.Response(status, json={"detail": f"cannot {url} with {key} now"})

        return said

    wire.answers = {
        "POST": [quoting(429), answer(201, id="gen-1", state="queued")],
        "GET": [quoting(502), generation("pondering"), DONE, DONE, DONE, DONE],
        "download": [
            answer(403),
            lambda: httpx.Response(200, content=iter([b"<html>Sorry"])),
            clip,
        ],
    }
    functions.drop()
    carried = submit(functions, events)
    assert functions.call("generate", {**carried, "tries": 0})["outcome"] == "wait"
    assert functions.call("generate", {**carried, "tries": 1})["outcome"] == "accepted"
    outcomes = [functions.call("poll", carried)["outcome"] for _ in range(3)]
    assert outcomes == ["wait", "wait", "ready"]
    outcomes = [functions.finish(carried, fetches=number)["outcome"] for number in range(3)]
    assert outcomes == ["wait", "wait", "delivered"]
    return carried


def test_every_line_of_the_workflow_names_the_job_and_its_execution(
    functions: Functions, events: Path
) -> None:
    carried = eventful(functions, events)
    lines = functions.log()
    named = {line["function_name"] for line in lines}
    assert named == {"submit", "generate", "poll", "finalize"}
    for line in lines:
        assert line["job_id"] == carried["job_id"]
        if line["function_name"] == "submit":
            assert line["image_key"] == IMAGE
        else:
            assert line["execution_id"] == carried["execution_id"]
        assert line["function_request_id"] == Context.aws_request_id


QUERY = re.compile(r"https?://[^\s\"\\]*\?(?!\[\.\.\.\])")  # what is left of a masked one


def test_nothing_secret_is_ever_logged(
    functions: Functions,
    events: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO)  # as Lambda does for all libraries
    eventful(functions, events)
    functions.drop(duration="7s")
    batch = json.loads((events / "sqs-batch.json").read_text())
    functions.call("submit", batch)
    written = functions.log_text() + caplog.text + "".join(capsys.readouterr())
    assert "drop rejected" in written
    assert "could not be fetched" in written
    for secret in (PROMPT, "whispering", KEYS["luma"], "X-Amz-Signature", "5ec2e7"):
        assert secret not in written
    assert QUERY.findall(written) == []


def test_what_happens_is_counted_under_the_products_name(
    functions: Functions, events: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    eventful(functions, events)
    found = emitted(capsys.readouterr().out.splitlines())
    assert {series.metric: series.unit for series in found}.items() <= catalogue().items()
    assert {value for series in found for value in series.values if value[0] == "service"} == {
        ("service", "dropreel")
    }
    once = {series.metric.name for series, values in found.items() if values == [1]}
    assert once >= {"JobStarted", "ClipOrdered", "ClipDelivered"}
    assert {"ProviderErrors", "SecondsToClip", "SpentToday", "BudgetUsed"} <= {
        series.metric.name for series in found
    }


# --- generate and finalize -------------------------------------------------------------------


@pytest.mark.parametrize("name", CATALOG)
def test_every_provider_is_asked_at_its_own_address_with_its_own_key(
    functions: Functions, name: str
) -> None:
    job = functions.aws.ledger.claim(make_job(provider=name, estimate_usd=Decimal("0.15")))
    event = {"job_id": job.job_id, "execution_id": "e", "tries": 0}
    assert functions.call("generate", event) == {"outcome": "ended", "state": "refused"}
    (request,) = functions.wire.requests
    assert (request.method, request.url.host) == ("POST", HOSTS[name])
    assert KEYS[name] in " ".join(request.headers.values())
    assert failure_of(functions.aws.ledger.require(job.job_id))["kind"] == "auth"


def test_an_aborted_execution_is_told(functions: Functions, events: Path) -> None:
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


def test_the_queue_brings_the_word_to_tell_many_results_together(
    functions: Functions, events: Path
) -> None:
    def rejected(name: str) -> dict[str, Any]:
        metadata = {"prompt": "push"}
        functions.aws.s3.put_object(Bucket="inbox", Key=name, Body=b"no", Metadata=metadata)
        return {"detail": {"object": {"key": name}}}

    record = json.loads((events / "sqs-batch.json").read_text())["Records"][0]
    drops = [rejected(f"{number}.jpg") for number in range(3)]

    def call(*messages: Any) -> None:
        records = [
            {**record, "messageId": str(number), "body": json.dumps(message)}
            for number, message in enumerate(messages)
        ]
        assert functions.call("submit", {"Records": records}) == {"batchItemFailures": []}

    call(*drops)
    (counter,) = {
        item["pk"] for item in functions.aws.table.query_index("unsettled", "unsettled", "mails")
    }
    call({"digest": counter.removeprefix("MAILS#")})
    told = [mail for mail in functions.aws.results.take() if mail["outcome"] == "digest"]
    assert [mail["counts"] for mail in told] == [{"rejected": 2}]


def test_the_sweep_also_looks_whether_anybody_gets_the_mails(functions: Functions) -> None:
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


STEPS = (Submit, Slot, Generate, Poll, Finalize, Sweep, Thumbnail, Widget)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_without_its_settings_says_which(step: type[Any]) -> None:
    bare = Container({}, cast("Session", boto3.session.Session()))
    with pytest.raises(SettingsError, match=r"missing or wrong environment variables: [A-Z_, ]+"):
        bare.step(step)


def test_every_function_has_its_step() -> None:
    functions = {path.parent.name for path in ROOT.glob("functions/*/handler.py")}
    assert {step.__module__.rpartition(".")[2] for step in STEPS} == functions


def test_a_step_is_built_once_per_container(functions: Functions) -> None:
    assert [container().step(step) for step in STEPS] == [container().step(step) for step in STEPS]
