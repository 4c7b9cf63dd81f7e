"""The handlers in process, called with the events of AWS, and what they reach by HTTP."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx

from dropreel.providers.catalog import CATALOG
from local.environment import ENVIRONMENT
from tests.support.aws import Aws
from tests.support.mp4 import mp4
from tests.support.pictures import picture

IMAGE, SIDECAR = "campaign/lighthouse.jpg", "campaign/lighthouse.json"
PROMPT = "slow push-in towards the whispering lighthouse"
KEYS = {name: f"{name}-k3y-0123456789" for name in CATALOG}
CDN = "http://127.0.0.1:8090"
SIGNED = f"{CDN}/out/clip.mp4?X-Amz-Signature=5ec2e7&X-Amz-Expires=3600"


@dataclass(frozen=True)
class Context:
    """What Lambda passes to a function about its invocation."""

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


def clip() -> httpx.Response:
    body = mp4(5.0, 64, 36)
    return httpx.Response(200, headers={"Content-Length": str(len(body))}, content=iter([body]))


def answer(status: int, **body: Any) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(status, json=body)


def generation(state: str, **more: Any) -> Callable[[], httpx.Response]:
    return answer(200, id="gen-1", state=state, **more)


DONE = generation("completed", output=[{"type": "video", "url": SIGNED}])


def submit(functions: Functions, events: Path) -> dict[str, Any]:
    batch = json.loads((events / "sqs-batch.json").read_text())
    batch["Records"] = batch["Records"][:1]
    assert functions.call("submit", batch) == {"batchItemFailures": []}
    return functions.started()


def environment(aws: Aws, secret_arn: str) -> dict[str, str]:
    """The variables of all functions together."""
    return {
        **ENVIRONMENT,
        "INGEST_QUEUE_URL": aws.ingest_queue,
        "RESULTS_TOPIC_ARN": aws.results.topic_arn,
        "OPERATORS_TOPIC_ARN": aws.operators.topic_arn,
        "STATE_MACHINE_ARN": aws.machine_arn,
        "SETTLE_SECONDS": "0",
        "PROVIDER_KEYS_SECRET": secret_arn,
        "TRUSTED_RESULT_ORIGINS": CDN,
        "MAX_CLIP_MEGABYTES": "10",
        "DIGEST_ABOVE": "1",
    }
