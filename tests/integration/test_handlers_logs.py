"""What the handlers log and count: every job by name, and no secret ever."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.metrics import emitted
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
    submit,
)
from tests.support.metrics import catalogue

pytestmark = [pytest.mark.on_moto, pytest.mark.filterwarnings("ignore:No application metrics")]


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
            detail = f"too many concurrent jobs: cannot {url} with {key} now"
            return httpx.Response(status, json={"detail": detail})

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


def test_every_log_line_names_the_job_and_its_execution(functions: Functions, events: Path) -> None:
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


def test_metrics_are_those_of_the_catalogue_under_the_products_name(
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
