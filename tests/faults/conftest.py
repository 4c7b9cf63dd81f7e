"""One world for all plays of a test session, the plan of all cells, and AWS by moto."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from dropreel.observability import metrics
from local.faults.asl import Machine
from local.faults.faults import Cell
from local.faults.functions import quiet
from local.faults.matrix import plan
from local.faults.world import World
from tests.support.aws import Aws, resources
from tests.support.policies import Call
from tests.support.rights import called, short


@dataclass
class Recorder:
    """All calls of AWS in the plays so far, each kind once."""

    calls: set[Call] = field(default_factory=set)

    def note(self, function: str, call: str, request: dict[str, Any]) -> None:
        self.calls.update(map(short, called(function, call, request)))


@pytest.fixture(scope="package")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="package")
def played_in(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[World]:
    cache: Path = tmp_path_factory.mktemp("clips")
    with closing(World(cache, Machine.read())) as made:
        made.wire.watchers.append(recorder.note)
        yield made


@pytest.fixture(scope="package")
def cells(played_in: World) -> list[Cell]:
    """The whole matrix."""
    with quiet():
        return plan(played_in)


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    """Not for as long as the world lives: other tests want logs and metrics."""
    with quiet():
        yield


@pytest.fixture(autouse=True)
def _no_metrics_left() -> Iterator[None]:
    """Metrics of functions that were called without their handlers would add up."""
    yield
    metrics.clear_metrics()


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """AWS as moto has it, to compare the stand-ins with."""
    with mock_aws():
        yield resources()
